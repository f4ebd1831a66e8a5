/* Workers: joining a run, and the list of those that have. */
#include "base/text.h"
#include "ledger/exchange.h"
#include "ledger/view.h"
#include "run/signature.h"

#include <string.h>

#define NAME_MAX_BYTES 200

/* ---- joining ---- */

/* A line of text, or nothing: what stands in tables, metrics and terminals must not have control characters. */
static bool is_line(const json_t *text)
{
    if (text == NULL)
        return true;
    const char *at = json_string_value(text);
    if (at == NULL || json_string_length(text) > NAME_MAX_BYTES)
        return false;
    while (*at != 0 && (unsigned char)*at >= 0x20 && *at != 0x7f)
        at++;
    return *at == 0;
}

static bool is_key(const json_t *text)
{
    sam_public_key key;
    return text == NULL || (json_is_string(text) && sam_public_key_parse(&key, json_string_value(text)));
}

static sam_status newcomer_of(ledger_newcomer *newcomer, const json_t *body, sam_error *err)
{
    const json_t *name = json_object_get(body, "name"), *threads = json_object_get(body, "threads"),
                 *kernel = json_object_get(body, "kernel"), *evaluates = json_object_get(body, "evaluates"),
                 *key = json_object_get(body, "key");
    bool good = json_is_object(body) && is_line(name) && is_line(kernel) && is_key(key) &&
                (evaluates == NULL || json_is_boolean(evaluates)) &&
                (threads == NULL || (json_is_integer(threads) && json_integer_value(threads) >= 0 &&
                                     json_integer_value(threads) <= 65536));
    if (!good)
        return sam_fail(
            err, SAM_INVALID,
            "join takes {\"name\": text, \"threads\": number, \"kernel\": text, \"evaluates\": true or false, \"key\": "
            "64 lower-case hexadecimal digits}, texts of at most %d bytes without control characters",
            NAME_MAX_BYTES);
    newcomer->name = name == NULL ? "" : json_string_value(name);
    newcomer->kernel = kernel == NULL ? "" : json_string_value(kernel);
    newcomer->key = key == NULL ? "" : json_string_value(key);
    newcomer->threads = (uint32_t)json_integer_value(threads);
    newcomer->evaluates = !json_is_false(evaluates);
    return SAM_OK;
}

static sam_status check_newcomer(const ledger_run *run, const ledger_newcomer *newcomer, sam_error *err)
{
    if (run->manifest->signed_records != (newcomer->key[0] != 0))
        return sam_fail(err, SAM_INVALID,
                        run->manifest->signed_records
                            ? "the run wants signed records: a worker joins it with its public key; "
                              "see samara-worker --key"
                            : "the run does not take signed records; join it without a key");
    if (run->manifest->kernel == NULL || strcmp(run->manifest->kernel, newcomer->kernel) == 0)
        return SAM_OK;
    return sam_fail(err, SAM_INVALID,
                    "the run's manifest wants the kernel \"%s\", and this worker has \"%s\"; see "
                    "samara-worker --kernel",
                    run->manifest->kernel, newcomer->kernel);
}

sam_status ledger_post_join(ledger_exchange *exchange, sam_error *err)
{
    json_t *body;
    ledger_newcomer newcomer;
    uint32_t worker;
    uint64_t head;
    sam_status status = sam_http_body_json(exchange->request, &body, err);
    if (status != SAM_OK)
        return status;
    status = newcomer_of(&newcomer, body, err);
    if (status == SAM_OK)
        status = check_newcomer(exchange->run, &newcomer, err);
    if (status == SAM_OK)
        status = ledger_join(exchange->ledger, exchange->redis, exchange->run, &newcomer, &worker, &head, err);
    if (status == SAM_OK) {
        exchange->code = 201;
        exchange->answer = json_pack("{s:I, s:I}", "worker", (json_int_t)worker, "head", (json_int_t)head);
    }
    json_decref(body);
    return status;
}

/* ---- leaving ---- */

/* For a worker that can no longer say so itself: its leases come back now, and not when their time is over. */
sam_status ledger_post_leave(ledger_exchange *exchange, sam_error *err)
{
    uint64_t worker;
    const char *text = sam_http_parameter(exchange->request, "worker");
    if (!sam_parse_u64(text, &worker) || worker == 0 || worker > UINT32_MAX)
        return sam_fail(err, SAM_INVALID, "\"%.40s\" is not the number of a worker", text);
    sam_status status = ledger_leave(exchange->ledger, exchange->redis, exchange->run, (uint32_t)worker, err);
    if (status == SAM_OK)
        exchange->answer = json_pack("{s:I}", "worker", (json_int_t)worker);
    return status;
}

/* ---- the list ---- */

static json_t *worker_json(const ledger_worker *worker, uint64_t now_ms)
{
    uint64_t mean_ms = worker->slots == 0 ? 0 : worker->busy_ms / worker->slots;
    uint64_t seen_ms = worker->seen_ms < now_ms ? worker->seen_ms : now_ms;
    return json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker", (json_int_t)worker->number,
                     "name", worker->name, "status", sam_schema_worker_status_name(worker->status), "slots",
                     (json_int_t)worker->slots, "late", (json_int_t)worker->late, "refused",
                     (json_int_t)worker->refused, "mean_ms", (json_int_t)mean_ms, "seen_ms", (json_int_t)seen_ms,
                     "leases", (json_int_t)worker->leases, "agreed", (json_int_t)worker->agreed, "differed",
                     (json_int_t)worker->differed);
}

sam_status ledger_get_workers(ledger_exchange *exchange, sam_error *err)
{
    ledger_view view;
    sam_status status = ledger_view_read(&view, exchange->ledger, exchange->redis, exchange->run, err);
    if (status != SAM_OK)
        return status;
    json_t *list = json_array();
    for (size_t i = 0; i < view.worker_count; i++)
        json_array_append_new(list, worker_json(&view.workers[i], view.now_ms));
    exchange->answer = json_pack("{s:o}", "workers", list);
    ledger_view_free(&view);
    return SAM_OK;
}
