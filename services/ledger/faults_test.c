/* What must hold when processes die: an acknowledged code is in the log exactly once, and the chain verifies. */
#include "ledger/open_record.h"
#include "ledger/test_ledger.h"

#include <pthread.h>

#define SHORT_RUNS 20

/* What a worker was told: this slot of this round is yours. */
typedef struct promise {
    uint64_t round;
    uint32_t slot, worker;
} promise;

typedef struct promises {
    promise all[4096];
    size_t count;
} promises;

/* A turn whose reply said "none refused" promises every slot that it carried. */
static int turn_with_promises(test_worker *worker, promises *made)
{
    test_worker before = *worker;
    int code = test_worker_turn(worker);
    if (code != 200 || worker->refused != 0)
        return code;
    for (size_t i = 0; i < before.result_count; i++)
        if (before.results[i].kind == SAM_WORK_SLOT && made->count < sizeof made->all / sizeof made->all[0])
            made->all[made->count++] = (promise){before.results[i].round, before.results[i].index, worker->number};
    return code;
}

static void check_promises(const promises *made, const test_run *run, const char *base)
{
    sam_samlog *log = test_run_log(run, base); /* parse checks the chain */
    assert_int_equal(sam_samlog_rounds(log), run->manifest->rounds);
    test_check_log(log);
    for (size_t i = 0; i < made->count; i++)
        assert_int_equal(test_worker_in_log(log, made->all[i].round, made->all[i].slot), made->all[i].worker);
    assert_true(made->count > 0);
    sam_samlog_close(log);
}

typedef struct killer {
    pid_t pid;
    uint32_t after_us;
} killer;

static void *kill_later(void *argument)
{
    const killer *k = argument;
    usleep(k->after_us);
    (void)kill(k->pid, SIGKILL);
    return NULL;
}

/* One turn during which the ledger is killed at a random moment, and then started again on the same address. */
static void deadly_turn(test_worker *worker, promises *made, test_ledger *ledger, const char *redis, uint64_t *random)
{
    pthread_t thread;
    char address[64];
    killer k = {ledger->pid, (uint32_t)test_below(random, 4000)};
    assert_int_equal(pthread_create(&thread, NULL, kill_later, &k), 0);
    (void)turn_with_promises(worker, made);
    pthread_join(thread, NULL);
    (void)waitpid(ledger->pid, NULL, 0);
    snprintf(address, sizeof address, "%s", ledger->url + strlen("http://"));
    test_ledger_start_on(ledger, redis, address);
}

