#include "run/round.h"

#include "base/memory.h"
#include "seed/code.h"

#include <stdbool.h>
#include <string.h>

static sam_status no_memory(sam_error *err, uint64_t number)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for round %llu", (unsigned long long)number);
}

sam_status sam_round_init(sam_round *round, const sam_round_shape *shape, uint64_t number, sam_error *err)
{
    size_t codes;
    *round = (sam_round){.number = number};
    if (__builtin_mul_overflow((size_t)shape->slots, (size_t)shape->probes, &codes))
        return no_memory(err, number);
    round->workers = sam_alloc(shape->slots, sizeof *round->workers);
    round->codes = sam_alloc(codes, 1);
    if (round->workers == NULL || round->codes == NULL) {
        sam_round_free(round);
        return no_memory(err, number);
    }
    memset(round->codes, SAM_CODE_NONE, codes);
    return SAM_OK;
}

void sam_round_free(sam_round *round)
{
    sam_free(round->workers);
    sam_free(round->codes);
    sam_free(round->evaluations);
    *round = (sam_round){0};
}

static void chain_of(sam_digest *chain, const sam_digest *previous, const uint8_t *bytes, size_t length)
{
    sam_digest_stream stream;
    sam_digest_begin(&stream);
    sam_digest_add(&stream, previous->bytes, SAM_DIGEST_BYTES);
    sam_digest_add(&stream, bytes, length);
    sam_digest_end(&stream, chain);
}

/* ---- encoding ---- */

static bool has_no_values(const uint8_t *codes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (codes[i] != SAM_CODE_NONE)
            return false;
    return true;
}

static sam_status put_slots(sam_buffer *out, const sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    for (uint32_t slot = 0; slot < shape->slots; slot++) {
        const uint8_t *codes = round->codes + (size_t)slot * shape->probes;
        sam_put_varint(out, round->workers[slot]);
        if (round->workers[slot] != 0)
            sam_put_bytes(out, codes, shape->probes);
        else if (!has_no_values(codes, shape->probes))
            return sam_fail(err, SAM_INVALID, "round %llu, slot %u: it has codes, but no worker",
                            (unsigned long long)round->number, slot);
    }
    return SAM_OK;
}

static sam_status put_evaluations(sam_buffer *out, const sam_round *round, sam_error *err)
{
    if (round->evaluation_count > SAM_ROUND_EVALUATIONS_MAX)
        return sam_fail(err, SAM_INVALID, "round %llu has %zu evaluations; at most %u fit",
                        (unsigned long long)round->number, round->evaluation_count, SAM_ROUND_EVALUATIONS_MAX);
    sam_put_varint(out, round->evaluation_count);
    for (size_t i = 0; i < round->evaluation_count; i++) {
        const sam_evaluation *evaluation = &round->evaluations[i];
        if (evaluation->correct > evaluation->examples)
            return sam_fail(err, SAM_INVALID, "round %llu: an evaluation has more correct than examples",
                            (unsigned long long)round->number);
        sam_put_varint(out, evaluation->at);
        sam_put_varint(out, evaluation->examples);
        sam_put_varint(out, evaluation->correct);
        sam_put_varint(out, evaluation->loss_micro);
    }
    return SAM_OK;
}

sam_status sam_round_encode(sam_buffer *out, sam_round *round, const sam_round_shape *shape, const sam_digest *previous,
                            sam_error *err)
{
    size_t start = out->length;
    sam_put_varint(out, round->number);
    sam_put_varint(out, round->committed_ms);
    sam_status status = put_slots(out, round, shape, err);
    if (status == SAM_OK)
        status = put_evaluations(out, round, err);
    if (status == SAM_OK && out->failed)
        status = no_memory(err, round->number);
    if (status != SAM_OK)
        return status;
    chain_of(&round->chain, previous, out->bytes + start, out->length - start);
    sam_put_bytes(out, round->chain.bytes, SAM_DIGEST_BYTES);
    return out->failed ? no_memory(err, round->number) : SAM_OK;
}

/* ---- decoding ---- */

static sam_status corrupt(const sam_round *round, const sam_reader *in, sam_error *err, const char *what)
{
    return sam_fail(err, SAM_CORRUPT, "round %llu, byte %zu: %s", (unsigned long long)round->number, in->at, what);
}

