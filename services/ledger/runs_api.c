/* Runs: making one, what is known of it, pausing it. */
#include "ledger/exchange.h"
#include "ledger/view.h"

#include <inttypes.h>

static sam_status create(ledger_exchange *exchange, const ledger_run *run, uint64_t past, uint64_t workers,
                         sam_error *err)
{
    bool created;
    if (past > run->manifest->rounds)
        return sam_fail(err, SAM_INVALID, "past: the run has %" PRIu64 " rounds in all", run->manifest->rounds);
    sam_status status = ledger_create(exchange->ledger, exchange->redis, run, past, workers, &created, err);
    if (status != SAM_OK)
        return status;
    exchange->code = created ? 201 : 200;
    exchange->answer = json_pack("{s:s}", "run", run->id);
    return SAM_OK;
}

sam_status ledger_post_run(ledger_exchange *exchange, sam_error *err)
{
    size_t length;
    uint64_t past, workers;
    sam_manifest *manifest;
    const char *body = (const char *)sam_http_body(exchange->request, &length);
    sam_status status = ledger_exchange_history(exchange, &past, &workers, err);
    if (status == SAM_OK)
        status = sam_manifest_parse(&manifest, body, length, err);
    if (status != SAM_OK)
        return status;
    ledger_run *run = ledger_run_new(manifest);
    status =
        run == NULL ? sam_fail(err, SAM_NO_MEMORY, "no memory for a run") : create(exchange, run, past, workers, err);
    ledger_run_free(run);
    return status;
}

/* ---- what is known of a run ---- */

static json_t *summary(const ledger_run *run, const ledger_view *view)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "run", run->id, "name", run->manifest->name, "status",
                     sam_schema_run_status_name(view->status), "head", (json_int_t)view->head, "rounds",
                     (json_int_t)run->manifest->rounds, "slots", (json_int_t)run->shape.places, "workers",
                     (json_int_t)view->by_status[SAM_WORKER_IS_ACTIVE]);
}

static json_t *evaluations_of(const ledger_view *view)
{
    json_t *list = json_array();
    for (size_t i = 0; i < view->evaluation_count; i++) {
        const sam_evaluation *one = &view->evaluations[i];
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I}", "round", (json_int_t)one->at, "examples",
                                              (json_int_t)one->examples, "correct", (json_int_t)one->correct,
                                              "loss_micro", (json_int_t)one->loss_micro));
    }
    return list;
}

/* Numbers of the workers whose codes do not stand up. */
static json_t *quarantined_of(const ledger_view *view)
{
    json_t *list = json_array();
    for (size_t i = 0; i < view->worker_count; i++)
        if (view->workers[i].status == SAM_WORKER_IS_QUARANTINED)
            json_array_append_new(list, json_integer((json_int_t)view->workers[i].number));
    return list;
}

sam_status ledger_get_run(ledger_exchange *exchange, sam_error *err)
{
    ledger_view view;
    const ledger_run *run = exchange->run;
    sam_status status = ledger_view_read(&view, exchange->ledger, exchange->redis, run, err);
    if (status != SAM_OK)
        return status;
    json_t *answer = summary(run, &view);
    json_object_set_new(answer, "past", json_integer((json_int_t)view.past));
    json_object_set_new(answer, "unleased", json_integer((json_int_t)view.unleased));
    json_object_set_new(answer, "leased", json_integer((json_int_t)view.leased));
    json_object_set_new(answer, "lost_leases", json_integer((json_int_t)view.lost_leases));
    json_object_set_new(answer, "records", json_integer((json_int_t)view.records));
    json_object_set_new(answer, "quarantined", quarantined_of(&view));
    if (run->manifest->privacy.clip > 0)
        json_object_set_new(
            answer, "privacy",
            json_pack("{s:f, s:f}", "epsilon", ledger_epsilon(run, view.head), "delta", SAM_PRIVACY_DELTA));
    json_object_set_new(answer, "evaluations", evaluations_of(&view));
    exchange->answer = answer;
    ledger_view_free(&view);
    return SAM_OK;
}

static sam_status add_summary(ledger_exchange *exchange, json_t *list, const char *id, sam_error *err)
{
    const ledger_run *run;
    ledger_view view;
    sam_status status = ledger_runs_find(&exchange->ledger->runs, exchange->redis, id, &run, err);
    if (status == SAM_OK)
        status = ledger_view_read(&view, exchange->ledger, exchange->redis, run, err);
    if (status == SAM_NOT_FOUND)
        return SAM_OK; /* its keys were removed by hand */
    if (status != SAM_OK)
        return status;
    json_array_append_new(list, summary(run, &view));
    ledger_view_free(&view);
    return SAM_OK;
}

sam_status ledger_get_runs(ledger_exchange *exchange, sam_error *err)
{
    redisReply *ids;
    json_t *list = json_array();
    sam_status status = ledger_run_ids(exchange->redis, &ids, err);
    for (size_t i = 0; status == SAM_OK && i < ids->elements; i++)
        status = add_summary(exchange, list, ids->element[i]->str, err);
    sam_redis_reply_free(ids);
    exchange->answer = json_pack("{s:o}", "runs", list);
    return status;
}

sam_status ledger_get_manifest(ledger_exchange *exchange, sam_error *err)
{
    const sam_manifest *manifest = exchange->run->manifest;
    (void)err;
    sam_put_bytes(&exchange->bytes, manifest->text, manifest->text_length);
    exchange->type = "application/json";
    return SAM_OK;
}

/* ---- pausing ---- */

static sam_status set_paused(ledger_exchange *exchange, bool paused, sam_error *err)
{
    sam_status status = ledger_pause(exchange->ledger, exchange->redis, exchange->run, paused, err);
    return status == SAM_OK ? ledger_get_run(exchange, err) : status;
}

sam_status ledger_post_pause(ledger_exchange *exchange, sam_error *err)
{
    return set_paused(exchange, true, err);
}

sam_status ledger_post_resume(ledger_exchange *exchange, sam_error *err)
{
    return set_paused(exchange, false, err);
}
