/* `choice`: the label is to be the best of the options. The loss is the cross-entropy of the softmax over their scores,
 * each the sum of its tokens' log probabilities. */
#include "train/objectives/kind.h"

#include <math.h>

static size_t columns(const sam_example *example)
{
    size_t sum = example->prefix.count;
    for (size_t o = 0; o < example->option_count; o++)
        sum += sam_option_columns(&example->options[o]);
    return sum;
}

/* Options of one token each compare by bare logits: the sum over the vocabulary is the same for all of them. */
static bool needs_probabilities(const sam_example *example)
{
    for (size_t o = 0; o < example->option_count; o++)
        if (example->options[o].count > 1)
            return true;
    return false;
}

static sam_status pack(sam_batch *batch, const sam_example *example, sam_error *err)
{
    bool normalised = needs_probabilities(example);
    size_t prefix;
    sam_status status = sam_batch_add(batch, SAM_NO_PREFIX, example->prefix.token, example->prefix.count, &prefix, err);
    for (size_t o = 0; status == SAM_OK && o < example->option_count; o++)
        status = sam_option_pack(batch, example, &example->options[o], prefix, normalised, err);
    return status;
}

static double best_but(const double *score, size_t count, uint32_t label)
{
    double best = -INFINITY;
    for (size_t o = 0; o < count; o++)
        if (o != label)
            best = fmax(best, score[o]);
    return best;
}

static sam_outcome outcome(const sam_example *example, const float **scores)
{
    double score[SAM_OPTIONS_MAX] = {0}, total = 0;
    size_t count = example->option_count;
    uint32_t label = example->label;
    sam_outcome found = {0};
    for (size_t o = 0; o < count; o++) {
        score[o] = sam_option_score(&example->options[o], scores);
        if (score[o] > score[found.answer])
            found.answer = (uint32_t)o;
    }
    for (size_t o = 0; o < count; o++)
        total += exp(score[o] - score[found.answer]);
    found.loss = score[found.answer] + log(total) - score[label];
    found.margin = count == 2 ? score[1] - score[0] : score[label] - best_but(score, count, label);
    return found;
}

const sam_objective_kind sam_objective_choice = {
    .balances = true, .columns = columns, .pack = pack, .outcome = outcome};
