/* Where the time goes between a worker's start and its first slot: one line of its log.
 *
 *     sam_beginning beginning;
 *     sam_beginning_start(&beginning);
 *     ... open the model ...
 *     sam_beginning_passed(&beginning, "model");
 *     ...
 *     sam_beginning_passed(&beginning, "slot");
 *     sam_beginning_say(&beginning);        // "first slot after 1.21 s: model 0.20, data 0.31, ..., slot 0.35"
 *
 * After that line nothing is noted any more. Thread safety: one thread.
 */
#ifndef SAM_WORKER_BEGINNING_H
#define SAM_WORKER_BEGINNING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_beginning {
    uint64_t began_ns, at_ns;
    char parts[256];
    size_t length; /* of parts */
    bool over;
} sam_beginning;

void sam_beginning_start(sam_beginning *beginning);
/* What took the time since the last call; what does not fit the line is left out. */
void sam_beginning_passed(sam_beginning *beginning, const char *what);
void sam_beginning_say(sam_beginning *beginning);

#endif
