/* The weights of a run at a moment: the base plus what its directions' state adds, and perturbed copies of that.
 *
 *     sam_tuned tuned;
 *     sam_tuned_open(&tuned, model, manifest, err);
 *     sam_directions_move(tuned.directions, moves, count);
 *     sam_weight_source theta = sam_tuned_weights(&tuned);                     // for the engine and the exporters
 *     const sam_direction two[] = {{.epoch = 0, .number = 12}, {0, 13}};
 *     sam_perturbation perturbation = {&tuned, two, 2, SAM_TWO_POINT, .epsilon = 0.01f};
 *     sam_perturbation_open(&perturbation, err);
 *     sam_weight_source copies = sam_perturbed_weights(&perturbation);         // for a slot's losses
 *     sam_perturbation_close(&perturbation);
 *     sam_tuned_close(&tuned);
 *
 * Nothing is formed before a source is asked for rows, so the base stays as it is in its file.
 * Thread safety: sources may be read from many threads while nobody moves the directions.
 */
#ifndef SAM_TRAIN_WEIGHTS_H
#define SAM_TRAIN_WEIGHTS_H

#include "model/kernels/kernels.h"
#include "model/model.h"
#include "run/manifest.h"
#include "train/trainable.h"

typedef struct sam_tuned {
    const sam_model *model;
    const sam_kernels *kernels; /* for add_signed and perturb */
    sam_trained_tensors trained;
    sam_directions *directions;
} sam_tuned;

/* Borrows the model. INVALID where the manifest trains what the model does not have; close it in any case. */
sam_status sam_tuned_open(sam_tuned *tuned, const sam_model *model, const sam_manifest *manifest, sam_error *err);
void sam_tuned_close(sam_tuned *tuned);

sam_weight_source sam_tuned_weights(const sam_tuned *tuned); /* theta, one variant; borrows it */

/* The copies that a slot's probes need, formed tile by tile: for two-point theta + eps z_p, theta - eps z_p for each of
 * the probes (2 * probe_count variants); for one-sided theta + eps z_p (probe_count variants). */
typedef struct sam_perturbation {
    const sam_tuned *tuned;
    const sam_direction *probes; /* borrowed; their epochs have begun */
    uint32_t probe_count;
    sam_estimator estimator;
    float epsilon;
    struct sam_copied_cores *cores; /* between open and close, of a family with a low-rank form */
} sam_perturbation;

/* Of a family with a low-rank form, makes the cores of every copy, at the state as it is: the source then offers them,
 * and the matrices need not be formed. What is not opened has every matrix formed, with the same result; other families
 * need nothing. NO_MEMORY leaves it closed. */
sam_status sam_perturbation_open(sam_perturbation *perturbation, sam_error *err);
void sam_perturbation_close(sam_perturbation *perturbation);

sam_weight_source sam_perturbed_weights(const sam_perturbation *perturbation); /* borrows it */

#endif
