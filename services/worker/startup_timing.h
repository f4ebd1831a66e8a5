/* Where the time goes between a worker's start and its first slot: one line of its log.
 *
 *     sam_startup_timing timing;
 *     sam_startup_begin(&timing);
 *     sam_status status = sam_model_open(&model, path, err);
 *     sam_startup_step(&timing, "model");
 *     sam_startup_step(&timing, "slot");
 *     sam_startup_finish(&timing);        // "first slot after 1.21 s: model 0.20, data 0.31, ..., slot 0.35"
 *
 * After that line nothing is noted any more. Thread safety: one thread.
 */
#ifndef SAM_WORKER_STARTUP_TIMING_H
#define SAM_WORKER_STARTUP_TIMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_startup_timing {
    uint64_t began_ns, at_ns;
    char parts[256];
    size_t length; /* of parts */
    bool over;
} sam_startup_timing;

void sam_startup_begin(sam_startup_timing *timing);
/* What took the time since the last call; what does not fit the line is left out. */
void sam_startup_step(sam_startup_timing *timing, const char *what);
void sam_startup_finish(sam_startup_timing *timing);

#endif
