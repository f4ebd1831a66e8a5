/* A pool of threads that share one loop at a time.
 *
 *     static void halve(void *context, size_t index, unsigned thread)
 *     {
 *         float *values = context;
 *         values[index] /= 2;
 *     }
 *
 *     float values[1000] = {0};
 *     sam_pool *pool = sam_pool_new(2);
 *     sam_pool_run(pool, 1000, halve, values);        // index 0..999, each once; returns when all are done
 *     sam_pool_free(pool);
 *
 * Indices are handed out one by one as threads ask for them, so a thread that a busy neighbour slows down takes fewer.
 * Who waits looks for some 100 us, then sleeps. The caller's thread works too, as thread 0; `thread` is below
 * sam_pool_threads(), for scratch memory of its own. A NULL pool runs everything in the caller.
 * Thread safety: one sam_pool_run at a time for each pool.
 */
#ifndef SAM_BASE_THREADS_H
#define SAM_BASE_THREADS_H

#include <stddef.h>

typedef struct sam_pool sam_pool;
typedef void (*sam_pool_function)(void *context, size_t index, unsigned thread);

sam_pool *sam_pool_new(unsigned threads); /* NULL when memory or threads are out; 0 means one for each core */
void sam_pool_free(sam_pool *pool);
unsigned sam_pool_threads(const sam_pool *pool);
void sam_pool_run(sam_pool *pool, size_t count, sam_pool_function function, void *context);

unsigned sam_cores(void); /* that this process may use */

#endif
