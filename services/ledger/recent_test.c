#include "ledger/recent.h"

#include "run/test_runs.h"

enum { CAPACITY = 4, LENGTH = SAM_DIGEST_BYTES + 1 };

/* Round n, whose chain is the digest of `history` and n. */
static sam_digest chain_of(int history, uint64_t number)
{
    char text[64];
    sam_digest digest;
    int length = snprintf(text, sizeof text, "%d %llu", history, (unsigned long long)number);
    sam_digest_of(&digest, text, (size_t)length);
    return digest;
}

static void put(ledger_recent *recent, int history, uint64_t number)
{
    uint8_t bytes[LENGTH] = {(uint8_t)number};
    const sam_digest chain = chain_of(history, number), previous = chain_of(history, number - 1);
    memcpy(bytes + 1, chain.bytes, SAM_DIGEST_BYTES);
    ledger_recent_put(recent, number, &previous, bytes, sizeof bytes);
}

static bool has(ledger_recent *recent, uint64_t from, uint64_t head)
{
    ledger_round *rounds[LEDGER_RECENT_MAX];
    bool all = ledger_recent_take(recent, from, head, rounds);
    for (uint64_t i = 0; all && i < head - from; i++) {
        assert_true(rounds[i]->number == from + i && rounds[i]->bytes[0] == (uint8_t)(from + i));
        ledger_round_release(rounds[i]);
    }
    return all;
}

static void the_last_rounds_are_kept_and_older_ones_are_not(void **state)
{
    ledger_recent *recent = ledger_recent_new(CAPACITY);
    (void)state;
    assert_true(has(recent, 7, 7));
    assert_false(has(recent, 7, 8));
    for (uint64_t n = 0; n < 10; n++)
        put(recent, 1, n);
    assert_true(has(recent, 6, 10) && has(recent, 9, 10));
    assert_false(has(recent, 5, 10));
    assert_false(has(recent, 9, 11));
    put(recent, 1, 2); /* read by one that catches up */
    assert_true(has(recent, 6, 10));
    ledger_recent_free(recent);
}

static void a_round_in_use_outlives_its_place(void **state)
{
    ledger_recent *recent = ledger_recent_new(CAPACITY);
    ledger_round *rounds[LEDGER_RECENT_MAX];
    (void)state;
    put(recent, 1, 3);
    assert_true(ledger_recent_take(recent, 3, 4, rounds));
    put(recent, 1, 7);
    assert_int_equal(rounds[0]->number, 3);
    ledger_recent_free(recent);
    assert_int_equal(rounds[0]->bytes[0], 3);
    ledger_round_release(rounds[0]);
}

static void rounds_of_another_history_are_not_given_out(void **state)
{
    ledger_recent *recent = ledger_recent_new(CAPACITY);
    char hex[SAM_DIGEST_HEX];
    (void)state;
    for (uint64_t n = 4; n < 8; n++)
        put(recent, 1, n);
    sam_digest chain = chain_of(1, 7);
    sam_digest_hex(hex, &chain);
    ledger_recent_check(recent, 8, hex);
    assert_true(has(recent, 4, 8));
    put(recent, 2, 8); /* Redis was set back, and others committed meanwhile */
    assert_true(has(recent, 8, 9));
    assert_false(has(recent, 7, 9));
    chain = chain_of(3, 8);
    sam_digest_hex(hex, &chain);
    ledger_recent_check(recent, 9, hex);
    assert_false(has(recent, 8, 9));
    assert_false(has(recent, 5, 7));
    ledger_recent_free(recent);
}

static void without_memory_a_round_is_not_kept(void **state)
{
    ledger_recent *recent = ledger_recent_new(CAPACITY);
    (void)state;
    sam_memory_fail_at(1);
    put(recent, 1, 0);
    sam_memory_fail_at(1);
    assert_null(ledger_recent_new(CAPACITY));
    assert_false(has(recent, 0, 1));
    ledger_recent_free(recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_rounds_are_kept_and_older_ones_are_not),
        cmocka_unit_test(a_round_in_use_outlives_its_place),
        cmocka_unit_test(rounds_of_another_history_are_not_given_out),
        cmocka_unit_test(without_memory_a_round_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
