/* From the codes of a round to the integer amounts that its probes move: guard, normaliser, schedule.
 *
 *     sam_update_state carried = {0};                                 // at the start of a run
 *     int64_t amounts[SLOTS * PROBES];
 *     sam_update_round(&spec, &carried, round, codes, slots, probes, amounts);
 *
 * The whole of exact-zone.md section 4, in its order: sizes are limited to `clip` times the mean size so far, the
 * guard weighs slots against each other, the normaliser learns the root-mean-square of what is left, the schedule gives
 * the round's share, and each code becomes an amount in units of eta. Integers only. Pure functions of their arguments.
 */
#ifndef SAM_SEED_UPDATE_H
#define SAM_SEED_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sam_schedule_kind {
    SAM_SCHEDULE_CONSTANT,
    SAM_SCHEDULE_LINEAR,
    SAM_SCHEDULE_COSINE,
    SAM_SCHEDULE_INVERSE,
} sam_schedule_kind;

typedef struct sam_schedule {
    sam_schedule_kind kind;
    uint64_t warmup, horizon; /* rounds */
    uint32_t floor;           /* 0..65536 */
} sam_schedule;

typedef enum sam_normaliser_kind {
    SAM_NORMALISER_NONE,
    SAM_NORMALISER_RUNNING,
    SAM_NORMALISER_FIRST
} sam_normaliser_kind;

typedef struct sam_normaliser {
    sam_normaliser_kind kind;
    uint32_t shift;  /* running: window of 2^shift rounds, at most 20 */
    uint32_t window; /* first: rounds */
} sam_normaliser;

typedef enum sam_guard_kind { SAM_GUARD_CLIP, SAM_GUARD_TRIMMED, SAM_GUARD_MEDIAN } sam_guard_kind;

typedef struct sam_guard {
    sam_guard_kind kind;
    uint32_t clip; /* 8 fraction bits, at least 256: largest size in root-mean-squares */
    uint32_t trim; /* trimmed: share of slots, of 256 */
    uint32_t cap;  /* median: 8 fraction bits, at least 256: largest size in medians */
} sam_guard;

typedef struct sam_update_spec {
    uint64_t rate; /* in units of eta, for a scalar of root-mean-square size; at most 2^40 */
    sam_schedule schedule;
    sam_normaliser normaliser;
    sam_guard guard;
} sam_update_spec;

typedef struct sam_update_state {
    uint64_t mean_square; /* 16 fraction bits */
    uint64_t rounds_seen;
} sam_update_state;

uint32_t sam_schedule_share(const sam_schedule *schedule, uint64_t round); /* 0..65536 */

/* codes and amounts: [slots][probes]; the amount of a code without value is 0. Without `amounts` (NULL) only the state
 * goes on. False when memory is out. */
bool sam_update_round(const sam_update_spec *spec, sam_update_state *state, uint64_t round, const uint8_t *codes,
                      size_t slots, size_t probes, int64_t *amounts);

uint64_t sam_integer_sqrt(uint64_t value); /* largest r with r * r <= value */

#endif
