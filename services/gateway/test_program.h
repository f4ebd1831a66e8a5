/* Programs under test: started with their standard output read for "listening on URL", asked over HTTP, stopped.
 *
 *     program p;
 *     start(&p, &stage, "bin/samara-gateway", (const char *[]){"--listen", "127.0.0.1:0", NULL});
 *     sam_http_reply reply = {0};
 *     sam_status status = ask_with(client, &p, "GET", "/healthz", NULL, &reply, err);
 *     sam_http_reply_free(&reply);
 *     stop(&p);                                        // SIGTERM, and the exit code is 0
 *
 * For tests only: failures are failures of the test. */
#ifndef SAM_GATEWAY_TEST_PROGRAM_H
#define SAM_GATEWAY_TEST_PROGRAM_H

#include "base/clock.h"
#include "net/http_client.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

typedef struct program {
    pid_t pid;
    char url[128]; /* "http://127.0.0.1:43210" */
    char errors[256];
} program;

/* Its standard error goes to a file; returns what to read its standard output from. */
static inline int spawn(program *p, const test_folder *folder, const char *path, const char *const *options)
{
    const char *arguments[24] = {path};
    int pipe_ends[2];
    posix_spawn_file_actions_t actions;
    for (size_t i = 0; options[i] != NULL; i++)
        arguments[i + 1] = options[i];
    test_path(p->errors, sizeof p->errors, folder, "stderr.txt");
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, p->errors, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int failure = posix_spawn(&p->pid, path, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_ends[1]);
    assert_int_equal(failure, 0);
    return pipe_ends[0];
}

/* Reads "listening on URL". */
static inline void start(program *p, const test_folder *folder, const char *path, const char *const *options)
{
    char line[256] = "";
    size_t length = 0;
    int fd = spawn(p, folder, path, options);
    while (strchr(line, '\n') == NULL && length < sizeof line - 1 &&
           poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 30000) == 1) {
        ssize_t got = read(fd, line + length, sizeof line - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    close(fd);
    assert_int_equal(sscanf(line, "listening on %127s", p->url), 1);
}

static inline int wait_for_end(const program *p)
{
    int status = 0;
    for (int i = 0; i < 1000; i++) {
        if (waitpid(p->pid, &status, WNOHANG) == p->pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        sam_sleep_ms(20);
    }
    kill(p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    fail_msg("the program did not end in 20 s");
    return -1;
}

static inline void stop(const program *p)
{
    kill(p->pid, SIGTERM);
    assert_int_equal(wait_for_end(p), 0);
}

static inline sam_status ask_with(sam_http_client *by, const program *p, const char *method, const char *path,
                                  const char *header, sam_http_reply *reply, sam_error *err)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", p->url, path);
    const char *headers[] = {header, NULL};
    return sam_http_send(by, &(sam_http_call){.method = method, .url = url, .headers = headers}, reply, err);
}

/* Bytes as they are; nobody reads the answer. */
static inline void send_raw(const program *p, const void *bytes, size_t length)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    where.sin_port = htons((uint16_t)atoi(strrchr(p->url, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    (void)send(fd, bytes, length, MSG_NOSIGNAL);
    close(fd);
}

#endif
