/* From examples to a packed batch, and from the batch's scores to losses.
 *
 *     sam_objective_pack(&batch, examples, count, err);
 *     sam_engine_run(engine, &pass, err);
 *     double loss = sam_objective_loss(SAM_OBJECTIVE_CHOICE, examples, count, scores, outcomes);
 *
 * An example is one segment for its prefix, and one that goes on from it for each option of more than one token; the
 * first token of an option is scored at the end of the prefix. Options of one token each compare by bare logits (the
 * sum over the vocabulary is the same for all of them).
 *
 * `choice`: an option's score is the sum of its tokens' log probabilities; the loss is the cross-entropy of the
 * softmax over options. `completion`: the loss is the mean negative log probability of the labelled option's tokens.
 * Pure functions.
 */
#ifndef SAM_TRAIN_OBJECTIVE_H
#define SAM_TRAIN_OBJECTIVE_H

#include "model/forward/batch.h"
#include "run/manifest.h"
#include "train/dataset.h"

typedef struct sam_outcome {
    double loss;     /* nats */
    double margin;   /* two options: score of option 1 - score of option 0; else of the label over the best other */
    uint32_t answer; /* best option */
} sam_outcome;

/* Appends the examples' segments and scores. */
sam_status sam_objective_pack(sam_batch *batch, sam_objective objective, const sam_example *const *examples,
                              size_t count, sam_error *err);
size_t sam_objective_columns(sam_objective objective, const sam_example *example); /* tokens it takes in a batch */

/* scores: of one variant, in the order packed. Mean loss; NaN stays NaN. outcomes[count] may be NULL. */
double sam_objective_loss(sam_objective objective, const sam_example *const *examples, size_t count,
                          const float *scores, sam_outcome *outcomes);

#endif
