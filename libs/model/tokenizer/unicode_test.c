#include "model/tokenizer/unicode.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The expected figures: tests/golden/unicode_tables.py --digests, of Unicode 14. */

static void the_classes_hold_what_python_says(void **state)
{
    (void)state;
    static const struct {
        bool (*is_member)(uint32_t point);
        uint64_t count, sum;
    } CASES[] = {
        {sam_unicode_is_letter, 131756, 13903637152},
        {sam_unicode_is_number, 1791, 99177065},
        {sam_unicode_is_punctuation, 819, 26304217},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        uint64_t count = 0, sum = 0;
        for (uint32_t point = 0; point <= 0x10ffff; point++) {
            bool member = CASES[i].is_member(point);
            count += member;
            sum += member ? point : 0;
        }
        assert_int_equal(count, CASES[i].count);
        assert_int_equal(sum, CASES[i].sum);
        assert_false(CASES[i].is_member(SAM_UNICODE_NONE));
    }
}

static void white_space_is_twenty_five_code_points(void **state)
{
    (void)state;
    size_t count = 0;
    for (uint32_t point = 0; point <= SAM_UNICODE_NONE; point++)
        count += sam_unicode_is_space(point);
    assert_int_equal(count, 25);
    assert_true(sam_unicode_is_space(0x3000));
    assert_false(sam_unicode_is_space(0x1c)); /* Python's isspace takes it, White_Space does not */
}

static void put_point(sam_buffer *text, uint32_t point)
{
    char bytes[4];
    sam_put_bytes(text, bytes, sam_utf8_encode(point, bytes));
}

static void nfc_is_pythons_for_every_code_point_among_marks(void **state)
{
    (void)state;
    sam_digest_stream stream;
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_buffer text = {0}, normal = {0};
    sam_digest_begin(&stream);
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        if (point >= 0xd800 && point <= 0xdfff)
            continue;
        sam_buffer_clear(&text);
        sam_buffer_clear(&normal);
        const uint32_t points[] = {'a', point, 0x327, point, 0x301, 0x1161, 0x11a8};
        for (size_t i = 0; i < sizeof points / sizeof *points; i++)
            put_point(&text, points[i]);
        sam_unicode_nfc((const char *)text.bytes, text.length, &normal);
        sam_digest_add(&stream, normal.bytes, normal.length);
    }
    sam_digest_end(&stream, &digest);
    sam_digest_hex(hex, &digest);
    assert_string_equal(hex, "ea959db239eed44f237f4781bb17c52d442acc43ac77e40d493998ad49e81a03");
    sam_buffer_free(&text);
    sam_buffer_free(&normal);
}

static void nfc_of_chosen_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal;
    } CASES[] = {
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"e\xcc\x81", "\xc3\xa9"},
        {"\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"},    /* Hangul, three parts */
        {"a\xcc\x80\xcc\xa3", "\xe1\xba\xa1\xcc\x80"},               /* the dot below goes first */
        {"\xcc\x81", "\xcc\x81"},                                    /* a mark without a starter */
        {"\xe2\x84\xab", "\xc3\x85"},                                /* the sign of Angstrom */
        {"\xff\xcc\x81 e\xcc\x81\xfe", "\xff\xcc\x81 \xc3\xa9\xfe"}, /* bytes that are not UTF-8 stay */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_buffer normal = {0};
        sam_unicode_nfc(CASES[i].text, strlen(CASES[i].text), &normal);
        assert_int_equal(normal.length, strlen(CASES[i].normal));
        assert_memory_equal(normal.bytes, CASES[i].normal, normal.length);
        sam_buffer_free(&normal);
    }
}

static void nfc_of_a_megabyte_of_marks_is_not_quadratic(void **state)
{
    (void)state;
    sam_buffer text = {0}, normal = {0};
    for (size_t i = 0; i < 250000; i++)
        sam_put_text(&text, "\xcc\x81\xcc\xa3"); /* classes 230 and 220 in turn: all must move */
    sam_unicode_nfc((const char *)text.bytes, text.length, &normal);
    assert_int_equal(normal.length, text.length);
    assert_memory_equal(normal.bytes, "\xcc\xa3\xcc\xa3", 4);
    sam_buffer_free(&text);
    sam_buffer_free(&normal);
}

static void nfc_without_memory_says_so(void **state)
{
    (void)state;
    for (long nth = 1; nth <= 2; nth++) {
        sam_buffer normal = {0};
        sam_memory_fail_at(nth);
        sam_unicode_nfc("e\xcc\x81", 3, &normal);
        sam_memory_fail_at(0);
        assert_true(normal.failed);
        sam_buffer_free(&normal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_classes_hold_what_python_says),
        cmocka_unit_test(white_space_is_twenty_five_code_points),
        cmocka_unit_test(nfc_is_pythons_for_every_code_point_among_marks),
        cmocka_unit_test(nfc_of_chosen_texts),
        cmocka_unit_test(nfc_of_a_megabyte_of_marks_is_not_quadratic),
        cmocka_unit_test(nfc_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
