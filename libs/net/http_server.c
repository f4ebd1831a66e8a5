/* The life of a server and of a request, over libmicrohttpd.
 *
 *     begin_request (request line)  -> on_call (header)  -> start_request: rate, route, role, size of the body
 *                                   -> on_call (body)*   -> take_body
 *                                   -> on_call (end)     -> answer_request: the handler, until it has an answer
 *     end_request (sent, or the connection ended)
 *
 * Refusals (401, 403, 404, 405, 413, 429) stand after the header, but are sent after the body where it is small enough
 * to be read and thrown away: a client that is still writing when the connection closes often never sees the answer.
 */
#include "net/http_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_LISTEN "127.0.0.1:8642"
#define SPARE_FILES    64u
#define SLACK_BYTES    ((uint64_t)1 << 20)
#define RATE_MOST      1000000000u

/* ---- requests ---- */

/* libmicrohttpd would put every parameter of the query into the memory of the connection, 56 bytes for each '&', and
 * where that is full, it neither answers nor closes until the connection times out (0.9.75). We read the query
 * ourselves, so it is to see none: `target` is its own buffer, which it splits at the same place next. */
static void hide_query(const char *target)
{
    char *query = strchr(target, '?');
    if (query != NULL)
        query[1] = 0;
}

static void *begin_request(void *argument, const char *target, struct MHD_Connection *connection)
{
    sam_http_request *request = sam_alloc(1, sizeof *request);
    if (request == NULL)
        return NULL;
    request->server = argument;
    request->connection = connection;
    request->begun_ns = sam_monotonic_ns();
    request->caller.role = SAM_ROLE_ANYONE;
    request->method = "";
    sam_http_parse_target(request, target);
    hide_query(target);
    if (!sam_http_slot_take(request)) {
        sam_arena_free(&request->arena);
        sam_free(request);
        return NULL;
    }
    return request;
}

static void observe(const sam_http_request *request, int code)
{
    sam_http_server *server = request->server;
    sam_http_event event = {.method = request->method,
                            .pattern = request->route == NULL ? "" : request->route->pattern,
                            .code = code,
                            .seconds = (double)(sam_monotonic_ns() - request->begun_ns) * 1e-9,
                            .body_bytes = request->received};
    if (server->options.observe != NULL)
        server->options.observe(server->options.observe_user, &event);
    sam_log_debug("%s %s: %d in %.3f s", event.method, request->path == NULL ? "?" : request->path, code,
                  event.seconds);
}

static void end_request(void *argument, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode how)
{
    (void)argument, (void)connection;
    sam_http_request *request = *context;
    *context = NULL;
    if (request == NULL)
        return;
    observe(request, how == MHD_REQUEST_TERMINATED_COMPLETED_OK ? request->code : 0);
    if (request->at_end != NULL)
        request->at_end(request->state);
    sam_http_slot_give(request);
    sam_http_drop_answer(request);
    sam_buffer_free(&request->body);
    sam_arena_free(&request->arena);
    sam_free(request);
}

static bool is_stopping(sam_http_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool stopping = server->stopping;
    pthread_mutex_unlock(&server->lock);
    return stopping;
}

static void refuse_stopping(sam_http_request *request)
{
    sam_http_set_header(request, "Connection", "close");
    sam_http_answer_fail(request, SAM_UNAVAILABLE, "this server is stopping; ask again in a moment");
}

static void refuse_route(sam_http_request *request, int code, const char *allow)
{
    if (code == 404) {
        sam_http_answer_fail(request, SAM_NOT_FOUND, "nothing is served at %s", request->path);
        return;
    }
    char detail[SAM_ERROR_TEXT];
    snprintf(detail, sizeof detail, "%.200s answers %s, not %.40s", request->path, allow, request->method);
    sam_http_set_header(request, "Allow", allow);
    sam_http_answer_problem(request, 405, "METHOD_NOT_ALLOWED", detail);
}

static void refuse_large(sam_http_request *request)
{
    sam_buffer_free(&request->body);
    request->refused = true;
    sam_http_answer_fail(request, SAM_TOO_LARGE, "the body is larger than the %zu bytes that %s takes",
                         request->max_body, request->route->pattern);
}

