/* What the ledger's tests share: a private Redis, real samara-ledger processes, and workers that only pretend to
 * compute. Not for others than tests.
 *
 * The code of a slot is a function of round, slot and probe, so whoever computes it, the log must be the same. */
#ifndef SAM_LEDGER_TEST_LEDGER_H
#define SAM_LEDGER_TEST_LEDGER_H

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "net/http_client.h"
#include "run/samlog.h"
#include "run/signature.h"
#include "run/test_runs.h"
#include "run/wire.h"
#include "store/redis.h"
#include "support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

typedef struct test_stage {
    test_folder folder;
    test_redis redis;
    bool up;
} test_stage;

static inline void test_stage_open(test_stage *stage)
{
    assert_true(test_folder_make(&stage->folder));
    stage->up = test_redis_start(&stage->redis, stage->folder.path);
    if (!stage->up) {
        test_folder_remove(&stage->folder);
        skip();
    }
}

static inline void test_stage_close(test_stage *stage)
{
    test_redis_stop(&stage->redis);
    test_folder_remove(&stage->folder);
}

/* ---- the process ---- */

typedef struct test_ledger {
    pid_t pid;
    char url[128];
} test_ledger;

/* Starts it with `options` after the address of Redis; its output comes back in `out`. */
static inline pid_t test_spawn(const char *redis, const char *const *options, int *out)
{
    char path[400];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 40);
    assert_true(length > 0);
    path[length] = 0;
    snprintf(strrchr(path, '/'), 40, "/../bin/samara-ledger");
    const char *argv[16] = {path, "--redis", redis, NULL};
    for (int i = 3; *options != NULL; options++)
        argv[i++] = *options;
    int ends[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    assert_int_equal(posix_spawn(&pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out = ends[0];
    return pid;
}

static inline void test_ledger_start_on(test_ledger *ledger, const char *redis, const char *listen)
{
    char text[2048] = "";
    size_t used = 0;
    int out;
    ledger->pid = test_spawn(redis, (const char *[]){"--listen", listen, NULL}, &out);
    const char *line = NULL;
    while (line == NULL || strchr(line, '\n') == NULL) {
        ssize_t got = read(out, text + used, sizeof text - 1 - used);
        if (got <= 0)
            fail_msg("the ledger ended: %s", text);
        used += (size_t)got;
        text[used] = 0;
        line = strstr(text, "listening on ");
    }
    assert_int_equal(sscanf(line, "listening on %100s", ledger->url), 1);
    close(out); /* what it logs later goes nowhere: SIGPIPE is ignored there */
}

static inline void test_ledger_start(test_ledger *ledger, const char *redis)
{
    test_ledger_start_on(ledger, redis, "127.0.0.1:0");
}

static inline int test_ledger_end(test_ledger *ledger, int signal_number)
{
    int status = 0;
    (void)kill(ledger->pid, signal_number);
    (void)waitpid(ledger->pid, &status, 0);
    ledger->pid = 0;
    return status;
}

/* SIGTERM ends it cleanly. */
static inline void test_ledger_stop(test_ledger *ledger)
{
    int status = test_ledger_end(ledger, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- requests ---- */

/* HTTP status; 0: none. The body stays in reply->body. */
static inline int test_send(const char *base, const char *method, const char *path, const void *body, size_t length,
                            sam_http_reply *reply, sam_error *err)
{
    sam_http_client *client;
    char url[512];
    snprintf(url, sizeof url, "%s%s", base, path);
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){0}, NULL), SAM_OK);
    const sam_http_call call = {.method = method, .url = url, .body = body, .body_length = length, .timeout_ms = 30000};
    (void)sam_http_send(client, &call, reply, err);
    sam_http_client_free(client);
    return reply->code;
}

static inline json_t *test_json(const char *base, const char *method, const char *path, const char *body, int code)
{
    sam_http_reply reply = {0};
    sam_error err = {0};
    if (test_send(base, method, path, body, body == NULL ? 0 : strlen(body), &reply, &err) != code)
        fail_msg("%s %s: %d, not %d: %s", method, path, reply.code, code, err.text);
    json_t *json = json_loadb((const char *)reply.body.bytes, reply.body.length, 0, NULL);
    sam_http_reply_free(&reply);
    return json;
}

/* A member of GET path, as a number. */
static inline int64_t test_number(const char *base, const char *path, const char *name)
{
    json_t *json = test_json(base, "GET", path, NULL, 200);
    int64_t number = json_integer_value(json_object_get(json, name));
    json_decref(json);
    return number;
}

typedef struct test_run {
    sam_manifest *manifest;
    char path[100]; /* "/v1/runs/ID" */
} test_run;

static inline void test_run_create(test_run *run, const sam_manifest *draft, const char *base)
{
    sam_error err = {0};
    if (sam_manifest_compose(&run->manifest, draft, &err) != SAM_OK)
        fail_msg("%s", err.text);
    snprintf(run->path, sizeof run->path, "/v1/runs/%s", run->manifest->id_hex);
    json_decref(test_json(base, "POST", "/v1/runs", run->manifest->text, 201));
}

static inline sam_samlog *test_run_log(const test_run *run, const char *base)
{
    char path[120];
    sam_samlog *log;
    sam_http_reply reply = {0};
    sam_error err = {0};
    snprintf(path, sizeof path, "%s/log", run->path);
    assert_int_equal(test_send(base, "GET", path, NULL, 0, &reply, &err), 200);
    if (sam_samlog_parse(&log, reply.body.bytes, reply.body.length, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_http_reply_free(&reply);
    return log;
}

/* ---- workers ---- */

#define TEST_RESULTS_MAX 64

typedef struct test_worker {
    const test_run *run;
    const char *base; /* of the ledger it talks to; may be changed between turns */
    uint32_t number, wants, wait_ms, refused;
    uint64_t cursor;
    sam_digest chain;
    sam_run_status status;
    sam_result results[TEST_RESULTS_MAX]; /* finished, to be sent with the next turn */
    uint8_t codes[TEST_RESULTS_MAX][8];
    size_t result_count;
    bool leaving, ahead;
    const sam_signing_key *key; /* NULL: what it sends is not signed */
    sam_error err;
} test_worker;

static inline uint8_t test_code(uint64_t round, uint32_t slot, uint32_t probe)
{
    return (uint8_t)(round * 31 + slot * 7 + probe * 3 + 1);
}

static inline uint32_t test_loss(uint64_t round, uint32_t slot)
{
    return (uint32_t)(100 + round * 5 + slot);
}

static inline test_worker test_worker_join_with(const test_run *run, const char *base, const char *body)
{
    char path[120];
    snprintf(path, sizeof path, "%s/join", run->path);
    json_t *json = test_json(base, "POST", path, body, 201);
    test_worker worker = {.run = run, .base = base, .wants = 2, .chain = run->manifest->id};
    worker.number = (uint32_t)json_integer_value(json_object_get(json, "worker"));
    json_decref(json);
    return worker;
}

static inline test_worker test_worker_join(const test_run *run, const char *base)
{
    return test_worker_join_with(run, base, "{\"name\":\"pretender\",\"threads\":1,\"kernel\":\"none\"}");
}

static inline void test_compute(test_worker *worker, const sam_lease *lease)
{
    assert_true(worker->result_count < TEST_RESULTS_MAX);
    sam_result *result = &worker->results[worker->result_count];
    *result = (sam_result){.kind = lease->kind, .round = lease->round, .index = lease->index, .elapsed_ms = 3};
    if (lease->kind != SAM_WORK_EVALUATION) {
        result->codes = worker->codes[worker->result_count];
        result->code_count = worker->run->manifest->probes;
        result->weight = 1;
        result->loss = test_loss(lease->round, lease->index);
        for (uint32_t p = 0; p < result->code_count; p++)
            result->codes[p] = test_code(lease->round, lease->index, p);
    } else {
        result->evaluation = (sam_evaluation){
            .at = lease->round, .examples = 10, .correct = lease->index, .loss_micro = 1000 * lease->round + 1};
    }
    worker->result_count++;
}

static inline void test_take_reply(test_worker *worker, const sam_sync_reply *reply)
{
    for (size_t i = 0; i < reply->round_count; i++) {
        assert_int_equal(
            sam_round_verify(reply->rounds[i], reply->round_lengths[i], &worker->chain, &worker->chain, &worker->err),
            SAM_OK);
        worker->cursor++;
    }
    assert_true(reply->head >= worker->cursor);
    worker->status = reply->status;
    worker->refused = reply->refused;
    worker->result_count = 0;
    for (size_t i = 0; i < reply->lease_count; i++)
        test_compute(worker, &reply->leases[i]);
}

static inline void test_worker_request(test_worker *worker, sam_buffer *out)
{
    sam_sync_request request = {.worker = worker->number,
                                .cursor = worker->cursor,
                                .wants = worker->wants,
                                .wait_ms = worker->wait_ms,
                                .leaving = worker->leaving,
                                .ahead = worker->ahead,
                                .results = worker->results,
                                .result_count = worker->result_count};
    sam_sync_request_compose(out, &request, &worker->run->manifest->id, worker->key);
}

/* One sync: sends what is finished, takes rounds and leases, and "computes" those. HTTP status; 0: no answer, and then
 * the worker is as before and may try again. */
static inline int test_worker_turn(test_worker *worker)
{
    char path[120];
    sam_buffer body = {0};
    sam_http_reply reply = {0};
    sam_sync_reply sync;
    snprintf(path, sizeof path, "%s/sync", worker->run->path);
    test_worker_request(worker, &body);
    int code = test_send(worker->base, "POST", path, body.bytes, body.length, &reply, &worker->err);
    if (code == 200 && reply.body.length > 0) {
        assert_int_equal(sam_sync_reply_decode(&sync, reply.body.bytes, reply.body.length, &worker->err), SAM_OK);
        test_take_reply(worker, &sync);
        sam_sync_reply_free(&sync);
    }
    sam_buffer_free(&body);
    sam_http_reply_free(&reply);
    return code;
}

static inline void test_turn(test_worker *worker)
{
    int code = test_worker_turn(worker);
    if (code != 200)
        fail_msg("worker %u: HTTP %d: %s", worker->number, code, worker->err.text);
}

static inline bool test_worker_done(const test_worker *worker)
{
    return worker->status == SAM_RUN_COMPLETE && worker->result_count == 0;
}

/* Turn by turn until the run is complete. */
static inline void test_drive(test_worker *workers, size_t count)
{
    size_t done = 0;
    for (int turn = 0; done < count; turn++) {
        assert_true(turn < 100000);
        done = 0;
        for (size_t i = 0; i < count; i++) {
            test_turn(&workers[i]);
            done += test_worker_done(&workers[i]);
        }
    }
}

static inline void test_check_record(const sam_record *record, uint32_t probes)
{
    assert_int_equal(record->code_count, probes);
    assert_true(record->weight == 1 && record->loss == test_loss(record->round, record->place));
    for (uint32_t p = 0; p < probes; p++)
        assert_int_equal(record->codes[p], test_code(record->round, record->place, p));
}

/* Every slot of every round has a record, with the codes that any worker computes for it. */
static inline void test_check_log(const sam_samlog *log)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        sam_round round;
        assert_int_equal(sam_samlog_decode(log, r, &round, NULL), SAM_OK);
        assert_int_equal(round.record_count, manifest->slots);
        for (uint32_t slot = 0; slot < manifest->slots; slot++) {
            assert_true(round.records[slot].round == r && round.records[slot].place == slot);
            test_check_record(&round.records[slot], manifest->probes);
        }
        sam_round_free(&round);
    }
}

static inline uint32_t test_worker_in_log(const sam_samlog *log, uint64_t r, uint32_t slot)
{
    sam_round round;
    assert_int_equal(sam_samlog_decode(log, r, &round, NULL), SAM_OK);
    const sam_record *record = sam_round_at(&round, slot);
    uint32_t worker = record == NULL ? 0 : record->author;
    sam_round_free(&round);
    return worker;
}

#endif
