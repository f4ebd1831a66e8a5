/* The outcomes of a whole data set, a few examples at a time, so that somebody can watch and stop it.
 *
 *     static bool show(void *user, size_t done, size_t total)
 *     {
 *         printf("%zu of %zu examples\n", done, total);
 *         return true;                                 // go on
 *     }
 *
 *     sam_outcome *outcomes = sam_alloc(sam_dataset_count(dev), sizeof *outcomes);
 *     const sam_progress progress = {.step = show};
 *     if (sam_evaluate(trainer, dev, outcomes, &progress, err) != SAM_OK)
 *         return err->status;                          // CANCELLED: show returned false
 *
 * Thread safety: as of the trainer.
 */
#ifndef SAM_TRAIN_EVALUATION_H
#define SAM_TRAIN_EVALUATION_H

#include "train/trainer.h"

/* Called before each piece of long work, and after the last; false stops the work. */
typedef struct sam_progress {
    bool (*step)(void *user, size_t done, size_t total);
    void *user;
} sam_progress;

/* outcomes[count of data], at the present state of the trainer's replica. `progress` may be NULL. */
sam_status sam_evaluate(sam_trainer *trainer, const sam_dataset *data, sam_outcome *outcomes,
                        const sam_progress *progress, sam_error *err);

#endif
