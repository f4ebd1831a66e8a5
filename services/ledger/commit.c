/* A full round becomes an entry of the log. What goes into it is fixed in Redis before (gather.lua), so any copy of
 * the ledger makes the same round but for the clock, and commit.lua takes the first. A copy that dies in between
 * leaves a full round behind, which the next request or tick commits. */
#include "ledger/open_record.h"
#include "ledger/plan.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

typedef struct gathered {
    bool full;
    sam_round round;
    sam_buffer signatures; /* of the records, in their order; where the run is signed */
    char previous_hex[SAM_DIGEST_HEX];
    sam_digest previous;
} gathered;

static void gathered_free(gathered *all)
{
    sam_round_free(&all->round);
    sam_buffer_free(&all->signatures);
}

/* ---- what Redis has of it ---- */

/* "s:41:3" of round 41: place 3. False: it is another. */
static bool parse_place(uint32_t *place, const char *prefix, const char *work)
{
    uint64_t number;
    size_t length = strlen(prefix);
    if (strncmp(work, prefix, length) != 0 || !sam_parse_u64(work + length, &number) || number > UINT32_MAX)
        return false;
    *place = (uint32_t)number;
    return true;
}

/* values[place]: where the reply has its record. */
static sam_status sort_by_place(const redisReply **values, const ledger_run *run, uint64_t round,
                                redisReply *const *pairs, size_t count, sam_error *err)
{
    char prefix[SAM_WORK_TEXT];
    sam_work_write(prefix, &(sam_work){SAM_WORK_SLOT, round, 0});
    prefix[strlen(prefix) - 1] = 0; /* "s:41:" */
    for (size_t i = 0; i + 1 < count; i += 2) {
        uint32_t place;
        const char *work;
        size_t length;
        sam_status status = sam_redis_bytes(pairs[i], "the work of an open round", &work, &length, err);
        if (status != SAM_OK)
            return status;
        if (!parse_place(&place, prefix, work) || place >= run->shape.places)
            return sam_fail(err, SAM_CORRUPT, "Redis has \"%.40s\" among the records of round %" PRIu64, work, round);
        values[place] = pairs[i + 1];
    }
    return SAM_OK;
}

static sam_status take_record(gathered *all, const ledger_run *run, const redisReply *value, uint32_t place,
                              sam_error *err)
{
    sam_record record = {.round = all->round.number, .place = place};
    const uint8_t *signature;
    const char *bytes;
    size_t length;
    sam_status status = sam_redis_bytes(value, "a record of the open round", &bytes, &length, err);
    if (status != SAM_OK)
        return status;
    if (!ledger_open_record_get(&record, &signature, bytes, length, run->manifest->signed_records) ||
        sam_round_shape_refuses(&run->shape, &record) != NULL)
        return sam_fail(err, SAM_CORRUPT, "the open round %" PRIu64 " in Redis has something else at place %" PRIu32,
                        record.round, place);
    if (signature != NULL)
        sam_put_bytes(&all->signatures, signature, SAM_SIGNATURE_BYTES);
    return sam_round_add(&all->round, &record, err);
}

