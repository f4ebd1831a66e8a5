/* Many rademacher directions subtracted from a stretch of the dense state at once.
 *
 *     const sam_sign_kernel *kernel = sam_sign_kernel_best();
 *     kernel->subtract(g, parameters, seeds, amounts, count);    // g[i] -= sum over m of amounts[m] * z_m[i]
 *
 * z_m[i] is +1 or -1 by bit i mod 128 of Philox block i / 128 under the key seeds[m]. A tile of parameters stays in
 * the first-level cache while every direction passes over it; within a tile a vector's lanes are blocks, since Philox
 * does the same to each of them. Sums are modulo 2^32, so every kernel gives the same bits.
 * The inside of libs/seed/directions. exact-zone.md section 2.
 */
#ifndef SAM_SEED_SIGNS_H
#define SAM_SEED_SIGNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_SIGN_BATCH 512 /* the most directions at once: what a kernel prepares of them stays in cache */

typedef struct sam_sign_kernel {
    const char *name;
    bool (*runs_here)(void);
    void (*subtract)(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts, size_t count);
} sam_sign_kernel;

const sam_sign_kernel *const *sam_sign_kernels_all(void); /* fastest first, ended by NULL */
const sam_sign_kernel *sam_sign_kernel_best(void);        /* the first that runs on this CPU */

#endif
