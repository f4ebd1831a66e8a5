#include "base/clock.h"
#include "cli/shared/processes.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static test_folder folder;

static cli_process start(const char *name, const char *script)
{
    cli_process process = {0};
    sam_error err = {0};
    char log[300];
    snprintf(process.name, sizeof process.name, "%s", name);
    test_path(log, sizeof log, &folder, "log");
    const char *const arguments[] = {"-c", script, NULL};
    const cli_launch launch = {"/bin/sh", arguments, folder.path, log};
    assert_int_equal(cli_process_start(&process, &launch, &err), SAM_OK);
    return process;
}

static void wait_for_end(cli_process *process)
{
    for (int i = 0; i < 1000 && !cli_process_ended(process); i++)
        sam_sleep_ms(10);
    assert_int_equal(process->pid, 0);
}

static void the_last_line_tells_why_it_ended(void **state)
{
    (void)state;
    const struct {
        const char *script, *ending;
    } cases[] = {
        {"echo begin; echo 'samara-ledger: the port is taken' >&2; exit 9", "ended: the port is taken"},
        {"echo '2026-01-01T00:00:00.000Z samara-worker[7] error: no memory'; exit 1", "ended: no memory"},
        {"exit 3", "ended with exit code 3"},
        {"echo gone; kill -9 $$", "was killed (signal 9)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char ending[200];
        cli_process process = start("case", cases[i].script);
        wait_for_end(&process);
        assert_true(cli_process_failed(&process));
        cli_process_describe_end(&process, ending, sizeof ending);
        assert_string_equal(ending, cases[i].ending);
    }
}

static void an_address_is_read_once_its_line_is_whole(void **state)
{
    (void)state;
    char address[64] = "";
    cli_process process = start("case", "printf 'listening on http://127.0.0.1:4'; while [ ! -e go ]; do sleep 0.02; "
                                        "done; echo 217; sleep 30");
    sam_sleep_ms(200);
    assert_false(cli_process_address(&process, address, sizeof address));
    char go[300];
    test_path(go, sizeof go, &folder, "go");
    FILE *file = fopen(go, "w");
    if (file != NULL)
        fclose(file);
    for (int i = 0; i < 500 && !cli_process_address(&process, address, sizeof address); i++)
        sam_sleep_ms(10);
    assert_string_equal(address, "127.0.0.1:4217");
    cli_process_stop(&process, 5000);
}

static void what_an_earlier_start_said_is_not_read(void **state)
{
    (void)state;
    char address[64], ending[100];
    cli_process process = start("case", "echo listening on 127.0.0.1:1; echo old");
    wait_for_end(&process);
    process = start("case", "exit 4");
    wait_for_end(&process);
    assert_false(cli_process_address(&process, address, sizeof address));
    cli_process_describe_end(&process, ending, sizeof ending);
    assert_string_equal(ending, "ended with exit code 4");
}

static void stopping_is_patient_first_and_sure_at_last(void **state)
{
    (void)state;
    cli_process polite = start("polite", "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    cli_process deaf = start("deaf", "trap '' TERM; while :; do sleep 0.02; done");
    sam_sleep_ms(300);
    cli_process_stop(&polite, 5000);
    assert_false(cli_process_failed(&polite));
    cli_process_stop(&deaf, 200);
    assert_true(cli_process_killed(&deaf));
}

static void children_die_with_their_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t parent = fork();
    if (parent == 0) {
        cli_process child = start("child", "while :; do sleep 0.1; done");
        ssize_t written = write(ends[1], &child.pid, sizeof child.pid);
        raise(written == (ssize_t)sizeof child.pid ? SIGKILL : SIGABRT);
    }
    pid_t child;
    assert_int_equal(read(ends[0], &child, sizeof child), sizeof child);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    bool gone = false;
    for (int i = 0; i < 500 && !gone; i++) {
        char path[64], text[256] = "";
        snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        FILE *file = fopen(path, "r");
        size_t length = file == NULL ? 0 : fread(text, 1, sizeof text - 1, file);
        gone = length == 0 || strstr(text, ") Z ") != NULL; /* a zombie waits for whoever adopts it */
        if (file != NULL)
            fclose(file);
        sam_sleep_ms(10);
    }
    assert_true(gone);
    close(ends[0]);
    close(ends[1]);
}

static int make(void **state)
{
    (void)state;
    return test_folder_make(&folder) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_line_tells_why_it_ended, make, clean),
        cmocka_unit_test_setup_teardown(an_address_is_read_once_its_line_is_whole, make, clean),
        cmocka_unit_test_setup_teardown(what_an_earlier_start_said_is_not_read, make, clean),
        cmocka_unit_test_setup_teardown(stopping_is_patient_first_and_sure_at_last, make, clean),
        cmocka_unit_test_setup_teardown(children_die_with_their_parent, make, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
