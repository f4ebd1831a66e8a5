/* A committed round: its records, its evaluations, and the hash that chains it to the one before.
 *
 *     sam_round round = {0};
 *     if (sam_round_decode(&round, &shape, bytes, length, err) != SAM_OK)
 *         return;
 *     for (size_t i = 0; i < round.record_count; i++)
 *         printf("worker %u, place %u\n", round.records[i].author, round.records[i].place);
 *     sam_round_free(&round);
 *
 * One encoded round is one entry of the Redis stream, one element of a sync reply and one element of a .samlog file:
 * the same bytes everywhere (docs/formats/log.md). Thread safety: a value belongs to its owner.
 */
#ifndef SAM_RUN_ROUND_H
#define SAM_RUN_ROUND_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/status.h"
#include "run/record.h"

#include <stdint.h>

#define SAM_ROUND_EVALUATIONS_MAX 64u

/* What any round of a run may hold; of its mode (run/mode.h). */
typedef struct sam_round_shape {
    uint32_t places;                  /* records have places below this; at most so many stand in a round */
    uint32_t codes_least, codes_most; /* of a record */
    uint64_t late_most;               /* rounds by which a record may be committed after its origin */
    uint32_t weight_most;             /* of a record; the least is 1 */
} sam_round_shape;

/* What the dev set said of the state before round `at`. Sums over all of its examples. */
typedef struct sam_evaluation {
    uint64_t at; /* round */
    uint32_t examples, correct;
    uint64_t loss_micro; /* sum of the losses, in millionths of a nat */
} sam_evaluation;

typedef struct sam_round {
    uint64_t number;
    uint64_t committed_ms; /* wall clock of the commit, for people; part of the chain */
    sam_record *records;   /* [record_count], by origin (round, then place), each once; their codes are in `codes` */
    size_t record_count, record_room;
    sam_buffer codes;
    sam_evaluation *evaluations;
    size_t evaluation_count;
    sam_digest chain; /* BLAKE2b-256(chain of the round before || the encoded bytes before this field) */
} sam_round;

void sam_round_free(sam_round *round);

/* What a record of this shape cannot have: place, author, weight or number of codes; NULL: it is one. */
const char *sam_round_shape_refuses(const sam_round_shape *shape, const sam_record *record);

/* Appends a copy of a record, to a round that is {0} but for its number. */
sam_status sam_round_add(sam_round *round, const sam_record *record, sam_error *err);
/* The record of a place whose origin is the round itself; NULL: it has none. */
const sam_record *sam_round_at(const sam_round *round, uint32_t place);
/* Mean training loss over the records that saw one, in nats; NaN where none did. */
double sam_round_loss(const sam_round *round);

/* Appends the encoded round, and fills round->chain from the chain of the round before (the run id for round 0).
 * INVALID where the records are not of the shape, or not in order. */
sam_status sam_round_encode(sam_buffer *out, sam_round *round, const sam_round_shape *shape, const sam_digest *previous,
                            sam_error *err);

/* Decodes exactly `length` bytes and checks their form; the chain is checked by sam_round_verify. CORRUPT otherwise. */
sam_status sam_round_decode(sam_round *round, const sam_round_shape *shape, const uint8_t *bytes, size_t length,
                            sam_error *err);

/* Is `bytes` chained to `previous`? MISMATCH with the round's number otherwise. `chain`, where not NULL: its own. */
sam_status sam_round_verify(const uint8_t *bytes, size_t length, const sam_digest *previous, sam_digest *chain,
                            sam_error *err);

/* The chain of an encoded round after `previous`, whatever chain the bytes themselves end with: of the same round in
 * another run. `length` is that of the whole round. */
void sam_round_chain(const uint8_t *bytes, size_t length, const sam_digest *previous, sam_digest *chain);

/* No encoded round of this shape has more bytes. */
size_t sam_round_longest(const sam_round_shape *shape);

#endif
