/* One moment of a run: the base and a log, and the state they lead to.
 *
 *     cli_moment moment = {0};
 *     cli_moment_open(&moment, "run.samlog", "base.gguf", NULL, NULL, err);     // or the state before a round
 *     sam_weight_source weights = sam_replica_weights(moment.replica);
 *     cli_moment_close(&moment);
 *
 * The log may be at a ledger or gateway (run_client.h). Opening checks its chain, and that the base is the one the
 * manifest names. Thread safety: one thread.
 */
#ifndef SAM_CLI_MOMENT_H
#define SAM_CLI_MOMENT_H

#include "client/run_client.h"
#include "model/model.h"
#include "train/replica.h"

typedef struct cli_moment {
    sam_samlog *log;
    sam_model *model;
    sam_replica *replica;
    uint64_t rounds; /* of the log that the state has in it */
    sam_digest state;
} cli_moment;

/* `round` is the text of --round (NULL: the end of the log). `base` may be any source. */
sam_status cli_moment_open(cli_moment *moment, const char *log, const char *base, const char *round,
                           const sam_access *access, sam_error *err);
void cli_moment_close(cli_moment *moment); /* also of a zeroed one */
void cli_moment_print(const cli_moment *moment);

/* The text of an option that names a round: NULL or "" is the end, UINT64_MAX. */
sam_status cli_moment_round(const char *option, const char *text, uint64_t *round, sam_error *err);

/* The text of an option "A..B": the rounds from A up to B, without B. */
sam_status cli_moment_span(const char *option, const char *text, uint64_t *from, uint64_t *to, sam_error *err);

/* All of a log's rounds before `round`, applied to a new replica of model. */
sam_status cli_moment_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
                              sam_error *err);

#endif
