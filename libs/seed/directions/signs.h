/* Random signs from Philox, many at once: drawn, or as the directions of the dense state.
 *
 *     const sam_sign_stream stream = {.key = 7, .stream = SAM_STREAM_SIGNS, .part = 0};
 *     uint64_t bits[2];
 *     sam_signs_draw(&stream, 576, 100, bits);                   // of parameters 576 to 675; 1 is minus
 *
 *     const sam_sign_kernel *kernel = sam_sign_kernel_best();
 *     int32_t g[1000] = {0};                                     // one for each parameter
 *     const uint64_t seeds[] = {7, 8};
 *     const uint32_t amounts[] = {1200, 900};
 *     kernel->subtract(g, 1000, seeds, amounts, 2);              // g[i] -= sum over m of amounts[m] * z_m[i]
 *
 * The sign of parameter i is bit i mod 128 of Philox block i / 128 of a stream; z_m has the key seeds[m] and the stream
 * of directions. Philox does the same to every block, so blocks are a vector's lanes.
 * `subtract` works tile by tile: a tile of parameters stays in the first-level cache while every direction passes over
 * it. Sums are modulo 2^32, so every kernel gives the same bits.
 * The inside of libs/seed/directions. exact-zone.md sections 1 and 2. Thread safety: pure functions.
 */
#ifndef SAM_SEED_SIGNS_H
#define SAM_SEED_SIGNS_H

#include "seed/philox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_SIGN_BATCH 512 /* the most directions at once: what a kernel prepares of them stays in cache */

typedef struct sam_sign_stream {
    uint64_t key;
    sam_stream stream;
    uint32_t part;
} sam_sign_stream;

typedef struct sam_sign_kernel {
    const char *name;
    bool (*runs_here)(void);
    void (*draw)(const sam_sign_stream *stream, uint64_t block, size_t blocks, uint64_t *signs); /* [blocks][2] */
    void (*subtract)(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts, size_t count);
} sam_sign_kernel;

const sam_sign_kernel *const *sam_sign_kernels_all(void); /* fastest first, ended by NULL */
const sam_sign_kernel *sam_sign_kernel_best(void);        /* the first that runs on this CPU */

/* Signs of parameters first .. first + count - 1 to bits 0, 1, ... of out[(count + 63) / 64], with the best kernel.
 * Bits after the last one are of no meaning. */
void sam_signs_draw(const sam_sign_stream *stream, uint64_t first, size_t count, uint64_t *out);

#endif
