/* Rounds that are open at once, where the manifest has a lag: they fill side by side, and are committed in order. */
#include "ledger/test_calls.h"

#include "ledger/view.h"

static test_calls c;

static sam_manifest draft_with(uint32_t lag)
{
    sam_manifest draft = test_draft();
    draft.lag = lag;
    draft.slots = 2;
    draft.rounds = 6;
    draft.evaluation.every = 0;
    draft.lease_ms = 60000;
    return draft;
}

static int close_calls(void **state)
{
    (void)state;
    test_calls_close(&c);
    return 0;
}

static void the_rounds_behind_the_next_are_given_out_too(void **state)
{
    static const char *const OPEN[] = {"s:0:0 s:0:1", "s:0:0 s:0:1 s:1:0 s:1:1", "s:0:0 s:0:1 s:1:0 s:1:1 s:2:0 s:2:1"};
    (void)state;
    for (uint32_t lag = 0; lag < 3; lag++) {
        const sam_manifest draft = draft_with(lag);
        test_calls_open(&c, &draft, NULL);
        test_ask a = test_join(&c, NULL);
        a.wants = TEST_LEASES_MAX;
        test_turns(&c, &a, 1);
        test_expect_leases(&a, OPEN[lag]);
        if (lag < 2)
            test_calls_close(&c);
    }
}

static void a_round_that_is_full_waits_for_the_one_before_it(void **state)
{
    const sam_manifest draft = draft_with(1);
    (void)state;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = b.wants = 2;
    test_turns(&c, &a, 1);
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:1:0 s:1:1");
    test_compute_all(&b);
    b.wants = 0;
    test_turn_and_commit(&c, &b);
    assert_true(b.refused == 0 && !b.full && test_head(&c) == 0);
    test_compute_all(&a);
    a.wants = 0;
    test_turns(&c, &a, 1);
    assert_true(a.full);
    must(&c, ledger_commit(&c.ledger, c.redis, c.run, &c.err)); /* both, with one call */
    assert_int_equal(test_head(&c), 2);
    a.wants = TEST_LEASES_MAX;
    a.cursor = 2;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:2:0 s:2:1 s:3:0 s:3:1");
    sam_samlog *log = test_calls_log(&c);
    test_check_log(log);
    assert_int_equal(test_worker_in_log(log, 1, 0), b.worker);
    sam_samlog_close(log);
}

static void while_the_next_round_waits_for_its_commit_others_are_given_out(void **state)
{
    const sam_manifest draft = draft_with(1);
    (void)state;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL);
    a.wants = 2;
    test_turns(&c, &a, 1);
    test_compute_all(&a);
    a.wants = 1;
    test_turns(&c, &a, 1);
    assert_true(a.full);
    test_expect_leases(&a, "s:1:0");
}

static void a_result_of_a_round_that_is_not_open_is_late(void **state)
{
    const sam_manifest draft = draft_with(1);
    (void)state;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = 0;
    test_finish(&a, SAM_WORK_SLOT, 2, 0); /* too early */
    test_finish(&a, SAM_WORK_SLOT, 1, 0);
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_finish(&a, SAM_WORK_SLOT, 0, 1);
    test_turn_and_commit(&c, &a);
    assert_true(a.refused == 1 && test_head(&c) == 1);
    test_finish(&b, SAM_WORK_SLOT, 0, 1); /* committed */
    test_finish(&b, SAM_WORK_SLOT, 1, 0); /* another was first */
    test_finish(&b, SAM_WORK_SLOT, 2, 0); /* open by now */
    test_turns(&c, &b, 1);
    assert_int_equal(b.refused, 2);
    test_finish(&a, SAM_WORK_SLOT, 1, 0); /* its own again: the answer was lost */
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 0);
}

static void what_was_leased_of_any_open_round_comes_back(void **state)
{
    sam_manifest draft = draft_with(2);
    (void)state;
    draft.lease_ms = 100;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = 4;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0 s:0:1 s:1:0 s:1:1");
    must(&c, ledger_leave(&c.ledger, c.redis, c.run, a.worker, &c.err));
    b.wants = TEST_LEASES_MAX;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:0:0 s:0:1 s:1:0 s:1:1 s:2:0 s:2:1");
    test_ask late = test_join(&c, NULL);
    late.wants = TEST_LEASES_MAX;
    sam_sleep_ms(700); /* the sixth of them is valid six times as long as one */
    test_turns(&c, &late, 1);
    test_expect_leases(&late, "s:0:0 s:0:1 s:1:0 s:1:1 s:2:0 s:2:1");
}