/* Decides by the header alone. */
static void check_header(sam_http_request *request)
{
    char allow[128];
    int code = request->bad_target != NULL ? 400 : sam_http_match(request, allow, sizeof allow);
    request->max_body = request->route == NULL ? request->server->options.max_body : request->route->max_body;
    request->refused = true;
    if (is_stopping(request->server))
        refuse_stopping(request);
    else if (!sam_http_admit_rate(request))
        return;
    else if (code == 400)
        sam_http_answer_fail(request, SAM_INVALID, "the request target %s", request->bad_target);
    else if (request->route == NULL)
        refuse_route(request, code, allow);
    else
        request->refused = !sam_http_admit_caller(request);
}

static uint64_t declared_length(const sam_http_request *request)
{
    const char *text = sam_http_header(request, "Content-Length");
    uint64_t length = 0;
    if (text != NULL && !sam_parse_u64(text, &length))
        return UINT64_MAX;
    return length;
}

static enum MHD_Result start_request(sam_http_request *request, const char *method)
{
    request->started = true;
    request->method = method;
    check_header(request);
    uint64_t length = declared_length(request);
    if (!request->refused && length > request->max_body)
        refuse_large(request);
    bool asks_first = sam_http_header(request, "Expect") != NULL;
    if (request->refused && (asks_first || length > request->max_body + SLACK_BYTES))
        return sam_http_queue_answer(request);
    return MHD_YES;
}

static enum MHD_Result take_body(sam_http_request *request, const char *bytes, size_t length)
{
    request->received += length;
    if (!request->refused && request->received > request->max_body)
        refuse_large(request);
    if (request->refused) /* of a body without a declared length only so much is thrown away */
        return request->received > request->max_body + SLACK_BYTES ? MHD_NO : MHD_YES;
    sam_put_bytes(&request->body, bytes, length);
    return request->body.failed ? MHD_NO : MHD_YES;
}

typedef enum turn { TURN_HANDLER, TURN_GONE, TURN_STOPPING } turn;

static turn next_turn(sam_http_request *request)
{
    pthread_mutex_lock(&request->server->lock);
    turn next = TURN_HANDLER;
    if (request->waiting.gone)
        next = TURN_GONE;
    else if (request->server->stopping && request->called)
        next = TURN_STOPPING;
    request->waiting.resume_pending = false; /* the handler is about to see what that resume was about */
    pthread_mutex_unlock(&request->server->lock);
    return next;
}

static enum MHD_Result answer_request(sam_http_request *request)
{
    while (!request->refused) {
        turn next = next_turn(request);
        if (next == TURN_GONE)
            return MHD_NO;
        if (next == TURN_STOPPING) {
            refuse_stopping(request);
            break;
        }
        bool answered = request->route->handler(request, request->route->user) == SAM_HTTP_ANSWERED;
        request->called = true;
        if (answered)
            break;
        if (sam_http_suspend(request))
            return MHD_YES;
    }
    return sam_http_queue_answer(request);
}

static enum MHD_Result on_call(void *argument, struct MHD_Connection *connection, const char *url, const char *method,
                               const char *version, const char *bytes, size_t *length, void **context)
{
    (void)argument, (void)connection, (void)url, (void)version;
    sam_http_request *request = *context;
    if (request == NULL)
        return MHD_NO; /* memory was out when it began */
    if (!request->started)
        return start_request(request, method);
    if (*length > 0) {
        size_t count = *length;
        *length = 0;
        return take_body(request, bytes, count);
    }
    return answer_request(request);
}

/* ---- the server ---- */

static void log_line(void *argument, const char *format, va_list args)
{
    (void)argument;
    char text[300];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = 0;
    sam_log_debug("http: %s", text);
}

static size_t or_default(size_t value, size_t fallback)
{
    return value == 0 ? fallback : value;
}

