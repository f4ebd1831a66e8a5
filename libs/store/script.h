/* Lua functions in Redis, called by the SHA-1 of their source; a Redis that lost them gets them again.
 *
 *     static sam_script commit = SAM_SCRIPT("commit", sam_lua_commit);     // the text of commit.lua
 * (cmake/embed.cmake) redisReply *reply; status = sam_script_call(&commit, redis, &reply, err, 1, (const char
 * *[]){"run:7", bytes}, 2, (const size_t[]){5, length});
 *
 * NOSCRIPT (a restart, SCRIPT FLUSH, another server) is answered by loading and calling once more: a script that is
 * not there has not run, so this is safe for any script.
 * Thread safety: a script may be called from many threads, each on its own connection.
 */
#ifndef SAM_STORE_SCRIPT_H
#define SAM_STORE_SCRIPT_H

#include "store/redis.h"

#include <pthread.h>

typedef struct sam_script {
    const char *name;     /* for errors */
    const char *source;   /* must outlive it */
    pthread_mutex_t lock; /* guards sha */
    char sha[41];         /* "" until loaded once */
} sam_script;

#define SAM_SCRIPT(script_name, script_source)                                                                         \
    {.name = (script_name), .source = (script_source), .lock = PTHREAD_MUTEX_INITIALIZER}

/* The first `keys` of the `count` words are KEYS, the rest ARGV. `lengths` as in sam_redis_command. */
sam_status sam_script_call(sam_script *script, sam_redis *redis, redisReply **reply, sam_error *err, int keys,
                           const char *const *words, int count, const size_t *lengths);
/* Repeats while Redis cannot be reached, as sam_redis_patient: for scripts that may run twice. */
sam_status sam_script_call_patient(sam_script *script, sam_redis *redis, uint32_t patience_ms, redisReply **reply,
                                   sam_error *err, int keys, const char *const *words, int count,
                                   const size_t *lengths);

#endif
