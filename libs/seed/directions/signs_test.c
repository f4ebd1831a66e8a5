#include "seed/directions/signs.h"

#include "seed/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARAMETERS 4200

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* The definition: one parameter, one direction, one bit. */
static void plain_subtract(uint32_t *g, uint64_t i, uint64_t seed, uint32_t amount)
{
    uint32_t words[4];
    sam_philox(words, seed, sam_counter(i / 128, SAM_STREAM_DIRECTION, 0));
    bool minus = (words[i % 128 / 32] >> (i % 32) & 1) != 0;
    *g = minus ? *g + amount : *g - amount;
}

static void check_case(const sam_sign_kernel *kernel, uint64_t parameters, size_t count)
{
    uint32_t expected[MOST_PARAMETERS], amounts[SAM_SIGN_BATCH];
    int32_t g[MOST_PARAMETERS + 1];
    uint64_t seeds[SAM_SIGN_BATCH], random = parameters * 1000 + count + 1;
    for (size_t m = 0; m < count; m++) {
        seeds[m] = draw(&random);
        amounts[m] = (uint32_t)draw(&random); /* all 32 bits: sums wrap */
    }
    for (uint64_t i = 0; i < parameters; i++) {
        expected[i] = (uint32_t)draw(&random);
        g[i] = (int32_t)expected[i];
        for (size_t m = 0; m < count; m++)
            plain_subtract(&expected[i], i, seeds[m], amounts[m]);
    }
    g[parameters] = 4711;
    kernel->subtract(g, parameters, seeds, amounts, count);
    for (uint64_t i = 0; i < parameters; i++)
        if ((uint32_t)g[i] != expected[i])
            fail_msg("%s: parameter %llu of %llu, %zu directions", kernel->name, (unsigned long long)i,
                     (unsigned long long)parameters, count);
    assert_int_equal(g[parameters], 4711);
}

static void every_kernel_of_this_cpu_equals_the_plain_definition(void **state)
{
    (void)state;
    static const struct {
        uint64_t parameters;
        size_t count;
    } CASES[] = {{1, 1},     {31, 2},    {128, 3},    {129, 4},    {2047, 5},   {2048, 15},
                 {2049, 16}, {4200, 17}, {4096, 100}, {4200, 511}, {2300, 512}, {700, SAM_SIGN_BATCH}};
    for (const sam_sign_kernel *const *kernel = sam_sign_kernels_all(); *kernel != NULL; kernel++)
        for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++)
            if ((*kernel)->runs_here())
                check_case(*kernel, CASES[c].parameters, CASES[c].count);
}

static void check_drawn(const sam_sign_stream *stream, uint64_t first, size_t count, const uint64_t *signs)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t at = first + i;
        uint32_t words[4];
        sam_philox(words, stream->key, sam_counter(at / 128, stream->stream, stream->part));
        uint32_t plain = words[at % 128 / 32] >> (at % 32) & 1;
        if (plain != (signs[i / 64] >> (i % 64) & 1))
            fail_msg("sign %zu of %zu from %llu on", i, count, (unsigned long long)first);
    }
}

static void drawn_signs_equal_the_plain_definition(void **state)
{
    (void)state;
    static const sam_sign_stream STREAMS[] = {{5, SAM_STREAM_SIGNS, 0}, {0x123456789abcdef, SAM_STREAM_DIRECTION, 77}};
    static const uint64_t FIRST[] = {0, 1, 64, 127, 128, 2000, ((uint64_t)128 << 32) - 700}; /* a block's second word */
    static const size_t COUNT[] = {1, 63, 64, 65, 128, 1000, 1024, 2048, 2049, 4200};
    uint64_t signs[MOST_PARAMETERS / 64 + 2];
    for (size_t s = 0; s < 2; s++)
        for (size_t f = 0; f < sizeof FIRST / sizeof *FIRST; f++)
            for (size_t c = 0; c < sizeof COUNT / sizeof *COUNT; c++) {
                size_t words = (COUNT[c] + 63) / 64;
                signs[words] = 4711;
                sam_signs_draw(&STREAMS[s], FIRST[f], COUNT[c], signs);
                check_drawn(&STREAMS[s], FIRST[f], COUNT[c], signs);
                assert_int_equal(signs[words], 4711);
            }
}

static void every_kernel_of_this_cpu_draws_the_plain_signs(void **state)
{
    (void)state;
    static const sam_sign_stream STREAM = {0xfedcba9876543210, SAM_STREAM_SIGNS, 3};
    static const uint64_t FIRST[] = {0, 5, 0xfffffffc};
    uint64_t signs[2 * 35 + 1];
    for (const sam_sign_kernel *const *kernel = sam_sign_kernels_all(); *kernel != NULL; kernel++)
        for (size_t blocks = 1; blocks < 36 && (*kernel)->runs_here(); blocks++)
            for (size_t f = 0; f < sizeof FIRST / sizeof *FIRST; f++) {
                signs[2 * blocks] = 4711;
                (*kernel)->draw(&STREAM, FIRST[f], blocks, signs);
                check_drawn(&STREAM, 128 * FIRST[f], 128 * blocks, signs);
                assert_int_equal(signs[2 * blocks], 4711);
            }
}

static void the_best_kernel_is_the_first_that_runs_here(void **state)
{
    (void)state;
    const sam_sign_kernel *const *all = sam_sign_kernels_all(), *best = sam_sign_kernel_best();
    assert_true(best->runs_here());
    for (size_t i = 0; all[i] != best; i++)
        assert_false(all[i]->runs_here());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_of_this_cpu_equals_the_plain_definition),
        cmocka_unit_test(every_kernel_of_this_cpu_draws_the_plain_signs),
        cmocka_unit_test(drawn_signs_equal_the_plain_definition),
        cmocka_unit_test(the_best_kernel_is_the_first_that_runs_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
