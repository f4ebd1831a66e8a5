/* A task: how a row of data becomes a question to a language model, and which answer is right.
 *
 *     {"name": "sst2", "template": "{sentence} It was", "options": [" terrible", " great"],
 *      "label": "label", "labels": {"0": 0, "1": 1}, "metric": "accuracy"}
 *
 *     sam_task *task;
 *     if (sam_task_load(&task, "sst2.json", err) != SAM_OK)
 *         return err->status;
 *     sam_task_row row;
 *     if (sam_task_render(task, table, 0, &row, err) == SAM_OK)
 *         printf("option %u of %zu is right\n", row.label, row.option_count);
 *     sam_task_row_free(&row);
 *     sam_task_free(task);
 *
 * {name} is a column of the data; {{ and }} are braces. An option may itself be a template ("{choice1}"). Without
 * `labels` the label column holds the option's number. `max_tokens` cuts the beginning of long prefixes off, `columns`
 * names the columns of a file without header line. docs/formats/task.md. Thread safety: immutable once loaded.
 */
#ifndef SAM_TRAIN_TASK_H
#define SAM_TRAIN_TASK_H

#include "base/bytes.h"
#include "base/status.h"
#include "train/table.h"

#include <stdbool.h>
#include <stdint.h>

#define SAM_OPTIONS_MAX 64u

typedef struct sam_task sam_task;

typedef enum sam_quality_metric { SAM_METRIC_ACCURACY, SAM_METRIC_F1, SAM_METRIC_MACRO_F1 } sam_quality_metric;

typedef struct sam_task_row {
    sam_buffer prefix; /* text */
    size_t option_count;
    sam_buffer options[SAM_OPTIONS_MAX];
    uint32_t label; /* number of the right option */
} sam_task_row;

sam_status sam_task_load(sam_task **task, const char *path, sam_error *err);
sam_status sam_task_parse(sam_task **task, const char *json, size_t length, const char *source, sam_error *err);
void sam_task_free(sam_task *task); /* NULL is fine */

const char *sam_task_name(const sam_task *task);
const char *sam_task_json(const sam_task *task); /* canonical, as it goes into the manifest */
size_t sam_task_option_count(const sam_task *task);
bool sam_task_option_is_constant(const sam_task *task, size_t option); /* the same text for every row */
sam_quality_metric sam_task_metric(const sam_task *task);
uint32_t sam_task_max_tokens(const sam_task *task); /* 0: only the model's context limits */

/* The data file, with the columns that the task names where the file has no header line. */
sam_status sam_task_open_table(const sam_task *task, sam_table **table, const char *path, sam_error *err);

/* Overwrites `rendered`, and cleans it up on failure. A missing column, an unknown label: INVALID with file and line.
 */
sam_status sam_task_render(const sam_task *task, const sam_table *table, size_t row, sam_task_row *rendered,
                           sam_error *err);
void sam_task_row_free(sam_task_row *row);

#endif
