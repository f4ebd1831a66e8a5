/* A packed batch: the tokens of many sequences of different lengths, side by side, without padding.
 *
 *     const uint32_t text[] = {17, 4, 25, 8}, option[] = {31, 6};
 *     sam_batch batch = {0};
 *     size_t prefix, branch;
 *     sam_batch_add(&batch, SAM_NO_PREFIX, text, 4, &prefix, err);      // a sequence
 *     sam_batch_score(&batch, prefix, 3, option[0], true, err);         // log p(31 | 17 4 25 8)
 *     sam_batch_add(&batch, prefix, option, 1, &branch, err);           // one that goes on from it
 *     sam_batch_score(&batch, branch, 0, option[1], true, err);         // log p(6 | 17 4 25 8 31)
 *     sam_batch_free(&batch);
 *
 *     columns   | It was a dull film It was | so good | so bad |  The actors ... |
 *     segments  | 0: prefix                 | 1: of 0 | 2: of 0|  3: prefix      |
 *
 * A segment attends to its prefix segment, whole, and causally to itself; positions count on from the prefix. Thus
 * the options of one example share the work of its text. Thread safety: a batch belongs to one thread until built.
 */
#ifndef SAM_MODEL_BATCH_H
#define SAM_MODEL_BATCH_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_NO_PREFIX SIZE_MAX

typedef struct sam_segment {
    size_t prefix;       /* segment, or SAM_NO_PREFIX; a prefix has no prefix itself */
    size_t first, count; /* columns */
} sam_segment;

/* One number to read off: how likely `target` is as the next token after a column. */
typedef struct sam_score {
    size_t column;
    uint32_t target;
    bool normalised; /* log probability; otherwise the bare logit, which is cheaper: no sum over the vocabulary */
} sam_score;

typedef struct sam_batch {
    uint32_t *tokens;    /* [columns] */
    uint32_t *positions; /* [columns] */
    size_t columns;
    sam_segment *segments;
    size_t segment_count;
    sam_score *scores;
    size_t score_count;
    size_t column_room, segment_room, score_room;
} sam_batch;

void sam_batch_clear(sam_batch *batch); /* keeps memory */
void sam_batch_free(sam_batch *batch);

/* `count` may not be 0. `segment`: its number. */
sam_status sam_batch_add(sam_batch *batch, size_t prefix, const uint32_t *tokens, size_t count, size_t *segment,
                         sam_error *err);
/* Scores `target` after token `index` of a segment. */
sam_status sam_batch_score(sam_batch *batch, size_t segment, size_t index, uint32_t target, bool normalised,
                           sam_error *err);

#endif
