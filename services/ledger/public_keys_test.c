/* Keys that this copy has met: found again whatever the numbers, and no dearer for large ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "ledger/public_keys.h"

#include <string.h>

static sam_public_key key_of(uint32_t worker)
{
    sam_public_key key;
    memset(&key, 0, sizeof key);
    memcpy(&key, &worker, sizeof worker);
    return key;
}

static void numbers_far_apart_are_kept_and_found_again(void **state)
{
    static const uint32_t NUMBERS[] = {7, UINT32_MAX, 1, 2147483649u, 8, 2};
    ledger_public_keys *keys = ledger_public_keys_new();
    sam_public_key found;
    (void)state;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        const sam_public_key key = key_of(NUMBERS[i]);
        assert_false(ledger_public_keys_find(keys, NUMBERS[i], &found));
        ledger_public_keys_put(keys, NUMBERS[i], &key);
    }
    for (uint32_t worker = 0; worker < 100; worker++)
        ledger_public_keys_put(keys, 1000 + worker, &(sam_public_key){{0}});
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++) {
        const sam_public_key key = key_of(NUMBERS[i]);
        assert_true(ledger_public_keys_find(keys, NUMBERS[i], &found));
        assert_memory_equal(&found, &key, sizeof key);
    }
    assert_false(ledger_public_keys_find(keys, 3, &found));
    ledger_public_keys_free(keys);
}

static void a_number_has_its_first_key_for_ever(void **state)
{
    ledger_public_keys *keys = ledger_public_keys_new();
    const sam_public_key first = key_of(1), second = key_of(2);
    sam_public_key found;
    (void)state;
    ledger_public_keys_put(keys, 9, &first);
    ledger_public_keys_put(keys, 9, &second);
    assert_true(ledger_public_keys_find(keys, 9, &found));
    assert_memory_equal(&found, &first, sizeof first);
    ledger_public_keys_free(keys);
}

static void without_memory_a_key_is_asked_for_again(void **state)
{
    ledger_public_keys *keys = ledger_public_keys_new();
    const sam_public_key key = key_of(5);
    sam_public_key found;
    (void)state;
    sam_memory_fail_at(1);
    ledger_public_keys_put(keys, 5, &key);
    sam_memory_fail_at(0);
    assert_false(ledger_public_keys_find(keys, 5, &found));
    ledger_public_keys_put(keys, 5, &key);
    assert_true(ledger_public_keys_find(keys, 5, &found));
    ledger_public_keys_free(keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_far_apart_are_kept_and_found_again),
        cmocka_unit_test(a_number_has_its_first_key_for_ever),
        cmocka_unit_test(without_memory_a_key_is_asked_for_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
