/* Work as a plan has it: whom a place may be given to, what becomes of it when its time is over, and which
 * worker comes first.
 */
#include "ledger/test_calls.h"

#include "ledger/view.h"

static test_calls c;

static sam_manifest plain_draft(void)
{
    sam_manifest draft = test_draft();
    draft.evaluation.every = 0;
    draft.lease_ms = 60000;
    return draft;
}

static void open_run(const sam_manifest *draft, test_plan plan)
{
    test_calls_open(&c, draft, plan);
}

static int close_calls(void **state)
{
    (void)state;
    test_calls_close(&c);
    return 0;
}

/* ---- places for one worker alone ---- */

/* Place 0 is worker 1's, place 1 worker 2's, the third anybody's. */
static void addressed(sam_plan *plan, const sam_manifest *manifest, uint64_t round, const sam_present *present)
{
    (void)manifest;
    (void)present;
    for (uint32_t place = 0; place < 3; place++)
        sam_plan_add(plan, &(sam_plan_item){.kind = SAM_WORK_SLOT,
                                            .round = round,
                                            .first = place,
                                            .count = 1,
                                            .addressee = place < 2 ? place + 1 : 0});
}

static void an_addressed_place_is_given_to_its_worker_alone(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, addressed);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL), other = test_join(&c, NULL);
    a.wants = b.wants = other.wants = 3;
    test_turns(&c, &other, 1);
    test_expect_leases(&other, "s:0:2");
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:0:1");
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
    test_turns(&c, &a, 1);
    test_expect_leases(&a, ""); /* it has it */
    a.again = true;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
}

static void what_another_makes_of_an_addressed_place_is_refused(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, addressed);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = b.wants = 0;
    test_finish(&b, SAM_WORK_SLOT, 0, 0);
    test_finish(&b, SAM_WORK_SLOT, 0, 1); /* its own, though it never asked for it */
    test_finish(&b, SAM_WORK_SLOT, 0, 2);
    test_turns(&c, &b, 1);
    assert_true(b.refused == 1 && !b.full);
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_turn_and_commit(&c, &a);
    assert_true(a.refused == 0 && test_head(&c) == 1);
    sam_samlog *log = test_calls_log(&c);
    test_check_log(log);
    assert_int_equal(test_worker_in_log(log, 0, 0), a.worker);
    sam_samlog_close(log);
}

static void an_addressed_place_comes_back_to_its_worker(void **state)
{
    sam_manifest draft = plain_draft();
    (void)state;
    draft.lease_ms = 100;
    open_run(&draft, addressed);
    test_ask a = test_join(&c, NULL), other = test_join(&c, NULL), third = test_join(&c, NULL);
    (void)other;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
    sam_sleep_ms(150);
    third.wants = 3;
    test_turns(&c, &third, 1);
    test_expect_leases(&third, "s:0:2");
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
    must(&c, ledger_leave(&c.ledger, c.redis, c.run, a.worker, &c.err));
    test_turns(&c, &third, 1);
    test_expect_leases(&third, "");
}

static void what_the_plan_does_not_have_is_no_place(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, NULL);
    test_finish(&a, SAM_WORK_SLOT, 0, 3);
    test_finish(&a, SAM_WORK_EVALUATION, 0, 0);
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 2);
}

/* ---- places that lapse ---- */

static void lapsing(sam_plan *plan, const sam_manifest *manifest, uint64_t round, const sam_present *present)
{
    (void)present;
    for (uint32_t place = 0; place < manifest->slots; place++)
        sam_plan_add(plan, &(sam_plan_item){.kind = SAM_WORK_SLOT,
                                            .round = round,
                                            .first = place,
                                            .count = 1,
                                            .addressee = place + 1,
                                            .on_expiry = SAM_EXPIRY_LAPSE});
}

static sam_manifest lapsing_draft(void)
{
    sam_manifest draft = plain_draft();
    draft.lease_ms = 300;
    return draft;
}

/* Workers 1 and 2 of three that have a place; nobody asks for the third. */
static void join_two(test_ask *a, test_ask *b)
{
    *a = test_join(&c, NULL);
    *b = test_join(&c, NULL);
    a->wants = b->wants = 0;
}

