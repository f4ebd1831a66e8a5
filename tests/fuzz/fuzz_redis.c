/* libFuzzer target: whatever Redis answers, each transition of the ledger ends with a result or a sentence.
 *
 * The first byte chooses the transition, and whether the run is signed; the rest is what a connection answers to all
 * that is sent on it. */
#include "ledger_peer.h"

#include "base/memory.h"
#include "ledger/view.h"
#include "run/samlog.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static sam_buffer rounds; /* three of them, for an import */

static void make_rounds(const fuzz_ledger *it)
{
    sam_digest chain;
    sam_error err;
    memset(chain.bytes, 0xaa, sizeof chain.bytes);
    for (uint64_t number = 0; number < 3; number++) {
        static const uint8_t CODES[] = {1, 2};
        const sam_record record = {
            .round = number, .place = 1, .author = 7, .weight = 1, .codes = CODES, .code_count = sizeof CODES};
        sam_round round = {.number = number};
        sam_buffer encoded = {0};
        if (sam_round_add(&round, &record, &err) != SAM_OK ||
            sam_round_encode(&encoded, &round, &it->run.shape, &chain, &err) != SAM_OK)
            __builtin_trap();
        chain = round.chain;
        sam_samlog_put_round(&rounds, encoded.bytes, encoded.length);
        sam_buffer_free(&encoded);
        sam_round_free(&round);
    }
}

static sam_status end_turn(ledger_turn *turn, sam_error *err)
{
    if (turn->status != SAM_OK && (turn->err == NULL || turn->err->text[0] == 0))
        __builtin_trap();
    for (size_t i = 0; turn->status == SAM_OK && i < turn->lease_count; i++)
        if (turn->leases[i].kind < SAM_WORK_SLOT || turn->leases[i].kind > SAM_WORK_CHECK)
            __builtin_trap();
    sam_status status = turn->status;
    if (status != SAM_OK)
        *err = *turn->err;
    sam_free(turn->err);
    sam_free(turn->leases);
    return status;
}

/* Two workers, of whom one has a result to say. */
static sam_status take_turns(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    uint8_t codes[] = {1, 2};
    sam_result result = {.kind = SAM_WORK_SLOT, .codes = codes, .code_count = 2, .weight = 1};
    ledger_turn one = {.run = &it->run, .sync = {.worker = 1, .wants = 4, .results = &result, .result_count = 1}};
    ledger_turn two = {.run = &it->run, .sync = {.worker = 2, .wants = 1}, .again = true};
    bool full;
    sam_status status = ledger_turns_call(&it->ledger, redis, (ledger_turn *[]){&one, &two}, 2, &full, err);
    if (status != SAM_OK)
        return status; /* and none of them has an outcome */
    status = end_turn(&one, err);
    sam_status second = end_turn(&two, err);
    return status == SAM_OK ? second : status;
}

static sam_status check(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    uint8_t codes[] = {1, 2};
    sam_result result = {.kind = SAM_WORK_CHECK, .codes = codes, .code_count = 2, .weight = 1};
    const sam_sync_request asked = {.worker = 1, .wants = 2, .results = &result, .result_count = 1};
    sam_lease leases[LEDGER_CHECKS_MAX];
    size_t count;
    sam_status status = ledger_check(&it->ledger, redis, &it->run, &asked, leases, &count, err);
    for (size_t i = 0; status == SAM_OK && i < count; i++)
        if (leases[i].kind != SAM_WORK_CHECK)
            __builtin_trap();
    return status;
}

static sam_status import(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    uint64_t head;
    return ledger_import(&it->ledger, redis, &it->run, &(ledger_rounds){rounds.bytes, rounds.length, 0, 0}, &head, err);
}

static sam_status commit(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    return ledger_commit(&it->ledger, redis, &it->run, err);
}

static sam_status tick(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    ledger_pulse pulse;
    return ledger_tick(&it->ledger, redis, &it->run, &pulse, err);
}

static sam_status describe(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    ledger_view view;
    sam_status status = ledger_view_read(&view, &it->ledger, redis, &it->run, err);
    if (status == SAM_OK)
        ledger_view_free(&view);
    return status;
}

static sam_status read_log(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    redisReply *reply;
    sam_status status = ledger_read_log(redis, &it->run, 0, 8, &reply, err);
    if (status != SAM_OK)
        return status;
    uint64_t sum = 0;
    for (size_t i = 0; i < reply->elements && status == SAM_OK; i++) {
        const uint8_t *bytes;
        size_t length;
        status = ledger_round_of(reply, i, 0, &bytes, &length, err);
        for (size_t j = 0; status == SAM_OK && j < length; j++)
            sum += bytes[j];
    }
    (void)sum;
    sam_redis_reply_free(reply);
    return status;
}

static sam_status manifest(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    const ledger_run *found;
    return ledger_runs_find(&it->ledger.runs, redis, it->run.id, &found, err);
}

static sam_status list(fuzz_ledger *it, sam_redis *redis, sam_error *err)
{
    (void)it;
    redisReply *ids;
    sam_status status = ledger_run_ids(redis, &ids, err);
    if (status == SAM_OK)
        sam_redis_reply_free(ids);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static sam_status (*const TRANSITIONS[])(fuzz_ledger *it, sam_redis *redis, sam_error *err) = {
        take_turns, import, commit, tick, describe, read_log, manifest, list, check};
    fuzz_ledger *it = fuzz_ledger_start();
    sam_error err = {0};
    if (length == 0 || fuzz_peer_refers(bytes, length))
        return 0;
    if (rounds.length == 0)
        make_rounds(it);
    sam_redis *redis = fuzz_ledger_open(it, bytes + 1, length - 1);
    it->run.manifest->signed_records = (bytes[0] & 0x80) != 0;
    if (TRANSITIONS[(bytes[0] & 0x7f) % 9](it, redis, &err) != SAM_OK && err.text[0] == 0)
        __builtin_trap();
    fuzz_ledger_close(it, redis);
    return 0;
}
