/* Who is let in, asked by the real client over loopback, in clear and over TLS. */
#include "net/http_client.h"
#include "net/http_server.h"

#include "base/clock.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ADMIN      "4Ynb0c1d2E5mVq7TzXw8Kg"
#define WORKER     "Zr1mQ8sT5uLw2xAy7bCd9e"
#define READER     "Hh3jK6lP9oIu1yTr4eWq2z"
#define LONG_BYTES 3000000u

typedef struct stage {
    test_folder folder;
    char tokens[256], token[256], cert[256], key[256];
    sam_access *access;
    sam_http_server *server;
    sam_http_reply reply;
    sam_error err;
    atomic_uint_fast64_t ticket;
} stage;

/* ---- the service ---- */

static sam_http_next name_caller(sam_http_request *request, void *user)
{
    (void)user;
    const sam_caller *caller = sam_http_caller(request);
    char text[100];
    int length = snprintf(text, sizeof text, "%s %s", sam_role_name(caller->role), caller->name);
    return sam_http_answer_bytes(request, 200, "text/plain", text, (size_t)length);
}

static void ignore_end(void *state)
{
    (void)state;
}

static sam_http_next wait_for_news(sam_http_request *request, void *user)
{
    stage *now = user;
    if (sam_http_state(request) != NULL)
        return sam_http_answer_empty(request, 204);
    sam_http_at_end(request, ignore_end, now);
    atomic_store(&now->ticket, sam_http_ticket_of(request));
    return sam_http_wait(request, 60000);
}

static sam_status fill(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    (void)user, (void)err;
    memset(out, (int)(offset % 251), length);
    return SAM_OK;
}

static sam_http_next send_long(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_content(request, &(sam_http_content){.etag = "x", .size = LONG_BYTES, .read = fill});
}

static sam_status start(stage *now, sam_http_server_options options)
{
    const sam_http_route routes[] = {{"GET", "/open", name_caller, now, SAM_ROLE_ANYONE, 0},
                                     {"GET", "/read", name_caller, now, SAM_ROLE_READER, 0},
                                     {"POST", "/work/{run}", name_caller, now, SAM_ROLE_WORKER, 0},
                                     {"POST", "/rule", name_caller, now, SAM_ROLE_ADMIN, 0},
                                     {.method = "GET", .pattern = "/unsaid", .handler = name_caller},
                                     {"GET", "/wait", wait_for_news, now, SAM_ROLE_ANYONE, 0},
                                     {"GET", "/long", send_long, now, SAM_ROLE_ANYONE, 0},
                                     {0}};
    options.listen = "127.0.0.1:0";
    return sam_http_server_start(&now->server, &options, routes, &now->err);
}

static void must_start(stage *now, sam_http_server_options options)
{
    if (start(now, options) != SAM_OK)
        fail_msg("%s", now->err.text);
}

static int open_stage(void **state)
{
    static stage only;
    only = (stage){0};
    *state = &only;
    assert_true(test_folder_make(&only.folder));
    test_path(only.tokens, sizeof only.tokens, &only.folder, "tokens");
    test_path(only.token, sizeof only.token, &only.folder, "token");
    test_path(only.cert, sizeof only.cert, &only.folder, "cert.pem");
    test_path(only.key, sizeof only.key, &only.folder, "key.pem");
    return 0;
}

static int close_stage(void **state)
{
    stage *now = *state;
    sam_http_server_stop(now->server);
    sam_access_free(now->access);
    sam_http_reply_free(&now->reply);
    test_folder_remove(&now->folder);
    return 0;
}

static void open_access(stage *now)
{
    assert_true(
        test_secret(now->tokens, "admin " ADMIN " ops\nworker " WORKER " rack-3 # the third\nreader " READER "\n"));
    if (sam_access_open(&now->access, now->tokens, &now->err) != SAM_OK)
        fail_msg("%s", now->err.text);
}

/* HTTP status; 0: none. */
static int ask_by(stage *now, sam_http_client *client, const char *method, const char *path, const char *header)
{
    char url[300];
    snprintf(url, sizeof url, "%s://%s%s", sam_http_server_scheme(now->server), sam_http_server_address(now->server),
             path);
    const char *headers[] = {header, NULL};
    (void)sam_http_send(client, &(sam_http_call){.method = method, .url = url, .headers = headers}, &now->reply,
                        &now->err);
    return now->reply.code;
}

static int ask(stage *now, const char *method, const char *path, const char *header)
{
    sam_http_client *client;
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){.ca_file = now->cert}, NULL), SAM_OK);
    int code = ask_by(now, client, method, path, header);
    sam_http_client_free(client);
    return code;
}

static void assert_sentence(const stage *now, const char *part)
{
    if (strstr(now->err.text, part) == NULL)
        fail_msg("expected \"%s\" in: %s", part, now->err.text);
}

