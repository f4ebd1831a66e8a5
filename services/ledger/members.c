/* Workers come and go. */
#include "ledger/ledger.h"

sam_status ledger_join(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const ledger_newcomer *newcomer,
                       uint32_t *worker, uint64_t *head, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    redisReply *const *each;
    size_t count;
    uint64_t number = 0;
    ledger_call_begin(&call, run->id, 5);
    ledger_call_text(&call, newcomer->name);
    ledger_call_u64(&call, newcomer->threads);
    ledger_call_text(&call, newcomer->kernel);
    ledger_call_u64(&call, newcomer->evaluates);
    ledger_call_text(&call, newcomer->key);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_JOIN, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_array(reply, "join", 2, &each, &count, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[0], "the number of a worker", &number, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[1], "the head of a run", head, err);
    sam_redis_reply_free(reply);
    if (status == SAM_OK && (number == 0 || number > UINT32_MAX))
        return sam_fail(err, SAM_CONFLICT, "the run has had more workers than it has numbers for");
    *worker = (uint32_t)number;
    return status;
}

sam_status ledger_leave(ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint32_t worker,
                        sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 1);
    ledger_call_u64(&call, worker);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_LEAVE, redis, &reply, err);
    sam_redis_reply_free(reply);
    return status;
}
