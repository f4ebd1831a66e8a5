/* The run that the corpus and its targets share: its manifest, of 20 rounds with 3 slots of 2 probes, and its rounds.
 */
#ifndef SAM_FUZZ_SKETCH_H
#define SAM_FUZZ_SKETCH_H

#include "run/manifest.h"
#include "run/round.h"

#include <string.h>

static inline void fuzz_must(bool good)
{
    if (!good)
        __builtin_trap();
}

static inline sam_manifest *fuzz_sketch(void)
{
    static char name[] = "film-reviews", kernel[] = "avx2", task[] = "{\"labels\":[\"no\",\"yes\"]}";
    const sam_manifest draft = {.name = name,
                                .mode = &sam_mode_sync,
                                .task = task,
                                .seed = 7,
                                .rounds = 20,
                                .slots = 3,
                                .probes = 2,
                                .batch = 16,
                                .epsilon_units = 1,
                                .epsilon_log2 = -9,
                                .quantum_log2 = -8,
                                .directions.log2_k = 20,
                                .eta_log2 = -30,
                                .trainable = {.first_block = 24, .end_block = 30, .norms = true},
                                .size = {.rate = 1200000, .clip = 1024, .scale = {.kind = SAM_SCALE_RUNNING}},
                                .evaluation = {.every = 5, .chunks = 2},
                                .quorum = {.slots = 2, .after_ms = 5000},
                                .verify_rate = 16,
                                .kernel = kernel,
                                .lease_ms = 1000};
    sam_manifest *composed;
    fuzz_must(sam_manifest_compose(&composed, &draft, NULL) == SAM_OK);
    return composed;
}

/* Appends an encoded round: all slots filled, in odd rounds all but the last. */
static inline void fuzz_round(sam_buffer *out, const sam_round_shape *shape, uint64_t number, sam_digest *chain)
{
    sam_evaluation evaluations[] = {{.at = 0, .examples = 100, .correct = 61, .loss_micro = 690000}};
    sam_round round = {.number = number, .committed_ms = 1700000000000 + number};
    for (uint32_t slot = 0; slot < shape->places - (number & 1); slot++) {
        uint8_t codes[8];
        memset(codes, (int)(0x30 + slot), sizeof codes);
        const sam_record record = {.round = number,
                                   .place = slot,
                                   .author = slot + 1,
                                   .weight = 1,
                                   .loss = slot == 1 ? SAM_LOSS_NONE : 180 + slot,
                                   .codes = codes,
                                   .code_count = shape->codes_most};
        fuzz_must(sam_round_add(&round, &record, NULL) == SAM_OK);
    }
    if (number == 0) {
        round.evaluations = evaluations;
        round.evaluation_count = 1;
    }
    fuzz_must(sam_round_encode(out, &round, shape, chain, NULL) == SAM_OK);
    *chain = round.chain;
    round.evaluations = NULL;
    sam_round_free(&round);
}

#endif
