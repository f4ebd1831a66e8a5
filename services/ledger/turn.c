/* One turn of a worker: POST sync.
 *
 *     first call: decode, contribute.lua, commit where that filled the round
 *     each call:  lease.lua -> rounds after the cursor -> reply, or suspended until follow.c or the clock wakes it
 *
 * What was contributed is safe before the request is suspended, so a worker that loses the reply may send it again.
 */
#include "ledger.h"

#include "base/clock.h"
#include "base/memory.h"

#include <string.h>

/* A commit by this copy or another makes the next look useful; more than a few in a row mean that something is off. */
#define LOOKS_MAX 4

typedef struct worker_turn {
    ledger_service *ledger;
    const ledger_run *run;
    sam_sync_request asked;
    uint32_t refused;
    uint64_t until_ms; /* it waits no longer than this */
    ledger_waiter waiter;
} worker_turn;

static void turn_free(void *state)
{
    worker_turn *turn = state;
    ledger_follower_forget(&turn->ledger->follower, &turn->waiter);
    sam_sync_request_free(&turn->asked);
    sam_free(turn);
}

static sam_status decode(worker_turn *turn, sam_http_request *request, sam_error *err)
{
    size_t length;
    const uint8_t *body = sam_http_body(request, &length);
    sam_status status = sam_sync_request_decode(&turn->asked, body, length, err);
    if (status != SAM_OK)
        return status;
    if (turn->asked.wait_ms > turn->ledger->wait_ms_max)
        turn->asked.wait_ms = turn->ledger->wait_ms_max;
    turn->until_ms = sam_monotonic_ms() + turn->asked.wait_ms;
    turn->waiter.wants_work = turn->asked.wants > 0;
    turn->waiter.ticket = sam_http_ticket_of(request);
    return SAM_OK;
}

static sam_status contribute(worker_turn *turn, sam_redis *redis, sam_error *err)
{
    bool full = false;
    if (turn->asked.result_count == 0)
        return SAM_OK;
    sam_status status = ledger_contribute(turn->ledger, redis, turn->run, &turn->asked, &turn->refused, &full, err);
    if (status == SAM_OK && turn->refused > 0)
        sam_metric_add(turn->ledger->gauge.refused, turn->refused, NULL);
    return status == SAM_OK && full ? ledger_commit(turn->ledger, redis, turn->run, err) : status;
}

