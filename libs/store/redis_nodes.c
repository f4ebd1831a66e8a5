/* The servers of a cluster: which of them has a slot is learnt from their answers. */
#include "store/redis_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

void sam_redis_forget_nodes(sam_redis *redis)
{
    sam_redis_disconnect(redis);
    for (size_t i = 0; i < redis->node_count; i++)
        if (i != redis->node && redis->nodes[i].context != NULL)
            redisFree(redis->nodes[i].context);
    sam_free(redis->nodes);
    sam_free(redis->node_of_slot);
    redis->nodes = NULL;
    redis->node_of_slot = NULL;
    redis->node_count = redis->node = 0;
}

static void use_node(sam_redis *redis, size_t node)
{
    if (node == redis->node)
        return;
    redis->nodes[redis->node].context = redis->context;
    redis->node = node;
    redis->context = redis->nodes[node].context;
    redis->nodes[node].context = NULL;
}

void sam_redis_use_node_of(sam_redis *redis, int slot)
{
    if (redis->node_of_slot != NULL && slot >= 0 && redis->node_of_slot[slot] != 0)
        use_node(redis, redis->node_of_slot[slot]);
}

static bool begin_nodes(sam_redis *redis)
{
    if (redis->nodes != NULL)
        return true;
    redis->nodes = sam_alloc(SAM_REDIS_NODES_MAX, sizeof *redis->nodes);
    redis->node_of_slot = sam_alloc(SAM_REDIS_SLOTS, 1);
    if (redis->nodes == NULL || redis->node_of_slot == NULL) {
        sam_redis_forget_nodes(redis);
        return false;
    }
    redis->node_count = 1;
    return true;
}

static size_t node_at(sam_redis *redis, const char *host, unsigned port)
{
    size_t node = 1;
    while (node < redis->node_count && (redis->nodes[node].port != port || strcmp(redis->nodes[node].host, host) != 0))
        node++;
    if (node == redis->node_count && node < SAM_REDIS_NODES_MAX) {
        redis->nodes[node] = (sam_redis_node){.port = port};
        snprintf(redis->nodes[node].host, sizeof redis->nodes[node].host, "%s", host);
        redis->node_count++;
    }
    return node;
}

sam_status sam_redis_follow_move(sam_redis *redis, const sam_redis_move *move, sam_error *err)
{
    char host[256];
    if (!begin_nodes(redis))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the nodes of the cluster at %s", redis->place.shown);
    const char *here = redis->node > 0 ? redis->nodes[redis->node].host : redis->place.host;
    snprintf(host, sizeof host, "%s", move->host[0] != 0 || here == NULL ? move->host : here);
    size_t node = node_at(redis, host, move->port);
    if (node == SAM_REDIS_NODES_MAX) {
        sam_redis_forget_nodes(redis);
        return sam_fail(err, SAM_UNAVAILABLE, "the cluster at %s has named more than %u nodes", redis->place.shown,
                        SAM_REDIS_NODES_MAX - 1);
    }
    if (!move->once)
        redis->node_of_slot[move->slot] = (uint8_t)node;
    use_node(redis, node);
    sam_status status = move->once ? sam_redis_connect(redis, err) : SAM_OK;
    return status == SAM_OK && move->once ? sam_redis_greet(redis, err, 1, (const char *[]){"ASKING"}) : status;
}

sam_status sam_redis_lost_way(const sam_redis *redis, sam_error *err)
{
    return sam_fail(err, SAM_UNAVAILABLE, "the nodes of the cluster at %s send us to and fro", redis->place.shown);
}
