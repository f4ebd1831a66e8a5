#include "store/redis.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/redis_address.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS          100
#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MOST_MS  2000u
#define MAX_WORDS        32

struct sam_redis {
    sam_redis_place place;
    uint32_t connect_timeout_ms, command_timeout_ms;
    bool (*cancelled)(void *user);
    void *cancelled_user;
    redisContext *context;  /* NULL: not connected */
    uint32_t backoff_ms;    /* 0: the last attempt to connect went well */
    uint64_t not_before_ms; /* the next attempt */
    sam_error last_failure; /* what to say until then */
    struct sam_redis *next; /* in a pool's idle list */
};

bool sam_redis_cancelled(const sam_redis *redis)
{
    return redis->cancelled != NULL && redis->cancelled(redis->cancelled_user);
}

static void disconnect(sam_redis *redis)
{
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->context = NULL;
}

sam_status sam_redis_open(sam_redis **out, const sam_redis_options *options, sam_error *err)
{
    *out = NULL;
    sam_redis *redis = sam_alloc(1, sizeof *redis);
    if (redis == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a connection to Redis");
    redis->connect_timeout_ms = options->connect_timeout_ms == 0 ? 2000 : options->connect_timeout_ms;
    redis->command_timeout_ms = options->command_timeout_ms == 0 ? 5000 : options->command_timeout_ms;
    redis->cancelled = options->cancelled;
    redis->cancelled_user = options->cancelled_user;
    sam_status status = sam_redis_place_of(&redis->place, options, err);
    if (status != SAM_OK) {
        sam_redis_close(redis);
        return status;
    }
    *out = redis;
    return SAM_OK;
}

void sam_redis_close(sam_redis *redis)
{
    if (redis == NULL)
        return;
    disconnect(redis);
    sam_redis_place_free(&redis->place);
    sam_free(redis);
}

const char *sam_redis_address(const sam_redis *redis)
{
    return redis->place.shown;
}

/* ---- one exchange ---- */

static struct timeval to_timeval(uint32_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* The connection cannot be used further: what was asked may or may not have been done. */
static sam_status broken(sam_redis *redis, sam_error *err)
{
    const redisContext *context = redis->context;
    bool no_memory = context->err == REDIS_ERR_OOM;
    sam_fail(err, no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE, "the connection to Redis at %s broke: %s",
             redis->place.shown, context->errstr);
    disconnect(redis);
    return no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE;
}

static sam_status flush_out(sam_redis *redis, sam_error *err)
{
    for (int done = 0; !done;)
        if (redisBufferWrite(redis->context, &done) != REDIS_OK)
            return broken(redis, err);
    return SAM_OK;
}

/* Until a byte is there; hiredis itself could not be told to stop. */
static sam_status wait_readable(sam_redis *redis, uint64_t deadline_ms, uint32_t timeout_ms, sam_error *err)
{
    for (;;) {
        if (sam_redis_cancelled(redis)) {
            disconnect(redis);
            return sam_fail(err, SAM_CANCELLED,
                            "waiting for Redis at %s was given up because this process was told "
                            "to stop",
                            redis->place.shown);
        }
        uint64_t now = sam_monotonic_ms();
        if (now >= deadline_ms) {
            disconnect(redis);
            return sam_fail(err, SAM_TIMEOUT, "Redis at %s did not answer within %u ms", redis->place.shown,
                            timeout_ms);
        }
        uint64_t left = deadline_ms - now;
        struct pollfd fd = {.fd = redis->context->fd, .events = POLLIN};
        int count = poll(&fd, 1, left < POLL_MS ? (int)left : POLL_MS);
        if (count > 0)
            return SAM_OK;
        if (count < 0 && errno != EINTR) {
            sam_fail_errno(err, SAM_UNAVAILABLE, errno, "cannot wait for Redis at %s", redis->place.shown);
            disconnect(redis);
            return SAM_UNAVAILABLE;
        }
    }
}

static sam_status read_reply(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err)
{
    uint64_t deadline_ms = sam_monotonic_ms() + timeout_ms;
    void *raw = NULL;
    for (;;) {
        if (redisGetReplyFromReader(redis->context, &raw) != REDIS_OK)
            return broken(redis, err);
        if (raw != NULL)
            break;
        sam_status status = wait_readable(redis, deadline_ms, timeout_ms, err);
        if (status != SAM_OK)
            return status;
        if (redisBufferRead(redis->context) != REDIS_OK)
            return broken(redis, err);
    }
    *reply = raw;
    return SAM_OK;
}

static sam_status append(sam_redis *redis, int count, const char *const *words, const size_t *lengths, sam_error *err)
{
    const char **argv = (const char **)words; /* hiredis forgot one const */
    if (redisAppendCommandArgv(redis->context, count, argv, lengths) == REDIS_OK)
        return SAM_OK;
    return broken(redis, err);
}

static sam_status exchange(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                           const char *const *words, const size_t *lengths)
{
    sam_status status = append(redis, count, words, lengths, err);
    if (status == SAM_OK)
        status = flush_out(redis, err);
    if (status == SAM_OK)
        status = read_reply(redis, timeout_ms, reply, err);
    return status;
}

/* ---- connecting ---- */

static sam_status greet(sam_redis *redis, sam_error *err, int count, const char *const *words)
{
    redisReply *reply = NULL;
    sam_status status = exchange(redis, redis->command_timeout_ms, &reply, err, count, words, NULL);
    if (status == SAM_OK)
        status = sam_redis_error_of(reply, err);
    sam_redis_reply_free(reply);
    return status;
}

/* AUTH and SELECT, where they are asked for. */
static sam_status introduce(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    sam_status status = SAM_OK;
    if (place->password != NULL && place->user != NULL)
        status = greet(redis, err, 3, (const char *[]){"AUTH", place->user, place->password});
    else if (place->password != NULL)
        status = greet(redis, err, 2, (const char *[]){"AUTH", place->password});
    char number[12];
    snprintf(number, sizeof number, "%u", place->database);
    if (status == SAM_OK && place->database != 0)
        status = greet(redis, err, 2, (const char *[]){"SELECT", number});
    if (status == SAM_OK)
        status = greet(redis, err, 1, (const char *[]){"PING"});
    if (status != SAM_OK)
        sam_fail_context(err, "Redis at %s", place->shown);
    return status;
}

static sam_status connect_once(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    struct timeval timeout = to_timeval(redis->connect_timeout_ms);
    redis->context = place->socket_path != NULL ? redisConnectUnixWithTimeout(place->socket_path, timeout)
                                                : redisConnectWithTimeout(place->host, (int)place->port, timeout);
    if (redis->context == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory connecting to Redis at %s", place->shown);
    if (redis->context->err != 0) {
        sam_fail(err, SAM_UNAVAILABLE, "cannot reach Redis at %s: %s; start it or name another with --redis",
                 place->shown, redis->context->errstr);
        disconnect(redis);
        return SAM_UNAVAILABLE;
    }
    (void)redisSetTimeout(redis->context, to_timeval(redis->command_timeout_ms)); /* of writes that do not go on */
    if (place->socket_path == NULL)
        (void)redisEnableKeepAlive(redis->context);
    sam_status status = introduce(redis, err);
    if (status != SAM_OK)
        disconnect(redis);
    return status;
}

/* So that a thousand clients of a Redis that comes back do not all knock at once: half fixed, half chance. */
static void back_off(sam_redis *redis, const sam_error *failure)
{
    uint32_t next = redis->backoff_ms == 0 ? BACKOFF_FIRST_MS : redis->backoff_ms * 2;
    redis->backoff_ms = next > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : next;
    redis->not_before_ms = sam_monotonic_ms() + redis->backoff_ms / 2 + randombytes_uniform(redis->backoff_ms / 2 + 1);
    redis->last_failure = *failure;
}

static sam_status ensure_connected(sam_redis *redis, sam_error *err)
{
    if (redis->context != NULL)
        return SAM_OK;
    if (redis->backoff_ms > 0 && sam_monotonic_ms() < redis->not_before_ms) {
        if (err != NULL)
            *err = redis->last_failure;
        return sam_failed(redis->last_failure.status);
    }
    sam_error failure = {0};
    sam_status status = connect_once(redis, &failure);
    if (status == SAM_OK) {
        if (redis->backoff_ms > 0)
            sam_log_info("connected to Redis at %s again", redis->place.shown);
        redis->backoff_ms = 0;
        return SAM_OK;
    }
    if (redis->backoff_ms == 0)
        sam_log_warn("%s", failure.text);
    back_off(redis, &failure);
    if (err != NULL)
        *err = failure;
    return status;
}

/* ---- commands ---- */

/* An idle connection that Redis has closed meanwhile is noticed before anything is sent, when it is still safe. */
static void drop_if_hung_up(sam_redis *redis)
{
    if (redis->context == NULL)
        return;
    struct pollfd fd = {.fd = redis->context->fd, .events = POLLIN};
    if (poll(&fd, 1, 0) != 0) /* readable though nothing was asked: the end, or a stray reply */
        disconnect(redis);
}

sam_status sam_redis_command_within(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err,
                                    int count, const char *const *words, const size_t *lengths)
{
    *reply = NULL;
    drop_if_hung_up(redis);
    sam_status status = ensure_connected(redis, err);
    if (status == SAM_OK)
        status = exchange(redis, timeout_ms, reply, err, count, words, lengths);
    if (status == SAM_OK)
        status = sam_redis_error_of(*reply, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    return status;
}

sam_status sam_redis_command(sam_redis *redis, redisReply **reply, sam_error *err, int count, const char *const *words,
                             const size_t *lengths)
{
    return sam_redis_command_within(redis, redis->command_timeout_ms, reply, err, count, words, lengths);
}

sam_status sam_redis_words(sam_redis *redis, redisReply **reply, sam_error *err, ...)
{
    const char *words[MAX_WORDS];
    int count = 0;
    va_list args;
    va_start(args, err);
    for (const char *word; (word = va_arg(args, const char *)) != NULL; count++)
        if (count < MAX_WORDS)
            words[count] = word;
    va_end(args);
    *reply = NULL;
    if (count == 0 || count > MAX_WORDS)
        return sam_fail(err, SAM_INTERNAL, "a Redis command of %d words; sam_redis_words takes 1 to %d", count,
                        MAX_WORDS);
    return sam_redis_command(redis, reply, err, count, words, NULL);
}

sam_status sam_redis_patient(sam_redis *redis, uint32_t patience_ms, redisReply **reply, sam_error *err, int count,
                             const char *const *words, const size_t *lengths)
{
    uint64_t until = sam_monotonic_ms() + patience_ms;
    for (;;) {
        sam_status status = sam_redis_command(redis, reply, err, count, words, lengths);
        bool again = status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
        if (!again || sam_monotonic_ms() >= until)
            return status;
        if (sam_redis_cancelled(redis))
            return sam_fail(err, SAM_CANCELLED,
                            "waiting for Redis at %s was given up because this process was told "
                            "to stop",
                            redis->place.shown);
        sam_sleep_ms(20);
    }
}

sam_status sam_redis_ping(sam_redis *redis, sam_error *err)
{
    redisReply *reply;
    sam_status status = sam_redis_words(redis, &reply, err, "PING", NULL);
    sam_redis_reply_free(reply);
    return status;
}

void sam_redis_reply_free(redisReply *reply)
{
    if (reply != NULL)
        freeReplyObject(reply);
}

/* ---- pipelining ---- */

struct sam_redis_batch {
    sam_redis *redis;
    size_t count, room;
    char **commands; /* formatted, hiredis's memory */
    size_t *lengths;
    redisReply **replies;
    size_t replied;
};

sam_redis_batch *sam_redis_batch_new(sam_redis *redis)
{
    sam_redis_batch *batch = sam_alloc(1, sizeof *batch);
    if (batch != NULL)
        batch->redis = redis;
    return batch;
}

static bool batch_grow(sam_redis_batch *batch)
{
    if (batch->count < batch->room)
        return true;
    size_t room = batch->room * 2 + 16;
    char **commands = sam_realloc(batch->commands, room, sizeof *commands);
    if (commands == NULL)
        return false;
    batch->commands = commands;
    size_t *lengths = sam_realloc(batch->lengths, room, sizeof *lengths);
    if (lengths == NULL)
        return false;
    batch->lengths = lengths;
    batch->room = room;
    return true;
}

sam_status sam_redis_batch_add(sam_redis_batch *batch, sam_error *err, int count, const char *const *words,
                               const size_t *lengths)
{
    char *command = NULL;
    const char **argv = (const char **)words;
    int length = batch_grow(batch) ? redisFormatCommandArgv(&command, count, argv, lengths) : -1;
    if (length < 0)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a batch of %zu Redis commands", batch->count + 1);
    batch->commands[batch->count] = command;
    batch->lengths[batch->count++] = (size_t)length;
    return SAM_OK;
}

static void drop_replies(sam_redis_batch *batch)
{
    for (size_t i = 0; i < batch->replied; i++)
        sam_redis_reply_free(batch->replies[i]);
    sam_free(batch->replies);
    batch->replies = NULL;
    batch->replied = 0;
}

static sam_status batch_send(sam_redis_batch *batch, sam_error *err)
{
    for (size_t i = 0; i < batch->count; i++)
        if (redisAppendFormattedCommand(batch->redis->context, batch->commands[i], batch->lengths[i]) != REDIS_OK)
            return broken(batch->redis, err);
    return flush_out(batch->redis, err);
}

sam_status sam_redis_batch_run(sam_redis_batch *batch, redisReply *const **replies, size_t *count, sam_error *err)
{
    sam_redis *redis = batch->redis;
    drop_replies(batch);
    batch->replies = sam_alloc(batch->count, sizeof *batch->replies);
    if (batch->replies == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the replies to %zu Redis commands", batch->count);
    drop_if_hung_up(redis);
    sam_status status = ensure_connected(redis, err);
    if (status == SAM_OK)
        status = batch_send(batch, err);
    while (status == SAM_OK && batch->replied < batch->count) {
        status = read_reply(redis, redis->command_timeout_ms, &batch->replies[batch->replied], err);
        batch->replied += status == SAM_OK;
    }
    *replies = batch->replies;
    *count = status == SAM_OK ? batch->replied : 0;
    return status;
}

void sam_redis_batch_free(sam_redis_batch *batch)
{
    if (batch == NULL)
        return;
    drop_replies(batch);
    for (size_t i = 0; i < batch->count; i++)
        redisFreeCommand(batch->commands[i]);
    sam_free(batch->commands);
    sam_free(batch->lengths);
    sam_free(batch);
}

/* ---- the pool ---- */

struct sam_redis_pool {
    sam_redis_options options;
    char *address, *user, *password;
    pthread_mutex_t lock; /* guards idle */
    sam_redis *idle;
};

static bool copy_text(char **to, const char **from)
{
    if (*from == NULL)
        return true;
    *from = *to = sam_strdup(*from);
    return *to != NULL;
}

sam_status sam_redis_pool_new(sam_redis_pool **out, const sam_redis_options *options, sam_error *err)
{
    *out = NULL;
    sam_redis_pool *pool = sam_alloc(1, sizeof *pool);
    if (pool == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    bool copied = copy_text(&pool->address, &pool->options.address) && copy_text(&pool->user, &pool->options.user) &&
                  copy_text(&pool->password, &pool->options.password);
    sam_status status = copied ? sam_redis_open(&pool->idle, &pool->options, err)
                               : sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    if (status != SAM_OK) {
        sam_redis_pool_free(pool);
        return status;
    }
    *out = pool;
    return SAM_OK;
}

void sam_redis_pool_free(sam_redis_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->idle != NULL) {
        sam_redis *redis = pool->idle;
        pool->idle = redis->next;
        sam_redis_close(redis);
    }
    pthread_mutex_destroy(&pool->lock);
    sam_free(pool->address);
    sam_free(pool->user);
    sam_free(pool->password);
    sam_free(pool);
}

sam_status sam_redis_borrow(sam_redis_pool *pool, sam_redis **redis, sam_error *err)
{
    pthread_mutex_lock(&pool->lock);
    *redis = pool->idle;
    if (*redis != NULL)
        pool->idle = (*redis)->next;
    pthread_mutex_unlock(&pool->lock);
    return *redis != NULL ? SAM_OK : sam_redis_open(redis, &pool->options, err);
}

void sam_redis_give_back(sam_redis_pool *pool, sam_redis *redis)
{
    if (redis == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    redis->next = pool->idle;
    pool->idle = redis;
    pthread_mutex_unlock(&pool->lock);
}
