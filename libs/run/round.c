#include "run/round.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static sam_status no_memory(sam_error *err, uint64_t number)
{
    return sam_fail(err, SAM_NO_MEMORY, "no memory for round %llu", (unsigned long long)number);
}

void sam_round_free(sam_round *round)
{
    sam_free(round->records);
    sam_buffer_free(&round->codes);
    sam_free(round->evaluations);
    *round = (sam_round){0};
}

/* ---- records ---- */

static bool make_room(sam_round *round)
{
    if (round->record_count < round->record_room)
        return true;
    size_t room = round->record_room == 0 ? 8 : 2 * round->record_room;
    sam_record *records = sam_realloc(round->records, room, sizeof *records);
    if (records == NULL)
        return false;
    round->records = records;
    round->record_room = room;
    return true;
}

/* The buffer of the codes may have moved. */
static void point_to_codes(sam_round *round)
{
    size_t at = 0;
    for (size_t i = 0; i < round->record_count; i++) {
        round->records[i].codes = round->codes.bytes + at;
        at += round->records[i].code_count;
    }
}

sam_status sam_round_add(sam_round *round, const sam_record *record, sam_error *err)
{
    const uint8_t *before = round->codes.bytes;
    if (!make_room(round))
        return no_memory(err, round->number);
    sam_put_bytes(&round->codes, record->codes, record->code_count);
    if (round->codes.failed)
        return no_memory(err, round->number);
    sam_record *added = &round->records[round->record_count++];
    *added = *record;
    added->codes = round->codes.bytes + round->codes.length - record->code_count;
    if (round->codes.bytes != before)
        point_to_codes(round);
    return SAM_OK;
}

const sam_record *sam_round_at(const sam_round *round, uint32_t place)
{
    for (size_t i = 0; i < round->record_count; i++)
        if (round->records[i].place == place && round->records[i].round == round->number)
            return &round->records[i];
    return NULL;
}

double sam_round_loss(const sam_round *round)
{
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < round->record_count; i++) {
        if (round->records[i].loss == SAM_LOSS_NONE)
            continue;
        sum += sam_loss_in_nats(round->records[i].loss);
        count++;
    }
    return count == 0 ? (double)NAN : sum / (double)count;
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

/* FORMAT 1 */
static sam_status put_records(sam_buffer *out, const sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    for (uint32_t place = 0; place < shape->places; place++) {
        const sam_record *record = sam_round_at(round, place);
        sam_put_varint(out, record == NULL ? 0 : record->author);
        if (record != NULL)
            sam_put_bytes(out, record->codes, record->code_count);
    }
    (void)err;
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
    sam_status status = put_records(out, round, shape, err);
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

static sam_status get_records(sam_reader *in, sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint32_t place = 0; place < shape->places && !in->failed && status == SAM_OK; place++) {
        sam_record record = {.round = round->number,
                             .place = place,
                             .weight = 1,
                             .loss = SAM_LOSS_NONE,
                             .code_count = shape->codes_most};
        record.author = sam_get_varint32(in);
        record.codes = record.author == 0 ? NULL : sam_get_bytes(in, shape->codes_most);
        if (record.codes != NULL)
            status = sam_round_add(round, &record, err);
    }
    return status;
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
        evaluation->examples = sam_get_varint32(in);
        evaluation->correct = sam_get_varint32(in);
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
    sam_status status = get_records(in, round, shape, err);
    if (status == SAM_OK)
        status = get_evaluations(in, round, err);
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
    *round = (sam_round){0};
    sam_reader in = sam_reader_of(bytes, length);
    sam_status status = get_round(&in, round, shape, err);
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
    const size_t varint = 10, record = 40;
    return 2 * varint + shape->places * (record + (size_t)shape->codes_most) + 1 +
           SAM_ROUND_EVALUATIONS_MAX * 4 * varint + SAM_DIGEST_BYTES;
}
