#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void every_code_point_comes_back_from_utf8(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point <= 0x110010; code_point++) {
        char bytes[4];
        uint32_t back = 0;
        size_t length = sam_utf8_encode(code_point, bytes);
        bool valid = code_point <= 0x10ffff && (code_point < 0xd800 || code_point > 0xdfff);
        assert_int_equal(length != 0, valid);
        if (valid) {
            assert_int_equal(sam_utf8_decode(bytes, length, &back), length);
            assert_int_equal(back, code_point);
            assert_int_equal(sam_utf8_decode(bytes, length - 1, &back), 0);
        }
    }
}

static void bytes_that_are_not_utf8_are_refused(void **state)
{
    (void)state;
    static const char *const CASES[] = {
        "\x80",             /* a continuation alone */
        "\xc0\x80",         /* NUL in two bytes */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xed\xbf\xbf",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80", /* beyond */
        "\xff",
        "\xfe",
        "\xe2\x82",     /* ends early */
        "\xe2\x28\xa1", /* no continuation */
        "ok\xc3",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (sam_utf8_valid(CASES[i], strlen(CASES[i])))
            fail_msg("case %zu is taken for UTF-8", i);
    assert_true(sam_utf8_valid("", 0));
    assert_true(sam_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e", 10));
}

static void an_ending_may_be_all_of_a_text(void **state)
{
    (void)state;
    assert_true(sam_ends_with("a.tsv", ".tsv") && sam_ends_with(".tsv", ".tsv") && sam_ends_with("a", ""));
    assert_false(sam_ends_with("tsv", ".tsv") || sam_ends_with("a.tsv ", ".tsv") || sam_ends_with("", "a"));
}

static void whole_numbers_are_strict(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      " 1",
                                      "1 ",
                                      "+1",
                                      "-1",
                                      "0x10",
                                      "1_",
                                      "1.0",
                                      "١",
                                      "--1",
                                      "-",
                                      "18446744073709551616",
                                      "99999999999999999999999"};
    uint64_t value = 77;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_parse_u64(BAD[i], &value));
    assert_int_equal(value, 77); /* untouched */
    assert_true(sam_parse_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
    assert_true(sam_parse_u64("007", &value));
    assert_int_equal(value, 7);
}

static void real_numbers_are_finite_and_whole_text(void **state)
{
    (void)state;
    static const char *const BAD[] = {"", " 1", "1 ", "nan", "inf", "0x1p3", "1e999", "1e", ".", "-", "1,5", "1e5x"};
    double value = 7;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_parse_double(BAD[i], &value));
    assert_true(value == 7);
    assert_true(sam_parse_double("-1.5e-3", &value));
    assert_true(value == -1.5e-3);
}

static void hexadecimal_is_exact_in_length_and_digits(void **state)
{
    (void)state;
    uint8_t bytes[3];
    char digits[7];
    assert_true(sam_unhex(bytes, 3, "00fFa9"));
    sam_hex(digits, bytes, 3);
    assert_string_equal(digits, "00ffa9");
    static const char *const BAD[] = {"", "00ffa", "00ffa90", "00ffag", "0x00ff", "00 ffa"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_unhex(bytes, 3, BAD[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point_comes_back_from_utf8),
        cmocka_unit_test(bytes_that_are_not_utf8_are_refused),
        cmocka_unit_test(an_ending_may_be_all_of_a_text),
        cmocka_unit_test(whole_numbers_are_strict),
        cmocka_unit_test(real_numbers_are_finite_and_whole_text),
        cmocka_unit_test(hexadecimal_is_exact_in_length_and_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
