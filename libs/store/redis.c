#include "store/redis.h"

#include "base/memory.h"
#include "store/redis_internal.h"

#include <stdarg.h>
#include <string.h>

#define MAX_WORDS 32

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
    sam_redis_forget_nodes(redis);
    sam_redis_place_free(&redis->place);
    sam_free(redis);
}

/* One command to the right node. What was answered with MOVED or ASK was not done, so it may be sent again. */
static sam_status ask(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                      const char *const *words, const size_t *lengths)
{
    sam_redis_use_node_of(redis, redis->node_of_slot == NULL ? -1 : sam_redis_slot(count, words, lengths));
    for (int hop = 0; hop < SAM_REDIS_HOPS_MAX; hop++) {
        sam_redis_move move;
        sam_redis_drop_if_hung_up(redis);
        sam_status status = sam_redis_connect(redis, err);
        if (status == SAM_OK)
            status = sam_redis_exchange(redis, timeout_ms, reply, err, count, words, lengths);
        if (status != SAM_OK || !sam_redis_move_of(&move, *reply))
            return status;
        sam_redis_reply_free(*reply);
        *reply = NULL;
        status = sam_redis_follow_move(redis, &move, err);
        if (status != SAM_OK)
            return status;
    }
    return sam_redis_lost_way(redis, err);
}

sam_status sam_redis_command_within(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err,
                                    int count, const char *const *words, const size_t *lengths)
{
    *reply = NULL;
    sam_status status = ask(redis, timeout_ms, reply, err, count, words, lengths);
    bool demoted = status == SAM_OK && (*reply)->type == REDIS_REPLY_ERROR && strstr((*reply)->str, "READONLY") != NULL;
    if (status == SAM_OK)
        status = sam_redis_error_of(*reply, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    if (demoted) /* a replica now: the next attempt looks for the primary */
        sam_redis_forget_nodes(redis);
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
