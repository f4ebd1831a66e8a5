/* Calls of the ledger as its service makes them, in this process: a private Redis, a run whose plan the test may make
 * itself, and turns of workers that only pretend to compute. Not for others than tests.
 *
 *     test_calls c;
 *     test_calls_open(&c, &draft, plan);               // NULL: the plan of the run's own mode
 *     test_ask a = test_join(&c, NULL);
 *     a.wants = 3;
 *     test_turns(&c, &a, 1);                           // leases in a.leases; a.results went along
 *     test_calls_close(&c);
 */
#ifndef SAM_LEDGER_TEST_CALLS_H
#define SAM_LEDGER_TEST_CALLS_H

#include "ledger/ledger.h"
#include "ledger/test_ledger.h"

typedef void (*test_plan)(sam_plan *plan, const sam_manifest *manifest, uint64_t round, const sam_present *present);

typedef struct test_calls {
    test_stage stage;
    ledger_service ledger;
    sam_redis *redis;
    sam_mode mode;
    ledger_run *run;
    sam_error err;
} test_calls;

#define TEST_LEASES_MAX 16

/* One turn of a worker, and what came of it. */
typedef struct test_ask {
    uint32_t worker, wants;
    uint64_t cursor;
    bool ahead, again;
    sam_work results[TEST_LEASES_MAX]; /* that it has finished; gone after the turn */
    size_t result_count;

    sam_lease leases[TEST_LEASES_MAX];
    size_t lease_count;
    uint32_t refused;
    sam_run_status status;
    uint64_t head;
    bool full;
} test_ask;

