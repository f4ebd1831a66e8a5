/* An HTTP/1.1 server for services: routes, long polls that hold no thread, ranges, problem+json, roles, TLS.
 *
 *     static sam_http_next show_run(sam_http_request *request, void *runs)
 *     {
 *         json_t *run = json_object_get(runs, sam_http_parameter(request, "run"));
 *         if (run == NULL)
 *             return sam_http_answer_fail(request, SAM_NOT_FOUND, "no run %s", sam_http_parameter(request, "run"));
 *         return sam_http_answer_json(request, 200, json_incref(run));
 *     }
 *
 *     json_t *runs = json_pack("{s:{s:i}}", "e1", "rounds", 600);
 *     const sam_http_route routes[] = {{"GET", "/v1/runs/{run}", show_run, runs, SAM_ROLE_READER}, {0}};
 *     const sam_http_server_options options = {.listen = "127.0.0.1:0"};
 *     sam_http_server *server;
 *     if (sam_http_server_start(&server, &options, routes, err) != SAM_OK)
 *         return err->status;
 *     printf("serving on %s\n", sam_http_server_address(server));
 *     sam_http_server_stop(server);
 *
 * A handler runs on one of the server's threads with the whole body in memory, and ends in one of two ways:
 * it has given an answer (`return sam_http_answer_...`), or it waits for news (`return sam_http_wait(request, ms)`).
 * A waiting request costs a socket and a few hundred bytes, no thread. To wake it, a handler keeps its ticket:
 *
 *     static sam_http_next wait_for_news(sam_http_request *request, void *ticket)
 *     {
 *         *(sam_http_ticket *)ticket = sam_http_ticket_of(request);   // a number; keep it where the news will come
 *         return sam_http_wait(request, 30000);
 *     }
 *
 *     sam_http_resume(server, ticket);                              // any thread, any time before stop returns
 *
 * After a resume, or when the time is over, the handler is called again. A resume that
 * comes before the handler has returned is not lost, and a ticket of a request that has ended does nothing, so the
 * two sides need no lock between them. When the client goes away while its request waits, the handler is not called
 * again; only what it left with sam_http_at_end is. A client that shuts down its sending side counts as gone.
 *
 * Answered by the server itself: 400 (bad syntax), 401, 403, 404, 405 with Allow, 413, 414, 429 with
 * Retry-After, 431, 503 while it stops.
 *
 * Thread safety: sam_http_resume, sam_http_server_stop (once) and the getters of a server from any thread. Everything
 * that takes a sam_http_request only inside its handler, on the handler's thread, and not after it returned.
 */
#ifndef SAM_NET_HTTP_SERVER_H
#define SAM_NET_HTTP_SERVER_H

#include "base/bytes.h"
#include "base/status.h"
#include "net/access.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_http_server sam_http_server;
typedef struct sam_http_request sam_http_request;
typedef uint64_t sam_http_ticket; /* names one request of one server; never used twice */

typedef enum sam_http_next { SAM_HTTP_ANSWERED, SAM_HTTP_SUSPEND } sam_http_next;

typedef sam_http_next (*sam_http_handler)(sam_http_request *request, void *user);

typedef struct sam_http_route {
    const char *method;  /* NULL ends the table. A GET route answers HEAD too */
    const char *pattern; /* "/v1/runs/{run}/sync"; a last segment "{path*}" takes all that is left */
    sam_http_handler handler;
    void *user;
    sam_role role;   /* whose tokens it takes: this one's, and mightier ones'. Not said: admins alone */
    size_t max_body; /* of this route; 0: the server's */
} sam_http_route;

/* What happened, for metrics and access logs. On a server thread, after the answer was sent or the client left. */
typedef struct sam_http_event {
    const char *method, *pattern; /* pattern: "" where no route matched */
    int code;                     /* 0: the client left before an answer */
    double seconds;
    uint64_t body_bytes; /* of the request */
} sam_http_event;

typedef struct sam_http_server_options { /* right when zeroed */
    const char *listen;                  /* "127.0.0.1:8642" (NULL), "[::1]:0", "0.0.0.0:80"; port 0: any free one */
    unsigned threads;                    /* 0: 2 */
    size_t max_body;                     /* 0: 8 MiB */
    size_t max_header;                   /* 0: 32 KiB for the request line and all header fields together */
    unsigned max_connections;       /* 0: 16,000. The soft limit of open files is raised to fit, as far as it may be */
    unsigned max_per_client;        /* connections from one address; 0: no limit of their own */
    uint64_t rate, rate_burst;      /* requests a second from one address, and at once; 0: no limit, and 4 * rate */
    unsigned idle_timeout_s;        /* without a byte, in or out; 0: 60. Waiting requests are not idle */
    bool no_date;                   /* leaves the field Date out of answers, 37 bytes that nobody caches by */
    unsigned stop_grace_ms;         /* what is being answered at stop may go on for so long; 0: 5000 */
    sam_access *access;             /* borrowed; NULL: everybody may do everything */
    const char *tls_cert, *tls_key; /* PEM files: HTTPS alone is spoken, TLS 1.2 and 1.3. NULL: HTTP */
    void (*observe)(void *user, const sam_http_event *event);
    void *observe_user;
} sam_http_server_options;

