#include "seed/code.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Section 3 read literally: try all sizes, an even mantissa wins a tie. */
static uint8_t nearest_by_trying_all(double value)
{
    if (!isfinite(value))
        return SAM_CODE_NONE;
    double size = fabs(value);
    unsigned best = 0;
    for (unsigned code = 1; code < 128; code++) {
        double distance = fabs((double)sam_code_value((uint8_t)code) - size);
        double least = fabs((double)sam_code_value((uint8_t)best) - size);
        if (distance < least || (distance == least && code % 2 == 0))
            best = code;
    }
    return (uint8_t)(value < 0 && best != 0 ? best | 0x80 : best);
}

static void check(double value)
{
    if (sam_code_encode(value) != nearest_by_trying_all(value))
        fail_msg("%a encodes to %02x, the nearest is %02x", value, sam_code_encode(value),
                 nearest_by_trying_all(value));
}

static void every_code_decodes_and_encodes_to_itself(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 256; code++) {
        assert_int_equal(sam_code_has_value((uint8_t)code), code != SAM_CODE_NONE);
        if (code != SAM_CODE_NONE)
            assert_int_equal(sam_code_encode((double)sam_code_value((uint8_t)code)), code);
    }
    assert_int_equal(sam_code_value(SAM_CODE_NONE), 0);
    assert_int_equal(sam_code_value(0x7f), SAM_CODE_LARGEST);
    assert_int_equal(sam_code_value(0xff), -SAM_CODE_LARGEST);
}

static void any_float_gets_the_nearest_code(void **state)
{
    (void)state;
    uint64_t generator = 1;
    for (int i = 0; i < 20000; i++) {
        double value = ldexp((double)(draw(&generator) >> 11), -53 + (int)(draw(&generator) % 24) - 4);
        check((draw(&generator) & 1) != 0 ? -value : value);
    }
}

static void a_tie_goes_to_the_even_mantissa(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 127; code++) {
        double low = (double)sam_code_value((uint8_t)code), high = (double)sam_code_value((uint8_t)(code + 1));
        double middle = (low + high) / 2;
        assert_int_equal(sam_code_encode(middle), code % 2 == 0 ? code : code + 1);
        assert_int_equal(sam_code_encode(nextafter(middle, 0)), code);
        assert_int_equal(sam_code_encode(nextafter(middle, INFINITY)), code + 1);
        check(-middle);
    }
}

static void what_is_not_finite_has_no_value_and_what_is_huge_saturates(void **state)
{
    (void)state;
    static const struct {
        double value;
        uint8_t code;
    } CASES[] = {{NAN, SAM_CODE_NONE},
                 {-NAN, SAM_CODE_NONE},
                 {INFINITY, SAM_CODE_NONE},
                 {-INFINITY, SAM_CODE_NONE},
                 {1.7e308, 0x7f},
                 {-1.7e308, 0xff},
                 {245761, 0x7f},
                 {5e-324, 0x00},
                 {-5e-324, 0x00},
                 {-0.0, 0x00},
                 {-0.5, 0x00},
                 {-0.500001, 0x81}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(sam_code_encode(CASES[i].value), CASES[i].code);
}

static void steps_count_the_codes_between(void **state)
{
    static const struct {
        uint8_t a, b;
        unsigned steps;
    } CASES[] = {{0, 0, 0},       {0, 1, 1},       {0x81, 0x01, 2}, {0x7f, 0xff, 254},
                 {0x90, 0x8f, 1}, {0x80, 0x80, 0}, {0x80, 0, 255},  {0x7f, 0x80, 255}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        assert_int_equal(sam_code_steps(CASES[i].a, CASES[i].b), CASES[i].steps);
        assert_int_equal(sam_code_steps(CASES[i].b, CASES[i].a), CASES[i].steps);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_count_the_codes_between),
        cmocka_unit_test(every_code_decodes_and_encodes_to_itself),
        cmocka_unit_test(any_float_gets_the_nearest_code),
        cmocka_unit_test(a_tie_goes_to_the_even_mantissa),
        cmocka_unit_test(what_is_not_finite_has_no_value_and_what_is_huge_saturates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