static void a_ledger_killed_at_any_moment_loses_no_acknowledged_code(void **state)
{
    test_stage stage;
    test_ledger ledger;
    uint64_t random = 20;
    static promises made;
    (void)state;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    for (uint64_t i = 0; i < SHORT_RUNS; i++) {
        sam_manifest draft = test_draft();
        test_run run;
        draft.seed = 100 + i;
        draft.rounds = 6;
        draft.evaluation.every = 3;
        draft.lag = (uint32_t)i % 3;
        made.count = 0;
        test_run_create(&run, &draft, ledger.url);
        test_worker workers[] = {test_worker_join(&run, ledger.url), test_worker_join(&run, ledger.url)};
        for (int turn = 0; !(test_worker_done(&workers[0]) && test_worker_done(&workers[1])); turn++) {
            test_worker *worker = &workers[turn % 2];
            assert_true(turn < 2000);
            if (test_below(&random, 4) == 0)
                deadly_turn(worker, &made, &ledger, stage.redis.address, &random);
            else
                assert_int_equal(turn_with_promises(worker, &made), 200);
        }
        check_promises(&made, &run, ledger.url);
        sam_manifest_free(run.manifest);
    }
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

/* Retries while the answer is 503, as a worker does. */
static void patient_turn(test_worker *worker, promises *made)
{
    for (int tries = 0; tries < 200; tries++) {
        int code = turn_with_promises(worker, made);
        if (code == 200)
            return;
        if (code != 503)
            fail_msg("HTTP %d: %s", code, worker->err.text);
        sam_sleep_ms(20);
    }
    fail_msg("still no Redis: %s", worker->err.text);
}

static void a_redis_killed_and_started_again_loses_nothing(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_manifest draft = test_draft();
    static promises made;
    (void)state;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    test_run_create(&run, &draft, ledger.url);
    test_worker workers[] = {test_worker_join(&run, ledger.url), test_worker_join(&run, ledger.url)};
    made.count = 0;
    for (int turn = 0; !(test_worker_done(&workers[0]) && test_worker_done(&workers[1])); turn++) {
        assert_true(turn < 2000);
        if (turn % 9 == 8) {
            test_redis_kill(&stage.redis);
            assert_int_equal(test_worker_turn(&workers[turn % 2]), 503);
            assert_true(test_redis_again(&stage.redis));
        }
        patient_turn(&workers[turn % 2], &made);
    }
    check_promises(&made, &run, ledger.url);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

static void functions_that_redis_forgot_are_loaded_again(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_redis *redis;
    redisReply *reply;
    sam_manifest draft = test_draft();
    static promises made;
    (void)state;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    assert_int_equal(sam_redis_open(&redis, &(sam_redis_options){.address = stage.redis.address}, NULL), SAM_OK);
    test_run_create(&run, &draft, ledger.url);
    test_worker worker = test_worker_join(&run, ledger.url);
    made.count = 0;
    for (int turn = 0; !test_worker_done(&worker); turn++) {
        assert_true(turn < 2000);
        if (turn % 3 == 0) {
            assert_int_equal(sam_redis_words(redis, &reply, NULL, "SCRIPT", "FLUSH", NULL), SAM_OK);
            sam_redis_reply_free(reply);
        }
        assert_int_equal(turn_with_promises(&worker, &made), 200);
    }
    check_promises(&made, &run, ledger.url);
    sam_redis_close(redis);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

/* A round that is full but not committed: its codes were put into Redis by a copy that died before the commit. Here
 * the fields of the open round are written as turns.lua writes them. */
static void a_full_round_that_nobody_committed_is_committed_by_the_next(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_redis *redis;
    redisReply *reply;
    char open[120], rounds[120], work[12];
    sam_manifest draft = test_draft();
    (void)state;
    draft.evaluation.every = 0;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    assert_int_equal(sam_redis_open(&redis, &(sam_redis_options){.address = stage.redis.address}, NULL), SAM_OK);
    test_run_create(&run, &draft, ledger.url);
    test_worker worker = test_worker_join(&run, ledger.url);
    worker.wants = 3;
    test_turn(&worker);
    snprintf(open, sizeof open, "samara:{%s}:open", run.manifest->id_hex);
    snprintf(rounds, sizeof rounds, "samara:{%s}:rounds", run.manifest->id_hex);
    for (uint32_t i = 0; i < 3; i++) {
        sam_buffer value = {0};
        sam_put_text(&value, "1:");
        ledger_open_record_put(&value, &worker.results[i], false);
        snprintf(work, sizeof work, "s:0:%u", i);
        assert_int_equal(sam_redis_command(redis, &reply, NULL, 4,
                                           (const char *[]){"HSET", open, work, (const char *)value.bytes},
                                           (const size_t[]){4, strlen(open), strlen(work), value.length}),
                         SAM_OK);
        sam_redis_reply_free(reply);
        sam_buffer_free(&value);
    }
    assert_int_equal(sam_redis_words(redis, &reply, NULL, "HSET", rounds, "0", "3:3:1:0", NULL), SAM_OK);
    sam_redis_reply_free(reply);
    worker.result_count = 0;
    worker.wants = 0;
    test_turn(&worker);
    assert_int_equal(worker.cursor, 1);
    sam_samlog *log = test_run_log(&run, ledger.url);
    test_check_log(log);
    sam_samlog_close(log);
    sam_redis_close(redis);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

/* The one who holds the last chunk may die: somebody who can evaluate has to be there still. */
static void a_worker_stays_until_the_last_evaluation_is_in(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_manifest draft = test_draft();
    (void)state;
    draft.rounds = 1;
    draft.evaluation.every = 1;
    draft.lease_ms = 300;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), other = test_worker_join(&run, ledger.url);
    test_worker poor = test_worker_join_with(&run, ledger.url, "{\"evaluates\":false}");
    for (int turn = 0; holder.cursor < 1 || holder.result_count < 2; turn++) {
        assert_true(turn < 100);
        test_turn(&holder);
    }
    assert_int_equal(holder.results[0].kind, SAM_WORK_EVALUATION);
    test_turn(&other);
    test_turn(&poor);
    assert_int_equal(other.cursor, 1);
    assert_int_equal(other.status, SAM_RUN_RUNNING);
    assert_true(test_worker_done(&poor)); /* it could not help */
    other.wait_ms = 20000;
    for (int turn = 0; !test_worker_done(&other); turn++) {
        assert_true(turn < 100);
        test_turn(&other);
    }
    test_turn(&holder);
    assert_true(holder.refused == 2 && test_worker_done(&holder));
    assert_int_equal(test_number(ledger.url, run.path, "lost_leases"), 2);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

/* As a clock that goes back an hour leaves it: the deadline of the lease is an hour away. */
static void a_lease_from_before_the_clock_went_back_still_ends(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_redis *redis;
    redisReply *reply;
    char key[120];
    sam_manifest draft = test_draft();
    (void)state;
    draft.slots = 1;
    draft.evaluation.every = 0;
    draft.lease_ms = 300;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    assert_int_equal(sam_redis_open(&redis, &(sam_redis_options){.address = stage.redis.address}, NULL), SAM_OK);
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), other = test_worker_join(&run, ledger.url);
    test_turn(&holder);
    assert_int_equal(holder.result_count, 1);
    snprintf(key, sizeof key, "samara:{%s}:leases", run.manifest->id_hex);
    assert_int_equal(sam_redis_words(redis, &reply, NULL, "ZINCRBY", key, "3600000", "s:0:0", NULL), SAM_OK);
    sam_redis_reply_free(reply);
    other.wait_ms = 20000;
    test_turn(&other);
    assert_int_equal(other.result_count, 1);
    sam_redis_close(redis);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

static void a_round_is_committed_on_quorum_and_takes_nothing_after(void **state)
{
    test_stage stage;
    test_ledger ledger;
    test_run run;
    sam_round round;
    sam_manifest draft = test_draft();
    (void)state;
    draft.rounds = 1;
    draft.evaluation.every = 0;
    draft.lease_ms = 60000;
    draft.quorum.slots = 2;
    draft.quorum.after_ms = 400;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    test_run_create(&run, &draft, ledger.url);
    test_worker quick = test_worker_join(&run, ledger.url), slow = test_worker_join(&run, ledger.url);
    test_turn(&quick);
    test_turn(&slow);
    assert_true(quick.result_count == 2 && slow.result_count == 1);
    quick.wait_ms = 20000;
    test_turn(&quick); /* waits for the deadline: the run ends there */
    assert_true(quick.cursor == 1 && quick.refused == 0 && test_worker_done(&quick));
    test_turn(&slow);
    assert_true(slow.refused == 1 && test_worker_done(&slow));
    sam_samlog *log = test_run_log(&run, ledger.url);
    assert_int_equal(sam_samlog_decode(log, 0, &round, NULL), SAM_OK);
    assert_int_equal(round.record_count, 2);
    for (uint32_t slot = 0; slot < 2; slot++) {
        assert_true(round.records[slot].place == slot && round.records[slot].author == quick.number);
        test_check_record(&round.records[slot], 2);
    }
    assert_int_equal(test_number(ledger.url, run.path, "records"), 2);
    assert_int_equal(test_number(ledger.url, run.path, "leased"), 0);
    sam_round_free(&round);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ledger_killed_at_any_moment_loses_no_acknowledged_code),
        cmocka_unit_test(a_redis_killed_and_started_again_loses_nothing),
        cmocka_unit_test(functions_that_redis_forgot_are_loaded_again),
        cmocka_unit_test(a_full_round_that_nobody_committed_is_committed_by_the_next),
        cmocka_unit_test(a_worker_stays_until_the_last_evaluation_is_in),
        cmocka_unit_test(a_lease_from_before_the_clock_went_back_still_ends),
        cmocka_unit_test(a_round_is_committed_on_quorum_and_takes_nothing_after),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
