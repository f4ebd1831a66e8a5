/* What a code is by definition, in plain loops that share nothing with libs/seed and the rest of libs/train: directions
 * and codes from docs/formats/exact-zone.md, perturbed weights as whole arrays, losses of whole sequences one by one.
 *
 *     int64_t state[1 << 12];                                                     // sam_replica_state_get
 *     test_plain plain;
 *     test_plain_make(&plain, model, manifest, state);
 *     const sam_weight_source plus = test_plain_weights(&plain, 7, 0.01);         // theta + eps z of probe 7
 *     double l = test_plain_loss(engine, &plus, SAM_OBJECTIVE_CHOICE, train);
 *     const sam_weight_source minus = test_plain_weights(&plain, 7, -0.01);
 *     l -= test_plain_loss(engine, &minus, SAM_OBJECTIVE_CHOICE, train);
 *     uint8_t code = test_plain_code(l / 0.02 / sam_manifest_quantum(manifest));
 *     test_plain_free(&plain);
 *
 * For models of model/test_models.h alone. Slow, and for tests only: failures end the test. */
#ifndef SAM_TRAIN_TEST_DEFINITIONS_H
#define SAM_TRAIN_TEST_DEFINITIONS_H

#include "model/forward/engine.h"
#include "model/test_models.h"
#include "run/manifest.h"
#include "train/dataset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* ---- directions: sections 1 and 2 ---- */

static inline void test_plain_philox(uint64_t key, uint32_t x[4])
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53 * x[0], p1 = (uint64_t)0xCD9E8D57 * x[2];
        const uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ x[1] ^ k0, (uint32_t)p1, (uint32_t)(p0 >> 32) ^ x[3] ^ k1,
                                  (uint32_t)p0};
        memcpy(x, next, sizeof next);
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
}

/* Bit `number` of the stream of 128 signs a block. */
static inline float test_plain_sign(uint64_t key, uint64_t number, uint32_t stream)
{
    uint32_t words[4] = {(uint32_t)(number / 128), 0, stream, 0};
    test_plain_philox(key, words);
    return words[number % 128 / 32] >> number % 32 & 1 ? -1.0f : 1.0f;
}

/* 32 PhiInverse((v + 1/2) / 256) / 32 to the nearest unit, by halving; of v below 128 the mirror image. */
static inline float test_plain_quantile(unsigned v)
{
    if (v < 128)
        return -test_plain_quantile(255 - v);
    double low = 0, high = 4;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(0.5 * erfc(-middle / sqrt(2)) < (v + 0.5) / 256 ? &low : &high) = middle;
    }
    return (float)(floor(32 * low + 0.5) / 32);
}

static inline float test_plain_sketch(const sam_manifest *m, uint64_t probe, uint64_t i)
{
    uint64_t k_count = (uint64_t)1 << m->directions.log2_k;
    uint32_t walk[4] = {0, 0, 2, 0};
    test_plain_philox(m->seed, walk);
    uint64_t a = walk[0] | (uint64_t)walk[1] << 32 | 1, c = walk[2] | (uint64_t)walk[3] << 32;
    uint64_t k = (a * probe + c) % k_count;
    return test_plain_sign(m->seed, i, 1) * (__builtin_popcountll(k & i % k_count) % 2 == 1 ? -1.0f : 1.0f);
}

/* Element i of a probe's direction; without a pool. */
static inline float test_plain_direction(const sam_manifest *m, uint64_t probe, uint64_t i)
{
    if (m->directions.family == SAM_SKETCH)
        return test_plain_sketch(m, probe, i);
    uint32_t seed[4] = {(uint32_t)probe, (uint32_t)(probe >> 32), 3, 0};
    test_plain_philox(m->seed, seed);
    uint64_t key = seed[0] | (uint64_t)seed[1] << 32;
    if (m->directions.family == SAM_DENSE_RADEMACHER)
        return test_plain_sign(key, i, 0);
    uint32_t words[4] = {(uint32_t)(i / 16), 0, 0, 0};
    test_plain_philox(key, words);
    return test_plain_quantile(words[i % 16 / 4] >> 8 * (i % 4) & 0xff);
}

/* What the state adds to parameter i: section 5. */
static inline float test_plain_offset(const sam_manifest *m, const int64_t *state, uint64_t i)
{
    double eta = ldexp(1, m->eta_log2);
    if (m->directions.family == SAM_SKETCH)
        return (float)(test_plain_sign(m->seed, i, 1) * (double)state[i % ((uint64_t)1 << m->directions.log2_k)] * eta);
    return (float)((double)state[i] * eta / (m->directions.family == SAM_DENSE_GAUSSIAN ? 32 : 1));
}

/* ---- the code: section 3 ---- */

/* The code whose size is nearest to that of `value`, by looking at all of them. */
static inline uint8_t test_plain_code(double value)
{
    unsigned best = 0;
    double distance = INFINITY;
    for (unsigned code = 0; code < 128; code++) {
        unsigned e = code / 8, m = code % 8;
        double size = e == 0 ? m : ldexp(8 + m, (int)e - 1);
        if (fabs(size - fabs(value)) < distance) {
            distance = fabs(size - fabs(value));
            best = code;
        }
    }
    return (uint8_t)(best != 0 && value < 0 ? best + 128 : best);
}

/* ---- weights ---- */

enum { TEST_TENSORS = 32 };

typedef struct test_plain {
    const sam_model *model;
    const sam_manifest *manifest;
    const int64_t *state;
    size_t order[TEST_TENSORS]; /* tensors that train, by name */
    size_t trained;
    float *values[TEST_TENSORS]; /* of all tensors, whole */
    uint64_t columns[TEST_TENSORS];
} test_plain;

