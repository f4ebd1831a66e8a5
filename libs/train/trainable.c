#include "train/trainable.h"

#include "base/memory.h"
#include "model/architecture.h"

static bool trains(const sam_model_tensor *tensor, const sam_trainable *trainable)
{
    switch (tensor->role) {
    case SAM_ROLE_EMBEDDINGS:
    case SAM_ROLE_OUTPUT:
        return trainable->embeddings;
    case SAM_ROLE_FINAL_NORM:
        return trainable->final_norm;
    default: /* of a block */
        return tensor->block >= trainable->first_block && tensor->block < trainable->end_block &&
               (trainable->norms || !sam_role_is_norm(tensor->role));
    }
}

sam_status sam_trained_tensors_find(sam_trained_tensors *trained, const sam_model *model,
                                    const sam_trainable *trainable, sam_error *err)
{
    uint32_t blocks = sam_model_configuration(model)->blocks;
    if (trainable->end_block > blocks)
        return sam_fail(err, SAM_INVALID, "the run trains blocks %u to %u, the model has %u", trainable->first_block,
                        trainable->end_block, blocks);
    size_t count = sam_model_tensor_count(model);
    trained->parameters = 0;
    trained->start = sam_alloc(count, sizeof *trained->start);
    if (trained->start == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory listing %zu tensors", count);
    for (size_t i = 0; i < count; i++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(model, i);
        trained->start[i] = SAM_NOT_TRAINED;
        if (!trains(tensor, trainable))
            continue;
        trained->start[i] = trained->parameters;
        trained->parameters += tensor->rows * tensor->columns;
    }
    if (trained->parameters > 0)
        return SAM_OK;
    sam_trained_tensors_free(trained);
    return sam_fail(err, SAM_INVALID, "the run trains nothing: no block, no embeddings, no final norm");
}

void sam_trained_tensors_free(sam_trained_tensors *trained)
{
    sam_free(trained->start);
    *trained = (sam_trained_tensors){0};
}

uint32_t sam_first_live_block(const sam_model *model, const sam_trainable *trainable)
{
    if (trainable->embeddings)
        return 0;
    return trainable->first_block < trainable->end_block ? trainable->first_block
                                                         : sam_model_configuration(model)->blocks;
}
