#include "run/wire.h"

#include "base/memory.h"
#include "run/manifest.h"

#include <string.h>

#define REQUEST_MAGIC "SYQ3"
#define REPLY_MAGIC   "SYR3"
#define MAGIC_SIZE    4
#define FLAG_LEAVING  1u
#define FLAG_SIGNED   2u
#define FLAG_AHEAD    4u
#define FLAGS_ALL     (FLAG_LEAVING | FLAG_SIGNED | FLAG_AHEAD)

/* The least bytes of one element: a count that the bytes left cannot hold is refused before memory is asked for. */
#define RESULT_LEAST 4
#define ROUND_LEAST  1
#define LEASE_LEAST  3

#define AS_BEFORE 0 /* in the place of a kind: what is told once for a row of elements is as in the one before */

/* What the element before was, from which the next one is told: results and leases come by the dozen, of one round,
 * one beside the other, the n-th lease valid n times as long as the first. */
typedef struct previous_work {
    uint8_t kind; /* 0: there was none */
    uint64_t round;
    uint32_t index, code_count, weight;
    int64_t loss;              /* of the last record */
    int64_t valid_ms, step_ms; /* of a lease, and by how much it was above the one before it */
} previous_work;

static void put_difference(sam_buffer *out, int64_t value, int64_t expected)
{
    sam_put_zigzag(out, value - expected);
}

/* A value from 0 to UINT32_MAX; `expected` is within 2^34 of 0. */
static uint32_t get_difference(sam_reader *in, int64_t expected)
{
    int64_t difference = sam_get_zigzag(in);
    bool good = difference >= -((int64_t)1 << 40) && difference <= (int64_t)1 << 40 && expected + difference >= 0 &&
                expected + difference <= UINT32_MAX;
    in->failed = in->failed || !good;
    return in->failed ? 0 : (uint32_t)(expected + difference);
}

/* Kind, round and index. */
static void put_work(sam_buffer *out, previous_work *before, uint8_t kind, uint64_t round, uint32_t index, bool same)
{
    sam_put_u8(out, same ? AS_BEFORE : kind);
    if (same) {
        put_difference(out, index, (int64_t)before->index + 1);
    } else {
        sam_put_varint(out, round);
        sam_put_varint(out, index);
    }
    before->kind = kind;
    before->round = round;
    before->index = index;
}

static bool get_magic(sam_reader *in, const char *magic)
{
    const uint8_t *bytes = sam_get_bytes(in, MAGIC_SIZE);
    return bytes != NULL && memcmp(bytes, magic, MAGIC_SIZE) == 0;
}

/* `*same`: it is as the one before. False where the kind is none. */
static bool get_work(sam_reader *in, previous_work *before, sam_work_kind *kind, uint64_t *round, uint32_t *index,
                     bool *same)
{
    uint8_t said = sam_get_u8(in);
    *same = said == AS_BEFORE;
    if (in->failed || (*same ? before->kind == 0 : sam_work_kind_of(said) == NULL))
        return false;
    if (*same) {
        *index = get_difference(in, (int64_t)before->index + 1);
    } else {
        before->kind = said;
        before->round = sam_get_varint(in);
        *index = sam_get_varint32(in);
    }
    before->index = *index;
    *kind = (sam_work_kind)before->kind;
    *round = before->round;
    return true;
}

/* Number of elements that follow: at most `most`, and no more than the bytes left can hold. */
static bool get_count(sam_reader *in, uint32_t most, size_t least_size, uint32_t *count)
{
    *count = sam_get_varint32(in);
    return !in->failed && *count <= most && *count <= sam_reader_left(in) / least_size;
}

static bool yields_record(sam_work_kind kind)
{
    return sam_work_kind_of(kind)->yields == SAM_YIELDS_RECORD;
}

sam_result sam_result_of(const sam_record *record)
{
    return (sam_result){.kind = SAM_WORK_SLOT,
                        .round = record->round,
                        .index = record->place,
                        /* read only, by those that take a const result; NOLINTNEXTLINE(performance-no-int-to-ptr) */
                        .codes = (uint8_t *)(uintptr_t)record->codes,
                        .code_count = record->code_count,
                        .weight = record->weight,
                        .loss = record->loss};
}

/* ---- request ---- */

