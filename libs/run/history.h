/* What can be made of a log: a fork, a fork without some of its records, and where two logs part.
 *
 *     sam_fork fork = {.at = 200, .name = "another horizon", .rounds = 800};
 *     sam_history_fork(&out, log, &fork, err);                         // a .samlog: 200 rounds, a manifest of its own
 *     sam_fork revert = {.at = sam_samlog_rounds(log), .removals = &(sam_removal){0, 200, 3}, .removal_count = 1};
 *     sam_history_fork(&out, log, &revert, err);                       // all rounds, but worker 3 moves nothing
 *     uint64_t shared = sam_history_shared(a, b);                      // rounds with the same records
 *
 * A fork's log holds its past itself, so whatever reads logs reads forks; see run/parent.h. What decides how far a
 * record of the past moves (directions, seed, rate, lag, schedule, scale, guard) stays the parent's; what only decides
 * how later codes come about may change. Pure functions.
 */
#ifndef SAM_RUN_HISTORY_H
#define SAM_RUN_HISTORY_H

#include "base/bytes.h"
#include "run/samlog.h"

typedef struct sam_fork {
    uint64_t at;                   /* rounds of the past that it keeps: at least 1 */
    const char *name;              /* NULL: the parent's */
    uint64_t rounds;               /* of the new run in all; 0: as many as the parent's */
    const sam_digest *train, *dev; /* NULL: the parent's data */
    const sam_removal *removals;   /* taken out besides those that are out of the parent already */
    size_t removal_count;
} sam_fork;

/* Appends a whole .samlog to `out`. INVALID where the log does not reach `at`, or a removal names nothing: rounds
 * beyond `at`, or a worker without a record there. */
sam_status sam_history_fork(sam_buffer *out, const sam_samlog *log, const sam_fork *fork, sam_error *err);

/* The number of rounds that both begin with, the same to the byte but for their chains. */
uint64_t sam_history_shared(const sam_samlog *a, const sam_samlog *b);

/* What stands against one worker's name in rounds [from, to). */
typedef struct sam_worker_share {
    uint32_t worker;
    uint64_t records, removed;
} sam_worker_share;

/* In ascending order of the number; new memory, to be freed with sam_free. */
sam_status sam_history_workers(const sam_samlog *log, uint64_t from, uint64_t to, sam_worker_share **shares,
                               size_t *count, sam_error *err);

#endif
