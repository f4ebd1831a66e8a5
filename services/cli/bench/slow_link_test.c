#include "cli/bench/slow_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY ((size_t)1 << 20) /* bytes: more than sockets hold */

static int listen_somewhere(unsigned *port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&where, &size), 0);
    *port = ntohs(where.sin_port);
    return fd;
}

static int dial(unsigned port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    return fd;
}

/* Sends back what comes, until the other side sends no more. */
static void *echo(void *argument)
{
    static char bytes[65536];
    int listener = *(const int *)argument, fd = accept(listener, NULL, NULL);
    for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, 0)) > 0;)
        for (ssize_t at = 0, sent; at < count && (sent = send(fd, bytes + at, (size_t)(count - at), MSG_NOSIGNAL)) > 0;)
            at += sent;
    close(fd);
    return NULL;
}

static void *send_many(void *argument)
{
    int fd = *(const int *)argument;
    uint8_t *bytes = malloc(MANY);
    for (size_t i = 0; bytes != NULL && i < MANY; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    for (size_t at = 0; bytes != NULL && at < MANY;) {
        ssize_t sent = send(fd, bytes + at, MANY - at, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    free(bytes);
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void what_goes_in_comes_out_in_both_directions_and_so_does_the_end(void **state)
{
    (void)state;
    cli_slow_link *link;
    unsigned port;
    uint8_t bytes[4096];
    pthread_t server, sender;
    size_t received = 0;
    int listener = listen_somewhere(&port);
    assert_int_equal(cli_slow_link_open(&link, port, 2, NULL), SAM_OK);
    assert_int_equal(pthread_create(&server, NULL, echo, &listener), 0);
    int fd = dial(cli_slow_link_port(link));
    assert_int_equal(pthread_create(&sender, NULL, send_many, &fd), 0);
    for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, 0)) > 0; received += (size_t)count)
        for (size_t i = 0; i < (size_t)count; i++)
            assert_int_equal(bytes[i], (uint8_t)((received + i) * 31 >> 3));
    assert_int_equal(received, MANY);
    pthread_join(sender, NULL);
    pthread_join(server, NULL);
    close(fd);
    cli_slow_link_close(link);
    close(listener);
}

static void a_connection_that_nobody_takes_ends(void **state)
{
    (void)state;
    cli_slow_link *link;
    unsigned port;
    char byte;
    close(listen_somewhere(&port));
    assert_int_equal(cli_slow_link_open(&link, port, 2, NULL), SAM_OK);
    int fd = dial(cli_slow_link_port(link));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
    cli_slow_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out_in_both_directions_and_so_does_the_end),
        cmocka_unit_test(a_connection_that_nobody_takes_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