/* Copies options and routes; the handlers' `user` must outlive the server.
 * UNAVAILABLE: the address is taken or not ours. INVALID: address, pattern, certificate or key not understood.
 * UNSUPPORTED: libmicrohttpd was built without TLS. */
sam_status sam_http_server_start(sam_http_server **server, const sam_http_server_options *options,
                                 const sam_http_route *routes, sam_error *err);

/* Accepts nothing more, answers waiting requests with 503 and Retry-After, lets the others finish, frees.
 * Never from inside a handler. NULL is fine. */
void sam_http_server_stop(sam_http_server *server);

const char *sam_http_server_address(const sam_http_server *server); /* "127.0.0.1:43210": the port in use */
const char *sam_http_server_scheme(const sam_http_server *server);  /* "http" or "https" */
unsigned sam_http_server_port(const sam_http_server *server);
size_t sam_http_server_waiting(sam_http_server *server); /* requests suspended at the moment */

/* ---- the request ---- */
const char *sam_http_method(const sam_http_request *request);
const char *sam_http_parameter(const sam_http_request *request, const char *name); /* decoded; NULL: not in pattern */
const char *sam_http_query(const sam_http_request *request, const char *name);     /* decoded, the first; or NULL */
const char *sam_http_header(const sam_http_request *request, const char *name);    /* any case; or NULL */
const uint8_t *sam_http_body(const sam_http_request *request, size_t *length);     /* never NULL */
sam_status sam_http_body_json(const sam_http_request *request, json_t **value, sam_error *err);
/* Number in the query, or `fallback` where it is absent; INVALID where it is no number or above `most`. */
sam_status sam_http_query_u64(const sam_http_request *request, const char *name, uint64_t fallback, uint64_t most,
                              uint64_t *value, sam_error *err);
/* Whose token came with the request; role ANYONE and name "" where none was asked. */
const sam_caller *sam_http_caller(const sam_http_request *request);

/* ---- waiting ---- */
sam_http_ticket sam_http_ticket_of(const sam_http_request *request); /* never 0 */
sam_http_next sam_http_wait(sam_http_request *request, uint32_t timeout_ms);
/* Waits for a resume that is sure to come soon: without a deadline, and without a look at whether the client is still
 * there, which costs two system calls. */
sam_http_next sam_http_await(sam_http_request *request);
void sam_http_resume(sam_http_server *server, sam_http_ticket ticket);
void sam_http_resume_many(sam_http_server *server, const sam_http_ticket *tickets, size_t count);

/* The handler's own pointer, NULL at first, kept from call to call. `at_end` gets it exactly once, on a server
 * thread: when the answer was sent, the client went away, or the server stops. */
void *sam_http_state(const sam_http_request *request);
void sam_http_at_end(sam_http_request *request, void (*at_end)(void *state), void *state);

/* ---- the answer: each returns SAM_HTTP_ANSWERED, so that handlers can end with it; a later one replaces ---- */
/* Field of the answer, whichever is given, before or after. A name or value with control bytes is dropped and logged.
 */
void sam_http_set_header(sam_http_request *request, const char *name, const char *value);
sam_http_next sam_http_answer_empty(sam_http_request *request, int code);
sam_http_next sam_http_answer_bytes(sam_http_request *request, int code, const char *type, const void *bytes,
                                    size_t length); /* copies */
/* Takes the buffer's memory and leaves it empty; a failed buffer becomes a 500. */
sam_http_next sam_http_answer_buffer(sam_http_request *request, int code, const char *type, sam_buffer *buffer);
/* Steals the reference, as json_object_set_new does. NULL becomes a 500. */
sam_http_next sam_http_answer_json(sam_http_request *request, int code, json_t *value);
/* application/problem+json (RFC 9457): status and title by sam_http_status, detail: the sentence, code: "NOT_FOUND". */
sam_http_next sam_http_answer_error(sam_http_request *request, const sam_error *err);
sam_http_next sam_http_answer_fail(sam_http_request *request, sam_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Content that is made while it is sent. `read` fills exactly `length` bytes from `offset`, in order for one answer,
 * on a server thread after the handler has returned; a failure cuts the connection. `close` is called exactly once,
 * also when the answer is never sent. HEAD, If-None-Match (304), Range (one range: 206 or 416; several: all of it)
 * and If-Range are answered from `etag` and `size`. */
typedef struct sam_http_content {
    const char *type; /* NULL: application/octet-stream */
    const char *etag; /* without quotes, strong; NULL: none, and then ranges are not served */
    uint64_t size;
    sam_status (*read)(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err);
    void (*close)(void *user);
    void *user;
    const char *file_name; /* Content-Disposition: attachment; NULL: none */
} sam_http_content;

sam_http_next sam_http_answer_content(sam_http_request *request, const sam_http_content *content);

#endif