static uint32_t get_varint_u32(sam_reader *in)
{
    uint64_t value = sam_get_varint(in);
    if (value > UINT32_MAX)
        in->failed = true;
    return in->failed ? 0 : (uint32_t)value;
}

static void get_slots(sam_reader *in, sam_round *round, const sam_round_shape *shape)
{
    for (uint32_t slot = 0; slot < shape->slots && !in->failed; slot++) {
        round->workers[slot] = get_varint_u32(in);
        const uint8_t *codes = round->workers[slot] == 0 ? NULL : sam_get_bytes(in, shape->probes);
        if (codes != NULL)
            memcpy(round->codes + (size_t)slot * shape->probes, codes, shape->probes);
    }
}

static sam_status get_evaluations(sam_reader *in, sam_round *round, sam_error *err)
{
    uint64_t count = sam_get_varint(in);
    if (in->failed)
        return corrupt(round, in, err, "it ends early, or a number is not in its shortest form");
    if (count > SAM_ROUND_EVALUATIONS_MAX)
        return corrupt(round, in, err, "more evaluations than a round may have");
    round->evaluations = sam_alloc((size_t)count, sizeof *round->evaluations);
    if (round->evaluations == NULL)
        return no_memory(err, round->number);
    for (; round->evaluation_count < count; round->evaluation_count++) {
        sam_evaluation *evaluation = &round->evaluations[round->evaluation_count];
        evaluation->at = sam_get_varint(in);
        evaluation->examples = get_varint_u32(in);
        evaluation->correct = get_varint_u32(in);
        evaluation->loss_micro = sam_get_varint(in);
        if (evaluation->correct > evaluation->examples)
            return corrupt(round, in, err, "an evaluation has more correct than examples");
    }
    return SAM_OK;
}

static sam_status get_round(sam_reader *in, sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    round->number = sam_get_varint(in);
    round->committed_ms = sam_get_varint(in);
    get_slots(in, round, shape);
    sam_status status = get_evaluations(in, round, err);
    if (status != SAM_OK)
        return status;
    const uint8_t *chain = sam_get_bytes(in, SAM_DIGEST_BYTES);
    if (chain == NULL)
        return corrupt(round, in, err, "it ends early, or a number is not in its shortest form");
    memcpy(round->chain.bytes, chain, SAM_DIGEST_BYTES);
    return sam_reader_left(in) == 0 ? SAM_OK : corrupt(round, in, err, "bytes follow its end");
}

sam_status sam_round_decode(sam_round *round, const sam_round_shape *shape, const uint8_t *bytes, size_t length,
                            sam_error *err)
{
    sam_status status = sam_round_init(round, shape, 0, err);
    if (status != SAM_OK)
        return status;
    sam_reader in = sam_reader_of(bytes, length);
    status = get_round(&in, round, shape, err);
    if (status != SAM_OK)
        sam_round_free(round);
    return status;
}

sam_status sam_round_verify(const uint8_t *bytes, size_t length, const sam_digest *previous, sam_digest *chain,
                            sam_error *err)
{
    if (length <= SAM_DIGEST_BYTES)
        return sam_fail(err, SAM_CORRUPT, "a round of %zu bytes is too short to have a chain", length);
    sam_reader in = sam_reader_of(bytes, length - SAM_DIGEST_BYTES);
    uint64_t number = sam_get_varint(&in);
    sam_digest expected;
    chain_of(&expected, previous, bytes, length - SAM_DIGEST_BYTES);
    if (memcmp(expected.bytes, bytes + length - SAM_DIGEST_BYTES, SAM_DIGEST_BYTES) != 0)
        return sam_fail(err, SAM_MISMATCH, "round %llu is not chained to the round before it: one of them was changed",
                        (unsigned long long)number);
    if (chain != NULL)
        *chain = expected;
    return SAM_OK;
}

void sam_round_chain(const uint8_t *bytes, size_t length, const sam_digest *previous, sam_digest *chain)
{
    const sam_digest before = *previous; /* may be the same as chain */
    chain_of(chain, &before, bytes, length < SAM_DIGEST_BYTES ? 0 : length - SAM_DIGEST_BYTES);
}

size_t sam_round_longest(const sam_round_shape *shape)
{
    const size_t varint = 10, worker = 5;
    return 2 * varint + shape->slots * (worker + shape->probes) + 1 + SAM_ROUND_EVALUATIONS_MAX * 4 * varint +
           SAM_DIGEST_BYTES;
}
