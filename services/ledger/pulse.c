/* What is done to a run as a whole: pausing it, and the look at the clock that lets leases expire. */
#include "ledger/ledger.h"

sam_status ledger_pause(ledger_service *ledger, sam_redis *redis, const ledger_run *run, bool paused, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 1);
    ledger_call_text(&call, sam_schema_run_status_name(paused ? SAM_RUN_PAUSED : SAM_RUN_RUNNING));
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_PAUSE, redis, &reply, err);
    sam_redis_reply_free(reply);
    return status;
}

/* reply: status, free, work left, full */
static sam_status read_pulse(ledger_pulse *pulse, const redisReply *reply, sam_error *err)
{
    redisReply *const *each;
    const char *text;
    size_t count, length;
    uint64_t left = 0, full = 0;
    sam_status status = sam_redis_array(reply, "tick", 4, &each, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(each[0], "the status of a run", &text, &length, err);
    if (status == SAM_OK && !sam_schema_parse_run_status(&pulse->status, text))
        return sam_fail(err, SAM_CORRUPT, "a run in Redis has the status \"%.20s\"", text);
    if (status == SAM_OK)
        status = sam_redis_u64(each[1], "tick", &pulse->free, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[2], "tick", &left, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[3], "tick", &full, err);
    pulse->work_left = left == 1;
    pulse->full = full == 1;
    return status;
}

sam_status ledger_tick(ledger_service *ledger, sam_redis *redis, const ledger_run *run, ledger_pulse *pulse,
                       sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 0);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_TICK, redis, &reply, err);
    if (status == SAM_OK)
        status = read_pulse(pulse, reply, err);
    sam_redis_reply_free(reply);
    return status;
}