static bool is_as_before(const previous_work *before, const sam_result *result)
{
    return before->kind == (uint8_t)result->kind && before->round == result->round &&
           (!yields_record(result->kind) ||
            (before->code_count == result->code_count && before->weight == result->weight));
}

static void put_result(sam_buffer *out, previous_work *before, const sam_result *result)
{
    bool same = is_as_before(before, result);
    put_work(out, before, (uint8_t)result->kind, result->round, result->index, same);
    sam_put_varint(out, result->elapsed_ms);
    if (yields_record(result->kind)) {
        if (!same) {
            sam_put_varint(out, result->weight);
            sam_put_varint(out, result->code_count);
        }
        sam_put_loss(out, result->loss, &before->loss);
        sam_put_bytes(out, result->codes, result->code_count);
        before->code_count = result->code_count;
        before->weight = result->weight;
    } else {
        sam_put_varint(out, result->evaluation.examples);
        sam_put_varint(out, result->evaluation.correct);
        sam_put_varint(out, result->evaluation.loss_micro);
    }
}

void sam_sync_request_encode(sam_buffer *out, const sam_sync_request *request)
{
    previous_work before = {0};
    sam_put_bytes(out, REQUEST_MAGIC, MAGIC_SIZE);
    sam_put_varint(out, request->worker);
    sam_put_varint(out, request->cursor);
    sam_put_varint(out, request->wants);
    sam_put_varint(out, request->wait_ms);
    sam_put_u8(out, (uint8_t)((request->leaving ? FLAG_LEAVING : 0) | (request->is_signed ? FLAG_SIGNED : 0) |
                              (request->ahead ? FLAG_AHEAD : 0)));
    sam_put_varint(out, request->result_count);
    for (size_t i = 0; i < request->result_count; i++) {
        put_result(out, &before, &request->results[i]);
        if (request->is_signed)
            sam_put_bytes(out, request->results[i].signature, SAM_SIGNATURE_BYTES);
    }
    if (request->is_signed)
        sam_put_bytes(out, request->signature, SAM_SIGNATURE_BYTES);
}

static sam_status bad_request(const sam_reader *in, sam_error *err, const char *what)
{
    return sam_fail(err, SAM_INVALID, "sync request, byte %zu: %s", in->at, what);
}

