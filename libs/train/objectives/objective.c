#include "train/objectives/kind.h"

#define KIND(constant, name) [SAM_OBJECTIVE_##constant] = &sam_objective_##name,
static const sam_objective_kind *const KINDS[] = {SAM_OBJECTIVES(KIND)};

size_t sam_objective_columns(sam_objective objective, const sam_example *example)
{
    return KINDS[objective]->columns(example);
}

bool sam_objective_balances(sam_objective objective)
{
    return KINDS[objective]->balances;
}

sam_status sam_objective_pack(sam_batch *batch, sam_objective objective, const sam_example *const *examples,
                              size_t count, sam_error *err)
{
    sam_status status = SAM_OK;
    for (size_t e = 0; status == SAM_OK && e < count; e++)
        status = KINDS[objective]->pack(batch, examples[e], err);
    return status;
}

double sam_objective_loss(sam_objective objective, const sam_example *const *examples, size_t count,
                          const float *scores, sam_outcome *outcomes)
{
    double sum = 0;
    for (size_t e = 0; e < count; e++) {
        sam_outcome outcome = KINDS[objective]->outcome(examples[e], &scores);
        sum += outcome.loss;
        if (outcomes != NULL)
            outcomes[e] = outcome;
    }
    return sum / (double)count;
}
