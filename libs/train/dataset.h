/* A data set: every row of a table rendered by a task and tokenised, ready to be packed into batches.
 *
 *     sam_dataset *data;
 *     if (sam_dataset_load(&data, task, tokenizer, 2048, "train.tsv", err) != SAM_OK)    // at most 2048 tokens a row
 *         return err->status;
 *     const sam_example *example = sam_dataset_at(data, 7);
 *     printf("%zu tokens, %zu options\n", example->prefix.count, example->option_count);
 *     sam_dataset_free(data);
 *
 * The prefix and each option are tokenised by themselves. A row that is longer than the model's context is INVALID with
 * file and line (a task may set "max_tokens": the beginning of the prefix is then cut off). Thread safety: immutable.
 */
#ifndef SAM_TRAIN_DATASET_H
#define SAM_TRAIN_DATASET_H

#include "model/tokenizer/tokenizer.h"
#include "train/task.h"

typedef struct sam_tokens {
    uint32_t *token;
    size_t count;
} sam_tokens;

typedef struct sam_example {
    sam_tokens prefix;
    size_t option_count;
    sam_tokens *options; /* [option_count], each at least one token */
    uint32_t label;
} sam_example;

typedef struct sam_dataset sam_dataset;

sam_status sam_dataset_load(sam_dataset **data, const sam_task *task, const sam_tokenizer *tokenizer, uint32_t context,
                            const char *path, sam_error *err);
void sam_dataset_free(sam_dataset *data); /* NULL is fine */
size_t sam_dataset_count(const sam_dataset *data);
const sam_example *sam_dataset_at(const sam_dataset *data, size_t index);
uint32_t sam_dataset_classes(const sam_dataset *data);         /* labels are 0 .. this - 1 */
uint32_t *sam_dataset_labels(const sam_dataset *data);         /* of all examples; sam_free; NULL: out of memory */
const sam_digest *sam_dataset_digest(const sam_dataset *data); /* of the file's bytes */

#endif
