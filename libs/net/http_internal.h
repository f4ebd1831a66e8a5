/* What the files of the HTTP server share: http_server.c (threads, libmicrohttpd), http_route.c (paths), http_request.c
 * (what a handler reads), http_answer.c (what it sends), http_wait.c (suspended requests), http_admit.c (who is let
 * in). Not for others.
 *
 * Ownership: a request belongs to the one libmicrohttpd thread that serves its connection, except for the fields of
 * `waiting`, which server->lock guards. It lives from the arrival of its first line (begin_request) to the end of its
 * answer or connection (end_request); both are callbacks of libmicrohttpd, which calls the second exactly once.
 */
#ifndef SAM_NET_HTTP_INTERNAL_H
#define SAM_NET_HTTP_INTERNAL_H

#include "net/http_server.h"

#include "base/memory.h"
#include "net/rate.h"

#include <microhttpd.h>
#include <pthread.h>

#define MAX_PARAMETERS 16
#define MAX_QUERY      64 /* parameters of a query */

typedef struct pair {
    const char *name, *value;
} pair;

typedef struct route {
    const char *method, *pattern;
    const char *segments[MAX_PARAMETERS]; /* of the pattern; "{run}" as it stands */
    size_t segment_count;
    bool rest; /* the last one takes all that is left */
    sam_http_handler handler;
    void *user;
    sam_role role;
    size_t max_body;
} route;

typedef struct waiting_list {
    struct sam_http_request *earliest, *latest;
} waiting_list;

struct sam_http_request {
    sam_http_server *server;
    struct MHD_Connection *connection;
    uint64_t begun_ns;
    sam_arena arena;    /* names and values below */
    const char *method; /* of libmicrohttpd, as long as the request */
    const char *path;
    const char *bad_target; /* what is wrong with it: "has ..."; NULL: nothing */
    const char *segments[MAX_PARAMETERS + 1];
    size_t segment_count;
    pair *query;
    size_t query_count;
    const route *route; /* NULL until matched, and where none does */
    pair parameters[MAX_PARAMETERS];
    size_t parameter_count;
    sam_caller caller;

    sam_buffer body;
    size_t max_body;
    uint64_t received; /* body bytes, kept or thrown away */
    bool started;      /* the header was looked at */
    bool refused;      /* an answer stands already; what still comes of the body is thrown away */

    struct MHD_Response *response; /* owned until queued */
    int code;
    pair *headers;
    size_t header_count, header_room;

    void *state;
    void (*at_end)(void *state);
    bool called;      /* the handler was */
    uint32_t wait_ms; /* what the handler asked for */
    bool watched;     /* it waits with a deadline, and the client's going away ends it */

    struct {
        uint32_t slot; /* in server->slots */
        sam_http_ticket ticket;
        bool suspended;      /* libmicrohttpd has it aside, and it is in one of the lists */
        bool resume_pending; /* a resume came while the handler ran */
        bool gone;           /* the client hung up */
        uint64_t deadline_ms;
        waiting_list *list;
        struct sam_http_request *earlier, *later;
    } waiting;
};

typedef struct slot {
    sam_http_request *request; /* NULL: free */
    uint32_t generation;       /* of the present or next request, so that old tickets find nothing */
    uint32_t next_free;
} slot;

struct sam_http_server {
    sam_http_server_options options;
    char address[128];
    unsigned port;
    route *routes;
    size_t route_count;
    sam_arena arena;          /* texts of the options and routes */
    sam_rate *rate;           /* NULL: no limit */
    char *tls_cert, *tls_key; /* PEM */
    struct MHD_Daemon *daemon;

    pthread_mutex_t lock; /* guards what follows, and every request's `waiting` */
    pthread_cond_t quiet; /* active fell to 0 */
    size_t active;        /* requests between begin and end */
    size_t suspended;
    bool stopping;
    slot *slots;
    size_t slot_count;
    uint32_t first_free;
    waiting_list watched;   /* suspended, by deadline */
    waiting_list unwatched; /* suspended until a resume, in no order */
    bool watcher_ends;

    pthread_t watcher;
    bool watcher_runs;
    int epoll, wake_fd;
};

/* http_route.c */
sam_status sam_http_compile_routes(sam_http_server *server, const sam_http_route *routes, sam_error *err);
void sam_http_parse_target(sam_http_request *request, const char *target);
/* 0: request->route is set. 404, or 405 with `allow` filled. */
int sam_http_match(sam_http_request *request, char *allow, size_t size);

/* http_answer.c */
sam_http_next sam_http_answer_problem(sam_http_request *request, int code, const char *name, const char *detail);
void sam_http_drop_answer(sam_http_request *request);
enum MHD_Result sam_http_queue_answer(sam_http_request *request);

/* http_admit.c: each is true, or has given the answer */
bool sam_http_admit_rate(sam_http_request *request);
bool sam_http_admit_caller(sam_http_request *request); /* its route is known */
sam_status sam_http_read_tls(sam_http_server *server, sam_error *err);

/* http_wait.c */
sam_status sam_http_watch_start(sam_http_server *server, sam_error *err);
void sam_http_watch_stop(sam_http_server *server);
int sam_http_socket_of(struct MHD_Connection *connection);
bool sam_http_slot_take(sam_http_request *request);
void sam_http_slot_give(sam_http_request *request);
/* False: a resume came in between, or the server stops: call the handler again. */
bool sam_http_suspend(sam_http_request *request);
void sam_http_resume_all(sam_http_server *server); /* with server->lock held */

#endif
