#include "seed/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RECORDS 8

static const sam_guard CLIP = {SAM_GUARD_CLIP, .trim = 128, .cap = 256}; /* what other kinds read says nothing to it */
static const sam_guard TRIMMED = {SAM_GUARD_TRIMMED, .trim = 64};        /* two of eight */
static const sam_guard MEDIAN = {SAM_GUARD_MEDIAN, .cap = 512};          /* twice the median */

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void expect_weights(const sam_guard *guard, const sam_guarded *records, const uint32_t *wanted)
{
    uint32_t weights[RECORDS];
    assert_true(sam_guard_weigh(guard, records, RECORDS, weights));
    for (size_t i = 0; i < RECORDS; i++)
        if (weights[i] != wanted[i])
            fail_msg("record %zu has the weight %u, not %u", i, weights[i], wanted[i]);
}

#define W SAM_WEIGHT_WHOLE

static void the_clip_weighs_all_records_alike(void **state)
{
    (void)state;
    const sam_guarded records[RECORDS] = {{1, 1}, {2, 1}, {1000000, 1}, {0, 0}, {0, 4}, {9, 3}, {9, 2}, {9, 1}};
    expect_weights(&CLIP, records, (uint32_t[]){W, W, W, W, W, W, W, W});
}

static void trimming_drops_the_largest_sums_and_the_later_ones_among_equals(void **state)
{
    (void)state;
    const sam_guarded one_large[RECORDS] = {{5, 2}, {5, 2}, {90, 2}, {5, 2}, {5, 2}, {5, 2}, {5, 2}, {4, 2}};
    expect_weights(&TRIMMED, one_large, (uint32_t[]){W, W, 0, W, W, W, 0, W});
    const sam_guarded equal[RECORDS] = {{5, 2}, {5, 1}, {5, 5}, {5, 2}, {5, 2}, {5, 2}, {5, 2}, {5, 2}};
    expect_weights(&TRIMMED, equal, (uint32_t[]){W, W, W, W, W, W, 0, 0});
    const sam_guarded silent[RECORDS] = {{0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 2}, {7, 2}};
    expect_weights(&TRIMMED, silent, (uint32_t[]){W, W, W, W, W, W, 0, 0}); /* without values: a sum of 0, and counts */
}

static void trimming_drops_its_share_of_the_records_that_are_there(void **state)
{
    (void)state;
    const sam_guarded records[300] = {0};
    uint32_t weights[300];
    for (uint32_t trim = 0; trim <= 128; trim++) {
        const sam_guard guard = {SAM_GUARD_TRIMMED, .trim = trim};
        for (size_t count = 0; count <= 300; count += 50) {
            size_t dropped = 0;
            assert_true(sam_guard_weigh(&guard, records, count, weights));
            for (size_t i = 0; i < count; i++)
                dropped += weights[i] == 0;
            assert_int_equal(dropped, count * trim / 256);
        }
    }
}

static void a_record_above_the_cap_weighs_what_brings_its_mean_down_to_it(void **state)
{
    (void)state;
    /* means 10, 11, 12, 13 of the records with values: the lower median is 11, the cap 22 */
    const sam_guarded records[RECORDS] = {{0, 0}, {20, 2}, {11, 1}, {36, 3}, {0, 0}, {26, 2}, {0, 0}, {0, 0}};
    expect_weights(&MEDIAN, records, (uint32_t[]){W, W, W, W, W, W, W, W});
    const sam_guarded one_large[RECORDS] = {{0, 0}, {20, 2}, {11, 1}, {176, 2}, {0, 0}, {44, 2}, {0, 0}, {0, 0}};
    expect_weights(&MEDIAN, one_large, (uint32_t[]){W, W, W, W / 4, W, W, W, W});
    const sam_guarded silent[RECORDS] = {{0, 0}};
    expect_weights(&MEDIAN, silent, (uint32_t[]){W, W, W, W, W, W, W, W});
    const sam_guarded zeros[RECORDS] = {{0, 4}, {0, 4}, {0, 4}, {0, 4}, {0, 4}, {8, 4}, {131072, 1}, {1, 4}};
    expect_weights(&MEDIAN, zeros, (uint32_t[]){W, W, W, W, W, W / 2, 0, W}); /* the cap is at least 1 */
}