#define must(c, call)                                                                                                  \
    do {                                                                                                               \
        if ((call) != SAM_OK)                                                                                          \
            fail_msg("%s: %s", #call, (c)->err.text);                                                                  \
    } while (0)

static inline void test_calls_open(test_calls *c, const sam_manifest *draft, test_plan plan)
{
    sam_manifest *manifest;
    bool created;
    *c = (test_calls){0};
    test_stage_open(&c->stage);
    must(c, sam_redis_open(&c->redis, &(sam_redis_options){.address = c->stage.redis.address}, &c->err));
    must(c, ledger_scripts_init(&c->ledger.scripts, &c->err));
    must(c, ledger_gauges_init(&c->ledger, &c->err));
    ledger_follower_init(&c->ledger.follower, &c->ledger);
    must(c, sam_manifest_compose(&manifest, draft, &c->err));
    c->mode = *manifest->mode;
    c->mode.plan = plan == NULL ? c->mode.plan : plan;
    manifest->mode = &c->mode;
    c->run = ledger_run_new(manifest);
    assert_non_null(c->run);
    must(c, ledger_create(&c->ledger, c->redis, c->run, 0, 0, &created, &c->err));
    assert_true(created);
}

static inline void test_calls_close(test_calls *c)
{
    ledger_run_free(c->run);
    ledger_follower_free(&c->ledger.follower);
    ledger_scripts_free(&c->ledger.scripts);
    sam_metrics_free(c->ledger.metrics);
    sam_redis_close(c->redis);
    test_stage_close(&c->stage);
}

/* `key` NULL: it has none. */
static inline test_ask test_join(test_calls *c, const char *key)
{
    const ledger_newcomer newcomer = {"pretender", "none", key == NULL ? "" : key, 1, true};
    test_ask ask = {.wants = 1};
    uint64_t head;
    must(c, ledger_join(&c->ledger, c->redis, c->run, &newcomer, &ask.worker, &head, &c->err));
    ask.cursor = head;
    return ask;
}

static inline void test_finish(test_ask *ask, sam_work_kind kind, uint64_t round, uint32_t index)
{
    assert_true(ask->result_count < TEST_LEASES_MAX);
    ask->results[ask->result_count++] = (sam_work){kind, round, index};
}

/* All that it was leased is finished. */
static inline void test_compute_all(test_ask *ask)
{
    for (size_t i = 0; i < ask->lease_count; i++)
        test_finish(ask, ask->leases[i].kind, ask->leases[i].round, ask->leases[i].index);
    ask->lease_count = 0;
}

typedef struct test_bytes {
    uint8_t of[TEST_LEASES_MAX][8];
} test_bytes;

static inline void test_fill_turn(const test_calls *c, ledger_turn *turn, const test_ask *ask, sam_result *results,
                                  test_bytes *codes)
{
    *turn = (ledger_turn){.run = c->run, .again = ask->again};
    turn->sync = (sam_sync_request){.worker = ask->worker,
                                    .cursor = ask->cursor,
                                    .wants = ask->wants,
                                    .ahead = ask->ahead,
                                    .results = results,
                                    .result_count = ask->result_count};
    for (size_t i = 0; i < ask->result_count; i++) {
        const sam_work *work = &ask->results[i];
        results[i] = (sam_result){.kind = work->kind,
                                  .round = work->round,
                                  .index = work->index,
                                  .codes = codes->of[i],
                                  .code_count = c->run->manifest->probes,
                                  .weight = 1,
                                  .loss = test_loss(work->round, work->index),
                                  .evaluation = {work->round, 10, work->index, 1000}};
        for (uint32_t p = 0; p < c->run->manifest->probes; p++)
            codes->of[i][p] = test_code(work->round, work->index, p);
    }
}

static inline void test_take_outcome(const test_calls *c, test_ask *ask, ledger_turn *turn)
{
    (void)c;
    if (turn->status != SAM_OK)
        fail_msg("worker %u: %s", ask->worker, turn->err->text);
    assert_true(turn->lease_count <= TEST_LEASES_MAX);
    if (turn->lease_count > 0)
        memcpy(ask->leases, turn->leases, turn->lease_count * sizeof *turn->leases);
    ask->lease_count = turn->lease_count;
    ask->refused = turn->refused;
    ask->status = turn->run_status;
    ask->head = turn->head;
    ask->result_count = 0;
    sam_free(turn->leases);
}

/* Turns that come at a time, in one call; nothing is committed yet. */
static inline void test_turns(test_calls *c, test_ask *asks, size_t count)
{
    static ledger_turn turns[8];
    static sam_result results[8][TEST_LEASES_MAX];
    static test_bytes codes[8];
    ledger_turn *each[8];
    bool full;
    assert_true(count <= 8);
    for (size_t i = 0; i < count; i++) {
        test_fill_turn(c, &turns[i], &asks[i], results[i], &codes[i]);
        each[i] = &turns[i];
    }
    must(c, ledger_turns_call(&c->ledger, c->redis, each, count, &full, &c->err));
    for (size_t i = 0; i < count; i++) {
        test_take_outcome(c, &asks[i], &turns[i]);
        asks[i].full = full;
    }
}

/* One turn, then the commits of what is full, which are applied. */
static inline void test_turn_and_commit(test_calls *c, test_ask *ask)
{
    ledger_pulse pulse;
    test_turns(c, ask, 1);
    must(c, ledger_commit(&c->ledger, c->redis, c->run, &c->err));
    must(c, ledger_tick(&c->ledger, c->redis, c->run, &pulse, &c->err));
    ask->status = pulse.status;
}

/* The rounds of its log; to be freed. */
static inline sam_samlog *test_calls_log(test_calls *c)
{
    redisReply *reply;
    sam_buffer bytes = {0};
    sam_samlog *log;
    sam_samlog_put_head(&bytes, c->run->manifest);
    must(c, ledger_read_log(c->redis, c->run, 0, 1000, &reply, &c->err));
    for (size_t i = 0; i < reply->elements; i++) {
        const uint8_t *round;
        size_t length;
        must(c, ledger_round_of(reply, i, 0, &round, &length, &c->err));
        sam_samlog_put_round(&bytes, round, length);
    }
    sam_redis_reply_free(reply);
    must(c, sam_samlog_parse(&log, bytes.bytes, bytes.length, &c->err));
    sam_buffer_free(&bytes);
    return log;
}

static inline uint64_t test_head(test_calls *c)
{
    sam_samlog *log = test_calls_log(c);
    uint64_t head = sam_samlog_rounds(log);
    sam_samlog_close(log);
    return head;
}

/* "s:0:1 s:1:0": what it was leased. */
static inline void test_expect_leases(const test_ask *ask, const char *expected)
{
    char text[TEST_LEASES_MAX * SAM_WORK_TEXT] = "", one[SAM_WORK_TEXT];
    for (size_t i = 0; i < ask->lease_count; i++) {
        sam_work_write(one, &(sam_work){ask->leases[i].kind, ask->leases[i].round, ask->leases[i].index});
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i == 0 ? "" : " ", one);
    }
    assert_string_equal(text, expected);
}

#endif
