/* A small run that tests make themselves: a base of two blocks in a folder of its own, a manifest, rounds of any number
 * whose codes follow from theirs, and a replica that holds what the gateway ought to serve.
 *
 *     test_run run;
 *     test_run_make(&run, "a run", 7);
 *     test_run_commit(&run);                          // one round more: run.log, run.places, run.replica
 *     test_run_free(&run);
 *
 * For tests only: failures end the program. */
#ifndef SAM_GATEWAY_TEST_RUN_H
#define SAM_GATEWAY_TEST_RUN_H

#include "model/test_models.h"
#include "run/samlog.h"
#include "seed/code.h"
#include "support/support.h"
#include "train/replica.h"

enum { TEST_SLOTS = 3, TEST_PROBES = 2, TEST_ROUNDS = 60 };

typedef struct test_run {
    test_folder folder;
    char model_path[256];
    sam_model *model;
    sam_manifest *manifest;
    sam_replica *replica; /* holds all committed rounds */
    sam_digest chain;
    sam_buffer log; /* as a .samlog */
    size_t places[TEST_ROUNDS + 1];
    uint64_t rounds;
} test_run;

static inline sam_manifest test_draft(const sam_digest *base, const char *name, uint64_t seed)
{
    static char task[] = "{}";
    return (sam_manifest){
        .name = (char *)(uintptr_t)name,
        .mode = &sam_mode_sync,
        .base = *base,
        .task = task,
        .seed = seed,
        .rounds = TEST_ROUNDS,
        .slots = TEST_SLOTS,
        .probes = TEST_PROBES,
        .batch = 4,
        .epsilon_log2 = -9,
        .epsilon_units = 1,
        .quantum_log2 = -8,
        .directions.log2_k = 7,
        .eta_log2 = -20,
        .trainable = {.first_block = 1, .end_block = 2, .norms = true},
        .size = {.rate = 3000,
                 .schedule = {.kind = SAM_SCHEDULE_LINEAR, .horizon = 100},
                 .scale = {.kind = SAM_SCALE_RUNNING, .shift = 3},
                 .clip = 1024},
        .evaluation = {.every = 5, .chunks = 1},
        .lease_ms = 60000,
    };
}

/* `base` NULL: the model that it makes; else the run names that one, and has no replica. */
static inline void test_run_make_on(test_run *run, const sam_digest *base, const char *name, uint64_t seed)
{
    sam_buffer file = {0};
    *run = (test_run){0};
    test_must(test_folder_make(&run->folder));
    test_path(run->model_path, sizeof run->model_path, &run->folder, "model.gguf");
    test_gguf(&file, &(test_model){0});
    test_must(sam_file_write(run->model_path, file.bytes, file.length, NULL) == SAM_OK);
    sam_buffer_free(&file);
    test_must(sam_model_open(&run->model, run->model_path, NULL) == SAM_OK);
    sam_manifest draft = test_draft(base == NULL ? sam_model_digest(run->model) : base, name, seed);
    test_must(sam_manifest_compose(&run->manifest, &draft, NULL) == SAM_OK);
    test_must(base != NULL || sam_replica_new(&run->replica, run->model, run->manifest, NULL) == SAM_OK);
    run->chain = run->manifest->id;
    sam_samlog_put_head(&run->log, run->manifest);
    run->places[0] = run->log.length;
}

static inline void test_run_make(test_run *run, const char *name, uint64_t seed)
{
    test_run_make_on(run, NULL, name, seed);
}

static inline void test_run_free(test_run *run)
{
    sam_replica_free(run->replica);
    sam_manifest_free(run->manifest);
    sam_model_close(run->model);
    sam_buffer_free(&run->log);
    test_folder_remove(&run->folder);
}

/* Codes by arithmetic; in every seventh round nobody computes slot 1, every fifth carries an evaluation. */
static inline void test_fill(sam_round *round, sam_evaluation *evaluation)
{
    round->committed_ms = 1800000000000u + 250 * round->number;
    for (uint32_t slot = 0; slot < TEST_SLOTS; slot++) {
        uint8_t codes[TEST_PROBES];
        for (uint32_t p = 0; p < TEST_PROBES; p++)
            codes[p] = (uint8_t)((round->number * 31 + slot * 77 + p * 13) * 2654435761u >> 7);
        const sam_record record = {.round = round->number,
                                   .place = slot,
                                   .author = 1 + (uint32_t)((round->number + slot) % 2),
                                   .weight = 1,
                                   .loss = 180,
                                   .codes = codes,
                                   .code_count = TEST_PROBES};
        if (slot != 1 || round->number % 7 != 6)
            test_must(sam_round_add(round, &record, NULL) == SAM_OK);
    }
    *evaluation = (sam_evaluation){round->number, 200, 50 + (uint32_t)round->number, 70000000 - round->number * 100000};
    round->evaluations = evaluation;
    round->evaluation_count = round->number % 5 == 0;
}

/* The encoded round is what the log grew by, after 4 bytes of length. */
static inline void test_run_commit(test_run *run)
{
    const sam_round_shape shape = sam_manifest_shape(run->manifest);
    sam_round round = {.number = run->rounds};
    sam_evaluation evaluation;
    sam_buffer bytes = {0};
    test_must(run->rounds < TEST_ROUNDS);
    test_fill(&round, &evaluation);
    test_must(sam_round_encode(&bytes, &round, &shape, &run->chain, NULL) == SAM_OK);
    test_must(run->replica == NULL ||
              (sam_replica_put(run->replica, round.number, round.records, round.record_count, NULL) == SAM_OK &&
               sam_replica_seek(run->replica, round.number + 1, NULL) == SAM_OK));
    run->chain = round.chain;
    round.evaluations = NULL; /* not its own */
    round.evaluation_count = 0;
    sam_round_free(&round);
    sam_samlog_put_round(&run->log, bytes.bytes, bytes.length);
    run->places[++run->rounds] = run->log.length;
    sam_buffer_free(&bytes);
}

static inline const uint8_t *test_run_round(const test_run *run, uint64_t round, size_t *length)
{
    *length = run->places[round + 1] - run->places[round] - 4;
    return run->log.bytes + run->places[round] + 4;
}

#endif
