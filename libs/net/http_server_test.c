/* Real sockets on loopback; requests as text where the client library would not send them. */
#include "net/http_client.h"
#include "net/http_server.h"

#include "base/clock.h"
#include "base/memory.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CROWD      3000
#define LONG_BYTES 3000000u

/* What the handlers of the test share. */
typedef struct service {
    sam_http_server *server;
    pthread_mutex_t lock; /* guards tickets */
    sam_http_ticket tickets[CROWD];
    size_t ticket_count;
    atomic_int calls, ended, resumed, expired, closed, seen_code;
} service;

static service shared;

static void count_end(void *deadline)
{
    sam_free(deadline);
    atomic_fetch_add(&shared.ended, 1);
}

static uint64_t *deadline_in(uint64_t ms)
{
    uint64_t *deadline = sam_alloc(1, sizeof *deadline);
    assert_non_null(deadline);
    *deadline = sam_monotonic_ms() + ms;
    return deadline;
}

static sam_http_next echo(sam_http_request *request, void *user)
{
    (void)user;
    size_t length;
    const uint8_t *body = sam_http_body(request, &length);
    return sam_http_answer_bytes(request, 200, "application/octet-stream", body, length);
}

static sam_http_next describe(sam_http_request *request, void *user)
{
    (void)user;
    const char *q = sam_http_query(request, "q");
    char text[300];
    snprintf(text, sizeof text, "%s %s|%s|%s", sam_http_method(request), sam_http_parameter(request, "run"),
             q == NULL ? "-" : q, sam_http_header(request, "x-thing") == NULL ? "-" : "thing");
    sam_http_set_header(request, "X-Extra", "yes");
    return sam_http_answer_bytes(request, 200, "text/plain", text, strlen(text));
}

static sam_http_next show_rest(sam_http_request *request, void *user)
{
    (void)user;
    const char *path = sam_http_parameter(request, "path");
    return sam_http_answer_bytes(request, 200, "text/plain", path, strlen(path));
}

static sam_http_next refuse(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_fail(request, SAM_MISMATCH, "round 7 differs: \"%s\"", "\xff\xfe");
}

