/* The ledger: one process that owns nothing. What a run is stands in Redis; what changes it is a Lua function.
 *
 *     worker --POST sync--> sync.c --with all others that come meanwhile: group.c--> turns.lua --> Redis
 *                             |       round full?  commit.c: gather.lua -> sam_round_encode -> commit.lua -> stream
 *                             |  no news: suspended; follow.c wakes it (XREAD, expired leases)
 *                             |  rounds: recent.c, or XRANGE
 *                             +--reply
 *
 * Any number of copies serve one Redis, since each function is atomic and may be called twice. A copy keeps only a
 * cache of immutable things (runs.c, recent.c), the requests that wait with it (group.c, follow.c) and its metrics.
 * Thread safety: everything here may be called from any thread of the server.
 */
#ifndef SAM_LEDGER_H
#define SAM_LEDGER_H

#include "base/digest.h"
#include "ledger/follow.h"
#include "ledger/group.h"
#include "ledger/runs.h"
#include "ledger/scripts.h"
#include "net/http_server.h"
#include "net/metrics.h"
#include "run/wire.h"
#include "store/redis.h"

#include <stdatomic.h>

#define LEDGER_ROUTES_MAX 20

struct ledger_exchange;
typedef sam_status (*ledger_route_function)(struct ledger_exchange *exchange, sam_error *err);

/* What ledger_exchange_handle is told of a route. */
typedef struct ledger_route {
    struct ledger *ledger;
    ledger_route_function function;
} ledger_route;

typedef struct ledger {
    sam_redis_pool *redis;
    ledger_scripts scripts;
    ledger_runs runs;
    ledger_group group;
    ledger_follower follower;
    uint32_t wait_ms_max;
    atomic_bool redis_down; /* as the last request found it; said once each way */
    ledger_route route[LEDGER_ROUTES_MAX];
    sam_http_route routes[LEDGER_ROUTES_MAX];

    sam_metrics *metrics;
    struct {
        sam_metric *head, *unleased, *leased, *workers, *waiting, *quarantined, *epsilon; /* by run, set when scraped */
        sam_metric *syncs, *refused, *commit_seconds, *redis_errors, *requests;
    } gauge;
} ledger_service;

/* Notes a failure of Redis for the log and the metrics; returns `status`. health.c */
sam_status ledger_note(ledger_service *ledger, sam_status status, const sam_error *err);

/* ---- transitions: each is one Lua function ---- */

/* `past`: rounds that will be imported; no work is given before. A fork's own past counts in any case. `workers`: the
 * highest number that belongs to somebody. */
sam_status ledger_create(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint64_t past,
                         uint64_t workers, bool *created, sam_error *err);

#define LEDGER_IMPORT_BYTES_MAX ((size_t)16 * 1024 * 1024) /* in one request */

typedef struct ledger_rounds {
    const uint8_t *bytes; /* as a .samlog has them, without its head */
    size_t length;
    uint64_t past;    /* no work is given before the log has so many */
    uint64_t workers; /* numbers up to this one belong to somebody, as those in the log do */
} ledger_rounds;

/* `head`: of the log then. CONFLICT where the rounds do not follow what is here, MISMATCH where their chain is broken.
 * import.c */
sam_status ledger_import(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const ledger_rounds *rounds,
                         uint64_t *head, sam_error *err);

typedef struct ledger_newcomer {
    const char *name, *kernel;
    const char *key; /* its public key, in hexadecimal; "": none */
    uint32_t threads;
    bool evaluates; /* false: it has no dev data, and is given slots alone */
} ledger_newcomer;

sam_status ledger_join(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const ledger_newcomer *newcomer,
                       uint32_t *worker, uint64_t *head, sam_error *err);

/* What turns of one run ask, in one call: fills the outcome of each. Not OK: none has one. `full`: the next round
 * has all its records, and wants a commit. turns.c */
sam_status ledger_turns_call(ledger_service *ledger, sam_redis *redis, ledger_turn **turns, size_t count, bool *full,
                             sam_error *err);
sam_status ledger_leave(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint32_t worker,
                        sam_error *err);
sam_status ledger_pause(ledger_service *ledger, sam_redis *redis, const ledger_run *run, bool paused, sam_error *err);

typedef struct ledger_pulse {
    sam_run_status status;
    uint64_t free; /* pieces of work that whoever comes may have */
    bool work_left, full;
} ledger_pulse;

sam_status ledger_tick(ledger_service *ledger, sam_redis *redis, const ledger_run *run, ledger_pulse *pulse,
                       sam_error *err);

/* Commits the open rounds, one after the other, as far as they are full; OK, too, where another copy was faster.
 * commit.c */
sam_status ledger_commit(ledger_service *ledger, sam_redis *redis, const ledger_run *run, sam_error *err);

/* Reads encoded rounds [from, from + count) as far as they are there: reply->element[i]->element[1]->element[1]. */
sam_status ledger_read_log(sam_redis *redis, const ledger_run *run, uint64_t from, uint64_t count, redisReply **reply,
                           sam_error *err);
/* Bytes of round i of such a reply; CORRUPT where it is not round from + i. */
sam_status ledger_round_of(const redisReply *reply, size_t i, uint64_t from, const uint8_t **bytes, size_t *length,
                           sam_error *err);

/* Where the run is signed: the request, whose bytes these are, and every result in it stand under the key with which
 * the worker joined (FORBIDDEN otherwise). signatures.c */
sam_status ledger_check_signatures(ledger_service *ledger, const ledger_run *run, const sam_sync_request *sync,
                                   const uint8_t *bytes, size_t length, sam_error *err);
/* Keys of the workers, and signatures of the rounds from `from` on, as a .samsig has them. `*next`: where to go on. */
sam_status ledger_put_keys(sam_buffer *out, sam_redis *redis, const ledger_run *run, sam_error *err);
sam_status ledger_put_signatures(sam_buffer *out, sam_redis *redis, const ledger_run *run, uint64_t from,
                                 uint64_t *next, sam_error *err);

/* Takes the opinions among the results of a sync and gives the worker checks to do. FORBIDDEN: it is in quarantine.
 * checks.c */
#define LEDGER_CHECKS_MAX 4
sam_status ledger_check(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const sam_sync_request *sync,
                        sam_lease leases[LEDGER_CHECKS_MAX], size_t *count, sam_error *err);
void ledger_drop_checks(sam_sync_request *sync); /* what is no concern of the group's */

/* What the committed rounds tell of an example, where the run is private; else 0. */
double ledger_epsilon(const ledger_run *run, uint64_t head);

/* ---- handlers of their own; `user` is the ledger. exchange.h has the others ---- */
sam_http_next ledger_sync(sam_http_request *request, void *user);        /* sync.c */
sam_http_next ledger_get_health(sam_http_request *request, void *user);  /* health.c */
sam_http_next ledger_get_metrics(sam_http_request *request, void *user); /* gauges.c */
void ledger_routes(ledger_service *ledger);                              /* fills ledger->routes; api.c */

sam_status ledger_gauges_init(ledger_service *ledger, sam_error *err);
void ledger_observe(void *user, const sam_http_event *event); /* of the server, for the metrics */
/* Ids of all runs, sorted: reply->element[i]->str. */
sam_status ledger_run_ids(sam_redis *redis, redisReply **reply, sam_error *err);
#endif
