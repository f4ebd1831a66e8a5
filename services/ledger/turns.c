/* The call of turns.lua: what many syncs of one run ask, and what came of each. */
#include "ledger/group.h"

#include "base/memory.h"
#include "ledger/ledger.h"
#include "ledger/open_record.h"

#include <stdlib.h>
#include <string.h>

/* Sums of 1024 chunks stay exact in Lua's numbers and fit the log's fields. */
#define CHUNK_LOSS_MAX     ((uint64_t)1 << 43)
#define CHUNK_EXAMPLES_MAX (1u << 22)

#define ARGUMENTS_OF_TURN   8
#define ARGUMENTS_OF_RESULT 5
#define REPLY_HEAD          3 /* head, chain, full */

/* ---- what is sync ---- */

/* What Lua takes, a commit must be able to encode. */
static bool fits(const ledger_run *run, uint32_t worker, const sam_result *result)
{
    const sam_record record = {.round = result->round,
                               .place = result->index,
                               .author = worker,
                               .weight = result->weight,
                               .code_count = result->code_count};
    if (result->kind == SAM_WORK_SLOT)
        return result->round < run->manifest->rounds && sam_round_shape_refuses(&run->shape, &record) == NULL;
    return result->index < run->manifest->evaluation.chunks && result->round <= run->manifest->rounds &&
           result->evaluation.loss_micro <= CHUNK_LOSS_MAX && result->evaluation.examples <= CHUNK_EXAMPLES_MAX;
}

static size_t results_of(const ledger_turn *turn)
{
    return turn->contributed ? 0 : turn->sync.result_count;
}

static void put_record(ledger_call *call, const sam_result *result, bool is_signed, sam_buffer *bytes)
{
    sam_buffer_clear(bytes);
    ledger_open_record_put(bytes, result, is_signed);
    ledger_call_copy_bytes(call, bytes->failed ? NULL : bytes->bytes, bytes->length);
}

static void put_sums(ledger_call *call, const sam_evaluation *evaluation)
{
    char sums[SAM_SCHEMA_SUMS_SIZE];
    sam_schema_sums_of(sums, evaluation);
    ledger_call_copy(call, sums);
}

static void put_result(ledger_call *call, const ledger_run *run, const sam_result *result, sam_buffer *bytes)
{
    const char letter[] = {sam_work_kind_of(result->kind)->letter, 0};
    ledger_call_copy(call, letter);
    ledger_call_u64(call, result->round);
    ledger_call_u64(call, result->index);
    ledger_call_u64(call, result->elapsed_ms);
    if (result->kind == SAM_WORK_SLOT)
        put_record(call, result, run->manifest->signed_records, bytes);
    else
        put_sums(call, &result->evaluation);
}

static void put_turn(ledger_call *call, const ledger_turn *turn, sam_buffer *bytes)
{
    const sam_sync_request *sync = &turn->sync;
    size_t good = 0, count = results_of(turn);
    for (size_t i = 0; i < count; i++)
        good += fits(turn->run, sync->worker, &sync->results[i]);
    ledger_call_u64(call, sync->worker);
    ledger_call_u64(call, sync->cursor);
    ledger_call_u64(call, sync->wants > SAM_SYNC_LEASES_MAX ? SAM_SYNC_LEASES_MAX : sync->wants);
    ledger_call_u64(call, sync->ahead);
    ledger_call_u64(call, turn->again);
    ledger_call_u64(call, sync->wait_ms);
    ledger_call_u64(call, count - good);
    ledger_call_u64(call, good);
    for (size_t i = 0; i < count; i++)
        if (fits(turn->run, sync->worker, &sync->results[i]))
            put_result(call, turn->run, &sync->results[i], bytes);
}

/* ---- what came of it ---- */

/* "s:12:3 60000" at *text, which moves on. */
static bool read_lease(sam_lease *lease, const char **text)
{
    char *at;
    const sam_work_row *row = sam_work_kind_by_letter(**text);
    if (row == NULL || (*text)[1] != ':')
        return false;
    lease->kind = row->kind;
    lease->round = strtoull(*text + 2, &at, 10);
    if (*at != ':')
        return false;
    unsigned long index = strtoul(at + 1, &at, 10);
    if (*at != ' ')
        return false;
    unsigned long valid_ms = strtoul(at + 1, &at, 10);
    lease->index = (uint32_t)index;
    lease->valid_ms = (uint32_t)valid_ms;
    *text = at;
    return index <= UINT32_MAX && valid_ms <= UINT32_MAX;
}

