/* One moment of a run: the base and a log, and the state they lead to.
 *
 *     cli_moment moment = {0};
 *     cli_moment_open(&moment, "run.samlog", "base.gguf", SIZE_MAX, err);        // or the state before a round
 *     sam_weight_source weights = sam_replica_weights(moment.replica);
 *     cli_moment_close(&moment);
 *
 * Opening checks the log's chain, and that the base is the one the manifest names. Thread safety: one thread.
 */
#ifndef SAM_CLI_MOMENT_H
#define SAM_CLI_MOMENT_H

#include "model/model.h"
#include "run/samlog.h"
#include "train/replica.h"

typedef struct cli_moment {
    sam_samlog *log;
    sam_model *model;
    sam_replica *replica;
    uint64_t rounds; /* of the log that the state has in it */
    sam_digest state;
} cli_moment;

/* `round` UINT64_MAX: the end of the log. `base` may be any source. */
sam_status cli_moment_open(cli_moment *moment, const char *log, const char *base, uint64_t round, sam_error *err);
void cli_moment_close(cli_moment *moment); /* also of a zeroed one */

/* The option --round as text: NULL or "" is the end. */
sam_status cli_moment_round(const char *text, uint64_t *round, sam_error *err);

/* All of a log's rounds before `round`, applied to a new replica of model. */
sam_status cli_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
                       sam_error *err);

#endif
