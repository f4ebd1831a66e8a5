/* One turn of a worker: POST sync.
 *
 *     first call: decode, and into the group (group.c), which contributes and leases
 *     then:       rounds after the cursor -> reply; or, without news, suspended until follow.c or the clock wakes it,
 *                 and into the group again, for leases alone
 *
 * What was contributed is safe before the request waits for news, so a worker that loses the reply may send it again.
 */
#include "ledger/ledger.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stddef.h>
#include <string.h>

typedef struct worker_turn {
    ledger_turn turn; /* first: release gets its address */
    ledger_service *ledger;
    uint64_t until_ms; /* it waits no longer than this */
    ledger_waiter waiter;
    sam_lease checks[LEDGER_CHECKS_MAX];
    size_t check_count;
    unsigned counted; /* looks at its outcome; the first one counts what was refused */
} worker_turn;

static void turn_free(ledger_turn *turn)
{
    worker_turn *own = (worker_turn *)((char *)turn - offsetof(worker_turn, turn));
    sam_sync_request_free(&own->turn.sync);
    sam_free(own);
}

static void turn_end(void *state)
{
    worker_turn *own = state;
    ledger_follower_forget(&own->ledger->follower, &own->waiter);
    ledger_group_leave(&own->ledger->group, &own->turn);
}

static sam_status decode(worker_turn *own, sam_http_request *request, sam_error *err)
{
    size_t length;
    const uint8_t *body = sam_http_body(request, &length);
    sam_sync_request *sync = &own->turn.sync;
    sam_status status = sam_sync_request_decode(sync, body, length, err);
    if (status != SAM_OK)
        return status;
    if (sync->wait_ms > own->ledger->wait_ms_max)
        sync->wait_ms = own->ledger->wait_ms_max;
    own->until_ms = sam_monotonic_ms() + sync->wait_ms;
    own->waiter.wants_work = sync->wants > 0;
    own->waiter.ahead = sync->ahead;
    own->waiter.ticket = own->turn.ticket = sam_http_ticket_of(request);
    return SAM_OK;
}

/* Redis is asked only for a run that this copy has not met before. */
static sam_status find_run(worker_turn *own, const char *id, sam_error *err)
{
    sam_redis *redis;
    own->turn.run = ledger_runs_known(&own->ledger->runs, id);
    if (own->turn.run != NULL)
        return SAM_OK;
    sam_status status = sam_redis_borrow(own->ledger->redis, &redis, err);
    if (status != SAM_OK)
        return status;
    status = ledger_runs_find(&own->ledger->runs, redis, id, &own->turn.run, err);
    sam_redis_give_back(own->ledger->redis, redis);
    return ledger_note(own->ledger, status, err);
}

static sam_status check_signatures(const worker_turn *own, sam_http_request *request, sam_error *err)
{
    size_t length;
    const uint8_t *body = sam_http_body(request, &length);
    return ledger_check_signatures(own->ledger, own->turn.run, &own->turn.sync, body, length, err);
}