static void a_round_is_full_without_the_places_that_lapsed(void **state)
{
    const sam_manifest draft = lapsing_draft();
    test_ask a, b;
    sam_round round;
    (void)state;
    open_run(&draft, lapsing);
    join_two(&a, &b);
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_turn_and_commit(&c, &a);
    b.wants = 1;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:0:1");
    assert_in_range(b.leases[0].valid_ms, 1, 300); /* until it lapses, not longer */
    assert_int_equal(test_head(&c), 0);
    sam_sleep_ms(350);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 1);
    test_finish(&b, SAM_WORK_SLOT, 0, 1);
    b.wants = 0;
    test_turns(&c, &b, 1);
    assert_int_equal(b.refused, 1);
    sam_samlog *log = test_calls_log(&c);
    assert_int_equal(sam_samlog_decode(log, 0, &round, NULL), SAM_OK);
    assert_true(round.record_count == 1 && round.records[0].author == a.worker);
    sam_round_free(&round);
    sam_samlog_close(log);
    b.cursor = 1;
    b.wants = 3;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:1:1"); /* and no leftover of round 0 */
}

static void a_round_may_lapse_as_a_whole(void **state)
{
    const sam_manifest draft = lapsing_draft();
    test_ask a, b;
    (void)state;
    open_run(&draft, lapsing);
    join_two(&a, &b);
    sam_sleep_ms(350);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 1);
}

/* The places have lapsed, but too few have a record: the round waits, and takes what comes. */
static void with_fewer_than_a_quorum_a_round_waits_for_those_that_lapsed(void **state)
{
    sam_manifest draft = lapsing_draft();
    test_ask a, b;
    (void)state;
    draft.quorum.slots = 2;
    draft.quorum.after_ms = 3600000;
    open_run(&draft, lapsing);
    join_two(&a, &b);
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    test_turns(&c, &a, 1);
    b.wants = 1;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:0:1");
    sam_sleep_ms(350);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 0);
    test_turns(&c, &b, 1); /* its lease is over, and it may have the place once more */
    test_expect_leases(&b, "s:0:1");
    test_compute_all(&b);
    test_turn_and_commit(&c, &b);
    assert_true(b.refused == 0 && test_head(&c) == 1);
    sam_samlog *log = test_calls_log(&c);
    assert_int_equal(test_worker_in_log(log, 0, 0), a.worker);
    assert_int_equal(test_worker_in_log(log, 0, 1), b.worker);
    assert_int_equal(test_worker_in_log(log, 0, 2), 0);
    sam_samlog_close(log);
}

static void while_a_run_is_paused_nothing_lapses(void **state)
{
    const sam_manifest draft = lapsing_draft();
    test_ask a, b;
    (void)state;
    open_run(&draft, lapsing);
    join_two(&a, &b);
    must(&c, ledger_pause(&c.ledger, c.redis, c.run, true, &c.err));
    sam_sleep_ms(350);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 0);
    must(&c, ledger_pause(&c.ledger, c.redis, c.run, false, &c.err));
    b.wants = 1;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:0:1");
    sam_sleep_ms(350); /* the time began anew */
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 1);
}

/* With a lag the rounds behind the next lapse too, and each is committed in its turn. */
static void rounds_that_are_open_at_once_lapse_each_by_its_own_clock(void **state)
{
    sam_manifest draft = lapsing_draft();
    test_ask a, b;
    (void)state;
    draft.lag = 1;
    open_run(&draft, lapsing);
    join_two(&a, &b);
    test_finish(&b, SAM_WORK_SLOT, 1, 1);
    test_finish(&b, SAM_WORK_SLOT, 0, 1);
    test_turns(&c, &b, 1);
    sam_sleep_ms(350);
    test_turn_and_commit(&c, &a);
    assert_int_equal(test_head(&c), 2);
    sam_samlog *log = test_calls_log(&c);
    assert_int_equal(test_worker_in_log(log, 1, 1), b.worker);
    sam_samlog_close(log);
    b.cursor = 2;
    b.wants = 4;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "s:2:1 s:3:1");
}

/* Each round comes with an evaluation of two chunks, for workers 1 and 2. */
static void lapsing_evaluations(sam_plan *plan, const sam_manifest *manifest, uint64_t round,
                                const sam_present *present)
{
    (void)present;
    sam_plan_add(plan, &(sam_plan_item){.kind = SAM_WORK_SLOT, .round = round, .count = manifest->slots});
    for (uint32_t chunk = 0; chunk < 2; chunk++)
        sam_plan_add(plan, &(sam_plan_item){.kind = SAM_WORK_EVALUATION,
                                            .round = round,
                                            .first = chunk,
                                            .count = 1,
                                            .addressee = chunk + 1,
                                            .on_expiry = SAM_EXPIRY_LAPSE});
}

