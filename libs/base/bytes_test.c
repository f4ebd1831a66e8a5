#include "base/bytes.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void what_is_put_is_read_back(void **state)
{
    (void)state;
    sam_buffer out = {0};
    sam_put_u8(&out, 0xfe);
    sam_put_u32(&out, 0x12345678);
    sam_put_u64(&out, 0x0123456789abcdefu);
    sam_put_f32(&out, -0.5f);
    sam_put_text(&out, "ab");
    sam_put_format(&out, "%d-%s", 7, "x");
    static const uint8_t WANTED[] = {0xfe, 0x78, 0x56, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45,
                                     0x23, 0x01, 0,    0,    0,    0xbf, 'a',  'b',  '7',  '-',  'x'};
    assert_false(out.failed);
    assert_int_equal(out.length, sizeof WANTED);
    assert_memory_equal(out.bytes, WANTED, sizeof WANTED);
    sam_reader in = sam_reader_of(out.bytes, out.length);
    assert_int_equal(sam_get_u8(&in), 0xfe);
    assert_int_equal(sam_get_u32(&in), 0x12345678);
    assert_int_equal(sam_get_u64(&in), 0x0123456789abcdefu);
    assert_int_equal(sam_get_u32(&in), 0xbf000000); /* -0.5f */
    assert_memory_equal(sam_get_bytes(&in, 5), "ab7-x", 5);
    assert_int_equal(sam_reader_left(&in), 0);
    assert_false(in.failed);
    sam_buffer_free(&out);
}

/* Every length too short for the record, in memory of exactly that size: the sanitizer sees one byte too many. */
static void a_reader_never_runs_past_its_end(void **state)
{
    (void)state;
    for (size_t length = 0; length < 13; length++) {
        uint8_t *bytes = malloc(length == 0 ? 1 : length);
        assert_non_null(bytes);
        memset(bytes, 0x11, length);
        sam_reader in = sam_reader_of(bytes, length);
        (void)sam_get_u8(&in);
        (void)sam_get_u32(&in);
        (void)sam_get_u64(&in);
        assert_true(in.failed);
        assert_true(in.at <= length);
        assert_int_equal(sam_get_u8(&in), 0); /* sticky */
        assert_null(sam_get_bytes(&in, 0));
        assert_int_equal(sam_reader_left(&in), 0);
        free(bytes);
    }
}

static void a_count_near_the_largest_is_refused(void **state)
{
    (void)state;
    sam_reader in = sam_reader_of("abc", 3);
    (void)sam_get_u8(&in);
    assert_null(sam_get_bytes(&in, SIZE_MAX));
    assert_true(in.failed);
    sam_buffer out = {0};
    sam_put_u8(&out, 1);
    assert_null(sam_buffer_extend(&out, SIZE_MAX - 4));
    assert_true(out.failed);
    sam_buffer_free(&out);
}

static void nothing_can_be_put_and_read(void **state)
{
    (void)state;
    sam_buffer out = {0};
    assert_non_null(sam_buffer_extend(&out, 0));
    sam_reader in = sam_reader_of(NULL, 0);
    assert_non_null(sam_get_bytes(&in, 0));
    assert_false(in.failed);
    sam_buffer_free(&out);
}

static void varints_take_the_shortest_form_and_come_back(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits <= 64; bits++) {
        uint64_t value = bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
        sam_buffer out = {0};
        sam_put_varint(&out, value);
        assert_int_equal(out.length, bits == 0 ? 1 : (bits + 6) / 7);
        sam_reader in = sam_reader_of(out.bytes, out.length);
        assert_int_equal(sam_get_varint(&in), value);
        assert_false(in.failed);
        sam_reader early = sam_reader_of(out.bytes, out.length - 1);
        (void)sam_get_varint(&early);
        assert_true(early.failed);
        sam_buffer_free(&out);
    }
}

static void varints_of_another_form_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t length;
        uint8_t bytes[12];
    } CASES[] = {
        {2, {0x80, 0x00}},                                                        /* 0 in two bytes */
        {3, {0xff, 0x80, 0x00}},                                                  /* 127 in three */
        {10, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}},       /* 65 bits */
        {11, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}}, /* eleven bytes */
        {1, {0x80}},                                                              /* ends early */
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_reader in = sam_reader_of(CASES[i].bytes, CASES[i].length);
        assert_int_equal(sam_get_varint(&in), 0);
        assert_true(in.failed);
    }
}

static void a_varint_of_32_bits_holds_no_more(void **state)
{
    (void)state;
    static const uint64_t VALUES[] = {0, 127, UINT32_MAX, (uint64_t)UINT32_MAX + 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        sam_buffer out = {0};
        sam_put_varint(&out, VALUES[i]);
        sam_reader in = sam_reader_of(out.bytes, out.length);
        bool fits = VALUES[i] <= UINT32_MAX;
        assert_int_equal(sam_get_varint32(&in), fits ? VALUES[i] : 0);
        assert_int_equal(in.failed, !fits);
        sam_buffer_free(&out);
    }
}

static void a_buffer_without_memory_stays_failed_and_whole(void **state)
{
    (void)state;
    sam_buffer out = {0};
    sam_put_text(&out, "kept");
    sam_memory_fail_at(1);
    for (int i = 0; i < 20; i++)
        sam_put_format(&out, "%060d", i);
    sam_memory_fail_at(0);
    sam_put_u8(&out, 1);
    assert_true(out.failed);
    assert_int_equal(out.length, 4);
    sam_buffer_clear(&out);
    sam_put_u8(&out, 1);
    assert_false(out.failed);
    sam_buffer_free(&out);
    assert_null(out.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_read_back),
        cmocka_unit_test(a_reader_never_runs_past_its_end),
        cmocka_unit_test(a_count_near_the_largest_is_refused),
        cmocka_unit_test(nothing_can_be_put_and_read),
        cmocka_unit_test(varints_take_the_shortest_form_and_come_back),
        cmocka_unit_test(varints_of_another_form_are_refused),
        cmocka_unit_test(a_varint_of_32_bits_holds_no_more),
        cmocka_unit_test(a_buffer_without_memory_stays_failed_and_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
