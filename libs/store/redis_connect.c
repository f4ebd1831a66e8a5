/* Connecting to a server, or to whichever of several is the primary, and waiting longer after each failure. */
#include "store/redis_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_FIRST_MS 50u
#define BACKOFF_MOST_MS  2000u
#define ELEMENTS_MAX     4194304 /* of one array in a reply */

void sam_redis_disconnect(sam_redis *redis)
{
    if (redis->context != NULL)
        redisFree(redis->context);
    redis->context = NULL;
}

static struct timeval to_timeval(uint32_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

sam_status sam_redis_greet(sam_redis *redis, sam_error *err, int count, const char *const *words)
{
    redisReply *reply = NULL;
    sam_status status = sam_redis_exchange(redis, redis->command_timeout_ms, &reply, err, count, words, NULL);
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
        status = sam_redis_greet(redis, err, 3, (const char *[]){"AUTH", place->user, place->password});
    else if (place->password != NULL)
        status = sam_redis_greet(redis, err, 2, (const char *[]){"AUTH", place->password});
    char number[12];
    snprintf(number, sizeof number, "%u", place->database);
    if (status == SAM_OK && place->database != 0)
        status = sam_redis_greet(redis, err, 2, (const char *[]){"SELECT", number});
    if (status == SAM_OK)
        status = sam_redis_greet(redis, err, 1, (const char *[]){"PING"});
    if (status != SAM_OK)
        sam_fail_context(err, "Redis at %s", place->shown);
    return status;
}

/* hiredis makes room for as many elements as a server announces, before it has seen one. */
#if HIREDIS_MAJOR >= 1
static void limit_arrays(redisContext *context)
{
    context->reader->maxelements = ELEMENTS_MAX;
}
#else
static redisReplyObjectFunctions usual, limited;

static void *create_limited_array(const redisReadTask *task, int elements)
{
    return elements > ELEMENTS_MAX ? NULL : usual.createArray(task, elements);
}

static void find_usual(void)
{
    redisReader *reader = redisReaderCreate();
    if (reader == NULL)
        return;
    usual = limited = *reader->fn;
    limited.createArray = create_limited_array;
    redisReaderFree(reader);
}

static void limit_arrays(redisContext *context)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_usual);
    if (usual.createArray != NULL)
        context->reader->fn = &limited;
}
#endif

static redisContext *dial(const sam_redis *redis, const char *host, unsigned port)
{
    struct timeval timeout = to_timeval(redis->connect_timeout_ms);
    redisContext *context = host == NULL ? redisConnectUnixWithTimeout(redis->place.socket_path, timeout)
                                         : redisConnectWithTimeout(host, (int)port, timeout);
    if (context != NULL && context->err == 0) {
        limit_arrays(context);
        (void)redisSetTimeout(context, to_timeval(redis->command_timeout_ms)); /* of writes that do not go on */
        if (host != NULL)
            (void)redisEnableKeepAlive(context);
    }
    return context;
}