static void a_chunk_that_lapsed_has_no_examples(void **state)
{
    sam_manifest draft = lapsing_draft();
    ledger_view view;
    (void)state;
    open_run(&draft, lapsing_evaluations);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = b.wants = 2;
    test_turns(&c, &b, 1);
    test_expect_leases(&b, "e:0:1 s:0:0");
    test_compute_all(&b);
    a.wants = 0;
    test_finish(&a, SAM_WORK_EVALUATION, 0, 1); /* not its own */
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 1);
    test_turns(&c, &b, 1);
    assert_int_equal(b.refused, 0);
    sam_sleep_ms(350);
    test_finish(&a, SAM_WORK_EVALUATION, 0, 0);
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 0); /* results come before expiry */
    must(&c, ledger_view_read(&view, &c.ledger, c.redis, c.run, &c.err));
    assert_int_equal(view.evaluation_count, 1);
    assert_true(view.evaluations[0].examples == 20 && view.evaluations[0].correct == 1);
    ledger_view_free(&view);
}

static void an_evaluation_ends_when_its_last_chunk_lapses(void **state)
{
    sam_manifest draft = lapsing_draft();
    ledger_pulse pulse;
    ledger_view view;
    (void)state;
    open_run(&draft, lapsing_evaluations);
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL);
    a.wants = 0;
    test_turns(&c, &b, 1);
    test_compute_all(&b);
    test_turns(&c, &b, 1);
    sam_sleep_ms(350);
    must(&c, ledger_tick(&c.ledger, c.redis, c.run, &pulse, &c.err));
    must(&c, ledger_view_read(&view, &c.ledger, c.redis, c.run, &c.err));
    assert_int_equal(view.evaluation_count, 1);
    assert_true(view.evaluations[0].examples == 10 && view.evaluations[0].loss_micro == 1000);
    ledger_view_free(&view);
    test_finish(&a, SAM_WORK_EVALUATION, 0, 0);
    test_turns(&c, &a, 1);
    assert_int_equal(a.refused, 1);
}

/* ---- presence ---- */

static uint32_t seen[4];
static size_t seen_count;

static void note_presence(sam_plan *plan, const sam_manifest *manifest, uint64_t round, const sam_present *present)
{
    assert_true(present->count <= 4);
    seen_count = present->count;
    if (seen_count > 0)
        memcpy(seen, present->workers, seen_count * sizeof *seen);
    sam_plan_add(plan, &(sam_plan_item){.kind = SAM_WORK_SLOT, .round = round, .count = manifest->slots});
}

static void a_plan_is_told_who_is_there(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, note_presence);
    c.mode.asks_presence = true;
    test_ask a = test_join(&c, NULL), b = test_join(&c, NULL), third = test_join(&c, NULL);
    must(&c, ledger_leave(&c.ledger, c.redis, c.run, b.worker, &c.err));
    a.wants = 0;
    for (uint32_t slot = 0; slot < 3; slot++)
        test_finish(&a, SAM_WORK_SLOT, 0, slot);
    test_turn_and_commit(&c, &a);
    assert_int_equal(seen_count, 2);
    assert_true(seen[0] == a.worker && seen[1] == third.worker);
}

/* ---- the order of workers ---- */

static void leases_of_one_call_go_first_to_those_with_nothing_in_hand(void **state)
{
    sam_manifest draft = plain_draft();
    (void)state;
    draft.slots = 2;
    open_run(&draft, NULL);
    test_ask asks[] = {test_join(&c, NULL), test_join(&c, NULL), test_join(&c, NULL)};
    asks[0].ahead = true;
    asks[0].wants = 2;
    test_turns(&c, asks, 3);
    test_expect_leases(&asks[0], "");
    test_expect_leases(&asks[1], "s:0:0");
    test_expect_leases(&asks[2], "s:0:1");
}

static void the_lease_of_a_worker_that_is_ahead_is_valid_for_what_it_has_in_hand_too(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, NULL);
    test_turns(&c, &a, 1);
    assert_int_equal(a.leases[0].valid_ms, 60000);
    a.ahead = true;
    test_turns(&c, &a, 1);
    assert_int_equal(a.leases[0].valid_ms, 120000);
}

