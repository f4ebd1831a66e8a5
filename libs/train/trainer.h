/* The work of a worker: make the record of a place, or evaluate a part of a data set, on a replica.
 *
 *     const sam_trainer_parts parts = {engine, replica, manifest, train, cache_folder};
 *     sam_trainer *trainer;
 *     sam_status status = sam_trainer_new(&trainer, &parts, err);
 *     sam_record record = {.round = 41, .place = 3, .author = 2};
 *     if (status == SAM_OK)
 *         status = sam_trainer_record(trainer, &record, err);                // its codes, and the loss it saw
 *     if (status == SAM_OK)
 *         status = sam_trainer_evaluate(trainer, dev, 0, count, outcomes, err);
 *     sam_trainer_free(trainer);
 *
 * A record is a function of (base, manifest, state, origin): each of its steps has a minibatch and probes, the losses
 * of the perturbed copies in one lockstep run, the estimator's scalars, the codes. Where the mode applies steps
 * locally, the next step is taken from where the last one led, and all are taken back at the end. Spall 1992 for the
 * two-point estimator, FZOO (2506.09034) for the one-sided one. Thread safety: one thread at a time; the engine brings
 * its own threads.
 */
#ifndef SAM_TRAIN_TRAINER_H
#define SAM_TRAIN_TRAINER_H

#include "model/forward/engine.h"
#include "run/manifest.h"
#include "train/dataset.h"
#include "train/objectives/objective.h"
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

/* Fills weight, loss and codes of a record whose origin and author are given. The replica is moved to the state at
 * which that origin is computed, and stays there. The codes are the trainer's, until its next record. NOT_FOUND where
 * the replica does not have the rounds before; CONFLICT without training data, or where the run has no such place. */
sam_status sam_trainer_record(sam_trainer *trainer, sam_record *record, sam_error *err);

/* Examples [first, first + count) of any data set, at the replica's present state. outcomes[count]. A trainer keeps the
 * activations of the data sets it has met (up to four). `data` must outlive the trainer. */
sam_status sam_trainer_evaluate(sam_trainer *trainer, const sam_dataset *data, size_t first, size_t count,
                                sam_outcome *outcomes, sam_error *err);

/* Sums for the log. `outcomes` belong to examples first, first + 1, ... of `data`. */
sam_evaluation sam_evaluation_of(const sam_dataset *data, size_t first, size_t count, const sam_outcome *outcomes,
                                 uint64_t round);

#endif
