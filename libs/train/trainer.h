/* The work of a worker: compute a slot's codes, or evaluate a part of a data set, on a replica.
 *
 *     sam_trainer *trainer;
 *     sam_trainer_new(&trainer, &(sam_trainer_parts){engine, replica, manifest, train, cache_folder}, err);
 *     uint8_t codes[PROBES];
 *     sam_trainer_slot(trainer, round, slot, codes, err);                 // replica stands at `round`
 *     sam_trainer_evaluate(trainer, dev, first, count, outcomes, err);
 *     sam_trainer_free(trainer);
 *
 * A slot is a function of (base, manifest, state, round, slot): its minibatch, its probes, the losses of the perturbed
 * copies in one lockstep run, the estimator's scalars, the codes (design sections 4 and 5). Spall 1992 for the
 * two-point estimator, FZOO (2506.09034) for the one-sided one. Thread safety: one thread at a time; the engine brings
 * its own threads.
 */
#ifndef SAM_TRAIN_TRAINER_H
#define SAM_TRAIN_TRAINER_H

#include "model/forward/engine.h"
#include "run/manifest.h"
#include "train/dataset.h"
#include "train/objective.h"
#include "train/replica.h"

typedef struct sam_trainer_parts { /* all borrowed */
    sam_engine *engine;
    sam_replica *replica;
    const sam_manifest *manifest;
    const sam_dataset *train; /* may be NULL: then it can only evaluate */
    const char *cache_folder; /* of activations; NULL: in memory only */
} sam_trainer_parts;

typedef struct sam_trainer sam_trainer;

sam_status sam_trainer_new(sam_trainer **trainer, const sam_trainer_parts *parts, sam_error *err);
void sam_trainer_free(sam_trainer *trainer); /* NULL is fine */

/* codes[probes]. CONFLICT when the replica does not stand at `round`. `loss`, where not NULL: mean of all variants. */
sam_status sam_trainer_slot(sam_trainer *trainer, uint64_t round, uint32_t slot, uint8_t *codes, double *loss,
                            sam_error *err);

/* Examples [first, first + count) of any data set, at the replica's present state. outcomes[count]. A trainer keeps the
 * activations of the data sets it has met (up to four). `data` must outlive the trainer. */
sam_status sam_trainer_evaluate(sam_trainer *trainer, const sam_dataset *data, size_t first, size_t count,
                                sam_outcome *outcomes, sam_error *err);

/* Sums for the log. `outcomes` belong to examples first, first + 1, ... of `data`. */
sam_evaluation sam_evaluation_of(const sam_dataset *data, size_t first, size_t count, const sam_outcome *outcomes,
                                 uint64_t round);

#endif
