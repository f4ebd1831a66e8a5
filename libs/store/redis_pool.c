/* Connections for the threads of a server. */
#include "store/redis_internal.h"

#include "base/memory.h"

#include <pthread.h>

struct sam_redis_pool {
    sam_redis_options options;
    char *address, *user, *password;
    pthread_mutex_t lock; /* guards idle */
    sam_redis *idle;
};

static bool copy_text(char **to, const char **from)
{
    if (*from == NULL)
        return true;
    *from = *to = sam_strdup(*from);
    return *to != NULL;
}

sam_status sam_redis_pool_new(sam_redis_pool **out, const sam_redis_options *options, sam_error *err)
{
    *out = NULL;
    sam_redis_pool *pool = sam_alloc(1, sizeof *pool);
    if (pool == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    pool->options = *options;
    pthread_mutex_init(&pool->lock, NULL);
    bool copied = copy_text(&pool->address, &pool->options.address) && copy_text(&pool->user, &pool->options.user) &&
                  copy_text(&pool->password, &pool->options.password);
    sam_status status = copied ? sam_redis_open(&pool->idle, &pool->options, err)
                               : sam_fail(err, SAM_NO_MEMORY, "out of memory for connections to Redis");
    if (status != SAM_OK) {
        sam_redis_pool_free(pool);
        return status;
    }
    *out = pool;
    return SAM_OK;
}

void sam_redis_pool_free(sam_redis_pool *pool)
{
    if (pool == NULL)
        return;
    while (pool->idle != NULL) {
        sam_redis *redis = pool->idle;
        pool->idle = redis->next;
        sam_redis_close(redis);
    }
    pthread_mutex_destroy(&pool->lock);
    sam_free(pool->address);
    sam_free(pool->user);
    sam_free(pool->password);
    sam_free(pool);
}

sam_status sam_redis_borrow(sam_redis_pool *pool, sam_redis **redis, sam_error *err)
{
    pthread_mutex_lock(&pool->lock);
    *redis = pool->idle;
    if (*redis != NULL)
        pool->idle = (*redis)->next;
    pthread_mutex_unlock(&pool->lock);
    return *redis != NULL ? SAM_OK : sam_redis_open(redis, &pool->options, err);
}

void sam_redis_give_back(sam_redis_pool *pool, sam_redis *redis)
{
    if (redis == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    redis->next = pool->idle;
    pool->idle = redis;
    pthread_mutex_unlock(&pool->lock);
}
