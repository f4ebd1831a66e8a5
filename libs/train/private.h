/* Codes that tell little of a single example, where the manifest has `privacy`: clipped for each example, summed as
 * integers, and with discrete Gaussian noise before they become codes.
 *
 *     sam_noise noise = sam_noise_secure();
 *     const uint32_t indices[] = {7, 3, 12, 9};                          // the minibatch
 *     uint8_t codes[2];                                                  // one for each probe
 *     sam_private_codes(manifest, outcomes, indices, &noise, codes);     // outcomes [variants][batch]
 *
 * The noise is exact: the sampler of Canonne, Kamath and Steinke (2020, algorithms 1 to 3) decides by integers alone,
 * so no float rounds a tail away. The proof of run/privacy.h rests on these lines. Thread safety: as of the source of
 * words.
 */
#ifndef SAM_TRAIN_PRIVATE_H
#define SAM_TRAIN_PRIVATE_H

#include "run/manifest.h"
#include "train/objectives/objective.h"

/* Where random words come from. */
typedef struct sam_noise {
    uint64_t (*word)(void *user);
    void *user;
} sam_noise;

sam_noise sam_noise_secure(void); /* from the system's generator: not even the worker can tell it again */

/* An integer x with probability proportional to exp(-x^2 / (2 sigma^2)); sigma from 1 to SAM_PRIVACY_SIGMA_MAX. */
int64_t sam_noise_gaussian(const sam_noise *noise, uint32_t sigma);

/* Slots after which an example comes again at the soonest. classes[count], as of the sampler. */
uint64_t sam_private_period(const sam_manifest *manifest, const uint32_t *classes, size_t count, uint32_t class_count);

/* INVALID where an example can come again sooner than the manifest's period says. */
sam_status sam_private_check(const sam_manifest *manifest, const uint32_t *classes, size_t count, uint32_t class_count,
                             sam_error *err);

/* outcomes[variants][batch], as sam_objective_loss fills them; indices[batch]: which examples they are; one that is
 * there twice counts once. What is not finite counts as 0. */
void sam_private_codes(const sam_manifest *manifest, const sam_outcome *outcomes, const uint32_t *indices,
                       const sam_noise *noise, uint8_t *codes);

#endif