static sam_status take_options(sam_http_server *server, const sam_http_server_options *given, sam_error *err)
{
    sam_http_server_options *options = &server->options;
    *options = *given;
    options->listen = given->listen == NULL ? DEFAULT_LISTEN : given->listen;
    options->threads = (unsigned)or_default(given->threads, 2);
    options->max_body = or_default(given->max_body, (size_t)8 << 20);
    options->max_header = or_default(given->max_header, (size_t)32 << 10);
    options->max_connections = (unsigned)or_default(given->max_connections, 16000);
    options->idle_timeout_s = (unsigned)or_default(given->idle_timeout_s, 60);
    options->stop_grace_ms = (unsigned)or_default(given->stop_grace_ms, 5000);
    options->rate_burst = or_default((size_t)given->rate_burst, (size_t)given->rate * 4);
    if (given->rate > RATE_MOST || options->rate_burst > RATE_MOST)
        return sam_fail(err, SAM_INVALID, "the rate of requests is at most %u a second", RATE_MOST);
    server->rate = given->rate == 0 ? NULL : sam_rate_new(given->rate, options->rate_burst);
    if (given->rate > 0 && server->rate == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory starting an HTTP server");
    return SAM_OK;
}

/* A waiting request is an open file. */
static void make_room_for_files(sam_http_server *server)
{
    struct rlimit limit;
    rlim_t wanted = server->options.max_connections + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
        server->options.max_connections =
            limit.rlim_cur > 2 * SPARE_FILES ? (unsigned)limit.rlim_cur - SPARE_FILES : 16;
        sam_log_warn("only %u HTTP connections at once: this process may open %llu files (ulimit -n)",
                     server->options.max_connections, (unsigned long long)limit.rlim_cur);
    }
}

/* "127.0.0.1:8642", "[::1]:0", ":80" into host and port. */
static bool split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(address, ':');
    uint64_t number;
    if (colon == NULL || !sam_parse_u64(colon + 1, &number) || number > 65535)
        return false;
    size_t length = (size_t)(colon - address);
    if (length >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length) != NULL) {
        return false;
    }
    if (length >= host_size)
        return false;
    if (length == 0)
        snprintf(host, host_size, "0.0.0.0");
    else
        snprintf(host, host_size, "%.*s", (int)length, address);
    snprintf(port, port_size, "%u", (unsigned)number);
    return true;
}

static void name_own_address(sam_http_server *server, int fd)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    char host[64] = "?", port[8] = "0";
    uint64_t number = 0;
    if (getsockname(fd, (struct sockaddr *)&own, &size) == 0 &&
        getnameinfo((struct sockaddr *)&own, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        (void)sam_parse_u64(port, &number);
    server->port = (unsigned)number;
    snprintf(server->address, sizeof server->address, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_socket(const struct addrinfo *where)
{
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, 4096) == 0)
        return fd;
    int failure = errno;
    close(fd);
    errno = failure;
    return -1;
}

static sam_status listen_on(sam_http_server *server, int *fd, sam_error *err)
{
    const char *address = server->options.listen;
    char host[256], port[8];
    if (!split_address(address, host, sizeof host, port, sizeof port))
        return sam_fail(err, SAM_INVALID,
                        "\"%s\" is no address to listen on: expected HOST:PORT, such as 127.0.0.1:8642 or [::1]:0",
                        address);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0)
        return sam_fail(err, SAM_INVALID, "cannot listen on %s: %s; choose another with --listen", address,
                        gai_strerror(failure));
    *fd = open_socket(found);
    failure = errno;
    freeaddrinfo(found);
    if (*fd < 0)
        return sam_fail(err, SAM_UNAVAILABLE, "cannot listen on %s: %s; choose another with --listen", address,
                        strerror(failure));
    name_own_address(server, *fd);
    return SAM_OK;
}

#define MORE_OPTIONS 6

/* Those that are only sometimes given: a pool of one thread would be refused, and no limit is no option. */
static void add_options(const sam_http_server *server, struct MHD_OptionItem more[MORE_OPTIONS])
{
    static char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
    const sam_http_server_options *options = &server->options;
    if (options->threads > 1)
        *more++ = (struct MHD_OptionItem){MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)options->threads, NULL};
    if (options->max_per_client > 0)
        *more++ = (struct MHD_OptionItem){MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)options->max_per_client, NULL};
    if (server->tls_key != NULL) {
        *more++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, server->tls_key};
        *more++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0, server->tls_cert};
        *more++ = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, priorities};
    }
    *more = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
}

