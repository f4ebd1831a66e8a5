#include "base/shutdown.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child catches, says so, waits to be asked, says so, and then lives on until a second signal (or 20 s). */
static void child_main(int report)
{
    alarm(20);
    sam_shutdown_catch();
    if (sam_shutdown_requested() || write(report, "r", 1) != 1)
        _exit(2);
    struct pollfd asked = {.fd = sam_shutdown_fd(), .events = POLLIN};
    while (!sam_shutdown_requested())
        poll(&asked, 1, 10000);
    if (poll(&asked, 1, 0) != 1 || write(report, "a", 1) != 1)
        _exit(3);
    for (;;)
        pause();
}

static void check_signal(int number)
{
    int ends[2], status = 0;
    char said;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        child_main(ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &said, 1), 1);
    kill(child, SIGPIPE); /* ignored */
    kill(child, number);
    assert_int_equal(read(ends[0], &said, 1), 1);
    assert_int_equal(said, 'a');
    kill(child, number);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
    close(ends[0]);
}

static void the_first_signal_asks_and_the_second_ends(void **state)
{
    (void)state;
    check_signal(SIGTERM);
    check_signal(SIGINT);
}

static void asking_from_inside_is_as_good_as_a_signal(void **state)
{
    (void)state;
    sam_shutdown_request(); /* before anything is caught: only the flag */
    assert_true(sam_shutdown_requested());
    sam_shutdown_catch();
    struct pollfd asked = {.fd = sam_shutdown_fd(), .events = POLLIN};
    assert_int_equal(poll(&asked, 1, 0), 0);
    for (int i = 0; i < 100000; i++) /* more than a pipe holds: it must not block */
        sam_shutdown_request();
    assert_int_equal(poll(&asked, 1, 0), 1);
}

static void a_hangup_is_counted_and_ends_nothing(void **state)
{
    (void)state;
    sam_hangups_catch();
    assert_int_equal(sam_hangups(), 0);
    raise(SIGHUP);
    raise(SIGHUP);
    assert_int_equal(sam_hangups(), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_signal_asks_and_the_second_ends),
        cmocka_unit_test(asking_from_inside_is_as_good_as_a_signal),
        cmocka_unit_test(a_hangup_is_counted_and_ends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
