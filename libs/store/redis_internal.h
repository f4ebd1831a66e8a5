/* What the files of a connection to Redis share: redis.c (commands), redis_connect.c (to one server, or to the primary
 * of several), redis_exchange.c (bytes out, a reply in), redis_nodes.c (the servers of a cluster), redis_batch.c,
 * redis_pool.c. Not for others.
 */
#ifndef SAM_STORE_REDIS_INTERNAL_H
#define SAM_STORE_REDIS_INTERNAL_H

#include "store/redis.h"
#include "store/redis_address.h"
#include "store/redis_cluster.h"

#define SAM_REDIS_NODES_MAX 64u
#define SAM_REDIS_HOPS_MAX  5

/* A server of a cluster that another one sent us to. */
typedef struct sam_redis_node {
    char host[256];
    unsigned port;
    redisContext *context; /* while it is not the one in use */
} sam_redis_node;

struct sam_redis {
    sam_redis_place place;
    uint32_t connect_timeout_ms, command_timeout_ms;
    bool (*cancelled)(void *user);
    void *cancelled_user;
    redisContext *context; /* of the server in use; NULL: not connected */
    sam_redis_node *nodes; /* [SAM_REDIS_NODES_MAX], from the first MOVED on; node 0 is the place itself */
    size_t node_count, node;
    uint8_t *node_of_slot;  /* 0: not known, ask where we are */
    uint32_t backoff_ms;    /* 0: the last attempt to connect went well */
    uint64_t not_before_ms; /* the next attempt */
    sam_error last_failure; /* what to say until then */
    struct sam_redis *next; /* in a pool's idle list */
};

/* ---- redis_connect.c ---- */

/* Connects where there is no connection, unless the last failure is too recent. */
sam_status sam_redis_connect(sam_redis *redis, sam_error *err);
void sam_redis_disconnect(sam_redis *redis);

/* An idle connection that Redis has closed meanwhile is noticed before anything is sent, when it is still safe. */
void sam_redis_drop_if_hung_up(sam_redis *redis);

/* A command of texts, whose reply does not matter as long as it is not an error. */
sam_status sam_redis_greet(sam_redis *redis, sam_error *err, int count, const char *const *words);

/* ---- redis_exchange.c: where one fails, the connection is dropped ---- */

/* What hiredis says of the connection: what was asked may or may not have been done. */
sam_status sam_redis_broken(sam_redis *redis, sam_error *err);
sam_status sam_redis_flush(sam_redis *redis, sam_error *err);
sam_status sam_redis_read_reply(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err);
sam_status sam_redis_exchange(sam_redis *redis, uint32_t timeout_ms, redisReply **reply, sam_error *err, int count,
                              const char *const *words, const size_t *lengths);

/* ---- redis_nodes.c ---- */

/* To the node that has, or had, the slot. */
void sam_redis_use_node_of(sam_redis *redis, int slot);

/* Goes where the last answer sent us. */
sam_status sam_redis_follow_move(sam_redis *redis, const sam_redis_move *move, sam_error *err);
sam_status sam_redis_lost_way(const sam_redis *redis, sam_error *err);

/* Back to the place itself: who has which slot has to be asked anew. */
void sam_redis_forget_nodes(sam_redis *redis);

#endif
