/* What a client makes of answers that do not come whole. How it gets on with our own server: http_server_test.c. */
#include "net/http_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char WHOLE[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

/* A server that sends the first `length` bytes of an answer to each request, and hangs up. */
typedef struct stump {
    int fd;
    unsigned port;
    size_t length;
    pthread_t thread;
} stump;

static void *answer_once(void *argument)
{
    const stump *server = argument;
    char request[2048];
    int client = accept(server->fd, NULL, NULL);
    if (client < 0)
        return NULL;
    ssize_t got = recv(client, request, sizeof request, 0);
    if (got > 0)
        (void)send(client, WHOLE, server->length, MSG_NOSIGNAL);
    (void)shutdown(client, SHUT_RDWR);
    close(client);
    return NULL;
}

static void open_stump(stump *server)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(server->fd, 8), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&where, &size), 0);
    server->port = ntohs(where.sin_port);
}

static void an_answer_that_ends_early_is_none(void **state)
{
    (void)state;
    stump server;
    sam_http_client *client;
    sam_http_reply reply = {0};
    char url[64];
    open_stump(&server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server.port);
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){0}, NULL), SAM_OK);
    for (server.length = 0; server.length <= strlen(WHOLE); server.length++) {
        sam_error err = {0};
        assert_int_equal(pthread_create(&server.thread, NULL, answer_once, &server), 0);
        sam_status status = sam_http_send(client, &(sam_http_call){.url = url}, &reply, &err);
        pthread_join(server.thread, NULL);
        if (status != (server.length == strlen(WHOLE) ? SAM_OK : SAM_UNAVAILABLE))
            fail_msg("after %zu of %zu bytes: %s %s", server.length, strlen(WHOLE), sam_status_name(status), err.text);
    }
    assert_int_equal(reply.code, 200);
    assert_int_equal(reply.body.length, 5);
    assert_memory_equal(reply.body.bytes, "hello", 5);
    sam_http_reply_free(&reply);
    sam_http_client_free(client);
    close(server.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_ends_early_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
