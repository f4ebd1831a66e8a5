/* Codes of a log computed once more: a share of its slots, from the data, to see whose codes stand up.
 *
 *     cli_recheck check = {.share = 0.05, .seed = 7, .tolerance = 1};
 *     sam_status status = cli_recheck_run(&check, &evaluator, &progress, err);
 *     for (size_t i = 0; i < check.worker_count; i++)
 *         if (check.workers[i].beyond > 0)
 *             printf("the codes of worker %u do not stand up\n", check.workers[i].worker);
 *     cli_recheck_free(&check);
 *
 * A forward may differ in its last bits between processors, and so may a code by a step; what differs by more than
 * `tolerance` steps came from something else than this data and this state. Which slots are taken follows from the
 * run's id and the seed: nobody who does not know the seed can know them before. Of a fork the rounds of its own are
 * checked; those of its past belong to the parent, whose data and state they came from. Thread safety: one thread.
 */
#ifndef SAM_CLI_RECHECK_H
#define SAM_CLI_RECHECK_H

#include "cli/shared/evaluator.h"
#include "train/evaluation.h"

/* One worker's codes against those computed here. */
typedef struct cli_worker_check {
    uint32_t worker;
    uint64_t slots, codes, same, near, beyond; /* same + near + beyond = codes; near: at most `tolerance` steps off */
    unsigned largest;                          /* steps; 255: one of both has no value */
    double log_square, here_square, product;   /* sums over values, for the agreement */
} cli_worker_check;

typedef struct cli_code_difference {
    uint64_t round;
    uint32_t slot, probe, worker;
    uint8_t in_log, here;
} cli_code_difference;

typedef struct cli_recheck {
    double share; /* of all slots, 0..1 */
    uint64_t seed;
    unsigned tolerance; /* steps */

    uint64_t from; /* the first round whose codes are of this run */
    uint64_t slots;
    cli_worker_check *workers; /* in ascending order */
    size_t worker_count;
    cli_code_difference *differences; /* all, in the order of the log */
    size_t difference_count, difference_room;
} cli_recheck;

/* The evaluator computes slots; its replica stands anywhere afterwards. */
sam_status cli_recheck_run(cli_recheck *check, cli_evaluator *evaluator, const sam_progress *watcher, sam_error *err);
void cli_recheck_free(cli_recheck *check);

/* The cosine of both rows of values: 1 where they agree but for rounding, about 0 for noise; NaN where one is all 0. */
double cli_worker_agreement(const cli_worker_check *worker);

/* Is a slot of the sample? */
bool cli_recheck_takes(const cli_recheck *check, const sam_digest *run, uint64_t round, uint32_t slot);

/* Adds one slot's codes, those of the log and those computed here; false: out of memory. */
bool cli_recheck_add(cli_recheck *check, const cli_code_difference *of, const uint8_t *in_log, const uint8_t *here,
                     uint32_t probes);

#endif
