#include "train/evaluation.h"

#define EXAMPLES 64 /* between two looks at the watcher */

static sam_status look(const sam_progress *progress, size_t done, size_t total, sam_error *err)
{
    if (progress == NULL || progress->step(progress->user, done, total))
        return SAM_OK;
    return sam_fail(err, SAM_CANCELLED, "the evaluation was stopped after %zu of %zu examples", done, total);
}

sam_status sam_evaluate(sam_trainer *trainer, const sam_dataset *data, sam_outcome *outcomes,
                        const sam_progress *progress, sam_error *err)
{
    size_t total = sam_dataset_count(data), count;
    sam_status status = SAM_OK;
    for (size_t done = 0; status == SAM_OK && done < total; done += count) {
        count = total - done < EXAMPLES ? total - done : EXAMPLES;
        status = look(progress, done, total, err);
        if (status == SAM_OK)
            status = sam_trainer_evaluate(trainer, data, done, count, outcomes + done, err);
    }
    return status == SAM_OK ? look(progress, total, total, err) : status;
}
