#include "base/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

static void a_process_has_memory_and_a_part_of_the_machines(void **state)
{
    (void)state;
    uint64_t mine = sam_usage_kb("/proc/self/status", "VmRSS"), all = sam_usage_kb("/proc/meminfo", "MemTotal");
    assert_true(mine > 0 && mine < all);
}

static void what_is_not_told_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(sam_usage_kb("/proc/self/status", "VmR"), 0);
    assert_int_equal(sam_usage_kb("/nowhere", "VmRSS"), 0);
}

static void the_time_of_a_process_grows_with_its_work(void **state)
{
    (void)state;
    double before = sam_usage_cpu_seconds(getpid());
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < 20000000; i++)
        sum = sum + i;
    assert_true(sam_usage_cpu_seconds(getpid()) > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_has_memory_and_a_part_of_the_machines),
        cmocka_unit_test(what_is_not_told_is_nothing),
        cmocka_unit_test(the_time_of_a_process_grows_with_its_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
