/* What the tests of run formats share: a manifest, random numbers that are the same each time, and a walk over every
 * allocation that can fail. Not for others than tests. */
#ifndef SAM_RUN_TEST_RUNS_H
#define SAM_RUN_TEST_RUNS_H

#include "base/memory.h"
#include "run/manifest.h"
#include "run/round.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static inline uint64_t test_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t test_below(uint64_t *state, uint64_t end)
{
    return test_random(state) % end;
}

/* Numbers of every length, so that varints of every length come up. */
static inline uint64_t test_any_u64(uint64_t *state)
{
    uint64_t any = test_random(state);
    return any >> test_below(state, 64);
}

static inline sam_manifest test_draft(void)
{
    static char name[] = "film-reviews", task[] = "{\"labels\":[\"no\",\"yes\"]}";
    return (sam_manifest){.name = name,
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
                          .size = {.rate = 1200000, .clip = 1024, .scale = {.kind = SAM_SCALE_FIXED, .rms = 256}},
                          .evaluation = {.every = 5, .chunks = 2},
                          .lease_ms = 1000};
}

static inline void test_add_record(sam_round *round, uint32_t place, uint32_t author, const uint8_t *codes,
                                   uint32_t code_count)
{
    const sam_record record = {.round = round->number,
                               .place = place,
                               .author = author,
                               .weight = 1,
                               .loss = (author + place) % 5 == 0 ? SAM_LOSS_NONE : author % 1000,
                               .codes = codes,
                               .code_count = code_count};
    assert_int_equal(sam_round_add(round, &record, NULL), SAM_OK);
}

static inline sam_round test_round(uint64_t *state, const sam_round_shape *shape, uint64_t number)
{
    sam_round round = {.number = number, .committed_ms = test_any_u64(state)};
    for (uint32_t place = 0; place < shape->places; place++) {
        uint8_t codes[SAM_PROBES_MAX];
        uint32_t author = (uint32_t)test_any_u64(state);
        for (uint32_t c = 0; c < shape->codes_most; c++)
            codes[c] = (uint8_t)test_random(state);
        if (author != 0)
            test_add_record(&round, place, author, codes,
                            shape->codes_least +
                                (uint32_t)test_below(state, (uint64_t)shape->codes_most - shape->codes_least + 1));
    }
    round.evaluation_count = (size_t)test_below(state, 4);
    round.evaluations = sam_alloc(round.evaluation_count, sizeof *round.evaluations);
    for (size_t i = 0; i < round.evaluation_count; i++) {
        uint32_t examples = (uint32_t)test_any_u64(state);
        uint32_t correct = (uint32_t)test_below(state, (uint64_t)examples + 1);
        uint64_t at = test_any_u64(state), loss_micro = test_any_u64(state);
        round.evaluations[i] = (sam_evaluation){at, examples, correct, loss_micro};
    }
    return round;
}

static inline void test_expect_removals(const sam_parent *parent, const sam_removal *expected, size_t count)
{
    assert_int_equal(parent->removal_count, count);
    for (size_t i = 0; i < count; i++)
        if (parent->removals[i].from != expected[i].from || parent->removals[i].to != expected[i].to ||
            parent->removals[i].worker != expected[i].worker)
            fail_msg("removal %zu: rounds %llu..%llu of worker %u", i, (unsigned long long)parent->removals[i].from,
                     (unsigned long long)parent->removals[i].to, parent->removals[i].worker);
}

static inline void *test_json_alloc(size_t size)
{
    return sam_alloc(size, 1);
}

/* Calls `attempt` with its 1st, 2nd, ... allocation failing, until it needs no more: each time it must say NO_MEMORY,
 * and what it left behind is for the leak checker. */
static inline void test_walk_allocations(sam_status (*attempt)(sam_error *err), sam_status also)
{
    sam_status status = SAM_NO_MEMORY;
    long nth = 0;
    while (status != SAM_OK && nth < 100000) {
        sam_error err = {0};
        sam_memory_fail_at(++nth);
        status = attempt(&err);
        sam_memory_fail_at(0);
        if (status != SAM_OK && status != SAM_NO_MEMORY && status != also)
            fail_msg("allocation %ld: %s", nth, err.text);
    }
    assert_int_equal(status, SAM_OK);
    assert_true(nth > 1);
}

/* First our own allocations, then jansson's too: its lexer takes a failed one for bad syntax, so INVALID passes. */
static inline void test_every_allocation(sam_status (*attempt)(sam_error *err))
{
    test_walk_allocations(attempt, SAM_NO_MEMORY);
    json_set_alloc_funcs(test_json_alloc, sam_free);
    test_walk_allocations(attempt, SAM_INVALID);
    json_set_alloc_funcs(malloc, free);
}

#endif
