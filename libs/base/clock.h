/* Time: a monotonic clock for durations and deadlines, a wall clock for people. Safe from any thread. */
#ifndef SAM_BASE_CLOCK_H
#define SAM_BASE_CLOCK_H

#include <stdint.h>

uint64_t sam_monotonic_ns(void);
uint64_t sam_monotonic_ms(void);
uint64_t sam_wall_ms(void);     /* since 1970, UTC */
void sam_sleep_ms(uint32_t ms); /* returns early when a signal arrives */

#endif
