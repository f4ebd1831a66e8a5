/* Lua functions in Redis, called by the SHA-1 of their source; a Redis that lost them gets them again.
 *
 *     static sam_script greet = SAM_SCRIPT("greet", "return 'hello ' .. KEYS[1] .. ARGV[1]");
 *     redisReply *reply;
 *     sam_script_call(&greet, redis, &reply, err, 1, (const char *[]){"run:7", "!"}, 2, NULL);
 *     sam_redis_reply_free(reply);
 *
 * cmake/embed.cmake makes such a text from a .lua file.
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
#endif
