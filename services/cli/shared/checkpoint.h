/* One checkpoint of a run: the base and a log, and the state they lead to.
 *
 *     cli_checkpoint checkpoint = {0};
 *     cli_checkpoint_open(&checkpoint, "run.samlog", "base.gguf", NULL, NULL, err);     // or the state before a round
 *     sam_weight_source weights = sam_replica_weights(checkpoint.replica);
 *     cli_checkpoint_close(&checkpoint);
 *
 * The log may be at a ledger or gateway (run_client.h). Opening checks its chain, and that the base is the one the
 * manifest names. Thread safety: one thread.
 */
#ifndef SAM_CLI_CHECKPOINT_H
#define SAM_CLI_CHECKPOINT_H

#include "client/run_client.h"
#include "model/model.h"
#include "train/replica.h"

typedef struct cli_checkpoint {
    sam_samlog *log;
    sam_model *model;
    sam_replica *replica;
    uint64_t rounds; /* of the log that the state has in it */
    sam_digest state;
} cli_checkpoint;

/* `round` is the text of --round (NULL: the end of the log). `base` may be any source. */
sam_status cli_checkpoint_open(cli_checkpoint *checkpoint, const char *log, const char *base, const char *round,
                               const sam_access *access, sam_error *err);
void cli_checkpoint_close(cli_checkpoint *checkpoint); /* also of a zeroed one */
void cli_checkpoint_print(const cli_checkpoint *checkpoint);

/* All of a log's rounds before `round`, applied to a new replica of model. */
sam_status cli_checkpoint_restore(sam_replica **replica, const sam_model *model, const sam_samlog *log, uint64_t round,
                                  sam_error *err);

#endif
