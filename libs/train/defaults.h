/* The settings of a run that nobody had to choose: one set that learns on any model and task.
 *
 *     sam_manifest draft;
 *     sam_default_manifest(&draft, model, SAM_OBJECTIVE_CHOICE);
 *     draft.rounds = 600;                                        // what the user said
 *     sam_manifest_compose(&manifest, &draft, err);
 *
 * The normaliser (exact-zone.md section 4) takes the size of the scalars out of the learning rate, so what is left are
 * numbers about directions and schedules. docs/results.md has what was tried for each. Pure function.
 */
#ifndef SAM_TRAIN_DEFAULTS_H
#define SAM_TRAIN_DEFAULTS_H

#include "model/model.h"
#include "run/manifest.h"

/* Fills every field but name, task, train, dev and seed's owner fields: those are the caller's. Seed is 1. */
void sam_default_manifest(sam_manifest *draft, const sam_model *model, sam_objective objective);

/* Coordinates of a sketch for a run of so many probes: one for each, so that no two of them share a direction, between
 * 2^16 and 2^20. As few as that, since every step reads them again for each million of parameters: 2^16 stay in a
 * second-level cache. */
unsigned sam_default_log2_k(uint64_t probes);

/* The movement of one probe of root-mean-square scalar, in units of the weights, as the manifest's integer rate. */
uint64_t sam_rate_of(double movement, int eta_log2);

#endif
