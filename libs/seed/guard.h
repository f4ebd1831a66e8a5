/* The guard: what weight the records of one round have beside one another, so that no single author decides a round.
 *
 *     const sam_guard guard = {SAM_GUARD_TRIMMED, .trim = 64};              // the largest quarter counts for nothing
 *     const sam_guarded records[] = {{.sum = 40, .values = 2}, {.sum = 7000, .values = 2}, {.sum = 12, .values = 2}};
 *     uint32_t weights[3];
 *     if (!sam_guard_weigh(&guard, records, 3, weights))
 *         return;                                                           // out of memory
 *     int64_t moved = sam_weighted(-1200, weights[0]);
 *     printf("%lld\n", (long long)moved);
 *
 * exact-zone.md section 4. Integers only. Pure functions.
 */
#ifndef SAM_SEED_GUARD_H
#define SAM_SEED_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum sam_guard_kind { SAM_GUARD_CLIP, SAM_GUARD_TRIMMED, SAM_GUARD_MEDIAN } sam_guard_kind;

typedef struct sam_guard {
    sam_guard_kind kind; /* clip: nothing besides the limit that a price has (seed/scale.h) */
    uint32_t trim;       /* trimmed: share of the records, of 256 */
    uint32_t cap;        /* median: 8 fraction bits, at least 256: largest mean size in medians */
} sam_guard;

/* What a guard looks at: the sizes of a record's codes, as its price limits them. */
typedef struct sam_guarded {
    uint64_t sum, values;
} sam_guarded;

#define SAM_WEIGHT_WHOLE 65536u

/* weights[count]: 0..SAM_WEIGHT_WHOLE, in the order of the records, which stand by their places. False: out of memory.
 */
bool sam_guard_weigh(const sam_guard *guard, const sam_guarded *records, size_t count, uint32_t *weights);

/* amount * weight / 65536, to the nearest, halves away from 0. |amount| is at most 2^62. */
int64_t sam_weighted(int64_t amount, uint32_t weight);

#endif
