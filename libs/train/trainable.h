/* Which tensors of a model train, and where each begins among the trained parameters.
 *
 * Canonical order (design section 3): trained tensors by Hugging Face name (bytes), row-major inside; flat index 0 is
 * the first element of the first trained tensor. Thread safety: immutable once found.
 */
#ifndef SAM_TRAIN_TRAINABLE_H
#define SAM_TRAIN_TRAINABLE_H

#include "model/model.h"
#include "run/manifest.h"

#define SAM_NOT_TRAINED UINT64_MAX

typedef struct sam_trained_tensors {
    uint64_t *start; /* [tensors of the model] flat index of the first element, or SAM_NOT_TRAINED */
    uint64_t parameters;
} sam_trained_tensors;

/* INVALID where the manifest names blocks that the model does not have, or nothing at all. */
sam_status sam_trained_tensors_find(sam_trained_tensors *trained, const sam_model *model,
                                    const sam_trainable *trainable, sam_error *err);
void sam_trained_tensors_free(sam_trained_tensors *trained);

/* The first block whose input depends on a trained tensor: what lies below is the same at every round. */
uint32_t sam_first_live_block(const sam_model *model, const sam_trainable *trainable);

#endif
