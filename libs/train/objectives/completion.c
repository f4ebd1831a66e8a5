/* `completion`: the labelled option is to become likely. The loss is the mean negative log probability of its tokens;
 * the other options are not looked at. */
#include "train/objectives/kind.h"

static const sam_tokens *labelled(const sam_example *example)
{
    return &example->options[example->label];
}

static size_t columns(const sam_example *example)
{
    return example->prefix.count + sam_option_columns(labelled(example));
}

static sam_status pack(sam_batch *batch, const sam_example *example, sam_error *err)
{
    size_t prefix;
    sam_status status = sam_batch_add(batch, SAM_NO_PREFIX, example->prefix.token, example->prefix.count, &prefix, err);
    return status != SAM_OK ? status : sam_option_pack(batch, example, labelled(example), prefix, true, err);
}

static sam_outcome outcome(const sam_example *example, const float **scores)
{
    const sam_tokens *option = labelled(example);
    return (sam_outcome){.answer = example->label, .loss = -sam_option_score(option, scores) / (double)option->count};
}

const sam_objective_kind sam_objective_completion = {.columns = columns, .pack = pack, .outcome = outcome};