static void a_paused_run_takes_what_was_under_way_in_every_open_round(void **state)
{
    const sam_manifest draft = draft_with(1);
    (void)state;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL);
    a.wants = 4;
    test_turns(&c, &a, 1);
    test_compute_all(&a);
    must(&c, ledger_pause(&c.ledger, c.redis, c.run, true, &c.err));
    test_turn_and_commit(&c, &a);
    assert_true(a.refused == 0 && a.lease_count == 0 && test_head(&c) == 2);
    must(&c, ledger_pause(&c.ledger, c.redis, c.run, false, &c.err));
    a.cursor = 2;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:2:0 s:2:1 s:3:0 s:3:1");
}

static void a_run_ends_with_its_last_round_however_many_are_open(void **state)
{
    sam_manifest draft = draft_with(4);
    (void)state;
    draft.rounds = 3;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL);
    a.wants = TEST_LEASES_MAX;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0 s:0:1 s:1:0 s:1:1 s:2:0 s:2:1");
    test_compute_all(&a);
    test_turn_and_commit(&c, &a);
    assert_true(a.status == SAM_RUN_COMPLETE && test_head(&c) == 3);
}

/* The quorum of a round is in and its time over before it is the next: that closes it only then. */
static void each_round_has_a_quorum_and_a_clock_of_its_own(void **state)
{
    sam_manifest draft = draft_with(1);
    (void)state;
    draft.quorum.slots = 1;
    draft.quorum.after_ms = 500;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = b.wants = 0;
    test_finish(&a, SAM_WORK_SLOT, 1, 1);
    test_turn_and_commit(&c, &a);
    sam_sleep_ms(550);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 0);
    test_finish(&b, SAM_WORK_SLOT, 1, 0); /* still taken: round 1 is not the next */
    test_finish(&b, SAM_WORK_SLOT, 0, 0);
    test_turn_and_commit(&c, &b);
    assert_true(b.refused == 0 && test_head(&c) == 2);
    test_finish(&a, SAM_WORK_SLOT, 2, 0); /* opened with the commit of round 0: its time has just begun */
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 2);
    sam_sleep_ms(550);
    test_finish(&a, SAM_WORK_SLOT, 3, 0); /* its own time begins with the commit of round 1, as round 2's did not */
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 4);
    sam_samlog *log = test_calls_log(&c);
    assert_int_equal(test_worker_in_log(log, 0, 1), 0);
    assert_int_equal(test_worker_in_log(log, 1, 1), a.worker);
    assert_int_equal(test_worker_in_log(log, 2, 1), 0);
    sam_samlog_close(log);
}

static void what_nobody_filled_of_a_round_on_quorum_is_given_to_nobody_after(void **state)
{
    sam_manifest draft = draft_with(1);
    (void)state;
    draft.quorum.slots = 1;
    draft.quorum.after_ms = 1;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = 1;
    test_turns(&c, &a, 1); /* holds s:0:0, and lets it lie */
    b.wants = 0;
    test_finish(&b, SAM_WORK_SLOT, 0, 1);
    sam_sleep_ms(5);
    test_turn_and_commit(&c, &b);
    assert_int_equal(test_head(&c), 1);
    a.again = true;
    a.wants = TEST_LEASES_MAX;
    a.cursor = 1;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:1:0 s:1:1 s:2:0 s:2:1");
}

static void an_evaluation_comes_when_its_state_is_there(void **state)
{
    sam_manifest draft = draft_with(2);
    (void)state;
    draft.evaluation.every = 2;
    draft.evaluation.chunks = 1;
    test_calls_open(&c, &draft, NULL);
    test_ask a = test_join(&c, NULL);
    a.wants = TEST_LEASES_MAX;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "e:0:0 s:0:0 s:0:1 s:1:0 s:1:1 s:2:0 s:2:1");
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_finish(&a, SAM_WORK_SLOT, 0, 1);
    test_turn_and_commit(&c, &a);
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:3:0 s:3:1");
    test_finish(&a, SAM_WORK_SLOT, 1, 0);
    test_finish(&a, SAM_WORK_SLOT, 1, 1);
    test_turn_and_commit(&c, &a);
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "e:2:0 s:4:0 s:4:1");
}

