#include "train/defaults.h"

#include "train/objectives/objective.h"

#include <math.h>

/* Blocks at the top that train: a third. What lies below is computed once for each example, so a probe costs a third of
 * a forward, and it learns more than twice as much as one of the top fifth (docs/results.md). */
static uint32_t first_trained(uint32_t blocks)
{
    uint32_t top = (blocks + 2) / 3;
    return blocks - top;
}

unsigned sam_default_log2_k(uint64_t probes)
{
    unsigned log2 = 16;
    while (log2 < 20 && (uint64_t)1 << log2 < probes)
        log2++;
    return log2;
}

uint64_t sam_rate_of(double movement, int eta_log2)
{
    return (uint64_t)llround(ldexp(movement, -eta_log2));
}

void sam_default_manifest(sam_manifest *draft, const sam_model *model, sam_objective objective)
{
    uint32_t blocks = sam_model_configuration(model)->blocks;
    *draft = (sam_manifest){
        .mode = &sam_mode_sync,
        .objective = objective,
        .estimator = SAM_TWO_POINT,
        .base = *sam_model_digest(model),
        .seed = 1,
        .rounds = 1000,
        .slots = 8,
        .probes = 2,
        .batch = 8,
        .balance = sam_objective_balances(objective),
        .epsilon_log2 = -9,
        .epsilon_units = 3,
        .quantum_log2 = -8,
        .directions = {SAM_SKETCH, .log2_k = sam_default_log2_k(0)},
        .eta_log2 = -30,
        .trainable = {.first_block = first_trained(blocks), .end_block = blocks, .norms = true},
        .size =
            {
                .rate = sam_rate_of(0.002, -30),
                .schedule = {.kind = SAM_SCHEDULE_INVERSE, .horizon = 125},
                .scale = {.kind = SAM_SCALE_RUNNING, .shift = 6},
                .clip = 1024,
            },
        .guard = {.kind = SAM_GUARD_CLIP},
        .evaluation = {.every = 25, .chunks = 4},
        .lease_ms = 60000,
    };
}
