#include "store/script.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static sam_status load(sam_script *script, sam_redis *redis, sam_error *err)
{
    redisReply *reply;
    const char *sha;
    size_t length;
    sam_status status = sam_redis_words(redis, &reply, err, "SCRIPT", "LOAD", script->source, NULL);
    if (status == SAM_OK)
        status = sam_redis_bytes(reply, "SCRIPT LOAD", &sha, &length, err);
    if (status == SAM_OK && length != sizeof script->sha - 1)
        status = sam_fail(err, SAM_CORRUPT, "Redis named the script by %zu bytes, not by a SHA-1", length);
    if (status == SAM_OK) {
        pthread_mutex_lock(&script->lock);
        memcpy(script->sha, sha, sizeof script->sha - 1);
        pthread_mutex_unlock(&script->lock);
    }
    sam_redis_reply_free(reply);
    return status;
}

static bool known_sha(sam_script *script, char sha[41])
{
    pthread_mutex_lock(&script->lock);
    memcpy(sha, script->sha, sizeof script->sha);
    pthread_mutex_unlock(&script->lock);
    return sha[0] != 0;
}

/* EVALSHA sha keys words..., as one array. */
typedef struct evalsha {
    const char **words;
    size_t *lengths;
    int count;
    char sha[41], keys[12];
} evalsha;

static void evalsha_free(evalsha *command)
{
    sam_free(command->words);
    sam_free(command->lengths);
}

static bool evalsha_build(evalsha *command, int keys, const char *const *words, int count, const size_t *lengths)
{
    *command = (evalsha){.count = count + 3};
    command->words = sam_alloc((size_t)count + 3, sizeof *command->words);
    command->lengths = sam_alloc((size_t)count + 3, sizeof *command->lengths);
    if (command->words == NULL || command->lengths == NULL)
        return false;
    snprintf(command->keys, sizeof command->keys, "%d", keys);
    command->words[0] = "EVALSHA";
    command->words[1] = command->sha;
    command->words[2] = command->keys;
    command->lengths[0] = strlen("EVALSHA");
    command->lengths[1] = sizeof command->sha - 1;
    command->lengths[2] = strlen(command->keys);
    for (int i = 0; i < count; i++) {
        command->words[i + 3] = words[i];
        command->lengths[i + 3] = lengths == NULL ? strlen(words[i]) : lengths[i];
    }
    return true;
}

static sam_status call_once(sam_script *script, sam_redis *redis, redisReply **reply, sam_error *err, evalsha *command)
{
    *reply = NULL;
    sam_status status = known_sha(script, command->sha) ? SAM_OK : load(script, redis, err);
    (void)known_sha(script, command->sha);
    if (status == SAM_OK)
        status = sam_redis_command(redis, reply, err, command->count, command->words, command->lengths);
    return status;
}

static bool is_missing(sam_status status, const sam_error *err)
{
    return status == SAM_NOT_FOUND && strstr(err->text, "NOSCRIPT") != NULL;
}

static sam_status call(sam_script *script, sam_redis *redis, redisReply **reply, sam_error *err, evalsha *command)
{
    sam_status status = call_once(script, redis, reply, err, command);
    if (is_missing(status, err)) {
        status = load(script, redis, err);
        if (status == SAM_OK)
            status = call_once(script, redis, reply, err, command);
    }
    return status;
}

sam_status sam_script_call(sam_script *script, sam_redis *redis, redisReply **reply, sam_error *err, int keys,
                           const char *const *words, int count, const size_t *lengths)
{
    sam_error own = {0};
    evalsha command;
    *reply = NULL;
    sam_status status = evalsha_build(&command, keys, words, count, lengths)
                            ? call(script, redis, reply, err == NULL ? &own : err, &command)
                            : sam_fail(err, SAM_NO_MEMORY, "out of memory calling the Redis function %s", script->name);
    evalsha_free(&command);
    return status;
}