static sam_http_next parse_json(sam_http_request *request, void *user)
{
    (void)user;
    json_t *value;
    sam_error err = {0};
    if (sam_http_body_json(request, &value, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    return sam_http_answer_json(request, 201, value);
}

/* /wait?ms=N: until resumed or expired. */
static sam_http_next wait_for_news(sam_http_request *request, void *user)
{
    (void)user;
    uint64_t ms;
    sam_error err = {0};
    if (sam_http_query_u64(request, "ms", 60000, 600000, &ms, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    atomic_fetch_add(&shared.calls, 1);
    const uint64_t *until = sam_http_state(request);
    if (until != NULL && sam_monotonic_ms() >= *until) {
        atomic_fetch_add(&shared.expired, 1);
        return sam_http_answer_empty(request, 204);
    }
    if (until != NULL) {
        atomic_fetch_add(&shared.resumed, 1);
        return sam_http_answer_bytes(request, 200, "text/plain", "news", 4);
    }
    sam_http_at_end(request, count_end, deadline_in(ms));
    pthread_mutex_lock(&shared.lock);
    if (shared.ticket_count < CROWD)
        shared.tickets[shared.ticket_count++] = sam_http_ticket_of(request);
    pthread_mutex_unlock(&shared.lock);
    return sam_http_wait(request, (uint32_t)ms);
}

/* The news comes while the handler still runs. */
static sam_http_next resumed_too_early(sam_http_request *request, void *user)
{
    (void)user;
    if (atomic_fetch_add(&shared.calls, 1) < 3) {
        sam_http_resume(shared.server, sam_http_ticket_of(request));
        return sam_http_wait(request, 60000);
    }
    return sam_http_answer_bytes(request, 200, "text/plain", "early", 5);
}

static sam_http_next slow(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&shared.calls, 1);
    sam_sleep_ms(300);
    return sam_http_answer_bytes(request, 200, "text/plain", "slow", 4);
}

static uint8_t byte_at(uint64_t offset)
{
    return (uint8_t)(offset * 2654435761u >> 13);
}

static sam_status make_bytes(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    (void)user;
    if (offset + length > LONG_BYTES)
        return sam_fail(err, SAM_INTERNAL, "asked beyond the end");
    for (size_t i = 0; i < length; i++)
        out[i] = byte_at(offset + i);
    return SAM_OK;
}

static sam_status break_in_the_middle(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    if (offset > LONG_BYTES / 2)
        return sam_fail(err, SAM_IO, "the disk is gone");
    return make_bytes(user, offset, length, out, err);
}

static void count_close(void *user)
{
    (void)user;
    atomic_fetch_add(&shared.closed, 1);
}

static sam_http_next snapshot(sam_http_request *request, void *user)
{
    sam_http_content content = {.etag = "v1",
                                .size = LONG_BYTES,
                                .read = user == NULL ? make_bytes : break_in_the_middle,
                                .close = count_close,
                                .file_name = "snapshot.bin"};
    return sam_http_answer_content(request, &content);
}

static void observe(void *user, const sam_http_event *event)
{
    (void)user;
    atomic_store(&shared.seen_code, event->code);
}

static const sam_http_route ROUTES[] = {
    {.method = "POST", .pattern = "/echo", .handler = echo, .max_body = 1000},
    {.method = "PUT", .pattern = "/big", .handler = echo, .max_body = (size_t)64 << 20},
    {.method = "GET", .pattern = "/v1/runs/{run}", .handler = describe},
    {.method = "DELETE", .pattern = "/v1/runs/{run}", .handler = describe},
    {.method = "GET", .pattern = "/files/{path*}", .handler = show_rest},
    {.method = "GET", .pattern = "/fail", .handler = refuse},
    {.method = "POST", .pattern = "/json", .handler = parse_json},
    {.method = "GET", .pattern = "/wait", .handler = wait_for_news},
    {.method = "GET", .pattern = "/early", .handler = resumed_too_early},
    {.method = "GET", .pattern = "/slow", .handler = slow},
    {.method = "GET", .pattern = "/snapshot", .handler = snapshot},
    {.method = "GET", .pattern = "/broken", .handler = snapshot, .user = &shared},
    {.method = "GET", .pattern = "/health", .handler = echo},
    {0}};

static void start_with(sam_http_server_options options)
{
    sam_error err = {0};
    shared.ticket_count = 0;
    shared.calls = shared.ended = shared.resumed = shared.expired = shared.closed = 0;
    options.listen = "127.0.0.1:0";
    options.observe = observe;
    if (sam_http_server_start(&shared.server, &options, ROUTES, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

static int start(void **state)
{
    (void)state;
    start_with((sam_http_server_options){0});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    sam_http_server_stop(shared.server);
    shared.server = NULL;
    return 0;
}

/* ---- sockets ---- */

static int dial(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)sam_http_server_port(shared.server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Everything until the end of the connection, or until nothing comes for a while. */
static char *hear(int fd)
{
    static char text[65536];
    size_t length = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (length < sizeof text - 1 && poll(&wait, 1, 5000) == 1) {
        ssize_t count = recv(fd, text + length, sizeof text - 1 - length, 0);
        if (count <= 0)
            break;
        length += (size_t)count;
    }
    text[length] = 0;
    return text;
}

/* One request on a connection of its own; `head` without Host, Connection and the empty line. */
static const char *ask_raw(const char *head, const char *body)
{
    char text[4096];
    int fd = dial();
    snprintf(text, sizeof text, "%s\r\nHost: x\r\nConnection: close\r\n\r\n%s", head, body);
    say(fd, text);
    const char *answer = hear(fd);
    close(fd);
    return answer;
}

static int code_of(const char *answer)
{
    return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static void assert_contains(const char *text, const char *part)
{
    if (strcasestr(text, part) == NULL)
        fail_msg("expected \"%s\" in:\n%s", part, text);
}

static bool until(bool (*holds)(void))
{
    for (int i = 0; i < 1000 && !holds(); i++)
        sam_sleep_ms(10);
    return holds();
}

static bool nobody_waits(void)
{
    return sam_http_server_waiting(shared.server) == 0;
}

static bool one_waits(void)
{
    return sam_http_server_waiting(shared.server) == 1;
}

static bool one_ended(void)
{
    return atomic_load(&shared.ended) == 1;
}

/* ---- tests: requests and refusals ---- */

static void parameters_query_and_headers_reach_the_handler_decoded(void **state)
{
    (void)state;
    static const struct {
        const char *head, *expected;
    } CASES[] = {
        {"GET /v1/runs/abc HTTP/1.1", "GET abc|-|-"},
        {"GET /v1/runs/a%2Fb?q=1%202 HTTP/1.1", "GET a/b|1 2|-"},
        {"GET /v1/runs/a?q=x+y&q=z HTTP/1.1", "GET a|x y|-"},
        {"GET /v1/runs/a?&&p=1&q HTTP/1.1\r\nX-THING: 1", "GET a||thing"},
        {"DELETE /v1/runs/%7Bx%7D HTTP/1.1", "DELETE {x}|-|-"},
        {"GET /files/a/b%20c HTTP/1.1", "a/b c"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const char *answer = ask_raw(CASES[i].head, "");
        assert_int_equal(code_of(answer), 200);
        assert_contains(answer, CASES[i].expected);
    }
}

/* `parameter` 5,000 times. */
static const char *ask_at_length(const char *parameter)
{
    int fd = dial();
    say(fd, "GET /v1/runs/a?p=1");
    for (int i = 0; i < 5000; i++)
        say(fd, parameter);
    say(fd, "&q=last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    const char *answer = hear(fd);
    close(fd);
    return answer;
}

static void thousands_of_parameters_are_answered_at_once(void **state)
{
    (void)state;
    assert_contains(ask_at_length("&"), "GET a|last|-");
    const char *answer = ask_at_length("&x");
    assert_int_equal(code_of(answer), 400);
    assert_contains(answer, "the request target has more parameters than any request here");
}

static void requests_that_cannot_be_served_get_the_right_code(void **state)
{
    (void)state;
    static char long_header[60000];
    memset(long_header, 'h', sizeof long_header - 1);
    static const struct {
        const char *head, *body;
        int code;
        const char *part;
    } CASES[] = {
        {"GET /nothing HTTP/1.1", "", 404, "\"code\":\"NOT_FOUND\""},
        {"GET /v1/runs/ HTTP/1.1", "", 404, "application/problem+json"},
        {"GET /v1/runs/a/b HTTP/1.1", "", 404, "nothing is served at /v1/runs/a/b"},
        {"GET /files/../../etc/passwd HTTP/1.1", "", 404, "NOT_FOUND"},
        {"GET /files/%2e%2e/etc/passwd HTTP/1.1", "", 404, "NOT_FOUND"},
        {"POST /v1/runs/a HTTP/1.1\r\nContent-Length: 2", "hi", 405, "Allow: GET, HEAD, DELETE\r\n"},
        {"GET /v1/runs/%zz HTTP/1.1", "", 400, "escape"},
        {"GET /v1/runs/a%00b HTTP/1.1", "", 400, "escape"},
        {"GET /v1/runs/a?q=%1 HTTP/1.1", "", 400, "escape"},
        {"GET /wait?ms=-1 HTTP/1.1", "", 400, "expected a number from 0 to 600000"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1001", "", 413, "larger than the 1000 bytes"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 99999999999", "", 413, "TOO_LARGE"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1x", "", 400, ""},
        {"POST /echo HTTP/1.1\r\nContent-Length: -1", "", 400, ""},
        {"GARBAGE", "", 0, ""}, /* no request line: the connection is closed */
        {"POST /json HTTP/1.1\r\nContent-Length: 9", "{\"a\": 1,}", 400, "line 1, column 9"},
        {"POST /json HTTP/1.1\r\nContent-Length: 7", "{\"a\":1}", 201, "{\"a\":1}"},
        {"GET /fail HTTP/1.1", "", 409, "round 7 differs: \\\"??\\\""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        static char padded[2048];
        const char *body = CASES[i].body;
        if (CASES[i].code == 413 && strstr(CASES[i].head, "1001") != NULL) {
            memset(padded, 'x', 1001);
            body = padded;
        }
        const char *answer = ask_raw(CASES[i].head, body);
        if (code_of(answer) != CASES[i].code)
            fail_msg("%s: expected %d, got:\n%s", CASES[i].head, CASES[i].code, answer);
        assert_contains(answer, CASES[i].part);
    }
    int fd = dial();
    say(fd, "GET /health HTTP/1.1\r\nHost: x\r\nX-Long: ");
    (void)send(fd, long_header, sizeof long_header - 1, MSG_NOSIGNAL);
    (void)send(fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
    assert_int_equal(code_of(hear(fd)), 431);
    close(fd);
    assert_int_equal(code_of(ask_raw("GET /health HTTP/1.1", "")), 200);
}

static void a_body_in_chunks_is_refused_once_it_is_too_large(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 300; i++)
        say(fd, "5\r\n12345\r\n");
    say(fd, "0\r\n\r\n");
    assert_int_equal(code_of(hear(fd)), 413);
    close(fd);
}

static void a_client_that_sends_byte_by_byte_is_served(void **state)
{
    (void)state;
    const char *text = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    int fd = dial();
    for (const char *c = text; *c != 0; c++) {
        (void)send(fd, c, 1, MSG_NOSIGNAL);
        sam_sleep_ms(1);
    }
    const char *answer = hear(fd);
    assert_int_equal(code_of(answer), 200);
    assert_contains(answer, "\r\n\r\nhello");
    close(fd);
}

static void a_large_body_arrives_whole(void **state)
{
    (void)state;
    size_t length = (size_t)20 << 20;
    uint8_t *bytes = sam_alloc(length, 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(i);
    sam_http_client *client;
    sam_error err = {0};
    char url[200];
    snprintf(url, sizeof url, "http://%s/big", sam_http_server_address(shared.server));
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){0}, &err), SAM_OK);
    sam_http_reply reply = {0};
    sam_http_call call = {.method = "PUT", .url = url, .body = bytes, .body_length = length};
    assert_int_equal(sam_http_send(client, &call, &reply, &err), SAM_OK);
    assert_int_equal(reply.body.length, length);
    assert_memory_equal(reply.body.bytes, bytes, length);
    sam_http_reply_free(&reply);
    sam_http_client_free(client);
    sam_free(bytes);
}

static void a_silent_client_is_cut_off(void **state)
{
    (void)state;
    start_with((sam_http_server_options){.idle_timeout_s = 1});
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe");
    uint64_t begun = sam_monotonic_ms();
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    assert_in_range(sam_monotonic_ms() - begun, 500, 4500);
    close(fd);
    stop(state);
}

static void a_port_in_use_is_named_with_what_to_do(void **state)
{
    (void)state;
    sam_http_server *second;
    sam_error err = {0};
    char expected[200];
    const char *address = sam_http_server_address(shared.server);
    sam_http_server_options options = {.listen = address};
    assert_int_equal(sam_http_server_start(&second, &options, ROUTES, &err), SAM_UNAVAILABLE);
    snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use; choose another with --listen",
             address);
    assert_string_equal(err.text, expected);
    static const char *const BAD[] = {"", "here", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "::1:80", "1.2.3.4:x"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        options.listen = BAD[i];
        assert_int_equal(sam_http_server_start(&second, &options, ROUTES, &err), SAM_INVALID);
        assert_null(second);
    }
}

/* ---- tests: content ---- */

static void ranges_and_validators_are_answered_as_the_rfc_says(void **state)
{
    (void)state;
    static const struct {
        const char *fields;
        int code;
        const char *part;
    } CASES[] = {
        {"Range: bytes=0-9", 206, "Content-Range: bytes 0-9/3000000\r\n"},
        {"Range: bytes=2999990-", 206, "Content-Range: bytes 2999990-2999999/3000000\r\n"},
        {"Range: bytes=2999990-9999999", 206, "Content-Range: bytes 2999990-2999999/3000000\r\n"},
        {"Range: bytes=-5", 206, "Content-Range: bytes 2999995-2999999/3000000\r\n"},
        {"Range: bytes=3000000-", 416, "Content-Range: bytes */3000000\r\n"},
        {"Range: bytes=-0", 416, "Content-Range: bytes */3000000\r\n"},
        {"Range: bytes=0-0\r\nIf-Range: \"v1\"", 206, "Content-Length: 1\r\n"},
        {"If-None-Match: \"v1\"", 304, "ETag: \"v1\""},
        {"If-None-Match: \"v0\", W/\"v1\"", 304, "ETag: \"v1\""},
        {"If-None-Match: *", 304, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char head[300];
        snprintf(head, sizeof head, "GET /snapshot HTTP/1.1\r\n%s", CASES[i].fields);
        const char *answer = ask_raw(head, "");
        if (code_of(answer) != CASES[i].code)
            fail_msg("%s: expected %d, got:\n%.600s", CASES[i].fields, CASES[i].code, answer);
        assert_contains(answer, CASES[i].part);
    }
    static const char *const WHOLE[] = {"Range: bytes=9-3",      "Range: bytes=0-1,5-6",
                                        "Range: lines=1-2",      "Range: bytes=a-b",
                                        "Range: bytes=-",        "Range: bytes=0-9\r\nIf-Range: \"v0\"",
                                        "If-None-Match: \"v0\"", "Range: bytes=0-9\r\nIf-Range: W/\"v1\""};
    for (size_t i = 0; i < sizeof WHOLE / sizeof WHOLE[0]; i++) {
        char head[300];
        snprintf(head, sizeof head, "HEAD /snapshot HTTP/1.1\r\n%s", WHOLE[i]);
        const char *answer = ask_raw(head, "");
        assert_int_equal(code_of(answer), 200);
        assert_contains(answer, "Content-Length: 3000000\r\n");
        const char *end = strstr(answer, "\r\n\r\n");
        assert_non_null(end);
        assert_string_equal(end, "\r\n\r\n"); /* HEAD has no body */
    }
}

static sam_status send_get(const char *path, const char *const *headers, sam_http_reply *reply, sam_error *err)
{
    sam_http_client *client;
    char url[200];
    snprintf(url, sizeof url, "http://%s%s", sam_http_server_address(shared.server), path);
    sam_status status = sam_http_client_new(&client, &(sam_http_client_options){0}, err);
    sam_http_call call = {.url = url, .headers = headers};
    if (status == SAM_OK)
        status = sam_http_send(client, &call, reply, err);
    sam_http_client_free(client);
    return status;
}

static bool four_closed(void)
{
    return atomic_load(&shared.closed) == 4;
}

static void content_is_made_while_it_is_sent_and_closed_once(void **state)
{
    (void)state;
    sam_http_reply reply = {0};
    sam_error err = {0};
    assert_int_equal(send_get("/snapshot", NULL, &reply, &err), SAM_OK);
    assert_int_equal(reply.body.length, LONG_BYTES);
    for (size_t i = 0; i < LONG_BYTES; i++)
        if (reply.body.bytes[i] != byte_at(i))
            fail_msg("byte %zu differs", i);
    const char *range[] = {"Range: bytes=1234567-2234566", NULL};
    assert_int_equal(send_get("/snapshot", range, &reply, &err), SAM_OK);
    assert_int_equal(reply.code, 206);
    assert_int_equal(reply.body.length, 1000000);
    for (size_t i = 0; i < reply.body.length; i++)
        if (reply.body.bytes[i] != byte_at(i + 1234567))
            fail_msg("byte %zu of the range differs", i);
    assert_int_equal(send_get("/broken", NULL, &reply, &err), SAM_UNAVAILABLE); /* cut, not ended quietly */
    const char *past_the_break[] = {"Range: bytes=2000000-", NULL}; /* nothing is sent: not kept waiting either */
    assert_int_equal(send_get("/broken", past_the_break, &reply, &err), SAM_UNAVAILABLE);
    assert_true(until(four_closed));
    sam_http_reply_free(&reply);
}

/* ---- tests: waiting ---- */

static void a_crowd_waits_without_threads_and_is_woken(void **state)
{
    (void)state;
    static int fds[CROWD];
    if (!test_raise_open_files((size_t)2 * CROWD + 100))
        skip();
    for (int i = 0; i < CROWD; i++) {
        fds[i] = dial();
        say(fds[i], "GET /wait HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (int i = 0; i < 2000 && sam_http_server_waiting(shared.server) < CROWD; i++)
        sam_sleep_ms(10);
    assert_int_equal(sam_http_server_waiting(shared.server), CROWD);
    for (int i = 0; i < CROWD; i++)
        sam_http_resume(shared.server, shared.tickets[i]);
    for (int i = 0; i < CROWD; i++) {
        assert_contains(hear(fds[i]), "\r\n\r\nnews");
        close(fds[i]);
    }
    assert_int_equal(shared.resumed, CROWD);
    for (int i = 0; i < 1000 && shared.ended < CROWD; i++)
        sam_sleep_ms(10);
    assert_int_equal(shared.ended, CROWD);
    for (int i = 0; i < CROWD; i++) /* tickets of the past do nothing */
        sam_http_resume(shared.server, shared.tickets[i]);
    sam_http_resume(shared.server, 0);
    sam_http_resume(shared.server, UINT64_MAX);
}

static void waits_end_at_their_deadlines_in_order(void **state)
{
    (void)state;
    static const int MS[] = {400, 100, 250};
    int fds[3];
    uint64_t begun = sam_monotonic_ms();
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "GET /wait?ms=%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", MS[i]);
        fds[i] = dial();
        say(fds[i], text);
    }
    static const int ORDER[] = {1, 2, 0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(code_of(hear(fds[ORDER[i]])), 204);
        uint64_t took = sam_monotonic_ms() - begun;
        assert_in_range(took, (uint64_t)MS[ORDER[i]] - 1, (uint64_t)MS[ORDER[i]] + 1500);
        close(fds[ORDER[i]]);
    }
    assert_int_equal(shared.expired, 3);
}

static void a_resume_before_the_handler_returned_is_not_lost(void **state)
{
    (void)state;
    uint64_t begun = sam_monotonic_ms();
    assert_contains(ask_raw("GET /early HTTP/1.1", ""), "\r\n\r\nearly");
    assert_in_range(sam_monotonic_ms() - begun, 0, 5000);
}

static void a_client_that_leaves_while_it_waits_ends_its_request(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(until(one_waits));
    struct linger hard = {.l_onoff = 1};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* a reset, as of a killed process */
    close(fd);
    assert_true(until(nobody_waits));
    assert_true(until(one_ended));
    assert_int_equal(shared.calls, 1); /* the handler was not called for a client that is gone */
    sam_http_resume(shared.server, shared.tickets[0]);
    assert_int_equal(code_of(ask_raw("GET /health HTTP/1.1", "")), 200);
}

static void *resume_again_and_again(void *argument)
{
    atomic_bool *done = argument;
    while (!atomic_load(done)) {
        pthread_mutex_lock(&shared.lock);
        size_t count = shared.ticket_count;
        for (size_t i = count > 20 ? count - 20 : 0; i < count; i++)
            sam_http_resume(shared.server, shared.tickets[i]);
        pthread_mutex_unlock(&shared.lock);
        sam_sleep_ms(1);
    }
    return NULL;
}

static void resumes_race_with_clients_that_leave(void **state)
{
    (void)state;
    atomic_bool done = false;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, resume_again_and_again, &done), 0);
    for (int i = 0; i < 500; i++) {
        int fd = dial();
        say(fd, "GET /wait?ms=20 HTTP/1.1\r\nHost: x\r\n\r\n");
        if (i % 3 == 0)
            sam_sleep_ms(2);
        close(fd);
    }
    assert_contains(ask_raw("GET /wait HTTP/1.1", ""), "news");
    atomic_store(&done, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(until(nobody_waits));
}

/* ---- tests: stopping ---- */

static void *stop_in_thread(void *argument)
{
    sam_http_server_stop(argument);
    return NULL;
}

static void stopping_answers_those_who_wait_and_finishes_the_rest(void **state)
{
    (void)state;
    start_with((sam_http_server_options){.threads = 3});
    int waiting = dial(), working = dial();
    say(waiting, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(until(one_waits));
    say(working, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
    while (atomic_load(&shared.calls) < 2)
        sam_sleep_ms(1);
    pthread_t thread;
    uint64_t begun = sam_monotonic_ms();
    assert_int_equal(pthread_create(&thread, NULL, stop_in_thread, shared.server), 0);
    const char *answer = hear(waiting);
    assert_int_equal(code_of(answer), 503);
    assert_contains(answer, "Retry-After: 1");
    assert_contains(answer, "this server is stopping");
    assert_contains(hear(working), "\r\n\r\nslow");
    pthread_join(thread, NULL);
    assert_in_range(sam_monotonic_ms() - begun, 0, 3000);
    assert_int_equal(shared.ended, 1);
    close(waiting);
    close(working);
}

static void stopping_does_not_wait_for_idle_connections(void **state)
{
    (void)state;
    start_with((sam_http_server_options){0});
    int idle = dial();
    say(idle, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    char byte;
    assert_int_equal(recv(idle, &byte, 1, 0), 1);
    sam_sleep_ms(50);
    uint64_t begun = sam_monotonic_ms();
    stop(state);
    assert_in_range(sam_monotonic_ms() - begun, 0, 2000);
    close(idle);
}

static void a_bad_pattern_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"v1", "", "/{rest*}/more", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        sam_http_route routes[] = {{.method = "GET", .pattern = BAD[i], .handler = echo}, {0}};
        sam_http_server *server;
        sam_error err = {0};
        sam_http_server_options options = {.listen = "127.0.0.1:0"};
        assert_int_equal(sam_http_server_start(&server, &options, routes, &err), SAM_INVALID);
        assert_contains(err.text, "route pattern");
    }
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)

int main(void)
{
    pthread_mutex_init(&shared.lock, NULL);
    const struct CMUnitTest tests[] = {
        SERVED(parameters_query_and_headers_reach_the_handler_decoded),
        SERVED(thousands_of_parameters_are_answered_at_once),
        SERVED(requests_that_cannot_be_served_get_the_right_code),
        SERVED(a_body_in_chunks_is_refused_once_it_is_too_large),
        SERVED(a_client_that_sends_byte_by_byte_is_served),
        SERVED(a_large_body_arrives_whole),
        cmocka_unit_test(a_silent_client_is_cut_off),
        SERVED(a_port_in_use_is_named_with_what_to_do),
        SERVED(ranges_and_validators_are_answered_as_the_rfc_says),
        SERVED(content_is_made_while_it_is_sent_and_closed_once),
        SERVED(a_crowd_waits_without_threads_and_is_woken),
        SERVED(waits_end_at_their_deadlines_in_order),
        SERVED(a_resume_before_the_handler_returned_is_not_lost),
        SERVED(a_client_that_leaves_while_it_waits_ends_its_request),
        SERVED(resumes_race_with_clients_that_leave),
        cmocka_unit_test(stopping_answers_those_who_wait_and_finishes_the_rest),
        cmocka_unit_test(stopping_does_not_wait_for_idle_connections),
        cmocka_unit_test(a_bad_pattern_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
