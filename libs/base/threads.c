#include "base/threads.h"

#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct sam_pool {
    unsigned threads; /* with the caller's */
    unsigned started;
    pthread_t *handles;

    pthread_mutex_t lock; /* guards what follows, down to `busy` */
    pthread_cond_t work, done;
    unsigned long generation;
    bool stopping;
    unsigned busy;

    /* the present loop: written under the lock before a generation starts */
    sam_pool_function function;
    void *context;
    size_t count;
    atomic_size_t next;
};

typedef struct seat {
    sam_pool *pool;
    unsigned thread;
} seat;

unsigned sam_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1u : (unsigned)count;
}

static void take_part(sam_pool *pool, unsigned thread)
{
    for (;;) {
        size_t index = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (index >= pool->count)
            return;
        pool->function(pool->context, index, thread);
    }
}

static void *thread_main(void *argument)
{
    seat mine = *(seat *)argument;
    sam_free(argument);
    sam_pool *pool = mine.pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->generation == seen && !pool->stopping)
            pthread_cond_wait(&pool->work, &pool->lock);
        if (pool->stopping)
            break;
        seen = pool->generation;
        pthread_mutex_unlock(&pool->lock);
        take_part(pool, mine.thread);
        pthread_mutex_lock(&pool->lock);
        if (--pool->busy == 0)
            pthread_cond_signal(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static bool start_thread(sam_pool *pool, unsigned thread)
{
    seat *mine = sam_alloc(1, sizeof *mine);
    if (mine == NULL)
        return false;
    *mine = (seat){pool, thread};
    if (pthread_create(&pool->handles[pool->started], NULL, thread_main, mine) != 0) {
        sam_free(mine);
        return false;
    }
    pool->started++;
    return true;
}

sam_pool *sam_pool_new(unsigned threads)
{
    sam_pool *pool = sam_alloc(1, sizeof *pool);
    if (pool == NULL)
        return NULL;
    pool->threads = threads == 0 ? sam_cores() : threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->handles = sam_alloc(pool->threads, sizeof *pool->handles);
    bool good = pool->handles != NULL;
    for (unsigned t = 1; good && t < pool->threads; t++)
        good = start_thread(pool, t);
    if (!good) {
        sam_pool_free(pool);
        return NULL;
    }
    return pool;
}

void sam_pool_free(sam_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->started; i++)
        pthread_join(pool->handles[i], NULL);
    pthread_cond_destroy(&pool->work);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    sam_free(pool->handles);
    sam_free(pool);
}

unsigned sam_pool_threads(const sam_pool *pool)
{
    return pool == NULL ? 1 : pool->threads;
}

void sam_pool_run(sam_pool *pool, size_t count, sam_pool_function function, void *context)
{
    if (pool == NULL || pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            function(context, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->function = function;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    pool->busy = pool->threads - 1;
    pool->generation++;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);

    take_part(pool, 0);

    pthread_mutex_lock(&pool->lock);
    while (pool->busy > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
