#include "run/wire.h"

#include "base/memory.h"
#include "run/manifest.h"

#include <string.h>

#define REQUEST_MAGIC "SYQ1"
#define REPLY_MAGIC   "SYR1"
#define MAGIC_SIZE    4

/* The least bytes of one element: a count that the bytes left cannot hold is refused before memory is asked for. */
#define RESULT_LEAST (1 + 8 + 4 + 4 + 4)
#define ROUND_LEAST  4
#define LEASE_SIZE   (1 + 8 + 4 + 4)

static bool get_magic(sam_reader *in, const char *magic)
{
    const uint8_t *bytes = sam_get_bytes(in, MAGIC_SIZE);
    return bytes != NULL && memcmp(bytes, magic, MAGIC_SIZE) == 0;
}

static bool is_work_kind(uint8_t kind)
{
    return kind == SAM_WORK_SLOT || kind == SAM_WORK_EVALUATION;
}

/* Number of elements that follow: at most `most`, and no more than the bytes left can hold. */
static bool get_count(sam_reader *in, uint32_t most, size_t least_size, uint32_t *count)
{
    *count = sam_get_u32(in);
    return !in->failed && *count <= most && *count <= sam_reader_left(in) / least_size;
}

/* ---- request ---- */

static void put_result(sam_buffer *out, const sam_result *result)
{
    sam_put_u8(out, (uint8_t)result->kind);
    sam_put_u64(out, result->round);
    sam_put_u32(out, result->index);
    sam_put_u32(out, result->elapsed_ms);
    if (result->kind == SAM_WORK_SLOT) {
        sam_put_u32(out, result->code_count);
        sam_put_bytes(out, result->codes, result->code_count);
    } else {
        sam_put_u32(out, result->evaluation.examples);
        sam_put_u32(out, result->evaluation.correct);
        sam_put_u64(out, result->evaluation.loss_micro);
    }
}

void sam_sync_request_encode(sam_buffer *out, const sam_sync_request *request)
{
    sam_put_bytes(out, REQUEST_MAGIC, MAGIC_SIZE);
    sam_put_u32(out, request->worker);
    sam_put_u64(out, request->cursor);
    sam_put_u32(out, request->wants);
    sam_put_u32(out, request->wait_ms);
    sam_put_u8(out, request->leaving);
    sam_put_u32(out, (uint32_t)request->result_count);
    for (size_t i = 0; i < request->result_count; i++)
        put_result(out, &request->results[i]);
}

static sam_status bad_request(const sam_reader *in, sam_error *err, const char *what)
{
    return sam_fail(err, SAM_INVALID, "sync request, byte %zu: %s", in->at, what);
}

static sam_status get_codes(sam_reader *in, sam_result *result, sam_error *err)
{
    result->code_count = sam_get_u32(in);
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
    result->evaluation.examples = sam_get_u32(in);
    result->evaluation.correct = sam_get_u32(in);
    result->evaluation.loss_micro = sam_get_u64(in);
    if (in->failed)
        return bad_request(in, err, "it ends inside a result");
    if (result->evaluation.correct > result->evaluation.examples)
        return bad_request(in, err, "an evaluation has more correct than examples");
    return SAM_OK;
}

static sam_status get_result(sam_reader *in, sam_result *result, sam_error *err)
{
    uint8_t kind = sam_get_u8(in);
    if (!in->failed && !is_work_kind(kind))
        return bad_request(in, err, "a result is of kind 1 (slot) or 2 (evaluation)");
    result->kind = (sam_work_kind)kind;
    result->round = sam_get_u64(in);
    result->index = sam_get_u32(in);
    result->elapsed_ms = sam_get_u32(in);
    return result->kind == SAM_WORK_SLOT ? get_codes(in, result, err) : get_sums(in, result, err);
}

