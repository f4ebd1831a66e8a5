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

/* A server that sends the first `length` bytes of an answer, and hangs up. */
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

/* Of two calls on one connection, the second answered with a field that goes on from the line before, where none is. */
static void *answer_twice(void *argument)
{
    static const char *const ANSWERS[] = {"HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 0\r\n\r\n",
                                          "HTTP/1.1 200 OK\r\n on: z\r\nX: w\r\nContent-Length: 0\r\n\r\n"};
    stump *server = argument;
    int client = accept(server->fd, NULL, NULL);
    for (server->length = 0; client >= 0 && server->length < 2; server->length++) {
        char request[2048];
        if (recv(client, request, sizeof request, 0) <= 0)
            break;
        (void)send(client, ANSWERS[server->length], strlen(ANSWERS[server->length]), MSG_NOSIGNAL);
    }
    close(client);
    return NULL;
}

static void a_connection_is_kept_and_no_header_goes_on_from_the_last_one(void **state)
{
    (void)state;
    stump server;
    sam_http_client *client;
    sam_http_reply reply = {0};
    sam_error err = {0};
    char url[64];
    open_stump(&server);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", server.port);
    const sam_http_call call = {.url = url, .wanted = "X", .timeout_ms = 5000};
    assert_int_equal(pthread_create(&server.thread, NULL, answer_twice, &server), 0);
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){0}, NULL), SAM_OK);
    assert_int_equal(sam_http_send(client, &call, &reply, &err), SAM_OK);
    assert_string_equal(reply.wanted, "y");
    sam_status status = sam_http_send(client, &call, &reply, &err); /* some versions of libcurl refuse it */
    assert_true(status == SAM_OK ? strcmp(reply.wanted, "w") == 0 : err.text[0] != 0);
    pthread_join(server.thread, NULL);
    assert_int_equal(server.length, 2);
    sam_http_reply_free(&reply);
    sam_http_client_free(client);
    close(server.fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_ends_early_is_none),
        cmocka_unit_test(a_connection_is_kept_and_no_header_goes_on_from_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
