/* A run comes to be: its manifest, its state and its first work, and its place in the list of runs. */
#include "ledger/ledger.h"

static sam_status list_run(const ledger_service *ledger, sam_redis *redis, const char *id, sam_error *err)
{
    redisReply *reply;
    sam_status status = sam_redis_words(redis, &reply, err, "SADD", SAM_SCHEMA_RUNS, id, NULL);
    sam_redis_reply_free(reply);
    return status == SAM_OK ? ledger_await_replicas(&ledger->scripts, redis, err) : status;
}

sam_status ledger_create(ledger_service *ledger, sam_redis *redis, const sam_manifest *manifest, uint64_t past,
                         uint64_t workers, bool *created, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint64_t made = 0;
    ledger_call_begin(&call, manifest->id_hex, 11);
    ledger_call_bytes(&call, manifest->text, manifest->text_length);
    ledger_call_text(&call, manifest->id_hex);
    ledger_call_u64(&call, manifest->rounds);
    ledger_call_u64(&call, manifest->slots);
    ledger_call_u64(&call, manifest->evaluation.every);
    ledger_call_u64(&call, manifest->evaluation.chunks);
    ledger_call_u64(&call, manifest->lease_ms);
    ledger_call_u64(&call, manifest->quorum.slots);
    ledger_call_u64(&call, manifest->quorum.after_ms);
    ledger_call_u64(&call, past > manifest->parent.round ? past : manifest->parent.round);
    ledger_call_u64(&call, workers);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_CREATE, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "create", &made, err);
    sam_redis_reply_free(reply);
    *created = made == 1;
    return status == SAM_OK ? list_run(ledger, redis, manifest->id_hex, err) : status;
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