/* The first call of the handler. */
static sam_status begin(worker_turn **made, ledger_service *ledger, sam_redis *redis, sam_http_request *request,
                        sam_error *err)
{
    worker_turn *turn = sam_alloc(1, sizeof *turn);
    if (turn == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a sync request");
    *made = turn;
    turn->ledger = ledger;
    sam_http_at_end(request, turn_free, turn);
    sam_metric_add(ledger->gauge.syncs, 1, NULL);
    sam_status status = decode(turn, request, err);
    if (status == SAM_OK)
        status = ledger_runs_find(&ledger->runs, redis, sam_http_parameter(request, "run"), &turn->run, err);
    return status == SAM_OK ? contribute(turn, redis, err) : status;
}

/* Leases, and a commit first where the round is full and whoever filled it has not committed it. */
static sam_status lease(worker_turn *turn, sam_redis *redis, bool last_look, ledger_grant *grant, sam_error *err)
{
    for (int look = 0; look < LOOKS_MAX; look++) {
        sam_status status = ledger_lease(turn->ledger, redis, turn->run, &turn->asked, last_look, grant, err);
        if (status != SAM_OK || !grant->full)
            return status;
        status = ledger_commit(turn->ledger, redis, turn->run, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

static bool is_quiet(const worker_turn *turn, const ledger_grant *grant)
{
    bool over = grant->status == SAM_RUN_COMPLETE && grant->outstanding == 0;
    return grant->lease_count == 0 && grant->head == turn->asked.cursor && !over && !turn->asked.leaving;
}

static sam_status add_rounds(sam_sync_reply *reply, const worker_turn *turn, const redisReply *log, sam_error *err)
{
    reply->rounds = sam_alloc(log->elements, sizeof *reply->rounds);
    reply->round_lengths = sam_alloc(log->elements, sizeof *reply->round_lengths);
    if (reply->rounds == NULL || reply->round_lengths == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the rounds of a sync reply");
    sam_status status = SAM_OK;
    for (size_t i = 0; i < log->elements && status == SAM_OK; i++, reply->round_count++)
        status = ledger_round_of(log, i, turn->asked.cursor, &reply->rounds[i], &reply->round_lengths[i], err);
    return status;
}

static sam_status encode(sam_buffer *out, const worker_turn *turn, sam_redis *redis, ledger_grant *grant,
                         sam_error *err)
{
    redisReply *log = NULL;
    sam_sync_reply reply = {.status = grant->status, .head = grant->head, .refused = turn->refused};
    sam_status status = SAM_OK;
    if (grant->head > turn->asked.cursor) {
        status = ledger_read_log(redis, turn->run, turn->asked.cursor, turn->run->reach, &log, err);
        if (status == SAM_OK)
            status = add_rounds(&reply, turn, log, err);
    }
    if (status == SAM_OK) {
        reply.leases = grant->leases;
        reply.lease_count = grant->lease_count;
        sam_sync_reply_encode(out, &reply);
        reply.leases = NULL; /* the grant's own */
    }
    sam_sync_reply_free(&reply);
    sam_redis_reply_free(log);
    return status;
}

/* Fills `out`, or leaves it empty: then there is no news, and the waiter stands in the follower's list. */
static sam_status look(sam_buffer *out, worker_turn *turn, sam_redis *redis, sam_error *err)
{
    uint64_t now = sam_monotonic_ms();
    bool last_look = now >= turn->until_ms;
    ledger_grant grant;
    for (int i = 0; i < LOOKS_MAX; i++) {
        sam_status status = lease(turn, redis, last_look, &grant, err);
        if (status != SAM_OK)
            return status;
        if (last_look || !is_quiet(turn, &grant))
            break;
        if (ledger_follower_wait(&turn->ledger->follower, turn->run, grant.head, &turn->waiter))
            return SAM_OK;
    }
    sam_status status = encode(out, turn, redis, &grant, err);
    if (status == SAM_OK && turn->asked.leaving)
        status = ledger_leave(turn->ledger, redis, turn->run, turn->asked.worker, err);
    return status;
}

static sam_http_next answer(worker_turn *turn, sam_http_request *request, sam_redis *redis, sam_error *err)
{
    sam_buffer out = {0};
    sam_status status = look(&out, turn, redis, err);
    if (ledger_note(turn->ledger, status, err) != SAM_OK) {
        sam_buffer_free(&out);
        return sam_http_answer_error(request, err);
    }
    if (out.length == 0 && !out.failed) {
        uint64_t now = sam_monotonic_ms();
        return sam_http_wait(request, now < turn->until_ms ? (uint32_t)(turn->until_ms - now) : 0);
    }
    return sam_http_answer_buffer(request, 200, SAM_SYNC_CONTENT_TYPE, &out);
}

sam_http_next ledger_sync(sam_http_request *request, void *user)
{
    ledger_service *ledger = user;
    worker_turn *turn = sam_http_state(request);
    sam_redis *redis;
    sam_error err = {0};
    if (turn != NULL)
        ledger_follower_forget(&ledger->follower, &turn->waiter);
    sam_status status = sam_redis_borrow(ledger->redis, &redis, &err);
    if (status != SAM_OK)
        return sam_http_answer_error(request, &err);
    if (turn == NULL)
        status = begin(&turn, ledger, redis, request, &err);
    sam_http_next next = status == SAM_OK ? answer(turn, request, redis, &err) : sam_http_answer_error(request, &err);
    sam_redis_give_back(ledger->redis, redis);
    if (status != SAM_OK)
        ledger_note(ledger, status, &err);
    return next;
}
