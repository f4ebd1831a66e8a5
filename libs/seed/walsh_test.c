#include "seed/walsh.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static int sign(uint64_t k, uint64_t j)
{
    return __builtin_popcountll(k & j) % 2 == 0 ? 1 : -1;
}

static int64_t *random_values(size_t size, uint64_t seed)
{
    int64_t *values = malloc(size * sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < size; i++)
        values[i] = (int64_t)draw(&seed); /* all 64 bits: sums wrap */
    return values;
}

static void transform_equals_the_naive_sum(void **state)
{
    (void)state;
    for (unsigned log2_size = 0; log2_size <= 11; log2_size++) {
        size_t size = (size_t)1 << log2_size;
        int64_t *before = random_values(size, 7 + log2_size), *after = random_values(size, 7 + log2_size);
        sam_walsh_transform(after, log2_size);
        for (size_t j = 0; j < size; j++) {
            uint64_t sum = 0;
            for (size_t k = 0; k < size; k++)
                sum += (uint64_t)before[k] * (uint64_t)(int64_t)sign(k, j);
            assert_int_equal((uint64_t)after[j], sum);
        }
        free(before);
        free(after);
    }
}

/* Past the size that fits the cache the transform takes another path; H H = size. */
static void transform_twice_is_multiplication_by_the_size(void **state)
{
    (void)state;
    for (unsigned log2_size = 12; log2_size <= 17; log2_size++) {
        size_t size = (size_t)1 << log2_size;
        int64_t *before = random_values(size, 3), *after = random_values(size, 3);
        sam_walsh_transform(after, log2_size);
        sam_walsh_transform(after, log2_size);
        for (size_t j = 0; j < size; j++)
            assert_int_equal((uint64_t)after[j], (uint64_t)before[j] << log2_size);
        free(before);
        free(after);
    }
}

static void large_transforms_agree_with_single_functions(void **state)
{
    (void)state;
    uint64_t generator = 99;
    for (unsigned log2_size = 12; log2_size <= 16; log2_size++) {
        size_t size = (size_t)1 << log2_size;
        int64_t *sum = calloc(size, sizeof *sum), *table = calloc(size, sizeof *table);
        assert_non_null(sum);
        assert_non_null(table);
        for (int i = 0; i < 40; i++) {
            uint64_t k = draw(&generator) % size;
            int64_t amount = (int64_t)draw(&generator);
            sam_walsh_add(sum, log2_size, k, amount);
            table[k] = (int64_t)((uint64_t)table[k] + (uint64_t)amount);
        }
        sam_walsh_transform(table, log2_size);
        assert_memory_equal(sum, table, size * sizeof *sum);
        free(sum);
        free(table);
    }
}

static void functions_are_orthogonal(void **state)
{
    (void)state;
    for (uint64_t k = 0; k < 256; k++)
        for (uint64_t other = 0; other < 256; other++) {
            int product = 0;
            for (uint64_t j = 0; j < 256; j += 64)
                product += 64 - 2 * __builtin_popcountll(sam_walsh_signs(k, j) ^ sam_walsh_signs(other, j));
            assert_int_equal(product, k == other ? 256 : 0);
        }
}

static void signs_are_the_parity_of_k_and_j(void **state)
{
    (void)state;
    uint64_t generator = 5;
    for (int i = 0; i < 2000; i++) {
        uint64_t k = draw(&generator), j = draw(&generator) & ~(uint64_t)63, signs = sam_walsh_signs(k, j);
        for (uint64_t b = 0; b < 64; b++)
            assert_int_equal(signs >> b & 1, sign(k, j + b) < 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transform_equals_the_naive_sum),
        cmocka_unit_test(transform_twice_is_multiplication_by_the_size),
        cmocka_unit_test(large_transforms_agree_with_single_functions),
        cmocka_unit_test(functions_are_orthogonal),
        cmocka_unit_test(signs_are_the_parity_of_k_and_j),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
