/* libFuzzer target: a request with any target, fields and body is answered, below 500, by a server with routes of
 * every kind.
 *
 * The input: one byte for the method, the target up to a newline, fields up to an empty line, the body. */
#include "net/http_server.h"

#include "base/log.h"
#include "base/memory.h"
#include "folder.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static sam_http_server *server;

/* What was asked comes back as JSON, or says why not. */
static sam_http_next echo(sam_http_request *request, void *user)
{
    (void)user;
    uint64_t from;
    sam_error err = {0};
    const char *name = sam_http_parameter(request, "name"), *rest = sam_http_parameter(request, "rest");
    if (rest != NULL && (strstr(rest, "/../") != NULL || strncmp(rest, "../", 3) == 0))
        __builtin_trap();
    if (sam_http_query_u64(request, "from", 3, 1000, &from, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    if (from > 1000)
        __builtin_trap();
    json_t *answer = json_pack("{s:I}", "from", (json_int_t)from);
    json_object_set_new(answer, "name", json_stringn(name == NULL ? "" : name, name == NULL ? 0 : strlen(name)));
    return sam_http_answer_json(request, 200, answer);
}

static sam_http_next take(sam_http_request *request, void *user)
{
    (void)user;
    json_t *body;
    sam_error err = {0};
    if (sam_http_body_json(request, &body, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    return sam_http_answer_json(request, 200, body);
}

static sam_status read_content(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    (void)user;
    if (offset + length > 100)
        return sam_fail(err, SAM_INTERNAL, "beyond the end");
    memset(out, (int)offset, length);
    return SAM_OK;
}

static void close_content(void *user)
{
    (void)user;
}

static sam_http_next content(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_content(
        request, &(sam_http_content){.etag = "abc", .size = 100, .read = read_content, .close = close_content});
}

/* libFuzzer looks at the clock on an alarm. It must not end a wait: then an answer that never comes passes for none. */
static void let_alarms_resume_waits(void)
{
    struct sigaction action;
    if (sigaction(SIGALRM, NULL, &action) != 0)
        __builtin_trap();
    action.sa_flags |= SA_RESTART;
    if (sigaction(SIGALRM, &action, NULL) != 0)
        __builtin_trap();
}

static void start(void)
{
    let_alarms_resume_waits();
    static const sam_http_route ROUTES[] = {{"GET", "/v1/{name}", echo, NULL, SAM_ROLE_WORKER, 0},
                                            {"GET", "/files/{rest*}", echo, NULL, SAM_ROLE_ANYONE, 0},
                                            {"GET", "/content", content, NULL, SAM_ROLE_ANYONE, 0},
                                            {"POST", "/take", take, NULL, SAM_ROLE_ANYONE, 300},
                                            {0}};
    static const char TOKENS[] = "worker open-sesame-open ali\n";
    char path[80];
    snprintf(path, sizeof path, "%s/tokens", fuzz_folder());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    sam_access *access;
    sam_error err;
    if (fd < 0 || write(fd, TOKENS, sizeof TOKENS - 1) < 0 || sam_access_open(&access, path, &err) != SAM_OK)
        __builtin_trap();
    close(fd);
    const sam_http_server_options options = {
        .listen = "127.0.0.1:0", .threads = 1, .max_header = 4096, .access = access};
    if (sam_http_server_start(&server, &options, ROUTES, &err) != SAM_OK)
        __builtin_trap();
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

static int connect_to_server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)sam_http_server_port(server))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger now = {.l_onoff = 1}; /* no port is left waiting, of many thousands */
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        __builtin_trap();
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    return fd;
}

/* The bytes up to `mark`, taken from the front of the input; of them those that could not stand in a line left out. */
static void put_line(sam_buffer *out, const uint8_t **bytes, size_t *length, bool spaces)
{
    while (*length > 0 && **bytes != '\n') {
        if (**bytes > ' ' || (spaces && **bytes == ' '))
            sam_put_u8(out, **bytes);
        ++*bytes;
        --*length;
    }
    if (*length > 0) {
        ++*bytes;
        --*length;
    }
}

static void compose(sam_buffer *out, const uint8_t *bytes, size_t length)
{
    static const char *const METHODS[] = {"GET", "POST", "HEAD", "PUT"};
    char text[80];
    snprintf(text, sizeof text, "%s /", METHODS[bytes[0] & 3]);
    sam_put_bytes(out, text, strlen(text));
    bytes++, length--;
    put_line(out, &bytes, &length, false);
    static const char HEAD[] = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
    sam_put_bytes(out, HEAD, sizeof HEAD - 1);
    while (length > 0 && *bytes != '\n') {
        sam_buffer line = {0};
        put_line(&line, &bytes, &length, true);
        static const char *const OURS[] = {"content-length", "transfer-encoding", "connection", "expect"};
        bool ours = line.length == 0 || line.bytes[0] == ' ';
        sam_put_u8(&line, 0);
        for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
            ours = ours || strncasecmp((const char *)line.bytes, OURS[i], strlen(OURS[i])) == 0;
        if (!ours) {
            sam_put_bytes(out, line.bytes, line.length - 1);
            sam_put_bytes(out, "\r\n", 2);
        }
        sam_buffer_free(&line);
    }
    size_t body = length > 0 ? length - 1 : 0;
    snprintf(text, sizeof text, "Content-Length: %zu\r\n\r\n", body);
    sam_put_bytes(out, text, strlen(text));
    sam_put_bytes(out, length > 0 ? bytes + 1 : bytes, body);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char answer[4096] = "";
    size_t used = 0;
    ssize_t got;
    sam_buffer request = {0};
    if (length == 0)
        return 0;
    if (server == NULL)
        start();
    compose(&request, bytes, length);
    int fd = connect_to_server();
    (void)send(fd, request.bytes, request.length, MSG_NOSIGNAL);
    while ((got = recv(fd, answer + used, used < sizeof answer - 1 ? sizeof answer - 1 - used : 0, 0)) > 0)
        used += (size_t)got;
    int code = 0;
    if (used > 0 && (sscanf(answer, "HTTP/1.%*d %d", &code) != 1 || code < 200 || code >= 500)) {
        fprintf(stderr, "answered: %.200s\n", answer);
        __builtin_trap();
    }
    close(fd);
    sam_buffer_free(&request);
    return 0;
}
