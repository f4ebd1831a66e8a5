#include "ledger/exchange.h"

#define WORKERS_MOST ((uint64_t)1 << 31) /* that may have joined elsewhere */

static sam_status run_function(ledger_exchange *exchange, ledger_route_function function, sam_error *err)
{
    const char *id = sam_http_parameter(exchange->request, "run");
    sam_status status = SAM_OK;
    if (id != NULL)
        status = ledger_runs_find(&exchange->ledger->runs, exchange->redis, id, &exchange->run, err);
    return status == SAM_OK ? function(exchange, err) : status;
}

static sam_http_next answer(ledger_exchange *exchange, sam_status status, const sam_error *err)
{
    if (status == SAM_OK && exchange->type != NULL)
        return sam_http_answer_buffer(exchange->request, exchange->code, exchange->type, &exchange->bytes);
    sam_buffer_free(&exchange->bytes);
    if (status == SAM_OK)
        return sam_http_answer_json(exchange->request, exchange->code, exchange->answer);
    json_decref(exchange->answer);
    return sam_http_answer_error(exchange->request, err);
}

sam_http_next ledger_exchange_handle(sam_http_request *request, void *user)
{
    const ledger_route *route = user;
    sam_error err = {0};
    ledger_exchange exchange = {.ledger = route->ledger, .request = request, .code = 200};
    sam_status status = sam_redis_borrow(exchange.ledger->redis, &exchange.redis, &err);
    if (status != SAM_OK)
        return sam_http_answer_error(request, &err);
    status = run_function(&exchange, route->function, &err);
    sam_redis_give_back(exchange.ledger->redis, exchange.redis);
    return answer(&exchange, ledger_note(exchange.ledger, status, &err), &err);
}

sam_status ledger_exchange_history(const ledger_exchange *exchange, uint64_t *past, uint64_t *workers, sam_error *err)
{
    sam_status status = sam_http_query_u64(exchange->request, "past", 0, SAM_ROUNDS_MAX, past, err);
    return status == SAM_OK ? sam_http_query_u64(exchange->request, "workers", 0, WORKERS_MOST, workers, err) : status;
}
