/* What a run tells about a single training example: the accountant of runs whose manifest has `privacy`.
 *
 *     double epsilon = sam_privacy_epsilon(&manifest->privacy, manifest->probes, rounds * manifest->slots);
 *     printf("(%.2f, 1e-5) differential privacy\n", epsilon);
 *
 * The mechanism (train/private.h): the sum over a minibatch of each example's integer, clipped to +-clip, plus discrete
 * Gaussian noise of deviation sigma, once for each probe. Who changes one example changes a sum by 2 clip at most, so
 * each probe that saw it costs rho = (2 clip)^2 / (2 sigma^2) of zero-concentrated privacy, and Renyi divergence of
 * order alpha is at most alpha rho (Canonne, Kamath, Steinke 2020, theorem 4: the discrete Gaussian is no worse than
 * the continuous one). Probes add up. Which examples a slot draws is public, so nothing is gained by sampling: an
 * example is in at most ceil(slots / period) of the first `slots` slots.
 *
 * Neighbours are data sets of the same size that differ in one example. Pure functions; any thread.
 */
#ifndef SAM_RUN_PRIVACY_H
#define SAM_RUN_PRIVACY_H

#include <stdint.h>

#define SAM_PRIVACY_DELTA     1e-5
#define SAM_PRIVACY_SIGMA_MAX (1u << 20)
#define SAM_PRIVACY_CLIP_MAX  (1u << 17)

typedef struct sam_privacy {
    uint32_t clip;   /* in units of the manifest's quantum; 0: the run is not private */
    uint32_t sigma;  /* likewise */
    uint32_t period; /* no example comes again before so many slots are over */
} sam_privacy;

/* At SAM_PRIVACY_DELTA, after `slots` slots; 0 after none. */
double sam_privacy_epsilon(const sam_privacy *privacy, uint32_t probes, uint64_t slots);

/* The least sigma with which `slots` slots come to `epsilon` at most, clip and period being those of `privacy`; 0 where
 * SAM_PRIVACY_SIGMA_MAX would be too little. */
uint32_t sam_privacy_sigma(const sam_privacy *privacy, uint32_t probes, uint64_t slots, double epsilon);

#endif
