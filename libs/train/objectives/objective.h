/* From examples to a packed batch, and from the batch's scores to losses, by the objective of the run.
 *
 *     sam_batch batch = {0};
 *     sam_objective_pack(&batch, SAM_OBJECTIVE_CHOICE, examples, 16, err);
 *     float *scores = sam_alloc(batch.score_count, sizeof *scores);          // filled by sam_engine_run
 *     sam_outcome outcomes[16];
 *     double loss = sam_objective_loss(SAM_OBJECTIVE_CHOICE, examples, 16, scores, outcomes);
 *
 * What each objective computes: docs/formats/objectives.md. How it is made of functions: kind.h, one file for each
 * beside it. Pure functions.
 */
#ifndef SAM_TRAIN_OBJECTIVE_H
#define SAM_TRAIN_OBJECTIVE_H

#include "model/forward/batch.h"
#include "run/objective.h"
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

/* A minibatch has as many examples of each label, unless the manifest says otherwise. */
bool sam_objective_balances(sam_objective objective);

#endif
