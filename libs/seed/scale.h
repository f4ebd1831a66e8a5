/* From a code to the integer amount by which its direction moves, and the scale that this depends on.
 *
 *     sam_scale scale = {0};                                          // at the start of a run
 *     const sam_step_size size = {.rate = 2147484, .scale = {SAM_SCALE_RUNNING, .shift = 6}, .clip = 1024};
 *     sam_price price = sam_price_of(&size, &scale, 41);              // of a record of round 41
 *     int64_t amount = sam_price_amount(&price, 0x91);                // theta -= eta * amount * z
 *     sam_scale_learn(&size.scale, &scale, sam_price_size(&price, 0x91) * sam_price_size(&price, 0x91), 1);
 *
 * The scale is the root-mean-square of the codes so far. A price reads nothing but the code, the scale as it was before
 * the record's origin, and the schedule at its origin: what the author knew. exact-zone.md section 4. Integers only.
 * Pure functions of their arguments.
 */
#ifndef SAM_SEED_SCALE_H
#define SAM_SEED_SCALE_H

#include "seed/schedule.h"

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 sam_u128;

typedef enum sam_scale_kind { SAM_SCALE_FIXED, SAM_SCALE_RUNNING, SAM_SCALE_FIRST } sam_scale_kind;

typedef struct sam_scale_rule {
    sam_scale_kind kind;
    uint32_t rms;    /* fixed: 8 fraction bits, at least 1 */
    uint32_t shift;  /* running: window of 2^shift rounds, at most 20 */
    uint32_t window; /* first: rounds */
} sam_scale_rule;

/* What is carried from round to round. */
typedef struct sam_scale {
    uint64_t mean_square; /* of the sizes, 16 fraction bits */
    uint64_t rounds_seen; /* that had values */
} sam_scale;

/* How far codes move. */
typedef struct sam_step_size {
    uint64_t rate; /* in units of eta, for a scalar of root-mean-square size; at most 2^40 */
    sam_schedule schedule;
    sam_scale_rule scale;
    uint32_t clip; /* 8 fraction bits, at least 256: largest size in root-mean-squares */
} sam_step_size;

/* Root-mean-square size, 8 fraction bits; 0: nothing has been seen, and nothing has a price. */
uint64_t sam_scale_rms(const sam_scale_rule *rule, const sam_scale *scale);
/* Takes a round along: the sum of the squares of its sizes, and how many there are. */
void sam_scale_learn(const sam_scale_rule *rule, sam_scale *scale, sam_u128 squares, uint64_t values);

/* The price of the codes of one origin. */
typedef struct sam_price {
    uint64_t rate; /* rate * share of the schedule, 16 fraction bits */
    uint64_t rms;
    int64_t limit; /* largest size that counts */
} sam_price;

sam_price sam_price_of(const sam_step_size *size, const sam_scale *before, uint64_t origin);
int64_t sam_price_size(const sam_price *price, uint8_t code);   /* limited; 0 where it has no value */
int64_t sam_price_amount(const sam_price *price, uint8_t code); /* signed; at most 2^62 */

uint64_t sam_integer_sqrt(uint64_t value); /* largest r with r * r <= value */

#endif
