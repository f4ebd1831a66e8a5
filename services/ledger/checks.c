/* Checks: slots of committed rounds that other workers compute again, where the manifest has a verify_rate (check.lua).
 * They stand beside the group of turns (group.h), so that runs without them pay nothing. */
#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>

static bool fits(const ledger_run *run, const sam_result *result)
{
    return result->index < run->shape.places && result->code_count == run->shape.codes_most &&
           result->round < run->rounds;
}

static void put_opinions(ledger_call *call, const ledger_run *run, const sam_sync_request *asked)
{
    for (size_t i = 0; i < asked->result_count; i++) {
        const sam_result *result = &asked->results[i];
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
        sam_lease *lease = &leases[*count];
        const char *text;
        uint64_t valid_ms = 0;
        status = sam_redis_bytes(each[i], "a check", &text, &length, err);
        if (status == SAM_OK)
            status = sam_redis_u64(each[i + 1], "a check", &valid_ms, err);
        if (status != SAM_OK)
            return status;
        if (sscanf(text, "v:%" SCNu64 ":%" SCNu32, &lease->round, &lease->index) != 2 || valid_ms > UINT32_MAX)
            return sam_fail(err, SAM_CORRUPT, "Redis keeps \"%.60s\" as a check", text);
        lease->kind = SAM_WORK_CHECK;
        lease->valid_ms = (uint32_t)valid_ms;
        *count += 1;
    }
    return status;
}

sam_status ledger_check(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const sam_sync_request *asked,
                        sam_lease leases[LEDGER_CHECKS_MAX], size_t *count, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    uint32_t wants = asked->wants < LEDGER_CHECKS_MAX ? asked->wants : LEDGER_CHECKS_MAX;
    *count = 0;
    ledger_call_begin(&call, run->id, 3 + 3 * asked->result_count);
    ledger_call_u64(&call, asked->worker);
    ledger_call_u64(&call, asked->cursor);
    ledger_call_u64(&call, asked->leaving ? 0 : wants);
    put_opinions(&call, run, asked);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_CHECK, redis, &reply, err);
    if (status == SAM_OK)
        status = read_leases(reply, leases, LEDGER_CHECKS_MAX, count, err);
    sam_redis_reply_free(reply);
    return status;
}

void ledger_drop_checks(sam_sync_request *asked)
{
    size_t kept = 0;
    for (size_t i = 0; i < asked->result_count; i++) {
        if (asked->results[i].kind == SAM_WORK_CHECK)
            sam_free(asked->results[i].codes);
        else
            asked->results[kept++] = asked->results[i];
    }
    asked->result_count = kept;
}
