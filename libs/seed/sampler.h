/* Which examples a slot's minibatch holds: a function of (seed, minibatch number), the same on every machine.
 *
 *     const uint32_t classes[] = {0, 1, 1, 0, 1};                      // of five examples; NULL: all are of one class
 *     sam_sampler *sampler = sam_sampler_new(7, classes, 5, 2);        // seed 7, two classes
 *     uint32_t batch[16];
 *     sam_sampler_batch(sampler, 41, 16, batch);                       // the 41st minibatch: which examples are in it
 *     sam_sampler_free(sampler);
 *
 * Every class is gone through in an order shuffled anew for each pass; with several classes a minibatch holds them
 * in equal numbers. exact-zone.md section 6. A sampler remembers the shuffles in use: it belongs to one thread.
 */
#ifndef SAM_SEED_SAMPLER_H
#define SAM_SEED_SAMPLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_sampler sam_sampler;

/* NULL when memory is out, or a class is empty, or count is 0. classes[i] in 0..class_count-1 is copied. */
sam_sampler *sam_sampler_new(uint64_t seed, const uint32_t *classes, size_t count, uint32_t class_count);
void sam_sampler_free(sam_sampler *sampler);

/* Examples of the minibatch with this number (seed/numbering.h). */
void sam_sampler_batch(sam_sampler *sampler, uint64_t number, size_t size, uint32_t *examples);

#endif