/* reply: work and value in turn */
static sam_status take_records(gathered *all, const ledger_run *run, const redisReply *records, sam_error *err)
{
    redisReply *const *pairs;
    size_t count;
    sam_status status = sam_redis_array(records, "the open round", 0, &pairs, &count, err);
    const redisReply **values = sam_alloc(run->shape.places, sizeof *values);
    if (values == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the records of a round");
    if (status == SAM_OK)
        status = sort_by_place(values, run, all->round.number, pairs, count, err);
    for (uint32_t place = 0; place < run->shape.places && status == SAM_OK; place++)
        if (values[place] != NULL)
            status = take_record(all, run, values[place], place, err);
    sam_free(values);
    if (status == SAM_OK && all->signatures.failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the signatures of a round");
    return status;
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

enum { FULL, HEAD, CHAIN, NOW, RECORDS, LAPSED, EVALUATIONS, PARTS };

static sam_status read_head(gathered *all, const ledger_run *run, redisReply *const *parts, sam_error *err)
{
    const char *chain;
    size_t length;
    sam_status status = sam_redis_u64(parts[HEAD], "gather", &all->round.number, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(parts[CHAIN], "gather", &chain, &length, err);
    if (status == SAM_OK && !sam_digest_parse(&all->previous, chain))
        status = sam_fail(err, SAM_CORRUPT, "run %s in Redis has no chain", run->id);
    if (status != SAM_OK)
        return status;
    sam_digest_hex(all->previous_hex, &all->previous);
    return sam_redis_u64(parts[NOW], "gather", &all->round.committed_ms, err);
}

static sam_status read_gathered(gathered *all, const ledger_run *run, const redisReply *reply, sam_error *err)
{
    redisReply *const *parts;
    size_t count;
    uint64_t full = 0;
    sam_status status = sam_redis_array(reply, "gather", PARTS, &parts, &count, err);
    if (status == SAM_OK)
        status = sam_redis_u64(parts[FULL], "gather", &full, err);
    all->full = full == 1;
    if (status != SAM_OK || !all->full)
        return status;
    status = read_head(all, run, parts, err);
    if (status == SAM_OK)
        status = take_records(all, run, parts[RECORDS], err);
    return status == SAM_OK ? take_evaluations(&all->round, parts[EVALUATIONS], err) : status;
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

/* ---- the commit ---- */

/* A share of verify_rate in 256, in a verified run. */
static bool is_drawn(uint32_t verify_rate)
{
    return randombytes_random() % 256 < verify_rate;
}

/* Of a verified run each record is told, so that Lua can ask other workers for a second opinion. */
static void put_opinions(ledger_call *call, const ledger_run *run, const sam_round *round)
{
    uint32_t rate = run->manifest->verify_rate;
    size_t count = rate == 0 ? 0 : round->record_count;
    ledger_call_u64(call, count);
    for (size_t i = 0; i < count; i++) {
        const sam_record *record = &round->records[i];
        ledger_call_u64(call, record->place);
        ledger_call_u64(call, record->author);
        ledger_call_bytes(call, record->codes, record->code_count);
        ledger_call_u64(call, is_drawn(rate));
    }
}

static sam_status call_commit(const gathered *all, const sam_buffer *encoded, const sam_plan *plan,
                              ledger_service *ledger, sam_redis *redis, const ledger_run *run, uint64_t *first,
                              sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    char chain[SAM_DIGEST_HEX];
    const sam_round *round = &all->round;
    sam_digest_hex(chain, &round->chain);
    ledger_call_begin(&call, run->id, 8 + 4 * round->record_count + ledger_plan_arguments(plan));
    ledger_call_u64(&call, round->number);
    ledger_call_text(&call, all->previous_hex);
    ledger_call_text(&call, chain);
    ledger_call_bytes(&call, encoded->bytes, encoded->length);
    ledger_call_bytes(&call, all->signatures.length == 0 ? "" : (const char *)all->signatures.bytes,
                      all->signatures.length);
    ledger_call_u64(&call, round->evaluation_count);
    ledger_call_u64(&call, round->number + 1 == run->manifest->rounds);
    put_opinions(&call, run, round);
    ledger_call_plan(&call, plan);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_COMMIT, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "commit", first, err);
    sam_redis_reply_free(reply);
    return status;
}

/* `*first`: this call committed it; another copy was not faster. */
static sam_status append(gathered *all, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                         uint64_t *first, sam_error *err)
{
    sam_buffer encoded = {0};
    sam_plan plan = {0};
    sam_status status = sam_round_encode(&encoded, &all->round, &run->shape, &all->previous, err);
    if (status == SAM_OK)
        status = ledger_plan_commit(&plan, ledger, redis, run, all->round.number, err);
    if (status == SAM_OK)
        status = call_commit(all, &encoded, &plan, ledger, redis, run, first, err);
    if (status == SAM_OK && *first == 1) /* another copy's has another clock */
        ledger_recent_put(run->recent, all->round.number, &all->previous, encoded.bytes, encoded.length);
    sam_plan_free(&plan);
    sam_buffer_free(&encoded);
    return status;
}

static sam_status commit_one(ledger_service *ledger, sam_redis *redis, const ledger_run *run, bool *was_full,
                             sam_error *err)
{
    gathered all = {0};
    uint64_t first = 0, begun = sam_monotonic_ns();
    sam_status status = gather(&all, ledger, redis, run, err);
    *was_full = all.full;
    if (status == SAM_OK && all.full) {
        status = append(&all, ledger, redis, run, &first, err);
        if (status == SAM_OK && first == 1)
            sam_metric_observe(ledger->gauge.commit_seconds, (double)(sam_monotonic_ns() - begun) * 1e-9, NULL);
        if (status == SAM_OK)
            ledger_follower_news(&ledger->follower, run, all.round.number + 1);
    }
    gathered_free(&all);
    return status;
}

/* Behind the first, as many rounds may be full as were open beside it. */
sam_status ledger_commit(ledger_service *ledger, sam_redis *redis, const ledger_run *run, sam_error *err)
{
    bool was_full = true;
    sam_status status = SAM_OK;
    for (uint32_t i = 0; i <= run->manifest->lag && was_full && status == SAM_OK; i++)
        status = commit_one(ledger, redis, run, &was_full, err);
    return status;
}
