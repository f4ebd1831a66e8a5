/* Pipelining: many commands, one round trip. */
#include "store/redis_internal.h"

#include "base/memory.h"

struct sam_redis_batch {
    sam_redis *redis;
    size_t count, room;
    int slot;        /* of the first command's key */
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
    if (batch->count == 0)
        batch->slot = sam_redis_slot(count, words, lengths);
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
            return sam_redis_broken(batch->redis, err);
    return sam_redis_flush(batch->redis, err);
}

static sam_status batch_once(sam_redis_batch *batch, sam_error *err)
{
    sam_redis *redis = batch->redis;
    drop_replies(batch);
    batch->replies = sam_alloc(batch->count, sizeof *batch->replies);
    if (batch->replies == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the replies to %zu Redis commands", batch->count);
    sam_redis_drop_if_hung_up(redis);
    sam_status status = sam_redis_connect(redis, err);
    if (status == SAM_OK)
        status = batch_send(batch, err);
    while (status == SAM_OK && batch->replied < batch->count) {
        status = sam_redis_read_reply(redis, redis->command_timeout_ms, &batch->replies[batch->replied], err);
        batch->replied += status == SAM_OK;
    }
    return status;
}

sam_status sam_redis_batch_run(sam_redis_batch *batch, redisReply *const **replies, size_t *count, sam_error *err)
{
    sam_redis_move move;
    sam_redis_use_node_of(batch->redis, batch->slot);
    sam_status status = batch_once(batch, err);
    for (int hop = 1; status == SAM_OK && batch->count > 0 && sam_redis_move_of(&move, batch->replies[0]); hop++) {
        move.once = false; /* ASK holds for one command only; then the rest is answered with MOVED or TRYAGAIN */
        status = hop < SAM_REDIS_HOPS_MAX ? sam_redis_follow_move(batch->redis, &move, err)
                                          : sam_redis_lost_way(batch->redis, err);
        if (status == SAM_OK)
            status = batch_once(batch, err);
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
