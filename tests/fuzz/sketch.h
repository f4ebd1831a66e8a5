/* The manifest that the corpus and its targets share: of 20 rounds with 3 slots of 2 probes. */
#ifndef SAM_FUZZ_SKETCH_H
#define SAM_FUZZ_SKETCH_H

#include "run/manifest.h"

static inline sam_manifest *fuzz_sketch(void)
{
    static char name[] = "film-reviews", kernel[] = "avx2", task[] = "{\"labels\":[\"no\",\"yes\"]}";
    const sam_manifest draft = {.name = name,
                                .task = task,
                                .seed = 7,
                                .rounds = 20,
                                .slots = 3,
                                .probes = 2,
                                .batch = 16,
                                .epsilon_units = 1,
                                .epsilon_log2 = -9,
                                .quantum_log2 = -8,
                                .log2_k = 20,
                                .eta_log2 = -30,
                                .trainable = {.first_block = 24, .end_block = 30, .norms = true},
                                .update = {.rate = 1200000, .guard = {.clip = 1024}},
                                .evaluation = {.every = 5, .chunks = 2},
                                .quorum = {.slots = 2, .after_ms = 5000},
                                .verify_rate = 16,
                                .kernel = kernel,
                                .lease_ms = 1000};
    sam_manifest *composed;
    if (sam_manifest_compose(&composed, &draft, NULL) != SAM_OK)
        __builtin_trap();
    return composed;
}

#endif
