/* Walsh functions u_k[j] = (-1)^popcount(k & j), and the fast transform over all of them.
 *
 *     uint64_t signs = sam_walsh_signs(5, 128);        // bit b: u_5[128 + b] is -1
 *     int64_t a[1 << 10] = {0};
 *     sam_walsh_add(a, 10, 5, -3);                     // a[j] -= 3 u_5[j]
 *     sam_walsh_transform(a, 10);                      // a[j] = sum over k of a[k] u_k[j], in place
 *
 * The 2^n functions of n-bit k are orthogonal +-1 vectors, and a sum of any number of them costs n 2^n additions
 * (Hadamard order; arithmetic modulo 2^64). This is what makes a replica's catch-up independent of the log's length.
 * Pure functions. exact-zone.md sections 2 and 5.
 */
#ifndef SAM_SEED_WALSH_H
#define SAM_SEED_WALSH_H

#include <stddef.h>
#include <stdint.h>

uint64_t sam_walsh_signs(uint64_t k, uint64_t j);
void sam_walsh_add(int64_t *sum, unsigned log2_size, uint64_t k, int64_t amount); /* sum[j] += amount * u_k[j] */
void sam_walsh_transform(int64_t *values, unsigned log2_size);

#endif
