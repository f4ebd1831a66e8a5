/* Rounds that were committed elsewhere: a .samlog that moves to this ledger, the past of a fork, a run that comes back
 * from a replica after Redis lost its disk. Every link of the chain is checked here; import.lua appends them at once,
 * if the log still ends where they begin. What the log has already must be the same, so an import may be repeated. */
#include "ledger/plan.h"

#include "base/memory.h"

#include <inttypes.h>
#include <string.h>

typedef struct span {
    const uint8_t *bytes;
    size_t length;
} span;

typedef struct import {
    const ledger_run *run;
    uint64_t from; /* number of the first round */
    span *rounds;
    size_t count, room;
    uint64_t head; /* of the log here */
    uint64_t past; /* rounds that it must have before there is work */
    sam_digest chain;

    /* what the new ones among them say */
    sam_digest chain_after;
    uint64_t highest_worker, records;
    sam_evaluation *evaluations;
    size_t evaluation_count, evaluation_room;
} import;

static sam_status no_memory(sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for an import");
}

/* ---- the request ---- */

static sam_status add_round(import *all, span round, sam_error *err)
{
    if (all->count == all->room) {
        size_t room = all->room == 0 ? 256 : 2 * all->room;
        span *rounds = sam_realloc(all->rounds, room, sizeof *rounds);
        if (rounds == NULL)
            return no_memory(err);
        all->rounds = rounds;
        all->room = room;
    }
    all->rounds[all->count++] = round;
    return SAM_OK;
}

/* Each: u32 length and the encoded round, numbers in order. */
static sam_status read_rounds(import *all, const uint8_t *bytes, size_t length, sam_error *err)
{
    sam_reader in = sam_reader_of(bytes, length);
    sam_status status = SAM_OK;
    while (status == SAM_OK && sam_reader_left(&in) > 0) {
        size_t at = in.at;
        uint32_t size = sam_get_u32(&in);
        const span one = {sam_get_bytes(&in, size), size};
        sam_reader number_in = sam_reader_of(one.bytes, one.bytes == NULL ? 0 : size);
        uint64_t number = sam_get_varint(&number_in);
        if (one.bytes == NULL || number_in.failed)
            return sam_fail(err, SAM_INVALID, "byte %zu: the rounds end inside one", at);
        if (all->count == 0)
            all->from = number;
        if (number != all->from + all->count || number >= all->run->manifest->rounds)
            return sam_fail(err, SAM_INVALID,
                            "byte %zu: round %" PRIu64 " stands where round %" PRIu64 " of %" PRIu64 " comes next", at,
                            number, all->from + all->count, all->run->manifest->rounds);
        status = add_round(all, one, err);
    }
    return status;
}

/* ---- what is here ---- */