/* ---- roles ---- */

static void a_route_takes_tokens_of_its_role_and_of_mightier_ones(void **state)
{
    stage *now = *state;
    static const struct {
        const char *method, *path, *header;
        int code;
    } CASES[] = {
        {"GET", "/read", NULL, 401},
        {"GET", "/read", "Authorization: Bearer Hh3jK6lP9oIu1yTr4eWq2", 401},
        {"GET", "/read", "Authorization: Bearer " READER "x", 401},
        {"GET", "/read", "Authorization: Basic " READER, 401},
        {"GET", "/read", "Authorization: Bearer  ", 401},
        {"GET", "/read", "Authorization: Bearer " READER, 200},
        {"GET", "/read", "Authorization: bearer " WORKER, 200},
        {"GET", "/read", "Authorization: Bearer  " ADMIN, 200},
        {"POST", "/work/a", "Authorization: Bearer " READER, 403},
        {"POST", "/work/a", "Authorization: Bearer " WORKER, 200},
        {"POST", "/work/a", "Authorization: Bearer " ADMIN, 200},
        {"POST", "/rule", "Authorization: Bearer " WORKER, 403},
        {"POST", "/rule", "Authorization: Bearer " ADMIN, 200},
        {"GET", "/unsaid", "Authorization: Bearer " WORKER, 403}, /* forgotten in the table: admins alone */
        {"GET", "/unsaid", "Authorization: Bearer " ADMIN, 200},
        {"GET", "/open", NULL, 200},
        {"GET", "/nothing", NULL, 404},
    };
    open_access(now);
    must_start(now, (sam_http_server_options){.access = now->access});
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int code = ask(now, CASES[i].method, CASES[i].path, CASES[i].header);
        if (code != CASES[i].code)
            fail_msg("%s %s %s: expected %d, got %d", CASES[i].method, CASES[i].path, CASES[i].header, CASES[i].code,
                     code);
    }
}

static void a_refusal_names_the_role_that_is_needed_and_never_the_token(void **state)
{
    stage *now = *state;
    open_access(now);
    must_start(now, (sam_http_server_options){.access = now->access});
    assert_int_equal(ask(now, "POST", "/work/7", "Authorization: Bearer " READER), 403);
    assert_sentence(now, "POST /work/{run} takes a token with the role worker; that of unnamed is reader");
    assert_int_equal(now->err.status, SAM_FORBIDDEN);
    assert_int_equal(ask(now, "GET", "/read", "Authorization: Bearer not-a-token-of-it"), 401);
    assert_sentence(now, "not one of this server's");
    assert_null(strstr(now->err.text, "not-a-token-of-it"));
    assert_int_equal(ask(now, "GET", "/read", "Authorization: Bearer " WORKER), 200);
    assert_memory_equal(now->reply.body.bytes, "worker rack-3", 13);
}

static void without_a_token_file_everybody_may_do_everything(void **state)
{
    stage *now = *state;
    must_start(now, (sam_http_server_options){0});
    assert_int_equal(ask(now, "POST", "/rule", NULL), 200);
    assert_memory_equal(now->reply.body.bytes, "anyone ", 7);
}

static void tokens_are_rotated_while_server_and_client_run(void **state)
{
    stage *now = *state;
    sam_http_client *client;
    open_access(now);
    assert_true(test_secret(now->token, "# ours\n" WORKER "\n"));
    must_start(now, (sam_http_server_options){.access = now->access});
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){.token_file = now->token}, NULL), SAM_OK);
    assert_int_equal(ask_by(now, client, "POST", "/work/1", NULL), 200);

    assert_true(test_secret(now->tokens, "worker " WORKER " old\nworker aNewTokenForTheFleet new\n"));
    assert_int_equal(ask_by(now, client, "POST", "/work/1", NULL), 200);
    assert_memory_equal(now->reply.body.bytes, "worker old", 10);
    assert_true(test_secret(now->token, "aNewTokenForTheFleet\n"));
    assert_true(test_secret(now->tokens, "worker aNewTokenForTheFleet new\n"));
    assert_int_equal(ask_by(now, client, "POST", "/work/1", NULL), 200); /* a 401 made it read the file again */
    assert_memory_equal(now->reply.body.bytes, "worker new", 10);
    assert_int_equal(ask(now, "POST", "/work/1", "Authorization: Bearer " WORKER), 401);

    assert_true(test_secret(now->tokens, "worker is-wrong\n")); /* not good: what was read before stays */
    assert_int_equal(ask_by(now, client, "POST", "/work/1", NULL), 200);
    assert_int_equal(unlink(now->tokens), 0);
    assert_int_equal(ask_by(now, client, "POST", "/work/1", NULL), 200);
    sam_http_client_free(client);
}

/* ---- limits ---- */