/* The first call of the handler. */
static sam_status begin(worker_turn **made, ledger_service *ledger, sam_http_request *request, sam_error *err)
{
    worker_turn *own = *made = sam_alloc(1, sizeof *own);
    if (own == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a sync request");
    own->ledger = ledger;
    own->turn.release = turn_free;
    sam_http_at_end(request, turn_end, own);
    sam_metric_add(ledger->gauge.syncs, 1, NULL);
    sam_status status = decode(own, request, err);
    if (status == SAM_OK)
        status = find_run(own, sam_http_parameter(request, "run"), err);
    return status == SAM_OK ? check_signatures(own, request, err) : status;
}

/* Opinions go to Redis before anything else of the turn: a worker that is in quarantine then is told so. Checks that it
 * is given count among what it wants. */
static sam_status check(worker_turn *own, sam_error *err)
{
    ledger_turn *turn = &own->turn;
    sam_redis *redis;
    sam_status status = SAM_OK;
    if (turn->run->manifest->verify_rate > 0) {
        status = sam_redis_borrow(own->ledger->redis, &redis, err);
        if (status != SAM_OK)
            return status;
        status = ledger_check(own->ledger, redis, turn->run, &turn->sync, own->checks, &own->check_count, err);
        sam_redis_give_back(own->ledger->redis, redis);
        (void)ledger_note(own->ledger, status, err);
    }
    ledger_drop_checks(&turn->sync);
    turn->sync.wants -= turn->sync.wants < own->check_count ? turn->sync.wants : (uint32_t)own->check_count;
    return status;
}

static sam_http_next ask(worker_turn *own, sam_http_request *request)
{
    sam_error err = {0};
    if (check(own, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    own->turn.again = sam_monotonic_ms() >= own->until_ms;
    if (!ledger_group_join(&own->ledger->group, &own->turn))
        return sam_http_answer_fail(request, SAM_UNAVAILABLE, "this ledger is stopping; ask again in a moment");
    return sam_http_await(request);
}

/* ---- the reply ---- */

static bool is_quiet(const worker_turn *own)
{
    const ledger_turn *turn = &own->turn;
    return turn->lease_count == 0 && own->check_count == 0 && turn->head == turn->sync.cursor &&
           turn->run_status != SAM_RUN_COMPLETE && !turn->sync.leaving;
}

static void encode_recent(sam_buffer *out, const sam_sync_reply *rest, ledger_round **rounds, size_t count)
{
    sam_sync_reply reply = *rest;
    const uint8_t *bytes[LEDGER_RECENT_MAX];
    size_t lengths[LEDGER_RECENT_MAX];
    for (size_t i = 0; i < count; i++) {
        bytes[i] = rounds[i]->bytes;
        lengths[i] = rounds[i]->length;
    }
    reply.rounds = bytes;
    reply.round_lengths = lengths;
    reply.round_count = count;
    sam_sync_reply_encode(out, &reply);
    for (size_t i = 0; i < count; i++)
        ledger_round_release(rounds[i]);
}

/* All but the first are remembered for others: of that one the chain before it is not here. */
static void remember(const ledger_run *run, uint64_t from, const sam_sync_reply *reply)
{
    sam_digest previous;
    for (size_t i = 0; i < reply->round_count; i++) {
        if (i > 0)
            ledger_recent_put(run->recent, from + i, &previous, reply->rounds[i], reply->round_lengths[i]);
        if (reply->round_lengths[i] < SAM_DIGEST_BYTES)
            return;
        memcpy(previous.bytes, reply->rounds[i] + reply->round_lengths[i] - SAM_DIGEST_BYTES, SAM_DIGEST_BYTES);
    }
}

static sam_status add_rounds(sam_sync_reply *reply, const ledger_turn *turn, const redisReply *log, sam_error *err)
{
    reply->rounds = sam_alloc(log->elements, sizeof *reply->rounds);
    reply->round_lengths = sam_alloc(log->elements, sizeof *reply->round_lengths);
    if (reply->rounds == NULL || reply->round_lengths == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the rounds of a sync reply");
    sam_status status = SAM_OK;
    for (size_t i = 0; i < log->elements && status == SAM_OK; i++, reply->round_count++)
        status = ledger_round_of(log, i, turn->sync.cursor, &reply->rounds[i], &reply->round_lengths[i], err);
    return status;
}

static sam_status encode_from_log(sam_buffer *out, sam_sync_reply *reply, const ledger_turn *turn, sam_redis *redis,
                                  sam_error *err)
{
    redisReply *log = NULL;
    sam_sync_reply own = {0}; /* of it, the rounds */
    /* None beyond the head that was told: what came since may be on no replica of Redis yet. */
    uint64_t behind = turn->head - turn->sync.cursor;
    uint64_t count = behind < turn->run->reach ? behind : turn->run->reach;
    sam_status status = ledger_read_log(redis, turn->run, turn->sync.cursor, count, &log, err);
    if (status == SAM_OK)
        status = add_rounds(&own, turn, log, err);
    if (status == SAM_OK) {
        remember(turn->run, turn->sync.cursor, &own);
        reply->rounds = own.rounds;
        reply->round_lengths = own.round_lengths;
        reply->round_count = own.round_count;
        sam_sync_reply_encode(out, reply);
    }
    sam_sync_reply_free(&own);
    sam_redis_reply_free(log);
    return status;
}

static sam_status encode(sam_buffer *out, ledger_service *ledger, const ledger_turn *turn, sam_error *err)
{
    ledger_round *rounds[LEDGER_RECENT_MAX];
    sam_redis *redis;
    sam_sync_reply reply = {.status = turn->run_status,
                            .head = turn->head,
                            .refused = turn->refused,
                            .leases = turn->leases,
                            .lease_count = turn->lease_count};
    if (ledger_recent_take(turn->run->recent, turn->sync.cursor, turn->head, rounds)) {
        encode_recent(out, &reply, rounds, turn->head - turn->sync.cursor);
        return SAM_OK;
    }
    sam_status status = sam_redis_borrow(ledger->redis, &redis, err);
    if (status != SAM_OK)
        return status;
    status = encode_from_log(out, &reply, turn, redis, err);
    sam_redis_give_back(ledger->redis, redis);
    return ledger_note(ledger, status, err);
}

static sam_status leave(worker_turn *own, sam_error *err)
{
    sam_redis *redis;
    sam_status status = sam_redis_borrow(own->ledger->redis, &redis, err);
    if (status != SAM_OK)
        return status;
    status = ledger_leave(own->ledger, redis, own->turn.run, own->turn.sync.worker, err);
    sam_redis_give_back(own->ledger->redis, redis);
    return ledger_note(own->ledger, status, err);
}

/* Before its other leases: the later a wrong slot is detected, the more rounds it has moved. */
static sam_status add_checks(worker_turn *own, sam_error *err)
{
    ledger_turn *turn = &own->turn;
    if (own->check_count == 0)
        return SAM_OK;
    sam_lease *all = sam_alloc(own->check_count + turn->lease_count, sizeof *all);
    if (all == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the leases of a sync request");
    memcpy(all, own->checks, own->check_count * sizeof *all);
    if (turn->lease_count > 0)
        memcpy(all + own->check_count, turn->leases, turn->lease_count * sizeof *all);
    sam_free(turn->leases);
    turn->leases = all;
    turn->lease_count += own->check_count;
    return SAM_OK;
}

static sam_http_next reply_to(worker_turn *own, sam_http_request *request)
{
    sam_buffer out = {0};
    sam_error err = {0};
    sam_status status = add_checks(own, &err);
    if (status == SAM_OK)
        status = encode(&out, own->ledger, &own->turn, &err);
    if (status == SAM_OK && own->turn.sync.leaving)
        status = leave(own, &err);
    /* Workers save the bytes of the field; a client that names the type of the request is told that of the reply. */
    const char *type = sam_http_header(request, "Content-Type") == NULL ? NULL : SAM_SYNC_CONTENT_TYPE;
    if (status == SAM_OK)
        return sam_http_answer_buffer(request, 200, type, &out);
    sam_buffer_free(&out);
    return sam_http_answer_error(request, &err);
}

static sam_http_next refuse(const ledger_turn *turn, sam_http_request *request)
{
    if (turn->err != NULL)
        return sam_http_answer_error(request, turn->err);
    return sam_http_answer_fail(request, turn->status, "no memory to say what is wrong");
}

/* The group has done it. */
static sam_http_next answer(worker_turn *own, sam_http_request *request)
{
    ledger_turn *turn = &own->turn;
    if (turn->status != SAM_OK)
        return refuse(turn, request);
    if (turn->again || !is_quiet(own))
        return reply_to(own, request);
    if (!ledger_follower_wait(&own->ledger->follower, turn->run, turn->head, &own->waiter))
        return ask(own, request); /* there are rounds that it has not seen */
    uint64_t now = sam_monotonic_ms();
    return sam_http_wait(request, now < own->until_ms ? (uint32_t)(own->until_ms - now) : 0);
}

sam_http_next ledger_sync(sam_http_request *request, void *user)
{
    ledger_service *ledger = user;
    worker_turn *own = sam_http_state(request);
    sam_error err = {0};
    if (own == NULL) {
        sam_status status = begin(&own, ledger, request, &err);
        return status == SAM_OK ? ask(own, request) : sam_http_answer_error(request, &err);
    }
    ledger_follower_forget(&ledger->follower, &own->waiter);
    switch (ledger_group_take(&ledger->group, &own->turn)) {
    case LEDGER_TURN_DONE:
        if (own->turn.status == SAM_OK && own->turn.refused > 0 && own->counted++ == 0)
            sam_metric_add(ledger->gauge.refused, own->turn.refused, NULL);
        return answer(own, request);
    case LEDGER_TURN_IDLE:
        return ask(own, request);
    default:
        return sam_http_await(request); /* woken by something else */
    }
}
