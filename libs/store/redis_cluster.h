/* Redis Cluster, as far as a client has to know it: which slot the key of a command is in, and what a node answers who
 * does not have that slot.
 *
 *     const char *words[] = {"GET", "run:{e1}:state"};
 *     int slot = sam_redis_slot(2, words, (const size_t[]){3, 14});       // -1: no key that we know of
 *     sam_redis_move move;
 *     if (sam_redis_move_of(&move, reply))                                // "MOVED 3999 10.0.0.2:6379"
 *         printf("ask %s:%u\n", move.host, move.port);
 *
 * Keys with the same text between { and } are in the same slot, so all keys of a run are on one node.
 */
#ifndef SAM_STORE_REDIS_CLUSTER_H
#define SAM_STORE_REDIS_CLUSTER_H

#include "store/redis.h"

#define SAM_REDIS_SLOTS 16384

typedef struct sam_redis_move {
    bool once; /* ASK: this command only; the slot is still under way */
    int slot;
    char host[256]; /* "": the host that answered */
    unsigned port;
} sam_redis_move;

int sam_redis_slot(int count, const char *const *words, const size_t *lengths);
int sam_redis_slot_of_key(const char *key, size_t length);
/* False where the reply is no MOVED or ASK. */
bool sam_redis_move_of(sam_redis_move *move, const redisReply *reply);

#endif
