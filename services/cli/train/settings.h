/* The options of `samara train`, and the manifest they make.
 *
 *     cli_settings settings;
 *     cli_settings_parse(&settings, argc, argv, err);
 *     cli_settings_manifest(&settings, &material, &manifest, err);      // defaults, and over them what was said
 *
 * Zero, or an empty text, stands for "as the defaults say" (train/defaults.h). Thread safety: one thread.
 */
#ifndef SAM_CLI_SETTINGS_H
#define SAM_CLI_SETTINGS_H

#include "cli/shared/material.h"
#include "model/kernels/kernels.h"
#include "run/manifest.h"

typedef struct cli_settings {
    const char *model, *task, *data[CLI_SPLITS], *out, *name, *redis;
    const char *kernel;
    sam_family family;
    sam_estimator estimator;
    sam_objective objective;
    sam_precision precision;
    uint64_t workers, threads, rounds, slots, probes, batch, seed, blocks, lag, epoch_rounds, lease_ms, port,
        gateway_port;
    uint64_t eval_every; /* UINT64_MAX: as the defaults say */
    double minutes, rate, epsilon;
    double verify_rate;           /* 0 to 1 */
    double privacy, privacy_clip; /* epsilon of the whole run, 0: not private; largest scalar of an example */
    bool signed_records, json, fresh;
} cli_settings;

sam_status cli_settings_parse(cli_settings *settings, int argc, char **argv, sam_error *err);
sam_status cli_settings_manifest(const cli_settings *settings, const cli_material *material, sam_manifest **manifest,
                                 sam_error *err);

#endif
