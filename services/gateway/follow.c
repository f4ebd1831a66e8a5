#include "gateway/follow.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "gateway/ledger_state.h"
#include "store/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOOK_MS       1000u  /* for new runs, and at the state of those that run */
#define LOOK_DONE_MS  15000u /* at the state of those that do not: their last evaluation, a pause that ends */
#define BLOCK_MS      500u
#define PAGE_ROUNDS   512u
#define AFTER_FAIL_MS 200u
#define APART_MS      100u /* between looks at logs that cannot be waited for together, in a cluster */

static bool stopping(void *user)
{
    return atomic_load(&((const gateway_follower *)user)->stopping);
}

/* ---- a log ---- */

static bool is_followed(const gateway_run *run)
{
    return run->fault[0] == 0 && run->rounds < run->manifest->rounds; /* written by this thread only */
}

static sam_stream_id cursor_of(const gateway_run *run)
{
    return (sam_stream_id){run->rounds, 0}; /* as sam_schema_entry_after has it */
}

static sam_status take_round(void *user, const sam_stream_entry *entry, sam_error *err)
{
    const sam_stream_field *bytes = sam_stream_field_named(entry, SAM_SCHEMA_LOG_FIELD);
    if (bytes == NULL)
        return sam_fail(err, SAM_CORRUPT, "an entry has no field " SAM_SCHEMA_LOG_FIELD);
    return gateway_run_append(user, (const uint8_t *)bytes->value, bytes->value_length, err);
}

/* A log that cannot be right, as opposed to one that cannot be read now. */
static bool is_fault(sam_status status)
{
    return status == SAM_CORRUPT || status == SAM_MISMATCH || status == SAM_CONFLICT || status == SAM_INVALID;
}

static void declare_faulty(gateway_run *run, const sam_error *err)
{
    pthread_mutex_lock(&run->lock);
    snprintf(run->fault, sizeof run->fault, "%.240s", err->text);
    pthread_mutex_unlock(&run->lock);
    sam_log_error("run %s is followed no further than round %" PRIu64 ": %s", run->id, run->rounds, err->text);
}

static sam_status read_log(gateway_follower *follower, gateway_run *run, sam_error *err)
{
    char key[SAM_SCHEMA_KEY_SIZE];
    sam_status status = SAM_OK;
    size_t seen = 1;
    sam_schema_key_of(key, run->id, SAM_KEY_LOG);
    while (status == SAM_OK && seen > 0 && is_followed(run) && !stopping(follower)) {
        sam_stream_id cursor = cursor_of(run);
        status = sam_stream_read(follower->connection, key, &cursor, PAGE_ROUNDS, take_round, run, &seen, err);
    }
    if (!is_fault(status))
        return status;
    declare_faulty(run, err);
    return SAM_OK;
}

/* ---- runs ---- */

static sam_status add_run(gateway_follower *follower, const char *id, sam_error *err)
{
    char key[SAM_SCHEMA_KEY_SIZE];
    redisReply *reply;
    const char *text;
    size_t length;
    sam_schema_key_of(key, id, SAM_KEY_MANIFEST);
    sam_status status = sam_redis_words(follower->connection, &reply, err, "GET", key, NULL);
    if (status == SAM_OK)
        status = sam_redis_bytes(reply, "GET manifest", &text, &length, err);
    if (status == SAM_OK)
        status = gateway_runs_add(follower->runs, id, text, length, err);
    sam_redis_reply_free(reply);
    if (status == SAM_OK)
        return read_log(follower, gateway_runs_first(follower->runs), err);
    if (!is_fault(status) && status != SAM_NOT_FOUND && status != SAM_UNSUPPORTED)
        return status;
    sam_log_debug("%.64s in %s is passed over: %s", id, SAM_SCHEMA_RUNS, err->text); /* perhaps it is being made */
    return SAM_OK;
}

static bool is_run_id(const redisReply *name)
{
    sam_digest digest;
    return name->type == REDIS_REPLY_STRING && name->len == SAM_DIGEST_HEX - 1 && sam_digest_parse(&digest, name->str);
}

