#include "net/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)

static void a_client_may_ask_so_often_at_once_and_then_at_its_rate(void **state)
{
    (void)state;
    sam_rate *rate = sam_rate_new(10, 5);
    uint64_t now = 7 * SECOND;
    uint32_t wait_ms = 0;
    for (int i = 0; i < 5; i++)
        assert_true(sam_rate_take(rate, "a", 1, now, &wait_ms));
    assert_false(sam_rate_take(rate, "a", 1, now, &wait_ms));
    assert_in_range(wait_ms, 100, 101);
    assert_false(sam_rate_take(rate, "a", 1, now + SECOND / 11, &wait_ms));
    assert_true(sam_rate_take(rate, "a", 1, now + SECOND / 10, &wait_ms));
    assert_false(sam_rate_take(rate, "a", 1, now + SECOND / 10, &wait_ms));
    int taken = 0;
    for (uint64_t at = now + SECOND; at < now + 11 * SECOND; at += SECOND / 100)
        taken += sam_rate_take(rate, "a", 1, at, &wait_ms);
    assert_in_range(taken, 100, 105);
    sam_rate_free(rate);
}

static void one_client_does_not_use_up_what_others_may(void **state)
{
    (void)state;
    sam_rate *rate = sam_rate_new(1, 1);
    uint32_t wait_ms;
    assert_true(sam_rate_take(rate, "a", 1, SECOND, &wait_ms));
    assert_false(sam_rate_take(rate, "a", 1, SECOND, &wait_ms));
    assert_true(sam_rate_take(rate, "b", 1, SECOND, &wait_ms));
    assert_true(sam_rate_take(rate, "ab", 2, SECOND, &wait_ms));
    sam_rate_free(rate);
}

static void more_clients_than_the_table_holds_only_favour_the_rested(void **state)
{
    (void)state;
    sam_rate *rate = sam_rate_new(1000, 1);
    uint32_t wait_ms;
    for (uint32_t client = 0; client < 100000; client++)
        assert_true(sam_rate_take(rate, &client, sizeof client, SECOND + client, &wait_ms));
    sam_rate_free(rate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_may_ask_so_often_at_once_and_then_at_its_rate),
        cmocka_unit_test(one_client_does_not_use_up_what_others_may),
        cmocka_unit_test(more_clients_than_the_table_holds_only_favour_the_rested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
