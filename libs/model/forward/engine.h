/* The forward pass: a packed batch through a model, for several slightly different sets of weights in lockstep.
 *
 *     const sam_engine_options options = {.threads = 2};
 *     sam_engine *engine;
 *     if (sam_engine_new(&engine, model, &options, err) != SAM_OK)
 *         return err->status;
 *     const sam_weight_source base = sam_model_source(model);  // or perturbed copies, in lockstep
 *     float values[16], *scores[] = {values};                  // an array for each copy
 *     const sam_pass pass = {.batch = &batch, .weights = &base, .end_block = 30, .scores = scores};
 *     sam_engine_run(engine, &pass, err);                      // values[i]: batch.scores[i]
 *     sam_engine_free(engine);
 *
 * Each tile of rows of a weight matrix is formed once by the sam_weight_source (all variants at once, from base, state
 * and signs) and multiplied with the activations of each variant while it is in cache: there is no pass over the
 * weights, and no second copy of them. Where the source has the low-rank form of a matrix, the tile is the model's own
 * for all variants, and what each adds to it is multiplied by itself (low_rank.c). A pass may begin at any block from a
 * stored residual stream, which is how the frozen blocks below the trained ones are paid for once for each example. In
 * the last block only scored columns are worked on beyond keys and values.
 *
 * Activations are [features][stride], stride = sam_engine_stride(columns). Results do not depend on the number of
 * threads, nor (with any kernel but openblas) on what else is in the batch.
 * Thread safety: an engine serves one run at a time; engines may share a model.
 */
#ifndef SAM_MODEL_ENGINE_H
#define SAM_MODEL_ENGINE_H

#include "model/forward/batch.h"
#include "model/kernels/kernels.h"
#include "model/model.h"

#define SAM_VARIANTS_MAX 32u

typedef struct sam_engine_options {
    unsigned threads; /* 0: one for each core */
    sam_precision precision;
    const char *kernel;  /* NULL: chosen (sam_kernels_choose) */
    size_t memory_limit; /* bytes that a run's activations may take; 0: half of what is available when it is made */
} sam_engine_options;

typedef struct sam_engine sam_engine;

/* Where a run's time goes. FORM is what the weight source takes, whatever step asked for it; OTHER is norms, RoPE,
 * gates, packing. Waiting is in none of them. */
typedef enum sam_phase {
    SAM_PHASE_PRODUCTS,
    SAM_PHASE_FORM,
    SAM_PHASE_ATTENTION,
    SAM_PHASE_OTHER,
    SAM_PHASES
} sam_phase;

typedef struct sam_profile {
    uint64_t ns[SAM_PHASES]; /* of all threads together */
} sam_profile;

typedef struct sam_pass {
    const sam_batch *batch;
    const sam_weight_source *weights;
    uint32_t first_block, end_block; /* blocks [first_block, end_block) */
    const float
        *input;    /* residual stream at entry of first_block, [hidden][stride], of all variants; NULL: embeddings */
    float *output; /* not NULL: the stream after end_block, [hidden][stride], of variant 0; no scores are made then */
    float *const *scores; /* [variants][score_count]; needs end_block to be the model's last */
    sam_profile *profile; /* not NULL: the run's times are added to it; costs less than 1 % */
} sam_pass;

sam_status sam_engine_new(sam_engine **engine, const sam_model *model, const sam_engine_options *options,
                          sam_error *err);
void sam_engine_free(sam_engine *engine); /* NULL is fine */

size_t sam_engine_stride(size_t columns);
const sam_kernels *sam_engine_kernels(const sam_engine *engine);
const sam_model *sam_engine_model(const sam_engine *engine);
unsigned sam_engine_threads(const sam_engine *engine);

/* How many variants of a batch of so many columns can run in lockstep within `bytes` (0: the engine's memory_limit), at
 * least 2 and at most SAM_VARIANTS_MAX: a group of a worker's probes. Reckons with every column being scored over the
 * whole vocabulary; a source's low-rank terms take a little more, which it does not know. */
unsigned sam_engine_variants_that_fit(const sam_engine *engine, size_t columns, size_t bytes);

/* NO_MEMORY; INVALID where a token lies beyond the vocabulary, a position beyond RoPE's range, or the pass makes no
 * sense. */
sam_status sam_engine_run(sam_engine *engine, const sam_pass *pass, sam_error *err);

#endif
