/* What share of the rate a round has.
 *
 *     const sam_schedule schedule = {SAM_SCHEDULE_INVERSE, .warmup = 10, .horizon = 400};
 *     printf("%u of 65536\n", sam_schedule_share(&schedule, 41));
 *
 * exact-zone.md section 4. Pure function.
 */
#ifndef SAM_SEED_SCHEDULE_H
#define SAM_SEED_SCHEDULE_H

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

uint32_t sam_schedule_share(const sam_schedule *schedule, uint64_t round); /* 0..65536 */

#endif
