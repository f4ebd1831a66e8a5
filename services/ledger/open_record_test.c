/* Records that wait in Redis for their round: they come back as they were, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/open_record.h"

#include <string.h>

static sam_buffer stored(const sam_result *result, bool is_signed)
{
    sam_buffer out = {0};
    sam_put_text(&out, "4000000000:");
    ledger_open_record_put(&out, result, is_signed);
    return out;
}

static void a_record_of_any_length_comes_back_as_it_was(void **state)
{
    uint8_t codes[256];
    (void)state;
    for (uint32_t count = 1; count <= sizeof codes; count += 17)
        for (int is_signed = 0; is_signed < 2; is_signed++) {
            sam_result result = {.codes = codes, .code_count = count, .weight = count, .loss = 1000 * count};
            sam_record record = {0};
            const uint8_t *signature;
            memset(codes, (int)count, sizeof codes);
            memset(result.signature, 0xee, sizeof result.signature);
            sam_buffer out = stored(&result, is_signed == 1);
            assert_true(ledger_open_record_get(&record, &signature, out.bytes, out.length, is_signed == 1));
            assert_true(record.author == 4000000000u && record.weight == count && record.loss == 1000 * count);
            assert_int_equal(record.code_count, count);
            assert_memory_equal(record.codes, codes, count);
            assert_true((signature != NULL) == (is_signed == 1));
            if (signature != NULL)
                assert_memory_equal(signature, result.signature, sizeof result.signature);
            sam_buffer_free(&out);
        }
}

static void every_cut_and_every_added_byte_is_refused(void **state)
{
    uint8_t codes[] = {1, 2, 3};
    const sam_result result = {.codes = codes, .code_count = 3, .weight = 1, .loss = SAM_LOSS_NONE};
    sam_record record;
    const uint8_t *signature;
    (void)state;
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        sam_buffer out = stored(&result, is_signed == 1);
        for (size_t length = 0; length < out.length; length++)
            assert_false(ledger_open_record_get(&record, &signature, out.bytes, length, is_signed == 1));
        assert_false(ledger_open_record_get(&record, &signature, out.bytes, out.length, is_signed == 0));
        sam_put_u8(&out, 0);
        assert_false(ledger_open_record_get(&record, &signature, out.bytes, out.length, is_signed == 1));
        sam_buffer_free(&out);
    }
}

static void an_author_is_a_number_of_32_bits(void **state)
{
    static const char *const BAD[] = {"0:", ":", "4294967296:", "x:", "-1:", "99999999999999999999:", "12"};
    uint8_t code = 1;
    const sam_result result = {.codes = &code, .code_count = 1, .weight = 1};
    sam_record record;
    const uint8_t *signature;
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        sam_buffer out = {0};
        sam_put_text(&out, BAD[i]);
        ledger_open_record_put(&out, &result, false);
        assert_false(ledger_open_record_get(&record, &signature, out.bytes, out.length, false));
        sam_buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_any_length_comes_back_as_it_was),
        cmocka_unit_test(every_cut_and_every_added_byte_is_refused),
        cmocka_unit_test(an_author_is_a_number_of_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
