#include "train/objectives/kind.h"

size_t sam_option_columns(const sam_tokens *option)
{
    return option->count - 1;
}

sam_status sam_option_pack(sam_batch *batch, const sam_example *example, const sam_tokens *option, size_t prefix,
                           bool normalised, sam_error *err)
{
    size_t branch;
    sam_status status = sam_batch_score(batch, prefix, example->prefix.count - 1, option->token[0], normalised, err);
    if (status != SAM_OK || option->count == 1)
        return status;
    status = sam_batch_add(batch, prefix, option->token, option->count - 1, &branch, err);
    for (size_t t = 1; status == SAM_OK && t < option->count; t++)
        status = sam_batch_score(batch, branch, t - 1, option->token[t], normalised, err);
    return status;
}

double sam_option_score(const sam_tokens *option, const float **scores)
{
    double sum = 0;
    for (size_t t = 0; t < option->count; t++)
        sum += (double)*(*scores)++;
    return sum;
}
