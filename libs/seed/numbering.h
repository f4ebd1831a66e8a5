/* Which direction and which minibatch a piece of work has: the only place where they are numbered.
 *
 *     const sam_numbering numbering = {.places = 8, .probes = 2};
 *     sam_step step = sam_number_slot(&numbering, 41, 3);     // round 41, place 3
 *     for (uint32_t p = 0; p < 2; p++)
 *         printf("direction %llu of epoch %u\n", (unsigned long long)step.direction + p, step.epoch);
 *
 *     sam_walk walk = sam_walk_of(7, step.epoch);             // run seed 7
 *     uint64_t k = sam_walk_at(&walk, step.direction, 16);    // which of 2^16 it is
 *
 * exact-zone.md section 2. Pure functions.
 */
#ifndef SAM_SEED_NUMBERING_H
#define SAM_SEED_NUMBERING_H

#include <stdint.h>

typedef struct sam_numbering {
    uint32_t places, probes; /* of a round; of a step */
    uint64_t epoch_rounds;   /* rounds that share a basis of directions; 0: all of them */
} sam_numbering;

/* One minibatch and its probes, whose directions are direction, direction + 1, ... of the epoch. */
typedef struct sam_step {
    uint32_t epoch;
    uint64_t direction;
    uint64_t minibatch; /* for sam_sampler_batch */
} sam_step;

/* Of a slot that is one step: places count through rounds, probes through places. */
sam_step sam_number_slot(const sam_numbering *numbering, uint64_t round, uint32_t place);
uint32_t sam_epoch_of(const sam_numbering *numbering, uint64_t round);

/* The order in which an epoch's directions are used: k = (a n + c) mod K, for K a power of two. Any K numbers in a row
 * give each k once, since a is odd. */
typedef struct sam_walk {
    uint64_t a, c; /* before reduction mod K */
} sam_walk;

sam_walk sam_walk_of(uint64_t seed, uint32_t epoch);
uint64_t sam_walk_at(const sam_walk *walk, uint64_t number, unsigned log2_size);

#endif