/* "running " at *text, which moves on. */
static bool read_status(sam_run_status *status, const char **text)
{
    char name[12];
    size_t length = strcspn(*text, " ");
    if (length >= sizeof name || (*text)[length] != ' ')
        return false;
    memcpy(name, *text, length);
    name[length] = 0;
    *text += length + 1;
    return sam_schema_parse_run_status(status, name);
}

static size_t count_spaces(const char *text)
{
    size_t count = 0;
    for (; *text != 0; text++)
        count += *text == ' ';
    return count;
}

/* " s:12:3 60000 s:12:4 120000": `count` leases. */
static bool read_leases(sam_lease *leases, size_t count, const char *text)
{
    bool good = true;
    for (size_t i = 0; i < count && good; i++) {
        good = *text == ' ';
        text++;
        good = good && read_lease(&leases[i], &text);
    }
    return good && *text == 0;
}

/* "running 2 s:12:3 60000 s:12:4 120000": status, refused, then leases. */
static sam_status read_outcome(ledger_turn *turn, const char *text, sam_error *err)
{
    char *end;
    const char *at = text;
    bool good = read_status(&turn->run_status, &at);
    unsigned long refused = strtoul(at, &end, 10);
    size_t parts = count_spaces(end);
    good = good && end != at && refused <= UINT32_MAX && parts % 2 == 0;
    if (good && parts > 0) {
        turn->leases = sam_alloc(parts / 2, sizeof *turn->leases);
        if (turn->leases == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "no memory for the leases of a sync request");
        turn->lease_count = parts / 2;
    }
    if (!good || !read_leases(turn->leases, turn->lease_count, end))
        return sam_fail(err, SAM_CORRUPT, "Redis answered a turn with \"%.60s\"", text);
    turn->refused = turn->contributed ? turn->refused : (uint32_t)refused;
    turn->contributed = true;
    return SAM_OK;
}

static void read_turn(ledger_turn *turn, const redisReply *reply)
{
    sam_error err = {0};
    const char *text;
    size_t length;
    turn->status = sam_redis_error_of(reply, &err);
    if (turn->status == SAM_OK)
        turn->status = sam_redis_bytes(reply, "a turn", &text, &length, &err);
    if (turn->status == SAM_OK)
        turn->status = read_outcome(turn, text, &err);
    if (turn->status == SAM_OK)
        return;
    turn->err = sam_alloc(1, sizeof *turn->err);
    if (turn->err != NULL)
        *turn->err = err;
}

static sam_status read_reply(ledger_turn **turns, size_t count, const redisReply *reply, bool *full, sam_error *err)
{
    redisReply *const *each;
    uint64_t head = 0, is_full = 0;
    const char *chain;
    size_t length;
    sam_status status = sam_redis_array(reply, "turns", REPLY_HEAD + count, &each, &length, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[0], "the head of a run", &head, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(each[1], "the chain of a run", &chain, &length, err);
    if (status == SAM_OK)
        status = sam_redis_u64(each[2], "turns", &is_full, err);
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < count; i++) {
        turns[i]->head = head;
        read_turn(turns[i], each[REPLY_HEAD + i]);
    }
    ledger_recent_check(turns[0]->run->recent, head, chain);
    *full = is_full == 1;
    return SAM_OK;
}

sam_status ledger_turns_call(ledger_service *ledger, sam_redis *redis, ledger_turn **turns, size_t count, bool *full,
                             sam_error *err)
{
    ledger_call call;
    redisReply *reply;
    sam_buffer bytes = {0};
    size_t arguments = 1;
    for (size_t i = 0; i < count; i++)
        arguments += ARGUMENTS_OF_TURN + ARGUMENTS_OF_RESULT * results_of(turns[i]);
    ledger_call_begin(&call, turns[0]->run->id, arguments);
    ledger_call_u64(&call, turns[0]->run->reach);
    for (size_t i = 0; i < count; i++)
        put_turn(&call, turns[i], &bytes);
    sam_buffer_free(&bytes);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_TURNS, redis, &reply, err);
    if (status == SAM_OK)
        status = read_reply(turns, count, reply, full, err);
    sam_redis_reply_free(reply);
    return status;
}
