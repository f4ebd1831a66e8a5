/* What it takes to evaluate a run at any of its rounds: its log and base, data, and an engine.
 *
 *     cli_evaluator evaluator = {0};
 *     const cli_evaluator_options options = {.log = "run.samlog", .base = "base.gguf", .data = "dev.tsv"};
 *     cli_evaluator_open(&evaluator, &options, err);
 *     sam_replica_seek(evaluator.checkpoint.replica, 100, err);
 *     sam_evaluate(evaluator.trainer, evaluator.data, outcomes, NULL, err);
 *     cli_evaluator_close(&evaluator);
 *
 * The task is the manifest's. Thread safety: one thread.
 */
#ifndef SAM_CLI_EVALUATOR_H
#define SAM_CLI_EVALUATOR_H

#include "cli/shared/checkpoint.h"
#include "train/trainer.h"

typedef struct cli_evaluator_options {
    const char *log, *base, *data;
    sam_precision precision;
    const char *kernel; /* NULL: that of the manifest, or the best */
    sam_access access;  /* where `log` is a URL */
    uint64_t threads;
    bool computes_slots; /* `data` must be the run's training data */
} cli_evaluator_options;

typedef struct cli_evaluator {
    cli_checkpoint checkpoint; /* at the end of the log */
    sam_task *task;
    sam_dataset *data;
    sam_engine *engine;
    sam_trainer *trainer;
} cli_evaluator;

sam_status cli_evaluator_open(cli_evaluator *evaluator, const cli_evaluator_options *options, sam_error *err);
void cli_evaluator_close(cli_evaluator *evaluator); /* also of a zeroed one */

#endif
