#include "train/trainable.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static bool in_trained_block(const char *name, const sam_trainable *trainable)
{
    unsigned block;
    if (sscanf(name, "model.layers.%u.", &block) != 1)
        return false;
    return block >= trainable->first_block && block < trainable->end_block;
}

static bool trains(const sam_model_tensor *tensor, const sam_trainable *trainable)
{
    if (strcmp(tensor->name, "model.embed_tokens.weight") == 0 || strcmp(tensor->name, "lm_head.weight") == 0)
        return trainable->embeddings;
    if (strcmp(tensor->name, "model.norm.weight") == 0)
        return trainable->final_norm;
    bool norm = strstr(tensor->name, "norm.weight") != NULL;
    return in_trained_block(tensor->name, trainable) && (trainable->norms || !norm);
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
