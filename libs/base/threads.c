#include "base/threads.h"

#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

/* A step of the engine has some 250 loops. To wake a sleeping thread, of a virtual machine above all, can take longer
 * than the next loop is away, so one that waits looks this often, some 100 us, before it sleeps. */
#define LOOKS 4000

struct sam_pool {
    unsigned threads; /* with the caller's */
    unsigned started;
    pthread_t *handles;

    pthread_mutex_t lock; /* for going to sleep and waking */
    pthread_cond_t work, done;
    atomic_ulong generation;
    atomic_bool stopping;
    atomic_uint busy;

    /* the present loop: written before its generation starts */
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

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
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

static bool is_called(sam_pool *pool, unsigned long seen)
{
    return atomic_load(&pool->generation) != seen || atomic_load(&pool->stopping);
}

static void await_call(sam_pool *pool, unsigned long seen)
{
    for (int i = 0; i < LOOKS; i++, relax())
        if (is_called(pool, seen))
            return;
    pthread_mutex_lock(&pool->lock);
    while (!is_called(pool, seen))
        pthread_cond_wait(&pool->work, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void await_others(sam_pool *pool)
{
    for (int i = 0; i < LOOKS; i++, relax())
        if (atomic_load(&pool->busy) == 0)
            return;
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->busy) > 0)
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

/* The lock is taken so that the news cannot fall between a sleeper's last look and its sleep. */
static void wake(sam_pool *pool, pthread_cond_t *sleepers)
{
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(sleepers);
    pthread_mutex_unlock(&pool->lock);
}

static void *thread_main(void *argument)
{
    seat mine = *(seat *)argument;
    sam_free(argument);
    sam_pool *pool = mine.pool;
    for (unsigned long seen = 0;; seen++) {
        await_call(pool, seen);
        if (atomic_load(&pool->stopping))
            return NULL;
        take_part(pool, mine.thread);
        if (atomic_fetch_sub(&pool->busy, 1) == 1)
            wake(pool, &pool->done);
    }
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
    atomic_store(&pool->stopping, true);
    wake(pool, &pool->work);
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
    pool->function = function;
    pool->context = context;
    pool->count = count;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->busy, pool->threads - 1);
    atomic_fetch_add(&pool->generation, 1);
    wake(pool, &pool->work);
    take_part(pool, 0);
    await_others(pool);
}