static sam_status look_for_runs(gateway_follower *follower, sam_error *err)
{
    redisReply *reply, *const *names;
    size_t count;
    sam_status status = sam_redis_words(follower->connection, &reply, err, "SMEMBERS", SAM_SCHEMA_RUNS, NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(reply, "SMEMBERS " SAM_SCHEMA_RUNS, 0, &names, &count, err);
    for (size_t i = 0; status == SAM_OK && i < count && !stopping(follower); i++)
        if (is_run_id(names[i]) && gateway_runs_find(follower->runs, names[i]->str) == NULL)
            status = add_run(follower, names[i]->str, err);
    sam_redis_reply_free(reply);
    return status;
}

static sam_status refresh(gateway_follower *follower, uint64_t now, sam_error *err)
{
    sam_status status = SAM_OK;
    for (gateway_run *run = gateway_runs_first(follower->runs); run != NULL && status == SAM_OK; run = run->next) {
        if (now < run->refresh_at_ms)
            continue;
        status = gateway_ledger_state_read(follower->connection, run, err);
        run->refresh_at_ms = now + (is_followed(run) ? LOOK_MS : LOOK_DONE_MS);
    }
    return status;
}

static sam_status look(gateway_follower *follower, sam_error *err)
{
    uint64_t now = sam_monotonic_ms();
    if (now < follower->look_at_ms)
        return SAM_OK;
    sam_status status = look_for_runs(follower, err);
    if (status == SAM_OK)
        status = refresh(follower, now, err);
    if (status == SAM_OK)
        follower->look_at_ms = now + LOOK_MS;
    return status;
}

/* ---- news ---- */

/* XREAD COUNT 1 BLOCK .. STREAMS keys ids: which logs have grown? `texts` has room for key and id of each. */
static sam_status ask_for_news(gateway_follower *follower, size_t count, char (*texts)[SAM_SCHEMA_KEY_SIZE],
                               redisReply **reply, sam_error *err)
{
    static const char *const FIRST[] = {"XREAD", "COUNT", "1", "BLOCK", "500", "STREAMS"};
    const size_t first = sizeof FIRST / sizeof *FIRST;
    const char **command = sam_alloc(first + 2 * count, sizeof *command);
    if (command == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory following %zu logs", count);
    memcpy(command, FIRST, sizeof FIRST);
    for (size_t i = 0; i < 2 * count; i++)
        command[first + i] = texts[i];
    sam_status status = sam_redis_command_within(follower->connection, BLOCK_MS + 5000, reply, err,
                                                 (int)(first + 2 * count), command, NULL);
    sam_free(command);
    return status;
}

static bool names_key(const redisReply *stream, const char *key)
{
    return stream->type == REDIS_REPLY_ARRAY && stream->elements == 2 &&
           stream->element[0]->type == REDIS_REPLY_STRING && strcmp(stream->element[0]->str, key) == 0;
}

static sam_status read_grown(gateway_follower *follower, const redisReply *news, sam_error *err)
{
    sam_status status = SAM_OK;
    if (news->type != REDIS_REPLY_ARRAY)
        return SAM_OK; /* nil: none */
    for (gateway_run *run = gateway_runs_first(follower->runs); run != NULL && status == SAM_OK; run = run->next) {
        char key[SAM_SCHEMA_KEY_SIZE];
        sam_schema_key_of(key, run->id, SAM_KEY_LOG);
        bool grown = false;
        for (size_t i = 0; i < news->elements && !grown; i++)
            grown = names_key(news->element[i], key);
        if (grown)
            status = read_log(follower, run, err);
    }
    return status;
}

static sam_status read_all(gateway_follower *follower, sam_error *err)
{
    sam_status status = SAM_OK;
    for (gateway_run *run = gateway_runs_first(follower->runs); run != NULL && status == SAM_OK; run = run->next)
        status = read_log(follower, run, err);
    return status;
}

static sam_status wait_for_news(gateway_follower *follower, sam_error *err)
{
    char(*texts)[SAM_SCHEMA_KEY_SIZE] = sam_alloc(2 * follower->runs->count + 1, sizeof *texts);
    if (texts == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory following %zu logs", follower->runs->count);
    size_t count = 0, followed = 0;
    for (gateway_run *run = gateway_runs_first(follower->runs); run != NULL; run = run->next)
        followed += is_followed(run);
    for (gateway_run *run = gateway_runs_first(follower->runs); run != NULL; run = run->next) {
        if (!is_followed(run))
            continue;
        sam_schema_key_of(texts[count], run->id, SAM_KEY_LOG);
        sam_stream_id_text(texts[followed + count++], cursor_of(run));
    }
    redisReply *reply = NULL;
    sam_status status = SAM_OK;
    if (count == 0)
        sam_sleep_ms(100);
    else
        status = ask_for_news(follower, count, texts, &reply, err);
    if (status == SAM_OK && reply != NULL)
        status = read_grown(follower, reply, err);
    if (status == SAM_INVALID) { /* one of the keys is no stream: which, shows when each is read; or on another node */
        if (sam_redis_is_crossslot(err))
            sam_sleep_ms(APART_MS);
        status = read_all(follower, err);
    }
    sam_redis_reply_free(reply);
    sam_free(texts);
    return status;
}

/* ---- the thread ---- */

static void note(gateway_follower *follower, sam_status status, const sam_error *err)
{
    bool up = status == SAM_OK, was = atomic_exchange(&follower->redis_up, up);
    if (!up)
        atomic_fetch_add(&follower->failures, 1);
    if (up && !was)
        sam_log_info("Redis answers again");
    else if (!up && was)
        sam_log_warn("serving what is known until Redis answers again: %s", err->text);
}

static void *follow(void *argument)
{
    gateway_follower *follower = argument;
    while (!stopping(follower)) {
        sam_error err = {0};
        sam_status status = look(follower, &err);
        if (status == SAM_OK) {
            atomic_store(&follower->caught_up, true);
            status = wait_for_news(follower, &err);
        }
        if (status == SAM_CANCELLED)
            continue;
        note(follower, status, &err);
        if (status != SAM_OK)
            sam_sleep_ms(AFTER_FAIL_MS);
    }
    return NULL;
}

static sam_status reach_redis(gateway_follower *follower, uint64_t wait_seconds, sam_error *err)
{
    uint64_t begun = sam_monotonic_ms();
    sam_status status = sam_redis_ping(follower->connection, err);
    while (status == SAM_UNAVAILABLE && (sam_monotonic_ms() - begun) / 1000 < wait_seconds &&
           !sam_shutdown_requested()) {
        sam_sleep_ms(100);
        status = sam_redis_ping(follower->connection, err);
    }
    return status;
}

sam_status gateway_follower_start(gateway_follower *follower, uint64_t wait_seconds, sam_error *err)
{
    follower->redis.cancelled = stopping;
    follower->redis.cancelled_user = follower;
    sam_status status = sam_redis_open(&follower->connection, &follower->redis, err);
    if (status == SAM_OK)
        status = reach_redis(follower, wait_seconds, err);
    if (status != SAM_OK)
        return status;
    atomic_store(&follower->redis_up, true);
    int failure = pthread_create(&follower->thread, NULL, follow, follower);
    if (failure != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, failure, "cannot start the thread that follows the logs");
    follower->started = true;
    return SAM_OK;
}

void gateway_follower_stop(gateway_follower *follower)
{
    atomic_store(&follower->stopping, true);
    if (follower->started)
        pthread_join(follower->thread, NULL);
    follower->started = false;
    sam_redis_close(follower->connection);
    follower->connection = NULL;
}

bool gateway_follower_redis_up(const gateway_follower *follower)
{
    return atomic_load(&follower->redis_up);
}

bool gateway_follower_caught_up(const gateway_follower *follower)
{
    return atomic_load(&follower->caught_up);
}
