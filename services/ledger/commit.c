/* A full round becomes an entry of the log. What goes into it is fixed in Redis before (gather.lua), so any copy of
 * the ledger makes the same round but for the clock, and commit.lua takes the first. A copy that dies in between
 * leaves a full round behind, which the next request or tick commits. */
#include "ledger/ledger.h"

#include "base/clock.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

typedef struct gathered {
    bool full;
    sam_round round;
    sam_record *filled;  /* [places], author 0: nobody; codes are Redis' reply's */
    uint8_t *signatures; /* [slots][SAM_SIGNATURE_BYTES], where the run is signed; then without gaps */
    size_t signatures_length;
    char previous_hex[SAM_DIGEST_HEX];
    sam_digest previous;
} gathered;

static size_t signature_bytes(const ledger_run *run)
{
    return run->signed_records ? SAM_SIGNATURE_BYTES : 0;
}

/* "12:codes", and the signature, of slot */
static sam_status take_slot(gathered *all, const ledger_run *run, const redisReply *slot_reply, const redisReply *value,
                            sam_error *err)
{
    const sam_round_shape *shape = &run->shape;
    sam_round *round = &all->round;
    uint64_t slot, worker = 0;
    const char *bytes;
    size_t length, at = 0;
    sam_status status = sam_redis_u64(slot_reply, "a slot of the open round", &slot, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(value, "the codes of the open round", &bytes, &length, err);
    if (status != SAM_OK)
        return status;
    while (at < length && bytes[at] >= '0' && bytes[at] <= '9' && worker <= UINT32_MAX)
        worker = 10 * worker + (uint64_t)(bytes[at++] - '0');
    if (slot >= shape->places || worker == 0 || worker > UINT32_MAX ||
        length != at + 1 + shape->codes_most + signature_bytes(run))
        return sam_fail(err, SAM_CORRUPT, "the open round %" PRIu64 " in Redis has a slot of another shape",
                        round->number);
    all->filled[slot] = (sam_record){.round = round->number,
                                     .place = (uint32_t)slot,
                                     .author = (uint32_t)worker,
                                     .weight = 1,
                                     .loss = SAM_LOSS_NONE,
                                     .codes = (const uint8_t *)bytes + at + 1,
                                     .code_count = shape->codes_most};
    if (run->signed_records)
        memcpy(all->signatures + slot * SAM_SIGNATURE_BYTES, bytes + at + 1 + shape->codes_most, SAM_SIGNATURE_BYTES);
    return SAM_OK;
}

/* The records into the round, in the order of their places, and their signatures beside them without gaps. */
static sam_status add_records(gathered *all, const ledger_run *run, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint32_t slot = 0; slot < run->shape.places && status == SAM_OK; slot++) {
        if (all->filled[slot].author == 0)
            continue;
        status = sam_round_add(&all->round, &all->filled[slot], err);
        if (!run->signed_records)
            continue;
        memmove(all->signatures + all->signatures_length, all->signatures + (size_t)slot * SAM_SIGNATURE_BYTES,
                SAM_SIGNATURE_BYTES);
        all->signatures_length += SAM_SIGNATURE_BYTES;
    }
    return status;
}

