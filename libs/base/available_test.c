#include "base/available.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static void what_is_available_is_something_and_less_than_the_machine_has(void **state)
{
    (void)state;
    const size_t all = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    const size_t available = sam_memory_available();
    assert_true(available > 0 && available < all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_available_is_something_and_less_than_the_machine_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
