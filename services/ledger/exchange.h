/* A request in JSON, or for the bytes of a log, and its answer: what people and programs ask of the ledger.
 *
 *     static sam_status get_ready(ledger_exchange *exchange, sam_error *err)      // in the table of api.c
 *     {
 *         exchange->answer = json_pack("{s:s}", "status", "ready");
 *         return sam_redis_ping(exchange->redis, err);
 *     }
 *
 * A function fills `answer`, or `bytes` and `type`; one that fails leaves a sentence, which becomes the answer.
 * Thread safety: an exchange belongs to the thread of its handler.
 */
#ifndef SAM_LEDGER_EXCHANGE_H
#define SAM_LEDGER_EXCHANGE_H

#include "ledger/ledger.h"

typedef struct ledger_exchange {
    ledger_service *ledger;
    sam_redis *redis;
    sam_http_request *request;
    const ledger_run *run; /* that the path names; NULL where it names none */
    int code;              /* HTTP status; 200 unless the function says otherwise */
    json_t *answer;
    sam_buffer bytes;
    const char *type; /* of the bytes */
} ledger_exchange;

/* The handler of all routes whose `user` is a ledger_route: finds connection and run, calls its function, answers. */
sam_http_next ledger_exchange_handle(sam_http_request *request, void *user);

/* ---- the functions: runs_api.c ---- */
sam_status ledger_post_run(ledger_exchange *exchange, sam_error *err);
sam_status ledger_get_runs(ledger_exchange *exchange, sam_error *err);
sam_status ledger_get_run(ledger_exchange *exchange, sam_error *err);
sam_status ledger_get_manifest(ledger_exchange *exchange, sam_error *err);
sam_status ledger_post_pause(ledger_exchange *exchange, sam_error *err);
sam_status ledger_post_resume(ledger_exchange *exchange, sam_error *err);
/* ---- workers_api.c ---- */
sam_status ledger_post_join(ledger_exchange *exchange, sam_error *err);
sam_status ledger_get_workers(ledger_exchange *exchange, sam_error *err);
sam_status ledger_post_leave(ledger_exchange *exchange, sam_error *err);
/* ---- log_api.c ---- */
sam_status ledger_get_log(ledger_exchange *exchange, sam_error *err);
sam_status ledger_post_log(ledger_exchange *exchange, sam_error *err);
sam_status ledger_get_signatures(ledger_exchange *exchange, sam_error *err);
/* ---- health.c ---- */
sam_status ledger_get_ready(ledger_exchange *exchange, sam_error *err);

/* Others may have joined elsewhere: query parameters of create and import. */
sam_status ledger_exchange_history(const ledger_exchange *exchange, uint64_t *past, uint64_t *workers, sam_error *err);

#endif
