#include "ledger/ledger.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sam_status ledger_note(ledger_service *ledger, sam_status status, const sam_error *err)
{
    bool down = status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
    if (down)
        sam_metric_add(ledger->gauge.redis_errors, 1, NULL);
    if (down && !atomic_exchange(&ledger->redis_down, true))
        sam_log_error("%s; requests are answered with 503 until it is back", err->text);
    if (status == SAM_OK && atomic_exchange(&ledger->redis_down, false))
        sam_log_info("Redis is back");
    return status;
}

bool ledger_status_parse(sam_run_status *status, const char *text)
{
    static const char *const NAMES[] = {"running", "paused", "complete"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(NAMES[i], text) == 0) {
            *status = (sam_run_status)i;
            return true;
        }
    return false;
}

static sam_status status_of(const redisReply *reply, sam_run_status *run_status, sam_error *err)
{
    const char *text;
    size_t length;
    sam_status status = sam_redis_bytes(reply, "the status of a run", &text, &length, err);
    if (status == SAM_OK && !ledger_status_parse(run_status, text))
        return sam_fail(err, SAM_CORRUPT, "a run in Redis has the status \"%.20s\"", text);
    return status;
}

/* Reads `count` integers from `first` on; NULL targets are passed over. */
static sam_status integers_of(const redisReply *reply, size_t first, size_t count, uint64_t *const *targets,
                              sam_error *err)
{
    redisReply *const *each;
    size_t length;
    sam_status status = sam_redis_array(reply, "a function of the ledger", first + count, &each, &length, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        if (targets[i] != NULL)
            status = sam_redis_u64(each[first + i], "a function of the ledger", targets[i], err);
    return status;
}

/* ---- create, join ---- */

static sam_status list_run(const ledger_service *ledger, sam_redis *redis, const char *id, sam_error *err)
{
    redisReply *reply;
    sam_status status = sam_redis_words(redis, &reply, err, "SADD", LEDGER_RUNS_KEY, id, NULL);
    sam_redis_reply_free(reply);
    return status == SAM_OK ? ledger_await_replicas(&ledger->scripts, redis, err) : status;
}

sam_status ledger_create(ledger_service *ledger, sam_redis *redis, const sam_manifest *manifest, uint64_t past,
                         uint64_t workers, bool *created, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint64_t made = 0;
    ledger_call_begin(&call, manifest->id_hex, 11);
    ledger_call_bytes(&call, manifest->text, manifest->text_length);
    ledger_call_text(&call, manifest->id_hex);
    ledger_call_u64(&call, manifest->rounds);
    ledger_call_u64(&call, manifest->slots);
    ledger_call_u64(&call, manifest->evaluation.every);
    ledger_call_u64(&call, manifest->evaluation.chunks);
    ledger_call_u64(&call, manifest->lease_ms);
    ledger_call_u64(&call, manifest->quorum.slots);
    ledger_call_u64(&call, manifest->quorum.after_ms);
    ledger_call_u64(&call, past > manifest->parent.round ? past : manifest->parent.round);
    ledger_call_u64(&call, workers);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_CREATE, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "create", &made, err);
    sam_redis_reply_free(reply);
    *created = made == 1;
    return status == SAM_OK ? list_run(ledger, redis, manifest->id_hex, err) : status;
}

sam_status ledger_join(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const ledger_newcomer *newcomer,
                       uint32_t *worker, uint64_t *head, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint64_t number = 0;
    ledger_call_begin(&call, run->id, 5);
    ledger_call_text(&call, newcomer->name);
    ledger_call_u64(&call, newcomer->threads);
    ledger_call_text(&call, newcomer->kernel);
    ledger_call_u64(&call, newcomer->evaluates);
    ledger_call_text(&call, newcomer->key);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_JOIN, redis, &reply, err);
    if (status == SAM_OK)
        status = integers_of(reply, 0, 2, (uint64_t *[]){&number, head}, err);
    sam_redis_reply_free(reply);
    if (status == SAM_OK && (number == 0 || number > UINT32_MAX))
        return sam_fail(err, SAM_CONFLICT, "the run has had more workers than it has numbers for");
    *worker = (uint32_t)number;
    return status;
}

