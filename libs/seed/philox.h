/* Philox4x32-10: random words that any machine can look up by number.
 *
 *     uint32_t words[4];
 *     sam_philox(words, 7, sam_counter(1000, SAM_STREAM_SIGNS, 0));     // seed 7: signs of parameters 128000 and on
 *
 * A counter-based generator has no state: word n is a function of (key, n), so a parameter's sign or a shuffle's step
 * is found without drawing the ones before it. Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy
 * as 1, 2, 3", SC11; docs/formats/exact-zone.md section 1. Pure functions.
 */
#ifndef SAM_SEED_PHILOX_H
#define SAM_SEED_PHILOX_H

#include <stdint.h>

typedef enum sam_stream {
    SAM_STREAM_DIRECTION = 0, /* under the key of a probe seed: the elements of a dense direction */
    SAM_STREAM_SIGNS = 1,
    SAM_STREAM_WALK = 2,
    SAM_STREAM_PROBE_SEEDS = 3,
    SAM_STREAM_SHUFFLE = 4,
} sam_stream;

typedef struct sam_philox_counter {
    uint32_t word[4];
} sam_philox_counter;

sam_philox_counter sam_counter(uint64_t number, sam_stream stream, uint32_t part);
void sam_philox(uint32_t words[4], uint64_t key, sam_philox_counter counter);

#endif
