/* What the frozen lower blocks make of each example, computed once and kept in a file that all workers of the machine
 * share.
 *
 *     sam_activations *cache;
 *     if (sam_activations_open(&cache, folder, engine, train, SAM_OBJECTIVE_CHOICE, 20, err) != SAM_OK)
 *         return err->status;                                       // of blocks 0 to 19
 *     const uint32_t indices[] = {7, 3, 12};                        // three examples of `train`
 *     const float *input;                                           // [hidden][stride], for sam_pass.input
 *     sam_activations_input(cache, indices, 3, sam_engine_stride(batch.columns), &input, err);
 *     sam_activations_close(cache);
 *
 * The residual stream that enters the first trained block does not change while a run goes on. The file lies in the
 * cache folder under a name made from everything it depends on (base, data, tokens, block, kernel), is as large as the
 * data set's tokens need (sparse until used), and is mapped: a second worker, or a second run, finds what the first
 * computed. Missing entries are computed 32 examples at a time; with every kernel but openblas an entry does not depend
 * on what it was computed with, so two workers write the same bytes. An entry has a flag that is set after its bytes.
 * Kept in the precision of the products. Thread safety: one handle belongs to one thread; handles share the file.
 */
#ifndef SAM_TRAIN_ACTIVATIONS_H
#define SAM_TRAIN_ACTIVATIONS_H

#include "model/forward/engine.h"
#include "train/dataset.h"
#include "train/objectives/objective.h"

typedef struct sam_activations sam_activations;

/* `folder` NULL: kept in memory of this process only. Borrows engine and data. */
sam_status sam_activations_open(sam_activations **cache, const char *folder, sam_engine *engine,
                                const sam_dataset *data, sam_objective objective, uint32_t first_block, sam_error *err);
void sam_activations_close(sam_activations *cache); /* NULL is fine */

/* The stream of these examples, packed in this order by sam_objective_pack. Valid until the next call. */
sam_status sam_activations_input(sam_activations *cache, const uint32_t *indices, size_t count, size_t stride,
                                 const float **input, sam_error *err);

#endif