static sam_status take_slots(gathered *all, const ledger_run *run, const redisReply *open, sam_error *err)
{
    redisReply *const *each;
    size_t count;
    all->signatures = sam_alloc(run->shape.places, SAM_SIGNATURE_BYTES);
    all->filled = sam_alloc(run->shape.places, sizeof *all->filled);
    if (all->signatures == NULL || all->filled == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the signatures of a round");
    sam_status status = sam_redis_array(open, "the open round", 2 * (size_t)run->least_slots, &each, &count, err);
    for (size_t i = 0; i + 1 < count && status == SAM_OK; i += 2)
        status = take_slot(all, run, each[i], each[i + 1], err);
    return status == SAM_OK ? add_records(all, run, err) : status;
}

static sam_status take_evaluations(sam_round *round, const redisReply *queued, sam_error *err)
{
    redisReply *const *each;
    size_t count;
    sam_status status = sam_redis_array(queued, "evaluations", 0, &each, &count, err);
    if (status != SAM_OK)
        return status;
    round->evaluations = sam_alloc(count / 2, sizeof *round->evaluations);
    if (round->evaluations == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the evaluations of a round");
    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *at, *sums;
        size_t length;
        status = sam_redis_bytes(each[i], "an evaluation", &at, &length, err);
        if (status == SAM_OK)
            status = sam_redis_bytes(each[i + 1], "an evaluation", &sums, &length, err);
        if (status != SAM_OK)
            return status;
        if (!sam_schema_parse_evaluation(&round->evaluations[round->evaluation_count++], at, sums))
            return sam_fail(err, SAM_CORRUPT, "Redis keeps \"%.60s\" as an evaluation", sums);
    }
    return SAM_OK;
}

/* reply: full, head, chain, now, open, evaluations */
static sam_status read_gathered(gathered *all, const ledger_run *run, const redisReply *reply, sam_error *err)
{
    redisReply *const *each;
    size_t count, length;
    uint64_t full = 0, head = 0;
    const char *chain;
    sam_status status = sam_redis_array(reply, "gather", 6, &each, &count, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[0], "gather", &full, err);
    all->full = full == 1;
    if (status != SAM_OK || !all->full)
        return status;
    status = sam_redis_u64(each[1], "gather", &head, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(each[2], "gather", &chain, &length, err);
    if (status == SAM_OK && !sam_digest_parse(&all->previous, chain))
        status = sam_fail(err, SAM_CORRUPT, "run %s in Redis has no chain", run->id);
    if (status != SAM_OK)
        return status;
    all->round.number = head;
    sam_digest_hex(all->previous_hex, &all->previous);
    status = sam_redis_u64(each[3], "gather", &all->round.committed_ms, err);
    if (status == SAM_OK)
        status = take_slots(all, run, each[4], err);
    return status == SAM_OK ? take_evaluations(&all->round, each[5], err) : status;
}

static sam_status gather(gathered *all, ledger_service *ledger, sam_redis *redis, const ledger_run *run, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    ledger_call_begin(&call, run->id, 0);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_GATHER, redis, &reply, err);
    if (status == SAM_OK)
        status = read_gathered(all, run, reply, err);
    sam_redis_reply_free(reply);
    return status;
}

/* `*first`: this call committed it; another copy was not faster. */
static sam_status append(gathered *all, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                         uint64_t *first, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    sam_buffer encoded = {0};
    char chain[SAM_DIGEST_HEX];
    sam_status status = sam_round_encode(&encoded, &all->round, &run->shape, &all->previous, err);
    if (status == SAM_OK) {
        sam_digest_hex(chain, &all->round.chain);
        ledger_call_begin(&call, run->id, 9);
        ledger_call_u64(&call, all->round.number);
        ledger_call_text(&call, all->previous_hex);
        ledger_call_text(&call, chain);
        ledger_call_bytes(&call, encoded.bytes, encoded.length);
        ledger_call_u64(&call, all->round.evaluation_count);
        ledger_call_u64(&call, run->verify_rate);
        ledger_call_u64(&call, randombytes_uniform(1u << 31));
        ledger_call_u64(&call, signature_bytes(run));
        ledger_call_bytes(&call, all->signatures, all->signatures_length);
        status = ledger_call_run(&call, &ledger->scripts, LEDGER_COMMIT, redis, &reply, err);
        if (status == SAM_OK)
            status = sam_redis_u64(reply, "commit", first, err);
        sam_redis_reply_free(reply);
    }
    if (status == SAM_OK && *first == 1) /* another copy's has another clock */
        ledger_recent_put(run->recent, all->round.number, &all->previous, encoded.bytes, encoded.length);
    sam_buffer_free(&encoded);
    return status;
}

sam_status ledger_commit(ledger_service *ledger, sam_redis *redis, const ledger_run *run, sam_error *err)
{
    gathered all = {0};
    uint64_t begun = sam_monotonic_ns();
    sam_status status = gather(&all, ledger, redis, run, err);
    if (status == SAM_OK && all.full) {
        uint64_t first = 0;
        status = append(&all, ledger, redis, run, &first, err);
        if (status == SAM_OK && first == 1)
            sam_metric_observe(ledger->gauge.commit_seconds, (double)(sam_monotonic_ns() - begun) * 1e-9, NULL);
        if (status == SAM_OK)
            ledger_follower_news(&ledger->follower, run, all.round.number + 1);
    }
    sam_free(all.signatures);
    sam_free(all.filled);
    sam_round_free(&all.round);
    return status;
}
