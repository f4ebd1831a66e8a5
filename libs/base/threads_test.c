#include "base/threads.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>

#define INDICES 5000
#define THREADS 4

typedef struct tally {
    unsigned char visits[INDICES]; /* plain bytes: under the thread sanitizer two visitors would be a race */
    size_t by_thread[THREADS];     /* plain too: each thread has its own */
    atomic_size_t total;
} tally;

static void visit(void *context, size_t index, unsigned thread)
{
    tally *counted = context;
    counted->visits[index]++;
    counted->by_thread[thread]++;
    atomic_fetch_add(&counted->total, 1);
}

static void check_pool(sam_pool *pool, size_t count)
{
    tally counted;
    memset(&counted, 0, sizeof counted);
    sam_pool_run(pool, count, visit, &counted);
    size_t sum = 0;
    for (size_t t = 0; t < THREADS; t++)
        sum += counted.by_thread[t];
    assert_int_equal(sum, count); /* all done on return */
    assert_int_equal(atomic_load(&counted.total), count);
    for (size_t i = 0; i < INDICES; i++)
        assert_int_equal(counted.visits[i], i < count);
}

static void each_index_is_visited_once(void **state)
{
    (void)state;
    static const size_t COUNTS[] = {0, 1, 2, 3, 7, 100, INDICES};
    sam_pool *pool = sam_pool_new(THREADS);
    assert_non_null(pool);
    assert_int_equal(sam_pool_threads(pool), THREADS);
    for (size_t i = 0; i < sizeof COUNTS / sizeof COUNTS[0]; i++)
        check_pool(pool, COUNTS[i]);
    sam_pool_free(pool);
}

static void many_short_loops_follow_each_other(void **state)
{
    (void)state;
    sam_pool *pool = sam_pool_new(THREADS);
    assert_non_null(pool);
    for (size_t i = 0; i < 500; i++)
        check_pool(pool, i % 5);
    sam_pool_free(pool);
}

static void no_pool_runs_in_the_caller(void **state)
{
    (void)state;
    check_pool(NULL, 100);
    assert_int_equal(sam_pool_threads(NULL), 1);
    sam_pool *pool = sam_pool_new(1);
    check_pool(pool, 100);
    sam_pool_free(pool);
    sam_pool_free(NULL);
}

static void zero_threads_means_one_for_each_core(void **state)
{
    (void)state;
    sam_pool *pool = sam_pool_new(0);
    assert_non_null(pool);
    assert_true(sam_cores() >= 1);
    assert_int_equal(sam_pool_threads(pool), sam_cores());
    sam_pool_free(pool);
}

static void a_pool_without_memory_is_none_and_leaves_no_thread(void **state)
{
    (void)state;
    for (long nth = 1; nth <= 5; nth++) { /* the pool, its handles, a seat for each of three */
        sam_memory_fail_at(nth);
        assert_null(sam_pool_new(THREADS));
        sam_memory_fail_at(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_index_is_visited_once),
        cmocka_unit_test(many_short_loops_follow_each_other),
        cmocka_unit_test(no_pool_runs_in_the_caller),
        cmocka_unit_test(zero_threads_means_one_for_each_core),
        cmocka_unit_test(a_pool_without_memory_is_none_and_leaves_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