static void a_record_above_the_cap_comes_out_below_every_such_record(void **state)
{
    (void)state;
    uint64_t generator = 3;
    for (int i = 0; i < 1000; i++) {
        sam_guarded records[RECORDS];
        uint32_t weights[RECORDS];
        for (size_t r = 0; r < RECORDS; r++)
            records[r] = (sam_guarded){draw(&generator) >> (44 + draw(&generator) % 20), 1};
        assert_true(sam_guard_weigh(&MEDIAN, records, RECORDS, weights));
        int64_t least = INT64_MAX; /* of the records above the cap */
        for (size_t r = 0; r < RECORDS; r++)
            if (weights[r] < W && (int64_t)records[r].sum < least)
                least = (int64_t)records[r].sum;
        for (size_t r = 0; r < RECORDS; r++)
            assert_true(sam_weighted((int64_t)records[r].sum, weights[r]) < least);
    }
}

static void weights_follow_their_records_wherever_they_stand(void **state)
{
    (void)state;
    static const sam_guard *const GUARDS[] = {&CLIP, &TRIMMED, &MEDIAN};
    uint64_t generator = 8;
    for (int i = 0; i < 300; i++) {
        sam_guarded records[RECORDS], turned[RECORDS];
        uint32_t weights[RECORDS], after[RECORDS];
        size_t by = 1 + (size_t)(draw(&generator) % (RECORDS - 1));
        for (size_t r = 0; r < RECORDS; r++) {
            records[r] = (sam_guarded){(draw(&generator) % 1000) * RECORDS + r, 1 + draw(&generator) % 4};
            turned[(r + by) % RECORDS] = records[r];
        }
        assert_true(sam_guard_weigh(GUARDS[i % 3], records, RECORDS, weights));
        assert_true(sam_guard_weigh(GUARDS[i % 3], turned, RECORDS, after));
        for (size_t r = 0; r < RECORDS; r++)
            assert_int_equal(after[(r + by) % RECORDS], weights[r]);
    }
}

static void weighted_numbers_are_the_nearest_and_halves_go_away_from_0(void **state)
{
    (void)state;
    static const struct {
        int64_t number;
        uint32_t weight;
        int64_t wanted;
    } CASES[] = {
        {0, W, 0},
        {1000, W, 1000},
        {-1000, W, -1000},
        {1000, 0, 0},
        {3, W / 2, 2},
        {-3, W / 2, -2},
        {1, W / 2, 1},
        {-1, W / 2, -1},
        {1, W / 2 - 1, 0},
        {-1, W / 2 - 1, 0},
        {65536, 1, 1},
        {(int64_t)1 << 62, W, (int64_t)1 << 62},
        {-((int64_t)1 << 62), W, -((int64_t)1 << 62)},
        {(int64_t)1 << 62, 1, (int64_t)1 << 46},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(sam_weighted(CASES[i].number, CASES[i].weight), CASES[i].wanted);
}

/* Everything at its limit and beyond it, under the sanitizers: an overflow would end the test. */
static void hostile_records_never_overflow(void **state)
{
    (void)state;
    uint64_t generator = 11;
    for (int i = 0; i < 3000; i++) {
        const sam_guard guard = {(sam_guard_kind)(draw(&generator) % 3), UINT32_MAX, UINT32_MAX};
        sam_guarded records[RECORDS];
        uint32_t weights[RECORDS];
        for (size_t r = 0; r < RECORDS; r++)
            records[r] = (sam_guarded){draw(&generator) % 3 == 0 ? UINT64_MAX : draw(&generator), draw(&generator) % 3};
        assert_true(sam_guard_weigh(&guard, records, RECORDS, weights));
        for (size_t r = 0; r < RECORDS; r++)
            assert_in_range(weights[r], 0, SAM_WEIGHT_WHOLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clip_weighs_all_records_alike),
        cmocka_unit_test(trimming_drops_the_largest_sums_and_the_later_ones_among_equals),
        cmocka_unit_test(trimming_drops_its_share_of_the_records_that_are_there),
        cmocka_unit_test(a_record_above_the_cap_weighs_what_brings_its_mean_down_to_it),
        cmocka_unit_test(a_record_above_the_cap_comes_out_below_every_such_record),
        cmocka_unit_test(weights_follow_their_records_wherever_they_stand),
        cmocka_unit_test(weighted_numbers_are_the_nearest_and_halves_go_away_from_0),
        cmocka_unit_test(hostile_records_never_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
