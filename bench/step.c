/* Milliseconds of one two-point probe: 16 made-up sentences of 27 tokens, all of a model or its top blocks only.
 *
 *     bench_step MODEL [TOP_BLOCKS] [THREADS] [bf16|f32]      0 blocks: all of them
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/engine.h"
#include "train/defaults.h"
#include "train/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXAMPLES = 16, TOKENS = 27, REPEATS = 9 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static sam_status fill(sam_batch *batch, uint32_t vocabulary, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint32_t e = 0; status == SAM_OK && e < EXAMPLES; e++) {
        uint32_t tokens[TOKENS];
        size_t segment;
        for (uint32_t t = 0; t < TOKENS; t++)
            tokens[t] = (e * 7919 + t * 104729 + 17) % vocabulary;
        status = sam_batch_add(batch, SAM_NO_PREFIX, tokens, TOKENS, &segment, err);
        for (uint32_t option = 0; status == SAM_OK && option < 2; option++)
            status = sam_batch_score(batch, segment, TOKENS - 1, 10 + option, false, err);
    }
    return status;
}

static sam_status measure(sam_engine *engine, const sam_replica *replica, uint32_t first_block, sam_error *err)
{
    const sam_model_config *config = sam_model_configuration(sam_engine_model(engine));
    sam_batch batch = {0};
    float plus[2 * EXAMPLES], minus[2 * EXAMPLES], *const scores[] = {plus, minus};
    double ms[REPEATS];
    sam_status status = fill(&batch, config->vocabulary, err);
    float *input = sam_alloc_aligned(config->hidden * sam_engine_stride(EXAMPLES * TOKENS), sizeof *input);
    if (status == SAM_OK && input == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    for (uint64_t r = 0; status == SAM_OK && r < REPEATS; r++) {
        const sam_perturbation perturbation = {replica, r, 1, SAM_TWO_POINT, 1e-3f};
        const sam_weight_source weights = sam_perturbed_weights(&perturbation);
        const sam_pass pass = {.batch = &batch,
                               .weights = &weights,
                               .first_block = first_block,
                               .end_block = config->blocks,
                               .input = first_block > 0 ? input : NULL,
                               .scores = scores};
        uint64_t began = sam_monotonic_ns();
        status = sam_engine_run(engine, &pass, err);
        ms[r] = (double)(sam_monotonic_ns() - began) * 1e-6;
    }
    if (status == SAM_OK) {
        qsort(ms, REPEATS, sizeof *ms, compare);
        printf("{\"blocks\":%u,\"tokens\":%d,\"threads\":%u,\"kernel\":\"%s\",\"ms_min\":%.1f,\"ms_median\":%.1f}\n",
               config->blocks - first_block, EXAMPLES * TOKENS, sam_engine_threads(engine),
               sam_engine_kernels(engine)->name, ms[0], ms[REPEATS / 2]);
    }
    sam_free(input);
    sam_batch_free(&batch);
    return status;
}

int main(int argc, char **argv)
{
    sam_error err = {0};
    uint64_t top = 0, threads = 0;
    if (argc < 2 || (argc > 2 && !sam_parse_u64(argv[2], &top)) || (argc > 3 && !sam_parse_u64(argv[3], &threads))) {
        fprintf(stderr, "usage: bench_step MODEL [TOP_BLOCKS] [THREADS] [bf16|f32]\n");
        return 2;
    }
    const sam_engine_options options = {
        .threads = (unsigned)threads,
        .precision = argc > 4 && strcmp(argv[4], "f32") == 0 ? SAM_PRECISION_F32 : SAM_PRECISION_BF16,
    };
    sam_model *model = NULL;
    sam_engine *engine = NULL;
    sam_replica *replica = NULL;
    sam_manifest manifest;
    sam_status status = sam_model_open(&model, argv[1], &err);
    if (status == SAM_OK) {
        uint32_t blocks = sam_model_configuration(model)->blocks;
        sam_default_manifest(&manifest, model, SAM_OBJECTIVE_CHOICE);
        manifest.trainable.first_block = top == 0 || top > blocks ? 0 : blocks - (uint32_t)top;
        status = sam_engine_new(&engine, model, &options, &err);
    }
    if (status == SAM_OK)
        status = sam_replica_new(&replica, model, &manifest, &err);
    if (status == SAM_OK)
        status = measure(engine, replica, manifest.trainable.first_block, &err);
    if (status != SAM_OK)
        fprintf(stderr, "bench_step: %s\n", err.text);
    sam_replica_free(replica);
    sam_engine_free(engine);
    sam_model_close(model);
    return sam_exit_code(status);
}
