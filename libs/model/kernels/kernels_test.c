#include "model/kernels/kernels.h"

#include "base/memory.h"
#include "model/files/dtype.h"
#include "support/amx_tiles.h"
#include "support/amx_trap.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Every set that runs on this machine, held against the reference over odd and even sizes; and, where the CPU can
 * narrow to bf16, amx-bf16 over emulated tiles. */

static uint64_t random_state = 1;

static float uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (float)(random_state >> 40) / (float)(1 << 24) - 0.5f;
}

static float *random_floats(size_t count)
{
    float *values = sam_alloc_aligned(count + SAM_COLUMNS_SLACK, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = uniform();
    return values;
}

static uint64_t *random_bits(size_t count)
{
    uint64_t *bits = sam_alloc(count / 64 + 1, sizeof *bits);
    assert_non_null(bits);
    for (size_t i = 0; i < count / 64 + 1; i++)
        bits[i] = (uint64_t)(uniform() * 1e9f) * 0x9E3779B97F4A7C15u;
    return bits;
}

#if defined(__x86_64__)
extern const sam_kernels sam_kernels_amx_bf16, sam_kernels_amx_emulated;
static const sam_kernels *const EMULATED = &sam_kernels_amx_emulated;
#else
static const sam_kernels *const EMULATED = NULL;
#endif

static void for_each_set(void (*check)(const sam_kernels *))
{
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++)
        if ((*set)->runs_on(&cpu))
            check(*set);
    if (EMULATED != NULL && EMULATED->runs_on(&cpu))
        check(EMULATED);
}

static void expect_close(const sam_kernels *set, const char *what, float got, float expected, float tolerance)
{
    if (!(fabsf(got - expected) <= tolerance))
        fail_msg("%s: %s is %.9g, the reference %.9g, tolerance %g", set->name, what, (double)got, (double)expected,
                 (double)tolerance);
}

static void round_to_bf16(float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        values[i] = sam_bf16_to_f32(sam_f32_to_bf16(values[i]));
}