static inline size_t test_plain_size(const test_plain *p, size_t tensor)
{
    const sam_model_tensor *t = sam_model_tensor_at(p->model, tensor);
    return (size_t)(t->rows * t->columns);
}

static inline bool test_plain_trains(const test_plain *p, const char *name)
{
    for (uint32_t b = p->manifest->trainable.first_block; b < p->manifest->trainable.end_block; b++) {
        char block[64];
        snprintf(block, sizeof block, "model.layers.%u.", b);
        if (strncmp(name, block, strlen(block)) == 0)
            return true;
    }
    return false;
}

/* Takes its place among the names before it. */
static inline void test_plain_insert(test_plain *p, size_t tensor)
{
    const char *name = sam_model_tensor_at(p->model, tensor)->name;
    size_t at = p->trained++;
    for (; at > 0 && strcmp(sam_model_tensor_at(p->model, p->order[at - 1])->name, name) > 0; at--)
        p->order[at] = p->order[at - 1];
    p->order[at] = tensor;
}

/* state: the integers of the replica, as sam_replica_state_get gives them. The manifest trains blocks, with norms. */
static inline void test_plain_make(test_plain *p, const sam_model *model, const sam_manifest *manifest,
                                   const int64_t *state)
{
    *p = (test_plain){.model = model, .manifest = manifest, .state = state};
    assert_true(sam_model_tensor_count(model) <= TEST_TENSORS && manifest->trainable.norms);
    for (size_t t = 0; t < sam_model_tensor_count(model); t++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(model, t);
        p->columns[t] = tensor->columns;
        p->values[t] = sam_alloc(test_plain_size(p, t), sizeof(float));
        if (test_plain_trains(p, tensor->name))
            test_plain_insert(p, t);
    }
}

static inline void test_plain_free(test_plain *p)
{
    for (size_t t = 0; t < sam_model_tensor_count(p->model); t++)
        sam_free(p->values[t]);
}

static inline void test_plain_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const test_plain *p = context;
    memcpy(out[0], p->values[tensor] + row * p->columns[tensor], (size_t)(rows * p->columns[tensor]) * sizeof(float));
}

/* theta + epsilon z of a probe, one variant: base from the names, state and direction parameter by parameter. Until the
 * next call. */
static inline sam_weight_source test_plain_weights(test_plain *p, uint64_t probe, double epsilon)
{
    for (size_t t = 0; t < sam_model_tensor_count(p->model); t++)
        for (size_t i = 0; i < test_plain_size(p, t); i++)
            p->values[t][i] = test_weight(sam_model_tensor_at(p->model, t)->name, i);
    uint64_t parameter = 0;
    for (size_t o = 0; o < p->trained; o++)
        for (size_t i = 0; i < test_plain_size(p, p->order[o]); i++, parameter++)
            p->values[p->order[o]][i] += test_plain_offset(p->manifest, p->state, parameter) +
                                         (float)epsilon * test_plain_direction(p->manifest, probe, parameter);
    return (sam_weight_source){.context = p, .variants = 1, .rows = test_plain_rows};
}

/* ---- losses ---- */

/* Log probability of an option after the prefix, read as one sequence. */
static inline double test_plain_log_probability(sam_engine *engine, const sam_weight_source *weights,
                                                const sam_tokens *prefix, const sam_tokens *option)
{
    uint32_t tokens[64];
    float scores[64], *const all[] = {scores};
    double sum = 0;
    size_t segment;
    sam_batch batch = {0};
    sam_error err = {0};
    assert_true(prefix->count + option->count <= 64);
    memcpy(tokens, prefix->token, prefix->count * sizeof *tokens);
    memcpy(tokens + prefix->count, option->token, option->count * sizeof *tokens);
    assert_int_equal(sam_batch_add(&batch, SAM_NO_PREFIX, tokens, prefix->count + option->count, &segment, &err),
                     SAM_OK);
    for (size_t t = 0; t < option->count; t++)
        assert_int_equal(sam_batch_score(&batch, segment, prefix->count + t - 1, option->token[t], true, &err), SAM_OK);
    const sam_pass pass = {.batch = &batch, .weights = weights, .end_block = TEST_BLOCKS, .scores = all};
    if (sam_engine_run(engine, &pass, &err) != SAM_OK)
        fail_msg("%s", err.text);
    for (size_t t = 0; t < option->count; t++)
        sum += (double)scores[t];
    sam_batch_free(&batch);
    return sum;
}

/* docs/formats/objectives.md */
static inline double test_plain_example_loss(sam_engine *engine, const sam_weight_source *weights,
                                             sam_objective objective, const sam_example *example)
{
    double label = 0, total = 0;
    for (size_t o = 0; o < example->option_count; o++) {
        double log_probability = test_plain_log_probability(engine, weights, &example->prefix, &example->options[o]);
        total += exp(log_probability);
        if (o == example->label)
            label = log_probability;
    }
    return objective == SAM_OBJECTIVE_CHOICE ? log(total) - label
                                             : -label / (double)example->options[example->label].count;
}

/* The mean over all of a data set. */
static inline double test_plain_loss(sam_engine *engine, const sam_weight_source *weights, sam_objective objective,
                                     const sam_dataset *data)
{
    double sum = 0;
    for (size_t e = 0; e < sam_dataset_count(data); e++)
        sum += test_plain_example_loss(engine, weights, objective, sam_dataset_at(data, e));
    return sum / (double)sam_dataset_count(data);
}

#endif
