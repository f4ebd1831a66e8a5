#include "model/files/dtype.h"
#include "model/files/dtype_golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct golden {
    sam_dtype dtype;
    const uint8_t *bytes;
    size_t length;
    const uint32_t *floats;
    size_t count;
} golden;

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static void every_type_reads_as_the_gguf_package_does_to_the_bit(void **state)
{
    (void)state;
    static const golden CASES[] = {
#define X(name, gguf, block, bytes)                                                                                    \
    {SAM_##name, GOLDEN_##name##_BYTES, sizeof GOLDEN_##name##_BYTES, GOLDEN_##name##_FLOATS,                          \
     sizeof GOLDEN_##name##_FLOATS / sizeof *GOLDEN_##name##_FLOATS},
        SAM_DTYPE_TABLE(X)
#undef X
    };
    for (size_t c = 0; c < sizeof CASES / sizeof *CASES; c++) {
        const golden *g = &CASES[c];
        float values[1024];
        assert_int_equal(sam_dtype_bytes(g->dtype, g->count), g->length);
        sam_dtype_read(g->dtype, g->bytes, g->count, values);
        for (size_t i = 0; i < g->count; i++) {
            if (bits_of(values[i]) != g->floats[i])
                fail_msg("%s element %zu: %08x, expected %08x", sam_dtype_name(g->dtype), i, bits_of(values[i]),
                         g->floats[i]);
        }
    }
}

/* What IEEE 754 says a half is, without tricks. */
static double half_meaning(uint16_t bits)
{
    int exponent = (bits >> 10) & 31, fraction = bits & 1023;
    double value = exponent == 0 ? ldexp(fraction, -24) : ldexp(1024 + fraction, exponent - 25);
    if (exponent == 31)
        value = fraction == 0 ? (double)INFINITY : (double)NAN;
    return (bits & 0x8000) != 0 ? -value : value;
}

static void all_65536_halves_mean_what_ieee_754_says_and_survive_the_way_back(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        double expected = half_meaning((uint16_t)h);
        float value = sam_f16_to_f32((uint16_t)h);
        if (isnan(expected)) {
            assert_true(isnan(value) && isnan(sam_f16_to_f32(sam_f32_to_f16(value))));
            continue;
        }
        assert_int_equal(bits_of(value), bits_of((float)expected));
        assert_int_equal(sam_f32_to_f16(value), h);
        float bf = sam_bf16_to_f32((uint16_t)h);
        if (!isnan(bf))
            assert_int_equal(sam_f32_to_bf16(bf), h);
    }
}

/* The nearest of two neighbouring 16-bit values, the even one on a tie; `next` is `bits` + 1 and not infinite. */
static uint16_t nearest(float value, float low, float high, uint16_t bits)
{
    double down = (double)value - (double)low, up = (double)high - (double)value;
    if (down == up)
        return (uint16_t)(bits + (bits & 1));
    return down < up ? bits : (uint16_t)(bits + 1);
}

static void rounding_goes_to_the_nearest_and_ties_to_even(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 400000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint16_t half = (uint16_t)((random >> 33) % 0x7bff), brain = (uint16_t)((random >> 33) % 0x7f7f);
        float low = sam_f16_to_f32(half), high = sam_f16_to_f32((uint16_t)(half + 1));
        float part = (float)(random >> 56) / 256.0f; /* 0, ties at 128, no 1 */
        float value = low + (high - low) * part;
        assert_int_equal(sam_f32_to_f16(value), nearest(value, low, high, half));
        assert_int_equal(sam_f32_to_f16(-value), 0x8000 | nearest(value, low, high, half));
        low = sam_bf16_to_f32(brain), high = sam_bf16_to_f32((uint16_t)(brain + 1));
        value = low + (high - low) * part;
        assert_int_equal(sam_f32_to_bf16(value), nearest(value, low, high, brain));
    }
}

static void the_edges_of_half_precision_round_as_ieee_754_says(void **state)
{
    (void)state;
    static const struct {
        float value;
        uint16_t half;
    } CASES[] = {{0.0f, 0},          {-0.0f, 0x8000},       {65504.0f, 0x7bff},    {65519.996f, 0x7bff},
                 {65520.0f, 0x7c00}, {1e30f, 0x7c00},       {INFINITY, 0x7c00},    {-INFINITY, 0xfc00},
                 {0x1p-24f, 1},      {0x1p-25f, 0},         {0x1.000002p-25f, 1},  {0x1.8p-24f, 2},
                 {0x1p-14f, 0x0400}, {0x1.ff8p-15f, 0x3ff}, {0x1.ffep-15f, 0x400}, {0x1p-149f, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(sam_f32_to_f16(CASES[i].value), CASES[i].half);
}

static void sizes_that_are_no_whole_blocks_or_do_not_fit_are_refused(void **state)
{
    (void)state;
    assert_int_equal(sam_dtype_bytes(SAM_Q4_1, 576), 360);
    assert_int_equal(sam_dtype_bytes(SAM_Q4_1, 577), SIZE_MAX);
    assert_int_equal(sam_dtype_bytes(SAM_Q6_K, 256 * 3), 630);
    assert_int_equal(sam_dtype_bytes(SAM_F32, UINT64_MAX / 2), SIZE_MAX);
    sam_dtype type;
    assert_true(sam_dtype_from_gguf(30, &type));
    assert_int_equal(type, SAM_BF16);
    assert_false(sam_dtype_from_gguf(4, &type));
    assert_int_equal(sam_dtype_to_gguf(SAM_Q6_K), 14);
    assert_string_equal(sam_dtype_name(SAM_Q6_K), "Q6_K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_reads_as_the_gguf_package_does_to_the_bit),
        cmocka_unit_test(all_65536_halves_mean_what_ieee_754_says_and_survive_the_way_back),
        cmocka_unit_test(rounding_goes_to_the_nearest_and_ties_to_even),
        cmocka_unit_test(the_edges_of_half_precision_round_as_ieee_754_says),
        cmocka_unit_test(sizes_that_are_no_whole_blocks_or_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
