/* A run comes to be: its manifest, its state and its first work, and its place in the list of runs. */
#include "ledger/plan.h"

static sam_status list_run(const ledger_service *ledger, sam_redis *redis, const char *id, sam_error *err)
{
    redisReply *reply;
    sam_status status = sam_redis_words(redis, &reply, err, "SADD", SAM_SCHEMA_RUNS, id, NULL);
    sam_redis_reply_free(reply);
    return status == SAM_OK ? ledger_await_replicas(&ledger->scripts, redis, err) : status;
}

static sam_status call_create(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint64_t past,
                              uint64_t workers, const sam_plan *plan, uint64_t *made, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    const sam_manifest *manifest = run->manifest;
    ledger_call_begin(&call, run->id, 7 + ledger_plan_arguments(plan));
    ledger_call_bytes(&call, manifest->text, manifest->text_length);
    ledger_call_text(&call, run->id);
    ledger_call_u64(&call, manifest->lease_ms);
    ledger_call_u64(&call, manifest->quorum.slots);
    ledger_call_u64(&call, manifest->quorum.after_ms);
    ledger_call_u64(&call, past);
    ledger_call_u64(&call, workers);
    ledger_call_plan(&call, plan);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_CREATE, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "create", made, err);
    sam_redis_reply_free(reply);
    return status;
}

sam_status ledger_create(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint64_t past,
                         uint64_t workers, bool *created, sam_error *err)
{
    sam_plan plan = {0};
    uint64_t made = 0;
    sam_status status = SAM_OK;
    if (past < run->manifest->parent.round)
        past = run->manifest->parent.round;
    if (past == 0)
        status = ledger_plan_all(&plan, ledger, redis, run, 0, err);
    if (status == SAM_OK)
        status = call_create(ledger, redis, run, past, workers, &plan, &made, err);
    sam_plan_free(&plan);
    *created = made == 1;
    return status == SAM_OK ? list_run(ledger, redis, run->id, err) : status;
}

sam_status ledger_run_ids(sam_redis *redis, redisReply **reply, sam_error *err)
{
    redisReply *const *each;
    const char *id;
    size_t count, length;
    sam_status status = sam_redis_words(redis, reply, err, "SORT", SAM_SCHEMA_RUNS, "ALPHA", NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(*reply, "the list of runs", 0, &each, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = sam_redis_bytes(each[i], "the list of runs", &id, &length, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    return status;
}