/* ---- leave, pause, tick ---- */

sam_status ledger_leave(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint32_t worker,
                        sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 1);
    ledger_call_u64(&call, worker);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_LEAVE, redis, &reply, err);
    sam_redis_reply_free(reply);
    return status;
}

/* ---- pause, tick, describe ---- */

sam_status ledger_pause(ledger_service *ledger, sam_redis *redis, const ledger_run *run, bool paused, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 1);
    ledger_call_text(&call, paused ? "paused" : "running");
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_PAUSE, redis, &reply, err);
    sam_redis_reply_free(reply);
    return status;
}

sam_status ledger_tick(ledger_service *ledger, sam_redis *redis, const ledger_run *run, ledger_pulse *pulse,
                       sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint64_t full = 0;
    ledger_call_begin(&call, run->id, 0);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_TICK, redis, &reply, err);
    if (status == SAM_OK)
        status = integers_of(reply, 1, 3, (uint64_t *[]){&pulse->free, &pulse->outstanding, &full}, err);
    if (status == SAM_OK)
        status = status_of(reply->element[0], &pulse->status, err);
    pulse->full = full == 1;
    sam_redis_reply_free(reply);
    return status;
}

/* Names and values in turn, all of them texts. */
static sam_status pairs_of(const redisReply *reply, sam_error *err)
{
    redisReply *const *each;
    const char *text;
    size_t count, length;
    sam_status status = sam_redis_array(reply, "describe", 0, &each, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = sam_redis_bytes(each[i], "describe", &text, &length, err);
    return status;
}

sam_status ledger_describe(ledger_service *ledger, sam_redis *redis, const ledger_run *run, redisReply **reply,
                           sam_error *err)
{
    ledger_call call;
    redisReply *const *each;
    size_t count;
    ledger_call_begin(&call, run->id, 0);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_DESCRIBE, redis, reply, err);
    if (status == SAM_OK)
        status = sam_redis_array(*reply, "describe", 7, &each, &count, err);
    for (size_t i = 3; status == SAM_OK && i < 7; i++)
        status = pairs_of(each[i], err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    return status;
}

/* ---- the log ---- */

sam_status ledger_read_log(sam_redis *redis, const ledger_run *run, uint64_t from, uint64_t count, redisReply **reply,
                           sam_error *err)
{
    char first[32], most[32];
    snprintf(first, sizeof first, "%" PRIu64 "-0", from + 1);
    snprintf(most, sizeof most, "%" PRIu64, count);
    sam_status status = sam_redis_words(redis, reply, err, "XRANGE", run->log_key, first, "+", "COUNT", most, NULL);
    if (status == SAM_OK && (*reply)->type != REDIS_REPLY_ARRAY) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
        return sam_fail(err, SAM_CORRUPT, "the log of run %s is no stream", run->id);
    }
    return status;
}

sam_status ledger_round_of(const redisReply *reply, size_t i, uint64_t from, const uint8_t **bytes, size_t *length,
                           sam_error *err)
{
    char id[32];
    redisReply *const *entry, *const *fields;
    size_t count;
    const char *found, *value;
    snprintf(id, sizeof id, "%" PRIu64 "-0", from + i + 1);
    sam_status status = sam_redis_array(reply->element[i], "a round of the log", 2, &entry, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(entry[0], "a round of the log", &found, length, err);
    if (status == SAM_OK && strcmp(found, id) != 0)
        return sam_fail(err, SAM_CORRUPT, "the log in Redis has entry %.30s where %s should stand", found, id);
    if (status == SAM_OK)
        status = sam_redis_array(entry[1], "a round of the log", 2, &fields, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(fields[1], "a round of the log", &value, length, err);
    if (status == SAM_OK)
        *bytes = (const uint8_t *)value;
    return status;
}
