#include "ledger/exchange.h"

#include "base/log.h"

sam_status ledger_note(ledger_service *ledger, sam_status status, const sam_error *err)
{
    bool down = status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
    if (down)
        sam_metric_add(ledger->gauge.redis_errors, 1, NULL);
    if (down && !atomic_exchange(&ledger->redis_down, true))
        sam_log_error("%s; requests are answered with 503 until it is back", err->text);
    if (status == SAM_OK && atomic_exchange(&ledger->redis_down, false))
        sam_log_info("Redis is back");
    return status;
}

sam_http_next ledger_get_health(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

sam_status ledger_get_ready(ledger_exchange *exchange, sam_error *err)
{
    exchange->answer = json_pack("{s:s}", "status", "ready");
    return sam_redis_ping(exchange->redis, err);
}