static sam_status read_state(import *all, sam_redis *redis, sam_error *err)
{
    char key[SAM_SCHEMA_KEY_SIZE];
    redisReply *reply, *const *each;
    size_t count, length;
    const char *chain = NULL;
    sam_schema_key_of(key, all->run->id, SAM_KEY_STATE);
    sam_status status =
        sam_redis_words(redis, &reply, err, "HMGET", key, sam_schema_state_name(SAM_STATE_HEAD),
                        sam_schema_state_name(SAM_STATE_CHAIN), sam_schema_state_name(SAM_STATE_PAST), NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(reply, "the state of a run", 3, &each, &count, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[0], "the head of a run", &all->head, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(each[1], "the chain of a run", &chain, &length, err);
    if (status == SAM_OK && !sam_digest_parse(&all->chain, chain))
        status = sam_fail(err, SAM_CORRUPT, "run %s in Redis has no chain", all->run->id);
    if (status == SAM_OK)
        status = sam_redis_u64(each[2], "the past of a run", &all->past, err);
    sam_redis_reply_free(reply);
    return status;
}

static bool is_here(const import *all, size_t i)
{
    return all->from + i < all->head;
}

static sam_status compare_page(const import *all, sam_redis *redis, size_t first, size_t *seen, sam_error *err)
{
    redisReply *log;
    sam_status status = ledger_read_log(redis, all->run, all->from + first, all->run->reach, &log, err);
    *seen = status == SAM_OK ? log->elements : 0;
    for (size_t i = 0; status == SAM_OK && i < *seen && first + i < all->count; i++) {
        span ours = {0}, theirs = all->rounds[first + i];
        status = ledger_round_of(log, i, all->from + first, &ours.bytes, &ours.length, err);
        if (status == SAM_OK && (ours.length != theirs.length || memcmp(ours.bytes, theirs.bytes, ours.length) != 0))
            status = sam_fail(err, SAM_CONFLICT,
                              "round %" PRIu64 " of run %.12s is another one at this ledger; the two logs went apart",
                              all->from + first + i, all->run->id);
    }
    sam_redis_reply_free(log);
    return status;
}

static sam_status compare_with_log(const import *all, sam_redis *redis, sam_error *err)
{
    sam_status status = SAM_OK;
    size_t seen = 1;
    for (size_t i = 0; status == SAM_OK && seen > 0 && i < all->count && is_here(all, i); i += seen)
        status = compare_page(all, redis, i, &seen, err);
    return status;
}

/* ---- what is new ---- */

static sam_status add_evaluations(import *all, const sam_round *round, sam_error *err)
{
    size_t count = all->evaluation_count + round->evaluation_count;
    if (count > all->evaluation_room) {
        sam_evaluation *evaluations = sam_realloc(all->evaluations, 2 * count, sizeof *evaluations);
        if (evaluations == NULL)
            return no_memory(err);
        all->evaluations = evaluations;
        all->evaluation_room = 2 * count;
    }
    if (round->evaluation_count > 0)
        memcpy(all->evaluations + all->evaluation_count, round->evaluations,
               round->evaluation_count * sizeof *round->evaluations);
    all->evaluation_count = count;
    return SAM_OK;
}

static sam_status look_at(import *all, const span *bytes, sam_error *err)
{
    sam_round round;
    sam_status status = sam_round_verify(bytes->bytes, bytes->length, &all->chain_after, &all->chain_after, err);
    if (status == SAM_OK)
        status = sam_round_decode(&round, &all->run->shape, bytes->bytes, bytes->length, err);
    if (status != SAM_OK)
        return status;
    all->records += round.record_count;
    for (size_t i = 0; i < round.record_count; i++)
        if (round.records[i].author > all->highest_worker)
            all->highest_worker = round.records[i].author;
    status = add_evaluations(all, &round, err);
    sam_round_free(&round);
    return status;
}

static sam_status look_at_new(import *all, sam_error *err)
{
    sam_status status = SAM_OK;
    all->chain_after = all->chain;
    for (size_t i = 0; i < all->count && status == SAM_OK; i++)
        if (!is_here(all, i))
            status = look_at(all, &all->rounds[i], err);
    return status;
}

static void put_evaluations(ledger_call *call, const import *all)
{
    for (size_t i = 0; i < all->evaluation_count; i++) {
        char sums[SAM_SCHEMA_SUMS_SIZE];
        sam_schema_sums_of(sums, &all->evaluations[i]);
        ledger_call_u64(call, all->evaluations[i].at);
        ledger_call_copy(call, sums);
    }
}

static void put_rounds(ledger_call *call, const import *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (!is_here(all, i))
            ledger_call_bytes(call, all->rounds[i].bytes, all->rounds[i].length);
}

static sam_status call_import(const import *all, const sam_plan *plan, ledger_service *ledger, sam_redis *redis,
                              uint64_t *head, sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    char before[SAM_DIGEST_HEX], after[SAM_DIGEST_HEX];
    uint64_t end = all->from + all->count;
    sam_digest_hex(before, &all->chain);
    sam_digest_hex(after, &all->chain_after);
    ledger_call_begin(&call, all->run->id, 9 + 2 * all->evaluation_count + all->count + ledger_plan_arguments(plan));
    ledger_call_u64(&call, all->head);
    ledger_call_text(&call, before);
    ledger_call_text(&call, after);
    ledger_call_u64(&call, all->past);
    ledger_call_u64(&call, all->highest_worker);
    ledger_call_u64(&call, all->records);
    ledger_call_u64(&call, end == all->run->manifest->rounds);
    ledger_call_u64(&call, all->evaluation_count);
    ledger_call_u64(&call, end - all->head);
    put_evaluations(&call, all);
    put_rounds(&call, all);
    ledger_call_plan(&call, plan);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_IMPORT, redis, &reply, err);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "import", head, err);
    sam_redis_reply_free(reply);
    return status;
}

static sam_status append(import *all, const ledger_rounds *rounds, ledger_service *ledger, sam_redis *redis,
                         uint64_t *head, sam_error *err)
{
    sam_plan plan = {0};
    sam_status status = SAM_OK;
    uint64_t end = all->from + all->count;
    if (all->past < rounds->past)
        all->past = rounds->past;
    if (all->highest_worker < rounds->workers)
        all->highest_worker = rounds->workers;
    if (end >= all->past)
        status = ledger_plan_all(&plan, ledger, redis, all->run, end, err);
    if (status == SAM_OK)
        status = call_import(all, &plan, ledger, redis, head, err);
    sam_plan_free(&plan);
    return status;
}

static sam_status import_all(import *all, const ledger_rounds *rounds, ledger_service *ledger, sam_redis *redis,
                             uint64_t *head, sam_error *err)
{
    sam_status status = read_state(all, redis, err);
    if (status == SAM_OK && all->from > all->head)
        return sam_fail(err, SAM_CONFLICT,
                        "the rounds begin at %" PRIu64 ", but the log here has only %" PRIu64 "; send those between",
                        all->from, all->head);
    if (status == SAM_OK)
        status = compare_with_log(all, redis, err);
    if (status == SAM_OK)
        status = look_at_new(all, err);
    *head = all->head;
    if (status != SAM_OK || all->from + all->count <= all->head)
        return status;
    status = append(all, rounds, ledger, redis, head, err);
    if (status == SAM_OK)
        ledger_follower_news(&ledger->follower, all->run, *head);
    return status;
}

sam_status ledger_import(ledger_service *ledger, sam_redis *redis, const ledger_run *run, const ledger_rounds *rounds,
                         uint64_t *head, sam_error *err)
{
import all = {.run = run };
    sam_status status =
        rounds->past > run->manifest->rounds
            ? sam_fail(err, SAM_INVALID, "past: the run has %" PRIu64 " rounds in all", run->manifest->rounds)
            : read_rounds(&all, rounds->bytes, rounds->length, err);
    if (status == SAM_OK)
        status = import_all(&all, rounds, ledger, redis, head, err);
    sam_free(all.rounds);
    sam_free(all.evaluations);
    return status;
}
