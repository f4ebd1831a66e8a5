/* One session of `samara train`, and its three parts: before.. watch.. after.
 *
 *     train.c    opens everything, starts the cluster, and takes all down again on every path
 *     watch.c    the time between: looks at the run, shows it, mends the cluster, notices the end
 *     report.c   scores at both ends, exports, summary.json and the lines for people
 *
 * Thread safety: main thread only.
 */
#ifndef SAM_CLI_TRAINING_H
#define SAM_CLI_TRAINING_H

#include "cli/shared/material.h"
#include "cli/shared/view.h"
#include "cli/train/cluster.h"
#include "cli/train/out_folder.h"
#include "cli/train/settings.h"
#include "client/run_client.h"

typedef struct cli_training {
    cli_settings settings;
    cli_material material;
    sam_manifest *manifest;
    cli_out_folder folder;
    cli_view view;
    cli_cluster_plan plan;
    cli_cluster cluster;
    sam_run_client *client;
    char *cache; /* folder of activations */
    const char *kernel;
    char out_hint[64]; /* default of --out */
    bool interrupted;
} cli_training;

/* Until the run is complete, the minutes are over, or Ctrl-C (interrupted). */
sam_status cli_watch(cli_training *training, sam_error *err);

/* Scores dev and test before the first round, unless run.json has them. */
sam_status cli_report_zero_shot(cli_training *training, sam_error *err);
/* From OUT/run.samlog: scores, exports, summary. */
sam_status cli_report(cli_training *training, sam_error *err);

#endif
