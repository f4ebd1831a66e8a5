/* Checks: slots of committed rounds that other workers compute again, where the manifest has a verify_rate (check.lua).
 * They stand beside the group of turns (group.h), so that runs without them pay nothing. */
#include "ledger/ledger.h"

#include "base/memory.h"

static bool fits(const ledger_run *run, const sam_result *result)
{
    return result->index < run->shape.places && result->code_count >= run->shape.codes_least &&
           result->code_count <= run->shape.codes_most && result->round < run->manifest->rounds;
}

static void put_opinions(ledger_call *call, const ledger_run *run, const sam_sync_request *sync)
{
    for (size_t i = 0; i < sync->result_count; i++) {
        const sam_result *result = &sync->results[i];
        if (result->kind != SAM_WORK_CHECK || !fits(run, result))
            continue;
        ledger_call_u64(call, result->round);
        ledger_call_u64(call, result->index);
        ledger_call_bytes(call, result->codes, result->code_count);
    }
}

/* work and valid_ms in turn */
static sam_status read_leases(const redisReply *reply, sam_lease *leases, size_t most, size_t *count, sam_error *err)
{
    redisReply *const *each;
    size_t elements, length;
    sam_status status = sam_redis_array(reply, "check", 0, &each, &elements, err);
    for (size_t i = 0; i + 1 < elements && *count < most && status == SAM_OK; i += 2) {
        sam_work work;
        const char *text;
        uint64_t valid_ms = 0;
        status = sam_redis_bytes(each[i], "a check", &text, &length, err);
        if (status == SAM_OK)
            status = sam_redis_u64(each[i + 1], "a check", &valid_ms, err);
        if (status != SAM_OK)
            return status;
        if (!sam_work_parse(&work, text) || work.kind != SAM_WORK_CHECK || valid_ms > UINT32_MAX)
            return sam_fail(err, SAM_CORRUPT, "Redis keeps \"%.60s\" as a check", text);
        leases[(*count)++] = (sam_lease){work.kind, work.round, work.index, (uint32_t)valid_ms};
    }
    return status;
}

sam_status ledger_check(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const sam_sync_request *sync,
                        sam_lease leases[LEDGER_CHECKS_MAX], size_t *count, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint32_t wants = sync->wants < LEDGER_CHECKS_MAX ? sync->wants : LEDGER_CHECKS_MAX;
    *count = 0;
    ledger_call_begin(&call, run->id, 3 + 3 * sync->result_count);
    ledger_call_u64(&call, sync->worker);
    ledger_call_u64(&call, sync->cursor);
    ledger_call_u64(&call, sync->leaving ? 0 : wants);
    put_opinions(&call, run, sync);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_CHECK, redis, &reply, err);
    if (status == SAM_OK)
        status = read_leases(reply, leases, LEDGER_CHECKS_MAX, count, err);
    sam_redis_reply_free(reply);
    return status;
}

void ledger_drop_checks(sam_sync_request *sync)
{
    size_t left = 0;
    for (size_t i = 0; i < sync->result_count; i++) {
        if (sync->results[i].kind == SAM_WORK_CHECK)
            sam_free(sync->results[i].codes);
        else
            sync->results[left++] = sync->results[i];
    }
    sync->result_count = left;
}