static sam_status start_daemon(sam_http_server *server, sam_error *err)
{
    int fd;
    sam_status status = listen_on(server, &fd, err);
    if (status != SAM_OK)
        return status;
    const sam_http_server_options *options = &server->options;
    struct MHD_OptionItem more[MORE_OPTIONS];
    add_options(server, more);
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | MHD_USE_TURBO;
    flags |= server->tls_key != NULL ? MHD_USE_TLS : 0;
    flags |= options->no_date ? MHD_USE_SUPPRESS_DATE_NO_CLOCK : 0;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_call, server, MHD_OPTION_EXTERNAL_LOGGER, log_line, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->max_header, MHD_OPTION_CONNECTION_LIMIT, options->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_s, MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
        MHD_OPTION_URI_LOG_CALLBACK, begin_request, server, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, more,
        MHD_OPTION_END);
    if (server->daemon == NULL) {
        close(fd);
        if (server->tls_key != NULL)
            return sam_fail(err, SAM_INVALID,
                            "cannot start the HTTPS server on %s: %s and %s are no certificate and key in PEM that "
                            "belong together",
                            server->address, options->tls_cert, options->tls_key);
        return sam_fail(err, SAM_UNAVAILABLE, "cannot start the HTTP server on %s: out of threads or memory",
                        server->address);
    }
    return SAM_OK;
}

static void init_lock(sam_http_server *server)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->quiet, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void server_free(sam_http_server *server)
{
    sam_http_watch_stop(server);
    pthread_cond_destroy(&server->quiet);
    pthread_mutex_destroy(&server->lock);
    sam_arena_free(&server->arena);
    sam_rate_free(server->rate);
    sam_secret_free(server->tls_cert);
    sam_secret_free(server->tls_key);
    sam_free(server);
}

sam_status sam_http_server_start(sam_http_server **out, const sam_http_server_options *options,
                                 const sam_http_route *routes, sam_error *err)
{
    *out = NULL;
    sam_http_server *server = sam_alloc(1, sizeof *server);
    if (server == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory starting an HTTP server");
    server->epoll = server->wake_fd = -1;
    init_lock(server);
    sam_status status = take_options(server, options, err);
    if (status == SAM_OK)
        status = sam_http_compile_routes(server, routes, err);
    if (status == SAM_OK)
        status = sam_http_read_tls(server, err);
    if (status == SAM_OK)
        status = sam_http_watch_start(server, err);
    if (status == SAM_OK) {
        make_room_for_files(server);
        status = start_daemon(server, err);
    }
    if (status != SAM_OK) {
        server_free(server);
        return status;
    }
    *out = server;
    return SAM_OK;
}

static void wait_until_quiet(sam_http_server *server)
{
    uint64_t until = sam_monotonic_ns() + (uint64_t)server->options.stop_grace_ms * 1000000u;
    struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000u), .tv_nsec = (long)(until % 1000000000u)};
    while (server->active > 0)
        if (pthread_cond_timedwait(&server->quiet, &server->lock, &deadline) == ETIMEDOUT)
            break;
}

void sam_http_server_stop(sam_http_server *server)
{
    if (server == NULL)
        return;
    int listening = MHD_quiesce_daemon(server->daemon);
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    sam_http_resume_all(server);
    wait_until_quiet(server);
    pthread_mutex_unlock(&server->lock);
    MHD_stop_daemon(server->daemon);
    if (listening >= 0)
        close(listening);
    server_free(server);
}

const char *sam_http_server_address(const sam_http_server *server)
{
    return server->address;
}

const char *sam_http_server_scheme(const sam_http_server *server)
{
    return server->tls_key == NULL ? "http" : "https";
}

unsigned sam_http_server_port(const sam_http_server *server)
{
    return server->port;
}
