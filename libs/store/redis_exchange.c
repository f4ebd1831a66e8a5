/* One exchange with the server in use: a command out, its reply in, with an eye on the clock and on the shutdown. */
#include "store/redis_internal.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

#define POLL_MS 100

static bool cancelled(const sam_redis *redis)
{
    return redis->cancelled != NULL && redis->cancelled(redis->cancelled_user);
}

/* The connection cannot be used further: what was asked may or may not have been done. */
sam_status sam_redis_broken(sam_redis *redis, sam_error *err)
{
    const redisContext *context = redis->context;
    bool no_memory = context->err == REDIS_ERR_OOM;
    sam_fail(err, no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE, "the connection to Redis at %s broke: %s%s",
             redis->place.shown, context->errstr, no_memory ? ", or an array too large to be an answer" : "");
    sam_redis_disconnect(redis);
    return no_memory ? SAM_NO_MEMORY : SAM_UNAVAILABLE;
}

sam_status sam_redis_flush(sam_redis *redis, sam_error *err)
{
    for (int done = 0; !done;)
        if (redisBufferWrite(redis->context, &done) != REDIS_OK)
            return sam_redis_broken(redis, err);
    return SAM_OK;
}

/* Until a byte is there; hiredis itself could not be told to stop. */
static sam_status wait_readable(sam_redis *redis, uint64_t deadline_ms, uint32_t timeout_ms, sam_error *err)
{
    for (;;) {
        if (cancelled(redis)) {
            sam_redis_disconnect(redis);
            return sam_fail(err, SAM_CANCELLED,
                            "waiting for Redis at %s was given up because this process was told "
                            "to stop",
                            redis->place.shown);
        }
        uint64_t now = sam_monotonic_ms();
        if (now >= deadline_ms) {
            sam_redis_disconnect(redis);
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
            sam_redis_disconnect(redis);
            return SAM_UNAVAILABLE;
        }
    }
}

sam_status sam_redis_read_reply(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err)
{
    uint64_t deadline_ms = sam_monotonic_ms() + timeout_ms;
    void *raw = NULL;
    for (;;) {
        if (redisGetReplyFromReader(redis->context, &raw) != REDIS_OK)
            return sam_redis_broken(redis, err);
        if (raw != NULL)
            break;
        sam_status status = wait_readable(redis, deadline_ms, timeout_ms, err);
        if (status != SAM_OK)
            return status;
        if (redisBufferRead(redis->context) != REDIS_OK)
            return sam_redis_broken(redis, err);
    }
    *reply = raw;
    return SAM_OK;
}

static sam_status append(sam_redis *redis, int count, const char *const *words, const size_t *lengths, sam_error *err)
{
    const char **argv = (const char **)words; /* hiredis forgot one const */
    if (redisAppendCommandArgv(redis->context, count, argv, lengths) == REDIS_OK)
        return SAM_OK;
    return sam_redis_broken(redis, err);
}

sam_status sam_redis_exchange(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                              const char *const *words, const size_t *lengths)
{
    sam_status status = append(redis, count, words, lengths, err);
    if (status == SAM_OK)
        status = sam_redis_flush(redis, err);
    if (status == SAM_OK)
        status = sam_redis_read_reply(redis, timeout_ms, reply, err);
    return status;
}