static sam_status get_codes(sam_reader *in, previous_work *before, sam_result *result, bool same, sam_error *err)
{
    result->weight = same ? before->weight : sam_get_varint32(in);
    result->code_count = same ? before->code_count : sam_get_varint32(in);
    result->loss = sam_get_loss(in, &before->loss);
    before->weight = result->weight;
    before->code_count = result->code_count;
    if (!in->failed && (result->code_count == 0 || result->code_count > SAM_PROBES_MAX))
        return bad_request(in, err, "a slot has 1 to 256 codes");
    const uint8_t *codes = sam_get_bytes(in, result->code_count);
    if (codes == NULL)
        return bad_request(in, err, "it ends inside a result");
    result->codes = sam_alloc(result->code_count, 1);
    if (result->codes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the codes of a sync request");
    memcpy(result->codes, codes, result->code_count);
    return SAM_OK;
}

static sam_status get_sums(sam_reader *in, sam_result *result, sam_error *err)
{
    result->evaluation.at = result->round;
    result->evaluation.examples = sam_get_varint32(in);
    result->evaluation.correct = sam_get_varint32(in);
    result->evaluation.loss_micro = sam_get_varint(in);
    if (in->failed)
        return bad_request(in, err, "it ends inside a result");
    if (result->evaluation.correct > result->evaluation.examples)
        return bad_request(in, err, "an evaluation has more correct than examples");
    return SAM_OK;
}

static sam_status get_result(sam_reader *in, previous_work *before, sam_result *result, sam_error *err)
{
    const previous_work last = *before;
    bool same;
    if (!get_work(in, before, &result->kind, &result->round, &result->index, &same))
        return bad_request(in, err,
                           in->failed
                               ? "it ends inside a result"
                               : "a result is of kind 1 (slot), 2 (evaluation), 3 (check), or 0 (as the one before)");
    result->elapsed_ms = sam_get_varint32(in);
    sam_status status =
        yields_record(result->kind) ? get_codes(in, before, result, same, err) : get_sums(in, result, err);
    if (status == SAM_OK && !same && is_as_before(&last, result))
        return bad_request(in, err, "a result that is as the one before does not say so");
    return status;
}

static sam_status get_signature(sam_reader *in, uint8_t signature[SAM_SIGNATURE_BYTES], sam_error *err)
{
    const uint8_t *bytes = sam_get_bytes(in, SAM_SIGNATURE_BYTES);
    if (bytes == NULL)
        return bad_request(in, err, "it ends inside a signature");
    memcpy(signature, bytes, SAM_SIGNATURE_BYTES);
    return SAM_OK;
}

static sam_status get_results(sam_reader *in, sam_sync_request *request, sam_error *err)
{
    uint32_t count;
    if (!get_count(in, SAM_SYNC_RESULTS_MAX, RESULT_LEAST, &count))
        return bad_request(in, err, "the number of results is above 1024, or above what the bytes hold");
    request->results = sam_alloc(count, sizeof *request->results);
    if (request->results == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the results of a sync request");
    previous_work before = {0};
    sam_status status = SAM_OK;
    for (uint32_t i = 0; i < count && status == SAM_OK; i++) {
        request->result_count++;
        status = get_result(in, &before, &request->results[i], err);
        if (status == SAM_OK && request->is_signed)
            status = get_signature(in, request->results[i].signature, err);
    }
    return status;
}

static sam_status get_request(sam_reader *in, sam_sync_request *request, sam_error *err)
{
    if (!get_magic(in, REQUEST_MAGIC))
        return bad_request(in, err, "it does not begin with SYQ3");
    request->worker = sam_get_varint32(in);
    request->cursor = sam_get_varint(in);
    request->wants = sam_get_varint32(in);
    request->wait_ms = sam_get_varint32(in);
    uint8_t flags = sam_get_u8(in);
    if (in->failed)
        return bad_request(in, err, "it ends early, or a number is too large");
    if (request->worker == 0 || flags > FLAGS_ALL)
        return bad_request(
            in, err,
            "the worker must not be 0, and of the flags only bits 0 (leaving), 1 (signed) and 2 (ahead) are "
            "known");
    request->leaving = (flags & FLAG_LEAVING) != 0;
    request->is_signed = (flags & FLAG_SIGNED) != 0;
    request->ahead = (flags & FLAG_AHEAD) != 0;
    sam_status status = get_results(in, request, err);
    if (status == SAM_OK && request->is_signed)
        status = get_signature(in, request->signature, err);
    if (status == SAM_OK && sam_reader_left(in) > 0)
        return bad_request(in, err, "bytes follow its end");
    return status;
}

sam_status sam_sync_request_decode(sam_sync_request *request, const void *bytes, size_t length, sam_error *err)
{
    *request = (sam_sync_request){0};
    sam_reader in = sam_reader_of(bytes, length);
    sam_status status = get_request(&in, request, err);
    if (status != SAM_OK)
        sam_sync_request_free(request);
    return status;
}

void sam_sync_request_free(sam_sync_request *request)
{
    for (size_t i = 0; i < request->result_count; i++)
        sam_free(request->results[i].codes);
    sam_free(request->results);
    *request = (sam_sync_request){0};
}

/* ---- reply ---- */

/* The n-th of a row of leases is worked off after n - 1 others, so its time is a step longer. */
static void put_lease(sam_buffer *out, previous_work *before, const sam_lease *lease)
{
    bool same = before->kind == (uint8_t)lease->kind && before->round == lease->round;
    int64_t expected = before->valid_ms + before->step_ms;
    put_work(out, before, (uint8_t)lease->kind, lease->round, lease->index, same);
    put_difference(out, lease->valid_ms, expected);
    before->step_ms = (int64_t)lease->valid_ms - before->valid_ms;
    before->valid_ms = lease->valid_ms;
}

void sam_sync_reply_encode(sam_buffer *out, const sam_sync_reply *reply)
{
    previous_work before = {0};
    sam_put_bytes(out, REPLY_MAGIC, MAGIC_SIZE);
    sam_put_u8(out, (uint8_t)reply->status);
    sam_put_varint(out, reply->head);
    sam_put_varint(out, reply->refused);
    sam_put_varint(out, reply->round_count);
    for (size_t i = 0; i < reply->round_count; i++) {
        sam_put_varint(out, reply->round_lengths[i]);
        sam_put_bytes(out, reply->rounds[i], reply->round_lengths[i]);
    }
    sam_put_varint(out, reply->lease_count);
    for (size_t i = 0; i < reply->lease_count; i++)
        put_lease(out, &before, &reply->leases[i]);
}

static sam_status bad_reply(const sam_reader *in, sam_error *err, const char *what)
{
    return sam_fail(err, SAM_CORRUPT, "sync reply, byte %zu: %s", in->at, what);
}

static sam_status get_rounds(sam_reader *in, sam_sync_reply *reply, sam_error *err)
{
    uint32_t count;
    if (!get_count(in, SAM_SYNC_ROUNDS_MAX, ROUND_LEAST, &count))
        return bad_reply(in, err, "the number of rounds is above 4096, or above what the bytes hold");
    reply->rounds = sam_alloc(count, sizeof *reply->rounds);
    reply->round_lengths = sam_alloc(count, sizeof *reply->round_lengths);
    if (reply->rounds == NULL || reply->round_lengths == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the rounds of a sync reply");
    for (; reply->round_count < count; reply->round_count++) {
        uint32_t length = sam_get_varint32(in);
        const uint8_t *round = sam_get_bytes(in, length);
        if (round == NULL)
            return bad_reply(in, err, "it ends inside a round");
        reply->rounds[reply->round_count] = round;
        reply->round_lengths[reply->round_count] = length;
    }
    return SAM_OK;
}

static sam_status get_lease(sam_reader *in, previous_work *before, sam_lease *lease, sam_error *err)
{
    const previous_work last = *before;
    bool same;
    if (!get_work(in, before, &lease->kind, &lease->round, &lease->index, &same))
        return bad_reply(in, err, "a lease is of kind 1 (slot), 2 (evaluation), 3 (check), or 0 (as the one before)");
    if (!same && last.kind == (uint8_t)lease->kind && last.round == lease->round)
        return bad_reply(in, err, "a lease that is as the one before does not say so");
    lease->valid_ms = get_difference(in, last.valid_ms + last.step_ms);
    before->step_ms = (int64_t)lease->valid_ms - last.valid_ms;
    before->valid_ms = lease->valid_ms;
    return in->failed ? bad_reply(in, err, "it ends inside a lease, or a number of it is too large") : SAM_OK;
}

static sam_status get_leases(sam_reader *in, sam_sync_reply *reply, sam_error *err)
{
    uint32_t count;
    previous_work before = {0};
    if (!get_count(in, SAM_SYNC_LEASES_MAX, LEASE_LEAST, &count))
        return bad_reply(in, err, "the number of leases is above 1024, or above what the bytes hold");
    reply->leases = sam_alloc(count, sizeof *reply->leases);
    if (reply->leases == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the leases of a sync reply");
    sam_status status = SAM_OK;
    while (status == SAM_OK && reply->lease_count < count)
        status = get_lease(in, &before, &reply->leases[reply->lease_count++], err);
    return status;
}

static sam_status get_reply(sam_reader *in, sam_sync_reply *reply, sam_error *err)
{
    if (!get_magic(in, REPLY_MAGIC))
        return bad_reply(in, err, "it does not begin with SYR3");
    uint8_t run_status = sam_get_u8(in);
    if (run_status > SAM_RUN_COMPLETE)
        return bad_reply(in, err, "the status is 0 (running), 1 (paused) or 2 (complete)");
    reply->status = (sam_run_status)run_status;
    reply->head = sam_get_varint(in);
    reply->refused = sam_get_varint32(in);
    sam_status status = get_rounds(in, reply, err);
    if (status == SAM_OK)
        status = get_leases(in, reply, err);
    if (status == SAM_OK && sam_reader_left(in) > 0)
        return bad_reply(in, err, "bytes follow its end");
    return status;
}

sam_status sam_sync_reply_decode(sam_sync_reply *reply, const void *bytes, size_t length, sam_error *err)
{
    *reply = (sam_sync_reply){0};
    sam_reader in = sam_reader_of(bytes, length);
    sam_status status = get_reply(&in, reply, err);
    if (status != SAM_OK)
        sam_sync_reply_free(reply);
    return status;
}

void sam_sync_reply_free(sam_sync_reply *reply)
{
    sam_free(reply->rounds);
    sam_free(reply->round_lengths);
    sam_free(reply->leases);
    *reply = (sam_sync_reply){0};
}