static void what_a_worker_has_in_hand_is_not_given_to_it_once_more(void **state)
{
    sam_manifest draft = plain_draft();
    (void)state;
    draft.slots = 1;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, NULL);
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
    a.again = a.ahead = true;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "");
    a.ahead = false; /* the answer with its next lease was lost */
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0");
}

/* ---- identities ---- */

#define KEY "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void joining_again_with_a_key_gives_the_same_number(void **state)
{
    const sam_manifest draft = plain_draft();
    ledger_view view;
    (void)state;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, KEY), other = test_join(&c, NULL);
    a.wants = 2;
    test_turns(&c, &a, 1);
    test_expect_leases(&a, "s:0:0 s:0:1");
    test_finish(&a, SAM_WORK_SLOT, 0, 0);
    a.wants = 0;
    test_turns(&c, &a, 1);
    must(&c, ledger_leave(&c.ledger, c.redis, c.run, a.worker, &c.err));
    test_ask back = test_join(&c, KEY);
    assert_int_equal(back.worker, a.worker);
    test_turns(&c, &back, 1);
    test_expect_leases(&back, "s:0:1"); /* it has not left any more */
    must(&c, ledger_view_read(&view, &c.ledger, c.redis, c.run, &c.err));
    assert_true(view.worker_count == 2 && view.by_status[SAM_WORKER_IS_ACTIVE] == 2);
    assert_int_equal(view.workers[0].slots, 1);
    ledger_view_free(&view);
    assert_int_equal(test_join(&c, NULL).worker, other.worker + 1);
}

static void what_a_worker_held_before_it_came_back_is_free(void **state)
{
    const sam_manifest draft = plain_draft();
    (void)state;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, KEY);
    a.wants = 3;
    test_turns(&c, &a, 1);
    test_ask back = test_join(&c, KEY), other = test_join(&c, NULL);
    (void)back;
    other.wants = 3;
    test_turns(&c, &other, 1);
    test_expect_leases(&other, "s:0:0 s:0:1 s:0:2");
}

/* ---- figures ---- */

static void a_view_costs_by_the_workers_there_are_and_not_by_their_numbers(void **state)
{
    sam_manifest draft = plain_draft();
    ledger_view view;
    redisReply *reply;
    char key[SAM_SCHEMA_KEY_SIZE];
    (void)state;
    open_run(&draft, NULL);
    test_ask a = test_join(&c, NULL);
    sam_schema_key_of(key, c.run->id, SAM_KEY_STATE);
    must(&c, sam_redis_words(c.redis, &reply, &c.err, "HSET", key, "next_worker", "4000000000", NULL));
    sam_redis_reply_free(reply);
    test_ask b = test_join(&c, NULL);
    assert_int_equal(b.worker, 4000000001u);
    test_turns(&c, &b, 1);
    must(&c, ledger_view_read(&view, &c.ledger, c.redis, c.run, &c.err));
    assert_true(view.worker_count == 2 && view.workers[0].number == a.worker && view.workers[1].number == b.worker);
    assert_int_equal(view.workers[1].leases, 1);
    ledger_view_free(&view);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, close_calls)
    const struct CMUnitTest tests[] = {
        TEST(an_addressed_place_is_given_to_its_worker_alone),
        TEST(what_another_makes_of_an_addressed_place_is_refused),
        TEST(an_addressed_place_comes_back_to_its_worker),
        TEST(what_the_plan_does_not_have_is_no_place),
        TEST(a_round_is_full_without_the_places_that_lapsed),
        TEST(a_round_may_lapse_as_a_whole),
        TEST(with_fewer_than_a_quorum_a_round_waits_for_those_that_lapsed),
        TEST(while_a_run_is_paused_nothing_lapses),
        TEST(rounds_that_are_open_at_once_lapse_each_by_its_own_clock),
        TEST(a_chunk_that_lapsed_has_no_examples),
        TEST(an_evaluation_ends_when_its_last_chunk_lapses),
        TEST(a_plan_is_told_who_is_there),
        TEST(leases_of_one_call_go_first_to_those_with_nothing_in_hand),
        TEST(the_lease_of_a_worker_that_is_ahead_is_valid_for_what_it_has_in_hand_too),
        TEST(what_a_worker_has_in_hand_is_not_given_to_it_once_more),
        TEST(joining_again_with_a_key_gives_the_same_number),
        TEST(what_a_worker_held_before_it_came_back_is_free),
        TEST(a_view_costs_by_the_workers_there_are_and_not_by_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