/* `host` NULL: the socket. */
static sam_status connect_to(sam_redis *redis, const char *host, unsigned port, sam_error *err)
{
    redis->context = dial(redis, host, port);
    if (redis->context == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory connecting to Redis at %s", redis->place.shown);
    if (redis->context->err != 0) {
        sam_fail(err, SAM_UNAVAILABLE, "cannot reach Redis at %s: %s; start it or name another with --redis",
                 redis->place.shown, redis->context->errstr);
        sam_redis_disconnect(redis);
        return SAM_UNAVAILABLE;
    }
    sam_status status = introduce(redis, err);
    if (status != SAM_OK)
        sam_redis_disconnect(redis);
    return status;
}

/* A replica answers reads with what may be old, and no writes. */
static sam_status refuse_replica(sam_redis *redis, sam_error *err)
{
    redisReply *reply = NULL;
    sam_status status =
        sam_redis_exchange(redis, redis->command_timeout_ms, &reply, err, 1, (const char *const[]){"ROLE"}, NULL);
    bool replica = status == SAM_OK && reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
                   reply->element[0]->type == REDIS_REPLY_STRING && strcmp(reply->element[0]->str, "slave") == 0;
    sam_redis_reply_free(reply);
    if (!replica)
        return status;
    sam_redis_disconnect(redis);
    return sam_fail(err, SAM_UNAVAILABLE, "Redis at %s is a replica at the moment; waiting for a primary",
                    redis->place.shown);
}

/* Hands out the hosts of the place, one after the other. */
static const char *host_of(const sam_redis_place *place, size_t i, unsigned *port)
{
    *port = i == 0 ? place->port : place->other_ports[i - 1];
    return i == 0 ? place->host : place->others[i - 1];
}

/* Where the primary is, by the word of one sentinel. */
static sam_status ask_sentinel(const sam_redis *redis, const char *host, unsigned port, char primary[256],
                               unsigned *primary_port, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    uint64_t number = 0;
    redisContext *sentinel = dial(redis, host, port);
    redisReply *reply = NULL;
    if (sentinel != NULL && sentinel->err == 0)
        reply = redisCommand(sentinel, "SENTINEL get-master-addr-by-name %s", place->master);
    bool known = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
                 reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len < 256 &&
                 sam_redis_u64(reply->element[1], "SENTINEL", &number, NULL) == SAM_OK && number <= 65535;
    if (known) {
        memcpy(primary, reply->element[0]->str, reply->element[0]->len + 1);
        *primary_port = (unsigned)number;
    } else {
        sam_fail(err, SAM_UNAVAILABLE, "no sentinel of %s knows the primary: %s", place->shown,
                 sentinel == NULL                   ? "out of memory"
                 : sentinel->err                    ? sentinel->errstr
                 : reply == NULL                    ? "no answer"
                 : reply->type == REDIS_REPLY_ERROR ? reply->str
                                                    : "the name is not among those it watches");
    }
    sam_redis_reply_free(reply);
    if (sentinel != NULL)
        redisFree(sentinel);
    return known ? SAM_OK : SAM_UNAVAILABLE;
}

/* One host after the other, until one is, or names, a primary. */
static sam_status connect_to_any(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    sam_status status = SAM_UNAVAILABLE;
    for (size_t i = 0; i <= place->other_count && status != SAM_OK; i++) {
        char primary[256];
        unsigned port;
        const char *host = host_of(place, i, &port);
        status = SAM_OK;
        if (place->master != NULL) {
            status = ask_sentinel(redis, host, port, primary, &port, err);
            host = primary;
        }
        if (status == SAM_OK)
            status = connect_to(redis, host, port, err);
        if (status == SAM_OK)
            status = refuse_replica(redis, err);
    }
    return status;
}

static sam_status connect_once(sam_redis *redis, sam_error *err)
{
    const sam_redis_place *place = &redis->place;
    if (redis->node > 0) {
        char host[256];
        unsigned port = redis->nodes[redis->node].port;
        memcpy(host, redis->nodes[redis->node].host, sizeof host);
        sam_status status = connect_to(redis, host, port, err);
        if (status != SAM_OK) /* it may be gone for good: the others know who has taken its place */
            sam_redis_forget_nodes(redis);
        return status;
    }
    if (place->master != NULL || place->other_count > 0)
        return connect_to_any(redis, err);
    return connect_to(redis, place->host, place->port, err);
}

/* So that a thousand clients of a Redis that comes back do not all knock at once: half fixed, half chance. */
static void back_off(sam_redis *redis, const sam_error *failure)
{
    uint32_t next = redis->backoff_ms == 0 ? BACKOFF_FIRST_MS : redis->backoff_ms * 2;
    redis->backoff_ms = next > BACKOFF_MOST_MS ? BACKOFF_MOST_MS : next;
    redis->not_before_ms = sam_monotonic_ms() + redis->backoff_ms / 2 + randombytes_uniform(redis->backoff_ms / 2 + 1);
    redis->last_failure = *failure;
}

sam_status sam_redis_connect(sam_redis *redis, sam_error *err)
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

void sam_redis_drop_if_hung_up(sam_redis *redis)
{
    if (redis->context == NULL)
        return;
    struct pollfd fd = {.fd = redis->context->fd, .events = POLLIN};
    if (poll(&fd, 1, 0) != 0) /* readable though nothing was asked: the end, or a stray reply */
        sam_redis_disconnect(redis);
}