static void an_address_that_asks_too_often_is_told_when_to_ask_again(void **state)
{
    stage *now = *state;
    must_start(now, (sam_http_server_options){.rate = 1, .rate_burst = 3});
    int code = 200, good = 0;
    for (int i = 0; i < 50 && code == 200; i++) { /* on a slow machine, seconds go by */
        code = ask(now, "GET", "/open", NULL);
        good += code == 200;
    }
    assert_int_equal(code, 429);
    assert_true(good >= 3);
    assert_true(now->reply.retry_after_s >= 1);
    assert_int_equal(now->err.status, SAM_UNAVAILABLE); /* a client waits, and asks again */
    assert_sentence(now, "more than 1 times a second");
}

static int dial(const stage *now)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)sam_http_server_port(now->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    static const char QUESTION[] = "GET /open HTTP/1.1\r\nHost: x\r\n\r\n";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    (void)send(fd, QUESTION, sizeof QUESTION - 1, MSG_NOSIGNAL);
    return fd;
}

static bool hears(int fd)
{
    char byte;
    return recv(fd, &byte, 1, 0) == 1;
}

static void an_address_has_only_so_many_connections(void **state)
{
    stage *now = *state;
    must_start(now, (sam_http_server_options){.max_per_client = 2, .threads = 1});
    int first = dial(now), second = dial(now);
    assert_true(hears(first) && hears(second));
    int third = dial(now);
    assert_false(hears(third));
    close(third);
    close(first);
    bool served = false;
    for (int i = 0; i < 1000 && !served; i++) {
        int again = dial(now);
        served = hears(again);
        close(again);
        sam_sleep_ms(10);
    }
    assert_true(served);
    close(second);
}

/* ---- TLS ---- */

static void a_certificate_makes_it_speak_https_alone(void **state)
{
    stage *now = *state;
    sam_http_client *client;
    if (!test_certificate(now->cert, now->key))
        skip();
    must_start(now, (sam_http_server_options){.tls_cert = now->cert, .tls_key = now->key});
    assert_int_equal(ask(now, "GET", "/open", NULL), 200);
    assert_int_equal(ask(now, "GET", "/long", NULL), 200);
    assert_int_equal(now->reply.body.length, LONG_BYTES);
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){0}, NULL), SAM_OK);
    assert_int_equal(ask_by(now, client, "GET", "/open", NULL), 0); /* nobody it knows vouches for this one */
    assert_int_equal(now->err.status, SAM_FORBIDDEN);
    assert_sentence(now, "--ca-file");
    sam_http_client_free(client);
    int clear = dial(now);
    char answer[5] = "";
    (void)recv(clear, answer, 4, 0);
    assert_string_not_equal(answer, "HTTP");
    close(clear);
}

static void *resume(void *argument)
{
    stage *now = argument;
    while (atomic_load(&now->ticket) == 0 || sam_http_server_waiting(now->server) == 0)
        sam_sleep_ms(5);
    sam_http_resume(now->server, atomic_load(&now->ticket));
    return NULL;
}

static void requests_wait_for_news_over_tls_too(void **state)
{
    stage *now = *state;
    pthread_t resumer;
    if (!test_certificate(now->cert, now->key))
        skip();
    must_start(now, (sam_http_server_options){.tls_cert = now->cert, .tls_key = now->key});
    assert_int_equal(pthread_create(&resumer, NULL, resume, now), 0);
    assert_int_equal(ask(now, "GET", "/wait", NULL), 204);
    pthread_join(resumer, NULL);
}

static void a_certificate_that_cannot_serve_is_named(void **state)
{
    stage *now = *state;
    sam_http_server_options options = {.tls_cert = now->cert, .tls_key = now->key};
    assert_int_equal(start(now, options), SAM_NOT_FOUND);
    assert_true(test_secret(now->cert, "no certificate") && test_secret(now->key, "no key"));
    assert_int_equal(start(now, options), SAM_INVALID);
    assert_sentence(now, now->cert);
    assert_int_equal(chmod(now->key, 0644), 0);
    assert_int_equal(start(now, options), SAM_FORBIDDEN);
    assert_sentence(now, "chmod 600");
    options.tls_key = NULL;
    assert_int_equal(start(now, options), SAM_INVALID);
    assert_sentence(now, "both");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        TEST(a_route_takes_tokens_of_its_role_and_of_mightier_ones),
        TEST(a_refusal_names_the_role_that_is_needed_and_never_the_token),
        TEST(without_a_token_file_everybody_may_do_everything),
        TEST(tokens_are_rotated_while_server_and_client_run),
        TEST(an_address_that_asks_too_often_is_told_when_to_ask_again),
        TEST(an_address_has_only_so_many_connections),
        TEST(a_certificate_makes_it_speak_https_alone),
        TEST(requests_wait_for_news_over_tls_too),
        TEST(a_certificate_that_cannot_serve_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