static void put_round(sam_buffer *out, const test_calls *of, uint64_t number, sam_digest *chain)
{
    sam_round round = {.number = number};
    sam_buffer bytes = {0};
    for (uint32_t slot = 0; slot < of->run->manifest->slots; slot++) {
        const uint8_t codes[] = {test_code(number, slot, 0), test_code(number, slot, 1)};
        const sam_record record = {.round = number,
                                   .place = slot,
                                   .author = 40,
                                   .weight = 1,
                                   .loss = test_loss(number, slot),
                                   .codes = codes,
                                   .code_count = 2};
        assert_int_equal(sam_round_add(&round, &record, NULL), SAM_OK);
    }
    assert_int_equal(sam_round_encode(&bytes, &round, &of->run->shape, chain, NULL), SAM_OK);
    *chain = round.chain;
    sam_samlog_put_round(out, bytes.bytes, bytes.length);
    sam_buffer_free(&bytes);
    sam_round_free(&round);
}

static void an_import_voids_all_that_is_open_and_opens_what_follows(void **state)
{
    sam_manifest draft = draft_with(1);
    sam_buffer body = {0};
    uint64_t head;
    (void)state;
    draft.evaluation.every = 2;
    draft.evaluation.chunks = 1;
    test_calls_open(&c, &draft, NULL);
    sam_digest chain = c.run->manifest->id;
    test_ask a = test_join(&c, NULL);
    a.wants = TEST_LEASES_MAX;
    test_turns(&c, &a, 1);
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_finish(&a, SAM_WORK_SLOT, 1, 0);
    a.wants = 0;
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 0);
    for (uint64_t r = 0; r < 3; r++)
        put_round(&body, &c, r, &chain);
    must(&c, ledger_import(&c.ledger, c.redis, c.run, &(ledger_rounds){body.bytes, body.length, 0, 0}, &head, &c.err));
    assert_int_equal(head, 3);
    a.wants = TEST_LEASES_MAX;
    a.cursor = 3;
    a.again = true;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "e:2:0 s:3:0 s:3:1 s:4:0 s:4:1"); /* the last evaluation that was due is made anew */
    test_ask next = test_join(&c, NULL);
    assert_int_equal(next.worker, 41);
    sam_buffer_free(&body);
}

/* Whatever the lag, and whoever loses answers and leases, the log holds each code once, where it belongs. */
static void any_order_of_results_makes_the_same_codes(void **state)
{
    uint64_t random = 12;
    (void)state;
    for (uint32_t lag = 0; lag < 4; lag++) {
        sam_manifest draft = draft_with(lag);
        draft.rounds = 12;
        draft.slots = 3;
        draft.lease_ms = 100;
        draft.evaluation.every = 4;
        test_calls_open(&c, &draft, NULL);
        test_ask workers[3] = {test_join(&c, NULL), test_join(&c, NULL), test_join(&c, NULL)};
        bool complete = false;
        for (int turn = 0; !complete; turn++) {
            test_ask *worker = &workers[test_below(&random, 3)];
            assert_true(turn < 5000);
            worker->wants = 1 + (uint32_t)test_below(&random, 4);
            worker->ahead = test_below(&random, 2) == 0;
            worker->again = test_below(&random, 4) == 0;
            if (test_below(&random, 4) == 0)
                worker->result_count = 0; /* it died, and came back */
            test_turn_and_commit(&c, worker);
            test_compute_all(worker);
            worker->cursor = test_head(&c);
            complete = worker->status == SAM_RUN_COMPLETE;
        }
        sam_samlog *log = test_calls_log(&c);
        assert_int_equal(sam_samlog_rounds(log), 12);
        test_check_log(log);
        sam_samlog_close(log);
        if (lag < 3)
            test_calls_close(&c);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_calls)
    const struct CMUnitTest tests[] = {
        TEST(the_rounds_behind_the_next_are_given_out_too),
        TEST(a_round_that_is_full_waits_for_the_one_before_it),
        TEST(while_the_next_round_waits_for_its_commit_others_are_given_out),
        TEST(a_result_of_a_round_that_is_not_open_is_late),
        TEST(what_was_leased_of_any_open_round_comes_back),
        TEST(a_paused_run_takes_what_was_under_way_in_every_open_round),
        TEST(a_run_ends_with_its_last_round_however_many_are_open),
        TEST(each_round_has_a_quorum_and_a_clock_of_its_own),
        TEST(what_nobody_filled_of_a_round_on_quorum_is_given_to_nobody_after),
        TEST(an_evaluation_comes_when_its_state_is_there),
        TEST(an_import_voids_all_that_is_open_and_opens_what_follows),
        TEST(any_order_of_results_makes_the_same_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