static sam_status get_results(sam_reader *in, sam_sync_request *request, sam_error *err)
{
    uint32_t count;
    if (!get_count(in, SAM_SYNC_RESULTS_MAX, RESULT_LEAST, &count))
        return bad_request(in, err, "the number of results is above 1024, or above what the bytes hold");
    request->results = sam_alloc(count, sizeof *request->results);
    if (request->results == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the results of a sync request");
    sam_status status = SAM_OK;
    for (uint32_t i = 0; i < count && status == SAM_OK; i++) {
        request->result_count++;
        status = get_result(in, &request->results[i], err);
    }
    return status;
}

static sam_status get_request(sam_reader *in, sam_sync_request *request, sam_error *err)
{
    if (!get_magic(in, REQUEST_MAGIC))
        return bad_request(in, err, "it does not begin with SYQ1");
    request->worker = sam_get_u32(in);
    request->cursor = sam_get_u64(in);
    request->wants = sam_get_u32(in);
    request->wait_ms = sam_get_u32(in);
    uint8_t leaving = sam_get_u8(in);
    if (in->failed)
        return bad_request(in, err, "it ends early");
    if (request->worker == 0 || leaving > 1)
        return bad_request(in, err, "the worker must not be 0, and leaving is 0 or 1");
    request->leaving = leaving == 1;
    sam_status status = get_results(in, request, err);
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

void sam_sync_reply_encode(sam_buffer *out, const sam_sync_reply *reply)
{
    sam_put_bytes(out, REPLY_MAGIC, MAGIC_SIZE);
    sam_put_u8(out, (uint8_t)reply->status);
    sam_put_u64(out, reply->head);
    sam_put_u32(out, reply->refused);
    sam_put_u32(out, (uint32_t)reply->round_count);
    for (size_t i = 0; i < reply->round_count; i++) {
        sam_put_u32(out, (uint32_t)reply->round_lengths[i]);
        sam_put_bytes(out, reply->rounds[i], reply->round_lengths[i]);
    }
    sam_put_u32(out, (uint32_t)reply->lease_count);
    for (size_t i = 0; i < reply->lease_count; i++) {
        sam_put_u8(out, (uint8_t)reply->leases[i].kind);
        sam_put_u64(out, reply->leases[i].round);
        sam_put_u32(out, reply->leases[i].index);
        sam_put_u32(out, reply->leases[i].valid_ms);
    }
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
        uint32_t length = sam_get_u32(in);
        const uint8_t *round = sam_get_bytes(in, length);
        if (round == NULL)
            return bad_reply(in, err, "it ends inside a round");
        reply->rounds[reply->round_count] = round;
        reply->round_lengths[reply->round_count] = length;
    }
    return SAM_OK;
}

static sam_status get_leases(sam_reader *in, sam_sync_reply *reply, sam_error *err)
{
    uint32_t count;
    if (!get_count(in, SAM_SYNC_LEASES_MAX, LEASE_SIZE, &count))
        return bad_reply(in, err, "the number of leases is above 1024, or above what the bytes hold");
    reply->leases = sam_alloc(count, sizeof *reply->leases);
    if (reply->leases == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the leases of a sync reply");
    for (; reply->lease_count < count; reply->lease_count++) {
        sam_lease *lease = &reply->leases[reply->lease_count];
        uint8_t kind = sam_get_u8(in);
        if (!is_work_kind(kind))
            return bad_reply(in, err, "a lease is of kind 1 (slot) or 2 (evaluation)");
        lease->kind = (sam_work_kind)kind;
        lease->round = sam_get_u64(in);
        lease->index = sam_get_u32(in);
        lease->valid_ms = sam_get_u32(in);
    }
    return SAM_OK;
}

static sam_status get_reply(sam_reader *in, sam_sync_reply *reply, sam_error *err)
{
    if (!get_magic(in, REPLY_MAGIC))
        return bad_reply(in, err, "it does not begin with SYR1");
    uint8_t run_status = sam_get_u8(in);
    if (run_status > SAM_RUN_COMPLETE)
        return bad_reply(in, err, "the status is 0 (running), 1 (paused) or 2 (complete)");
    reply->status = (sam_run_status)run_status;
    reply->head = sam_get_u64(in);
    reply->refused = sam_get_u32(in);
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
