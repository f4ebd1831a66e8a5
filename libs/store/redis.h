/* A connection to Redis: commands that are safe for any bytes, reconnecting, sentences that say what to do.
 *
 *     sam_redis *redis;
 *     sam_redis_open(&redis, &(sam_redis_options){.address = "127.0.0.1:6379"}, err);   // connects at first use
 *     redisReply *reply;
 *     status = sam_redis_command(redis, &reply, err, 3, (const char *[]){"SET", key, bytes},
 *                                (const size_t[]){3, key_length, length});
 *     status = sam_redis_words(redis, &reply, err, "HGET", key, "state", NULL);         // where all are texts
 *     sam_redis_reply_free(reply);
 *     sam_redis_close(redis);
 *
 * An error reply is a failure of the command: its first word gives the status where it is the name of one (a Lua
 * function may `return redis.error_reply('CONFLICT the run is paused')`), otherwise Redis's own words are mapped
 * (NOAUTH and WRONGPASS: UNAUTHORIZED, NOPERM: FORBIDDEN, NOSCRIPT: NOT_FOUND, LOADING, READONLY, OOM...: UNAVAILABLE,
 * the rest: INVALID). A connection that broke is made anew by the next command, but a command that may have
 * reached Redis is not repeated: only its caller knows whether it may run twice.
 * After a failed attempt to connect the next waits 50 ms, doubling to 2 s, with jitter; until then commands fail at
 * once. Thread safety: a connection belongs to one thread at a time; a pool may be shared.
 */
#ifndef SAM_STORE_REDIS_H
#define SAM_STORE_REDIS_H

#include "base/status.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_redis sam_redis;

typedef struct sam_redis_options { /* right when zeroed; texts are copied */
    /* "host:port" (NULL: 127.0.0.1:6379), "unix:/path", or redis://[user[:password]@]host[:port][/database] with
     * percent-encoding. Where several hosts stand, with commas between, the first that is a primary is used.
     * sentinel://[user[:password]@]host[:port],.../name[/database]: the sentinels are asked where the primary is; user
     * and password are for Redis. A node of a cluster may send us on to others. rediss:// is UNSUPPORTED: hiredis 0.14
     * has no TLS. */
    const char *address;
    const char *user, *password; /* before those in the address; a password alone is the default user's */
    unsigned database;
    uint32_t connect_timeout_ms; /* 0: 2000 */
    uint32_t command_timeout_ms; /* 0: 5000 */
    bool (*cancelled)(
        void *user); /* asked about every 100 ms while waiting: CANCELLED, and the connection is dropped */
    void *cancelled_user;
} sam_redis_options;

/* INVALID or UNSUPPORTED for the address; does not connect. */
sam_status sam_redis_open(sam_redis **redis, const sam_redis_options *options, sam_error *err);
void sam_redis_close(sam_redis *redis);
sam_status sam_redis_ping(sam_redis *redis, sam_error *err);

/* `lengths` NULL: all words are texts. `*reply` is never NULL after OK, NULL otherwise. */
sam_status sam_redis_command(sam_redis *redis, redisReply **reply, sam_error *err, int count, const char *const *words,
                             const size_t *lengths);
/* Words until NULL. */
sam_status sam_redis_words(sam_redis *redis, redisReply **reply, sam_error *err, ...) __attribute__((sentinel));
/* One command whose reply may take `timeout_ms` (XREAD BLOCK); `cancelled` ends it early. */
sam_status sam_redis_command_within(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err,
                                    int count, const char *const *words, const size_t *lengths);
void sam_redis_reply_free(redisReply *reply);

/* ---- pipelining: many commands, one round trip ---- */
typedef struct sam_redis_batch sam_redis_batch;

sam_redis_batch *sam_redis_batch_new(sam_redis *redis); /* NULL: out of memory */
sam_status sam_redis_batch_add(sam_redis_batch *batch, sam_error *err, int count, const char *const *words,
                               const size_t *lengths);
/* Sends all; replies[i] for command i, an error reply as it is (type REDIS_REPLY_ERROR). Borrowed until free. */
sam_status sam_redis_batch_run(sam_redis_batch *batch, redisReply *const **replies, size_t *count, sam_error *err);
void sam_redis_batch_free(sam_redis_batch *batch);

/* ---- replies, with their types checked; `what` names the command in the sentence. CORRUPT: of another type ---- */
/* An integer from 0 up, or its text. NOT_FOUND for nil. */
sam_status sam_redis_u64(const redisReply *reply, const char *what, uint64_t *value, sam_error *err);
/* NOT_FOUND for nil. Borrowed; a NUL follows the bytes. */
sam_status sam_redis_bytes(const redisReply *reply, const char *what, const char **bytes, size_t *length,
                           sam_error *err);
sam_status sam_redis_array(const redisReply *reply, const char *what, size_t least, redisReply *const **elements,
                           size_t *count, sam_error *err);
sam_status sam_redis_error_of(const redisReply *reply, sam_error *err); /* OK where it is no error reply */
bool sam_redis_is_crossslot(const sam_error *err); /* one command asked for keys of several nodes of a cluster */

/* ---- a pool for the threads of a server ---- */
typedef struct sam_redis_pool sam_redis_pool;

sam_status sam_redis_pool_new(sam_redis_pool **pool, const sam_redis_options *options, sam_error *err);
void sam_redis_pool_free(sam_redis_pool *pool); /* after every connection was given back */
/* An idle connection, or a new one: as many as there are threads that borrow at once. */
sam_status sam_redis_borrow(sam_redis_pool *pool, sam_redis **redis, sam_error *err);
void sam_redis_give_back(sam_redis_pool *pool, sam_redis *redis);

#endif
