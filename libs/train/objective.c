#include "train/objective.h"

#include <math.h>

/* `completion` looks at the labelled option alone. */
static bool counts(sam_objective objective, const sam_example *example, size_t option)
{
    return objective != SAM_OBJECTIVE_COMPLETION || option == example->label;
}

static bool needs_probabilities(sam_objective objective, const sam_example *example)
{
    if (objective == SAM_OBJECTIVE_COMPLETION)
        return true;
    for (size_t o = 0; o < example->option_count; o++)
        if (example->options[o].count > 1)
            return true;
    return false;
}

size_t sam_objective_columns(sam_objective objective, const sam_example *example)
{
    size_t columns = example->prefix.count;
    for (size_t o = 0; o < example->option_count; o++)
        if (counts(objective, example, o))
            columns += example->options[o].count - 1;
    return columns;
}

static sam_status pack_option(sam_batch *batch, const sam_example *example, const sam_tokens *option, size_t prefix,
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

sam_status sam_objective_pack(sam_batch *batch, sam_objective objective, const sam_example *const *examples,
                              size_t count, sam_error *err)
{
    sam_status status = SAM_OK;
    for (size_t e = 0; status == SAM_OK && e < count; e++) {
        const sam_example *example = examples[e];
        bool normalised = needs_probabilities(objective, example);
        size_t prefix;
        status = sam_batch_add(batch, SAM_NO_PREFIX, example->prefix.token, example->prefix.count, &prefix, err);
        for (size_t o = 0; status == SAM_OK && o < example->option_count; o++)
            if (counts(objective, example, o))
                status = pack_option(batch, example, &example->options[o], prefix, normalised, err);
    }
    return status;
}

/* Sum of one option's token scores; moves on in `scores`. */
static double option_score(const sam_tokens *option, const float **scores)
{
    double sum = 0;
    for (size_t t = 0; t < option->count; t++)
        sum += (double)*(*scores)++;
    return sum;
}

static sam_outcome choose(const sam_example *example, const float **scores)
{
    double score[SAM_OPTIONS_MAX] = {0}, total = 0, best_other = -INFINITY;
    sam_outcome outcome = {0};
    for (size_t o = 0; o < example->option_count; o++) {
        score[o] = option_score(&example->options[o], scores);
        if (score[o] > score[outcome.answer])
            outcome.answer = (uint32_t)o;
    }
    for (size_t o = 0; o < example->option_count; o++) {
        total += exp(score[o] - score[outcome.answer]);
        if (o != example->label)
            best_other = fmax(best_other, score[o]);
    }
    outcome.loss = score[outcome.answer] + log(total) - score[example->label];
    outcome.margin = example->option_count == 2 ? score[1] - score[0] : score[example->label] - best_other;
    return outcome;
}

static sam_outcome complete(const sam_example *example, const float **scores)
{
    const sam_tokens *option = &example->options[example->label];
    sam_outcome outcome = {.answer = example->label};
    outcome.loss = -option_score(option, scores) / (double)option->count;
    return outcome;
}

double sam_objective_loss(sam_objective objective, const sam_example *const *examples, size_t count,
                          const float *scores, sam_outcome *outcomes)
{
    double sum = 0;
    for (size_t e = 0; e < count; e++) {
        sam_outcome outcome =
            objective == SAM_OBJECTIVE_COMPLETION ? complete(examples[e], &scores) : choose(examples[e], &scores);
        sum += outcome.loss;
        if (outcomes != NULL)
            outcomes[e] = outcome;
    }
    return sum / (double)count;
}
