#include "client/in_hand.h"

#include "base/memory.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static sam_lease slot(uint64_t round, uint32_t index)
{
    return (sam_lease){SAM_WORK_SLOT, round, index, 1000};
}

static void add(sam_in_hand *hand, sam_lease lease, uint64_t now_ms)
{
    assert_int_equal(sam_in_hand_add(hand, &lease, now_ms, NULL), SAM_OK);
}

static void expect_next(sam_in_hand *hand, uint64_t rounds, uint64_t now_ms, uint64_t round, uint32_t index)
{
    sam_lease lease;
    assert_true(sam_in_hand_next(hand, rounds, now_ms, &lease));
    assert_int_equal(lease.round, round);
    assert_int_equal(lease.index, index);
}

static void expect_none(sam_in_hand *hand, uint64_t rounds, uint64_t now_ms)
{
    sam_lease lease;
    assert_false(sam_in_hand_next(hand, rounds, now_ms, &lease));
}

static void finish(sam_in_hand *hand)
{
    const sam_result result = {.kind = hand->computing.kind,
                               .round = hand->computing.round,
                               .index = hand->computing.index,
                               .codes = sam_alloc(1, 1),
                               .code_count = 1};
    assert_int_equal(sam_in_hand_finish(hand, &result, NULL), SAM_OK);
}

/* The indices of what one request carries. */
static void expect_sent(sam_in_hand *hand, unsigned connection, size_t count, const uint32_t *indices)
{
    const sam_results *sent = sam_in_hand_send(hand, connection, NULL);
    assert_non_null(sent);
    assert_int_equal(sent->count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(sent->results[i].index, indices[i]);
}

static void leases_are_computed_in_the_order_in_which_they_came(void **state)
{
    sam_in_hand hand = {0};
    (void)state;
    for (uint32_t i = 0; i < 9; i++)
        add(&hand, slot(0, 8 - i), 0);
    assert_int_equal(sam_in_hand_leases(&hand), 9);
    for (uint32_t i = 0; i < 9; i++) {
        expect_next(&hand, 0, 0, 0, 8 - i);
        assert_int_equal(sam_in_hand_leases(&hand), 9 - i);
        finish(&hand);
    }
    assert_int_equal(sam_in_hand_leases(&hand), 0);
    assert_int_equal(sam_in_hand_results(&hand), 9);
    sam_in_hand_free(&hand);
}

static void a_lease_out_of_time_is_not_begun(void **state)
{
    sam_in_hand hand = {0};
    (void)state;
    add(&hand, slot(0, 1), 0);
    add(&hand, slot(0, 2), 1);
    expect_next(&hand, 0, 1000, 0, 2);
    assert_int_equal(hand.dropped, 1);
    sam_in_hand_free(&hand);
}

static void a_slot_of_a_committed_round_is_not_begun_but_other_work_of_it_is(void **state)
{
    sam_in_hand hand = {0};
    (void)state;
    add(&hand, slot(3, 0), 0);
    add(&hand, (sam_lease){SAM_WORK_EVALUATION, 3, 1, 1000}, 0);
    add(&hand, (sam_lease){SAM_WORK_CHECK, 2, 2, 1000}, 0);
    add(&hand, slot(4, 3), 0);
    for (uint32_t i = 1; i <= 3; i++)
        expect_next(&hand, 4, 0, (uint64_t[]){0, 3, 2, 4}[i], i);
    assert_int_equal(hand.dropped, 1);
    sam_in_hand_free(&hand);
}

static void a_lease_that_is_given_again_is_computed_once(void **state)
{
    const uint32_t FIRST[] = {1};
    sam_in_hand hand = {0};
    (void)state;
    add(&hand, slot(0, 1), 0);
    add(&hand, slot(0, 1), 500); /* waiting: its time begins anew */
    expect_next(&hand, 0, 1200, 0, 1);
    add(&hand, slot(0, 1), 1200); /* being computed */
    finish(&hand);
    add(&hand, slot(0, 1), 1200); /* finished */
    expect_sent(&hand, 1, 1, FIRST);
    add(&hand, slot(0, 1), 1200); /* on its way */
    expect_none(&hand, 0, 1200);
    sam_in_hand_acknowledge(&hand, 1);
    add(&hand, slot(0, 1), 1200); /* if it is given now, it is wanted */
    expect_next(&hand, 0, 1200, 0, 1);
    sam_in_hand_free(&hand);
}

static void results_without_an_answer_go_out_again_before_all_others(void **state)
{
    const uint32_t FIRST[] = {0, 1}, SECOND[] = {2}, ALL[] = {0, 1, 2, 3};
    sam_in_hand hand = {0};
    (void)state;
    for (uint32_t i = 0; i < 4; i++)
        add(&hand, slot(0, i), 0);
    for (uint32_t i = 0; i < 4; i++) {
        expect_next(&hand, 0, 0, 0, i);
        finish(&hand);
        if (i == 1)
            expect_sent(&hand, 0, 2, FIRST);
        if (i == 2)
            expect_sent(&hand, 1, 1, SECOND);
    }
    assert_int_equal(sam_in_hand_results(&hand), 4);
    assert_int_equal(sam_in_hand_take_back(&hand, 1, NULL), SAM_OK);
    assert_int_equal(sam_in_hand_take_back(&hand, 0, NULL), SAM_OK);
    expect_sent(&hand, 0, 4, ALL);
    sam_in_hand_acknowledge(&hand, 0);
    assert_int_equal(sam_in_hand_results(&hand), 0);
    sam_in_hand_free(&hand);
}

static void a_request_carries_as_many_results_as_it_may(void **state)
{
    sam_in_hand hand = {0};
    (void)state;
    for (uint32_t i = 0; i < SAM_SYNC_RESULTS_MAX + 10; i++) {
        add(&hand, slot(0, i), 0);
        expect_next(&hand, 0, 0, 0, i);
        finish(&hand);
    }
    assert_int_equal(sam_in_hand_send(&hand, 0, NULL)->count, SAM_SYNC_RESULTS_MAX);
    assert_int_equal(sam_in_hand_send(&hand, 1, NULL)->count, 10);
    sam_in_hand_free(&hand);
}

static void more_leases_than_a_message_may_have_are_not_held(void **state)
{
    sam_in_hand hand = {0};
    (void)state;
    for (uint32_t i = 0; i < SAM_SYNC_LEASES_MAX + 10; i++)
        add(&hand, slot(0, i), 0);
    assert_int_equal(sam_in_hand_leases(&hand), SAM_SYNC_LEASES_MAX);
    sam_in_hand_free(&hand);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leases_are_computed_in_the_order_in_which_they_came),
        cmocka_unit_test(a_lease_out_of_time_is_not_begun),
        cmocka_unit_test(a_slot_of_a_committed_round_is_not_begun_but_other_work_of_it_is),
        cmocka_unit_test(a_lease_that_is_given_again_is_computed_once),
        cmocka_unit_test(results_without_an_answer_go_out_again_before_all_others),
        cmocka_unit_test(a_request_carries_as_many_results_as_it_may),
        cmocka_unit_test(more_leases_than_a_message_may_have_are_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