static void check_product(const sam_kernels *set, size_t rows, size_t k, size_t columns)
{
    size_t stride = columns + SAM_COLUMNS_SLACK;
    float *w = random_floats(rows * k), *x = random_floats(k * stride), *y = random_floats(rows * stride);
    float *expected = random_floats(rows * stride), *sizes = random_floats(rows * stride);
    void *packed = sam_alloc_aligned(set->packed_bytes(k, columns) + 64, 1);
    void *narrow = sam_alloc_aligned(set->narrow_bytes(rows, k) + 64, 1);
    float *plain = random_floats(k * columns);
    set->pack(x, k, columns, stride, packed);
    set->narrow(w, rows, k, narrow);
    set->multiply(narrow, rows, k, packed, columns, y, stride);

    if (set->precision == SAM_PRECISION_BF16) {
        round_to_bf16(w, rows * k);
        round_to_bf16(x, k * stride);
    }
    sam_kernels_reference.pack(x, k, columns, stride, plain);
    sam_kernels_reference.multiply(w, rows, k, plain, columns, expected, stride);
    for (size_t i = 0; i < rows * k; i++)
        w[i] = fabsf(w[i]);
    for (size_t i = 0; i < k * columns; i++)
        plain[i] = fabsf(plain[i]);
    sam_kernels_reference.multiply(w, rows, k, plain, columns, sizes, stride);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            expect_close(set, "a product", y[r * stride + c], expected[r * stride + c], 2e-6f * sizes[r * stride + c]);
    float *const all[] = {w, x, y, expected, sizes, plain, packed, narrow};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void check_products(const sam_kernels *set)
{
    static const size_t ROWS[] = {1, 5, 6, 13, 16, 17, 32, 33, 60}, K[] = {1, 2, 8, 31, 32, 33, 64, 95, 576};
    static const size_t COLUMNS[] = {16, 32, 48, 64, 80, 208};
    for (size_t r = 0; r < sizeof ROWS / sizeof ROWS[0]; r++)
        for (size_t k = 0; k < sizeof K / sizeof K[0]; k++)
            for (size_t c = 0; c < sizeof COLUMNS / sizeof COLUMNS[0]; c++)
                check_product(set, ROWS[r], K[k], COLUMNS[c]);
}

static void products_agree_with_the_reference(void **state)
{
    (void)state;
    for_each_set(check_products);
}

static void check_small_product(const sam_kernels *set, size_t size, size_t columns)
{
    size_t stride = columns + SAM_COLUMNS_SLACK;
    float *w = random_floats(size * size), *x = random_floats(size * stride), *y = random_floats(size * stride);
    float *expected = random_floats(size * stride);
    set->multiply_small(w, size, size, x, columns, stride, y);
    sam_kernels_reference.multiply_small(w, size, size, x, columns, stride, expected);
    for (size_t r = 0; r < size; r++)
        for (size_t c = 0; c < columns; c++)
            expect_close(set, "a small product", y[r * stride + c], expected[r * stride + c], 2e-6f * (float)size);
    float *const all[] = {w, x, y, expected};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void check_small_products(const sam_kernels *set)
{
    static const size_t SIZES[] = {1, 4, 8, 13, 32}, COLUMNS[] = {16, 48, 64, 80, 208};
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++)
        for (size_t c = 0; c < sizeof COLUMNS / sizeof COLUMNS[0]; c++)
            check_small_product(set, SIZES[s], COLUMNS[c]);
}

static void small_products_are_in_float32_with_every_kernel(void **state)
{
    (void)state;
    for_each_set(check_small_products);
}

/* One column alone, and the same column among others and with more rows: the same bits. */
static void check_neighbours(const sam_kernels *set)
{
    if (strcmp(set->name, "openblas") == 0)
        return;
    enum { ROWS = 60, K = 100, COLUMNS = 112, STRIDE = COLUMNS + SAM_COLUMNS_SLACK };
    float *w = random_floats(ROWS * K), *x = random_floats(K * STRIDE), *y = random_floats(ROWS * STRIDE),
          *alone = random_floats(ROWS * STRIDE);
    void *packed = sam_alloc_aligned(set->packed_bytes(K, COLUMNS) + 64, 1);
    void *narrow = sam_alloc_aligned(set->narrow_bytes(ROWS, K) + 64, 1);
    set->pack(x, K, COLUMNS, STRIDE, packed);
    set->narrow(w, ROWS, K, narrow);
    set->multiply(narrow, ROWS, K, packed, COLUMNS, y, STRIDE);
    for (size_t c = 0; c < COLUMNS; c += 16)
        for (size_t r = 0; r < ROWS; r += 7) {
            set->pack(x + c, K, 16, STRIDE, packed);
            set->narrow(w + r * K, 1, K, narrow);
            set->multiply(narrow, 1, K, packed, 16, alone, STRIDE);
            assert_memory_equal(alone, y + r * STRIDE + c, 16 * sizeof *y);
        }
    float *const all[] = {w, x, y, alone, packed, narrow};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void a_product_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    for_each_set(check_neighbours);
}

/* The row after the last belongs to another thread. */
static void check_last_row(const sam_kernels *set)
{
    enum { K = 40, COLUMNS = 48, STRIDE = COLUMNS + SAM_COLUMNS_SLACK, MOST_ROWS = 49 };
    float *w = random_floats(MOST_ROWS * K), *x = random_floats(K * STRIDE), *y = random_floats(MOST_ROWS * STRIDE);
    float *before = random_floats(MOST_ROWS * STRIDE);
    void *packed = sam_alloc_aligned(set->packed_bytes(K, COLUMNS) + 64, 1);
    void *narrow = sam_alloc_aligned(set->narrow_bytes(MOST_ROWS, K) + 64, 1);
    set->pack(x, K, COLUMNS, STRIDE, packed);
    set->narrow(w, MOST_ROWS, K, narrow);
    for (size_t rows = 1; rows < MOST_ROWS; rows++) {
        memcpy(y, before, MOST_ROWS * STRIDE * sizeof *y);
        set->multiply(narrow, rows, K, packed, COLUMNS, y, STRIDE);
        assert_memory_equal(y + rows * STRIDE, before + rows * STRIDE, (MOST_ROWS - rows) * STRIDE * sizeof *y);
    }
    float *const all[] = {w, x, y, before, packed, narrow};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void a_product_writes_no_row_beyond_its_own(void **state)
{
    (void)state;
    for_each_set(check_last_row);
}

static void check_peak(const sam_kernels *set)
{
    if (set->peak != NULL) {
        assert_true(set->peak(1) > 0);
        assert_true(set->peak(5) == 5 * set->peak(1));
    }
}

static void a_peak_counts_what_it_does(void **state)
{
    (void)state;
    for_each_set(check_peak);
}

#if defined(__x86_64__)
static void the_instructions_of_amx_bf16_do_what_their_emulation_does(void **state)
{
    (void)state;
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    if (!cpu.avx512_bf16)
        skip();
    enum { ROWS = 77, K = 100, COLUMNS = 80, STRIDE = COLUMNS + SAM_COLUMNS_SLACK };
    const sam_kernels *set = &sam_kernels_amx_bf16;
    float *w = random_floats(ROWS * K), *x = random_floats(K * STRIDE), *y = random_floats(ROWS * STRIDE);
    float *expected = random_floats(ROWS * STRIDE);
    void *packed = sam_alloc_aligned(set->packed_bytes(K, COLUMNS), 1);
    void *narrow = sam_alloc_aligned(set->narrow_bytes(ROWS, K), 1);
    set->pack(x, K, COLUMNS, STRIDE, packed);
    set->narrow(w, ROWS, K, narrow);
    EMULATED->multiply(narrow, ROWS, K, packed, COLUMNS, expected, STRIDE);
    assert_false(emulated_in_use());
    amx_trap_begin();
    set->multiply(narrow, ROWS, K, packed, COLUMNS, y, STRIDE);
    assert_int_equal(amx_trap_end() == 0, cpu.amx_bf16);
    emulated_release(); /* where this CPU has tiles that it may not use, TILERELEASE does not trap */
    size_t different = 0;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < COLUMNS; c++) {
            different += y[r * STRIDE + c] != expected[r * STRIDE + c];
            expect_close(set, "a product", y[r * STRIDE + c], expected[r * STRIDE + c], cpu.amx_bf16 ? 1e-5f : 0);
        }
    if (different > 0)
        print_message("%zu of %d elements differ between this CPU and the emulation\n", different, ROWS * COLUMNS);
    void *const all[] = {w, x, y, expected, packed, narrow};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}
#endif

static void check_weights(const sam_kernels *set)
{
    enum { COUNT = 205 };
    float *theta = random_floats(COUNT), *offset = random_floats(COUNT), *sizes = random_floats(COUNT);
    uint64_t *signs = random_bits(COUNT), *offset_signs = random_bits(COUNT);
    float *got = random_floats(COUNT), *got_minus = random_floats(COUNT), *expected = random_floats(COUNT),
          *expected_minus = random_floats(COUNT);
    memcpy(got, theta, COUNT * sizeof *got);
    memcpy(expected, theta, COUNT * sizeof *got);
    set->add_signed(got, offset, offset_signs, COUNT);
    sam_kernels_reference.add_signed(expected, offset, offset_signs, COUNT);
    assert_memory_equal(got, expected, COUNT * sizeof *got); /* the exact zone: to the bit */
    const float *const lengths[] = {NULL, sizes};
    for (size_t i = 0; i < 2; i++) {
        const sam_weight_shift shift = {offset, offset_signs, lengths[i], signs, 1e-3f};
        sam_kernels_reference.perturb(theta, &shift, COUNT, expected, expected_minus);
        set->perturb(theta, &shift, COUNT, got, got_minus);
        for (size_t j = 0; j < COUNT; j++) {
            expect_close(set, "theta plus", got[j], expected[j], 2e-7f);
            expect_close(set, "theta minus", got_minus[j], expected_minus[j], 2e-7f);
        }
        memcpy(got, theta, COUNT * sizeof *got);
        set->perturb(got, &shift, COUNT, got, NULL);
        for (size_t j = 0; j < COUNT; j++)
            expect_close(set, "theta plus in place", got[j], expected[j], 2e-7f);
    }
    float *const all[] = {theta, offset, sizes, got, got_minus, expected, expected_minus};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
    sam_free(signs);
    sam_free(offset_signs);
}

static void weights_are_formed_as_the_reference_forms_them(void **state)
{
    (void)state;
    for_each_set(check_weights);
}

static void check_rest(const sam_kernels *set)
{
    enum { FEATURES = 24, COLUMNS = 48, STRIDE = COLUMNS + SAM_COLUMNS_SLACK, FLOATS = FEATURES * STRIDE };
    float *x = random_floats(FLOATS), *y = random_floats(FLOATS), *weight = random_floats(FEATURES);
    float *cosine = random_floats(FLOATS), *sine = random_floats(FLOATS);
    float *got = random_floats(FLOATS), *expected = random_floats(FLOATS);
    set->norm(x, weight, FEATURES, 1e-5f, COLUMNS, STRIDE, got);
    sam_kernels_reference.norm(x, weight, FEATURES, 1e-5f, COLUMNS, STRIDE, expected);
    for (size_t i = 0; i < FLOATS; i++)
        if (i % STRIDE < COLUMNS)
            expect_close(set, "a norm", got[i], expected[i], 3e-6f);
    memcpy(got, x, FLOATS * sizeof *x);
    memcpy(expected, x, FLOATS * sizeof *x);
    set->rope(got, cosine, sine, FEATURES, COLUMNS, STRIDE, STRIDE);
    sam_kernels_reference.rope(expected, cosine, sine, FEATURES, COLUMNS, STRIDE, STRIDE);
    for (size_t i = 0; i < FLOATS; i++)
        expect_close(set, "a rotation", got[i], expected[i], 1e-6f);
    for (size_t i = 0; i < FLOATS; i++)
        got[i] = expected[i] = x[i] * 40;
    set->gate(got, y, FLOATS / 16 * 16);
    sam_kernels_reference.gate(expected, y, FLOATS / 16 * 16);
    for (size_t i = 0; i < FLOATS; i++)
        expect_close(set, "a gate", got[i], expected[i], 4e-6f * (1 + fabsf(expected[i])));
    float *const all[] = {x, y, weight, cosine, sine, got, expected};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void norm_rope_and_gate_agree_with_the_reference(void **state)
{
    (void)state;
    for_each_set(check_rest);
}

/* Two lots of rows, one after the other; the logits are as far apart as those of a sure model. */
static void check_sums(const sam_kernels *set)
{
    enum { ROWS = 30, FIRST = 13, COLUMNS = 48, STRIDE = COLUMNS + SAM_COLUMNS_SLACK };
    float *x = random_floats(ROWS * STRIDE), top[2][COLUMNS], sum[2][COLUMNS] = {{0}};
    for (size_t i = 0; i < ROWS * STRIDE; i++)
        x[i] *= 60;
    for (size_t c = 0; c < COLUMNS; c++)
        top[0][c] = top[1][c] = -INFINITY;
    const sam_kernels *const both[] = {set, &sam_kernels_reference};
    for (size_t i = 0; i < 2; i++) {
        both[i]->sum_exponentials(x, FIRST, COLUMNS, STRIDE, top[i], sum[i]);
        both[i]->sum_exponentials(x + FIRST * STRIDE, ROWS - FIRST, COLUMNS, STRIDE, top[i], sum[i]);
    }
    for (size_t c = 0; c < COLUMNS; c++) {
        assert_true(top[0][c] == top[1][c]);
        expect_close(set, "a sum of exponentials", sum[0][c], sum[1][c], 2e-6f * sum[1][c]);
    }
    sam_free(x);
}

static void sums_of_exponentials_agree_with_the_reference(void **state)
{
    (void)state;
    for_each_set(check_sums);
}

static void check_attention_case(const sam_kernels *set, size_t prefix, size_t count, const int32_t *own,
                                 size_t queries)
{
    enum { HEAD = 8, COLUMNS = 96, STRIDE = COLUMNS + SAM_COLUMNS_SLACK };
    float *q = random_floats(HEAD * STRIDE), *k = random_floats(HEAD * STRIDE), *v = random_floats(HEAD * STRIDE);
    float *got = random_floats(HEAD * STRIDE), *expected = random_floats(HEAD * STRIDE);
    float *scratch = random_floats((prefix + count + 1) * SAM_COLUMNS);
    for (size_t i = 0; i < HEAD * STRIDE; i++)
        q[i] *= 20;
    sam_attention attention = {.q = q,
                               .k = k,
                               .v = v,
                               .out = got,
                               .q_stride = STRIDE,
                               .stride = STRIDE,
                               .head_size = HEAD,
                               .scale = 0.35f,
                               .prefix_first = 3,
                               .prefix_count = prefix,
                               .first = 3 + prefix + 2,
                               .count = count,
                               .q_first = 5,
                               .q_count = queries,
                               .own = own,
                               .scratch = scratch};
    set->attend(&attention);
    attention.out = expected;
    sam_kernels_reference.attend(&attention);
    for (size_t d = 0; d < HEAD; d++)
        for (size_t i = 0; i < queries; i++)
            expect_close(set, "attention", got[d * STRIDE + 5 + i], expected[d * STRIDE + 5 + i], 2e-6f);
    float *const all[] = {q, k, v, got, expected, scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
}

static void check_attention(const sam_kernels *set)
{
    int32_t every[64 + SAM_COLUMNS_SLACK] = {0}, some[] = {2, 3, 17, [SAM_COLUMNS_SLACK + 3] = 0};
    for (int32_t i = 0; i < 64; i++)
        every[i] = i;
    check_attention_case(set, 0, 1, every, 1);
    check_attention_case(set, 0, 21, every, 21);
    check_attention_case(set, 0, 33, every, 33);
    check_attention_case(set, 7, 5, every, 5);
    check_attention_case(set, 13, 18, some, 3);
}

static void attention_sees_the_prefix_and_what_came_before(void **state)
{
    (void)state;
    for_each_set(check_attention);
}

static void an_unknown_kernel_is_refused_with_those_that_run(void **state)
{
    (void)state;
    sam_error err = {0};
    const sam_kernels *kernels;
    assert_int_equal(sam_kernels_choose(&kernels, SAM_PRECISION_F32, "abacus", &err), SAM_UNSUPPORTED);
    assert_non_null(strstr(err.text, "portable"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_agree_with_the_reference),
        cmocka_unit_test(small_products_are_in_float32_with_every_kernel),
        cmocka_unit_test(a_product_does_not_depend_on_its_neighbours),
        cmocka_unit_test(a_product_writes_no_row_beyond_its_own),
        cmocka_unit_test(a_peak_counts_what_it_does),
#if defined(__x86_64__)
        cmocka_unit_test(the_instructions_of_amx_bf16_do_what_their_emulation_does),
#endif
        cmocka_unit_test(weights_are_formed_as_the_reference_forms_them),
        cmocka_unit_test(norm_rope_and_gate_agree_with_the_reference),
        cmocka_unit_test(sums_of_exponentials_agree_with_the_reference),
        cmocka_unit_test(attention_sees_the_prefix_and_what_came_before),
        cmocka_unit_test(an_unknown_kernel_is_refused_with_those_that_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
