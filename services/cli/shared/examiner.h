/* What it takes to compute on the moments of a run: its log and base, data, and an engine.
 *
 *     cli_examiner examiner = {0};
 *     cli_examiner_open(&examiner, &(cli_examination){.log = "run.samlog", .base = "base.gguf", .data = "dev.tsv"},
 * err); sam_replica_seek(examiner.moment.replica, 100, err); sam_trainer_evaluate(examiner.trainer, examiner.data, 0,
 * count, outcomes, err); cli_examiner_close(&examiner);
 *
 * The task is the manifest's. Thread safety: one thread.
 */
#ifndef SAM_CLI_EXAMINER_H
#define SAM_CLI_EXAMINER_H

#include "cli/shared/moment.h"
#include "train/trainer.h"

typedef struct cli_examination {
    const char *log, *base, *data;
    sam_precision precision;
    const char *kernel; /* NULL: that of the manifest, or the best */
    sam_access access;  /* where `log` is a URL */
    uint64_t threads;
    bool computes_slots; /* `data` must be the run's training data */
} cli_examination;

typedef struct cli_examiner {
    cli_moment moment; /* at the end of the log */
    sam_task *task;
    sam_dataset *data;
    sam_engine *engine;
    sam_trainer *trainer;
} cli_examiner;

sam_status cli_examiner_open(cli_examiner *examiner, const cli_examination *asked, sam_error *err);
void cli_examiner_close(cli_examiner *examiner); /* also of a zeroed one */

#endif
