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

/* What neighbouring records mostly have in common: told once for a run of them. */
typedef struct head {
    uint64_t late;
    uint64_t step; /* of the place, from the one that comes next: places ascend within an origin */
    uint32_t weight, code_count;
} head;

static bool same_head(const head *a, const head *b)
{
    return a->late == b->late && a->step == b->step && a->weight == b->weight && a->code_count == b->code_count;
}

/* The place that comes next after record i - 1, for a record of this origin. */
static uint64_t next_place(const sam_round *round, size_t i, uint64_t origin)
{
    return i == 0 || round->records[i - 1].round != origin ? 0 : (uint64_t)round->records[i - 1].place + 1;
}

static head head_of(const sam_round *round, size_t i)
{
    const sam_record *record = &round->records[i];
    return (head){round->number - record->round, record->place - next_place(round, i, record->round), record->weight,
                  record->code_count};
}

static void put_heads(sam_buffer *out, const sam_round *round)
{
    for (size_t i = 0, next; i < round->record_count; i = next) {
        const head first = head_of(round, i);
        for (next = i + 1; next < round->record_count; next++) {
            const head other = head_of(round, next);
            if (!same_head(&first, &other))
                break;
        }
        sam_put_varint(out, next - i - 1);
        sam_put_varint(out, first.late);
        sam_put_varint(out, first.step);
        sam_put_varint(out, first.weight);
        sam_put_varint(out, first.code_count);
    }
}

const char *sam_round_shape_refuses(const sam_round_shape *shape, const sam_record *record)
{
    if (record->place >= shape->places)
        return "the run has no such place";
    if (record->author == 0 || record->weight == 0)
        return "it has no author, or no weight";
    if (record->weight > shape->weight_most)
        return "it has more weight than its mode allows";
    if (record->code_count < shape->codes_least || record->code_count > shape->codes_most)
        return "it has another number of codes than the run's records";
    return NULL;
}

/* What is wrong with record i; NULL: nothing. */
static const char *problem_of(const sam_round *round, const sam_round_shape *shape, size_t i)
{
    const sam_record *record = &round->records[i], *before = i == 0 ? NULL : &round->records[i - 1];
    if (record->round > round->number || round->number - record->round > shape->late_most)
        return "its origin is another round than its mode allows";
    if (before != NULL &&
        (before->round > record->round || (before->round == record->round && before->place >= record->place)))
        return "it does not stand in the order of origins, or is there twice";
    return sam_round_shape_refuses(shape, record);
}

static sam_status check_records(const sam_round *round, const sam_round_shape *shape, sam_status code, sam_error *err)
{
    for (size_t i = 0; i < round->record_count; i++) {
        const char *problem = problem_of(round, shape, i);
        if (problem != NULL)
            return sam_fail(err, code, "round %llu, record %zu, of place %u: %s", (unsigned long long)round->number, i,
                            round->records[i].place, problem);
    }
    return SAM_OK;
}

static sam_status put_records(sam_buffer *out, const sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    sam_status status = check_records(round, shape, SAM_INVALID, err);
    int64_t author = 0, loss = 0;
    if (status != SAM_OK)
        return status;
    sam_put_varint(out, round->record_count);
    put_heads(out, round);
    for (size_t i = 0; i < round->record_count; i++) {
        sam_put_zigzag(out, round->records[i].author - author);
        author = round->records[i].author;
    }
    for (size_t i = 0; i < round->record_count; i++)
        sam_put_loss(out, round->records[i].loss, &loss);
    for (size_t i = 0; i < round->record_count; i++)
        sam_put_bytes(out, round->records[i].codes, round->records[i].code_count);
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

/* The least that a record takes: a byte each of author and loss. Fewer bytes than that hold no such count, so no memory
 * is asked for what is not there. */
#define RECORD_LEAST 2

static head get_head(sam_reader *in)
{
    head made = {.late = sam_get_varint(in), .step = sam_get_varint(in)};
    made.weight = sam_get_varint32(in);
    made.code_count = sam_get_varint32(in);
    in->failed = in->failed || made.step > UINT32_MAX;
    return made;
}

/* Record i by its head; false where there is no such origin. */
static bool take_head(sam_round *round, size_t i, const head *of)
{
    sam_record *record = &round->records[i];
    if (of->late > round->number)
        return false;
    record->round = round->number - of->late;
    uint64_t place = next_place(round, i, record->round) + of->step;
    record->place = (uint32_t)place;
    record->weight = of->weight;
    record->code_count = of->code_count;
    return place <= UINT32_MAX;
}

/* Each run of heads as long as it can be, so that a round has one spelling. */
static void get_heads(sam_reader *in, sam_round *round)
{
    head last = {0};
    for (size_t i = 0; i < round->record_count && !in->failed;) {
        uint64_t more = sam_get_varint(in);
        head next = get_head(in);
        if (more >= round->record_count - i || (i > 0 && same_head(&last, &next)))
            in->failed = true;
        for (uint64_t j = 0; j <= more && !in->failed; j++)
            in->failed = !take_head(round, i++, &next);
        last = next;
    }
}

static void get_authors(sam_reader *in, sam_round *round)
{
    int64_t author = 0;
    for (size_t i = 0; i < round->record_count && !in->failed; i++) {
        int64_t step = sam_get_zigzag(in);
        if (step < -(int64_t)UINT32_MAX || step > UINT32_MAX || author + step < 0 || author + step > UINT32_MAX)
            in->failed = true;
        author = in->failed ? 0 : author + step;
        round->records[i].author = (uint32_t)author;
    }
}

static sam_status get_codes(sam_reader *in, sam_round *round, sam_error *err)
{
    size_t total = 0;
    for (size_t i = 0; i < round->record_count; i++)
        total += round->records[i].code_count; /* checked: at most places * codes_most, which are 32 bits each */
    const uint8_t *codes = sam_get_bytes(in, total);
    if (codes == NULL)
        return SAM_OK; /* the reader has failed */
    sam_put_bytes(&round->codes, codes, total);
    point_to_codes(round);
    return round->codes.failed ? no_memory(err, round->number) : SAM_OK;
}

static sam_status get_records(sam_reader *in, sam_round *round, const sam_round_shape *shape, sam_error *err)
{
    int64_t loss = 0;
    uint64_t count = sam_get_varint(in);
    if (in->failed || count > sam_reader_left(in) / RECORD_LEAST)
        return corrupt(round, in, err, "it has fewer bytes than records");
    round->records = sam_alloc((size_t)count, sizeof *round->records);
    if (round->records == NULL)
        return no_memory(err, round->number);
    round->record_count = round->record_room = (size_t)count;
    get_heads(in, round);
    get_authors(in, round);
    for (size_t i = 0; i < round->record_count && !in->failed; i++)
        round->records[i].loss = sam_get_loss(in, &loss);
    if (in->failed)
        return corrupt(round, in, err, "a record is not in its one form, or the round ends inside it");
    sam_status status = check_records(round, shape, SAM_CORRUPT, err);
    return status == SAM_OK ? get_codes(in, round, err) : status;
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
    const size_t varint = 10, record = 3 * varint + 4 * 5; /* its head, author and loss */
    return 3 * varint + (shape->late_most + 1) * shape->places * (record + (size_t)shape->codes_most) + varint +
           SAM_ROUND_EVALUATIONS_MAX * 4 * varint + SAM_DIGEST_BYTES;
}
