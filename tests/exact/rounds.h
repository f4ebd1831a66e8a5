/* One round after the other through prices, guard and scale, as exact-zone.md section 4 puts them together: what a
 * replica does, for tests that have libs/seed alone.
 *
 *     exact_rounds rounds = {.numbering = {4, 2, 0}, .size = size, .guard = {SAM_GUARD_CLIP}, .lag = 1};
 *     const exact_record records[] = {{.round = 7, .place = 0, .codes = codes}};
 *     uint32_t weights[1];
 *     sam_move moves[2];
 *     if (!exact_rounds_put(&rounds, 7, records, 1, weights, moves))
 *         return;                                                        // out of memory, or too many of something
 *
 * Needs libc only.
 */
#ifndef EXACT_ROUNDS_H
#define EXACT_ROUNDS_H

#include "seed/directions/directions.h"
#include "seed/guard.h"
#include "seed/numbering.h"
#include "seed/scale.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXACT_ROUNDS_MAX  128 /* that a run puts */
#define EXACT_RECORDS_MAX 16  /* of a round */

typedef struct exact_record {
    uint64_t round; /* origin */
    uint32_t place;
    const uint8_t *codes; /* [numbering.probes] */
} exact_record;

/* The scale before a round; it stays until the next entry's round. */
typedef struct exact_scale {
    uint64_t round;
    sam_scale scale;
} exact_scale;

typedef struct exact_rounds {
    sam_numbering numbering;
    sam_step_size size;
    sam_guard guard;
    uint64_t lag;
    exact_scale history[EXACT_ROUNDS_MAX]; /* of rounds that were put, ascending; before them the scale is {0} */
    size_t put;
} exact_rounds;

/* Records in the order of their origin. weights[count] are the guard's; moves[count][probes] are weighted. Rounds
 * ascend; one left out is one without records. */
bool exact_rounds_put(exact_rounds *rounds, uint64_t round, const exact_record *records, size_t count,
                      uint32_t *weights, sam_move *moves);

sam_scale exact_rounds_scale(const exact_rounds *rounds, uint64_t round); /* before that round */

#endif
