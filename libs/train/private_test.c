#include "train/private.h"

#include "run/test_runs.h"
#include "seed/code.h"
#include "seed/sampler.h"

#include <math.h>

static uint64_t seeded_word(void *user)
{
    return test_random(user);
}

/* The words are the same in each run of the test, so what it finds is the same too. */
static void noise_has_the_distribution_that_is_stated(void **state)
{
    static const uint32_t SIGMAS[] = {1, 3, 40};
    enum { DRAWS = 200000, REACH = 400 };
    (void)state;
    for (size_t s = 0; s < sizeof SIGMAS / sizeof SIGMAS[0]; s++) {
        uint64_t seed = 11 + s;
        const sam_noise noise = {seeded_word, &seed};
        static unsigned seen[2 * REACH + 1];
        double sigma = SIGMAS[s], weight = 0, chi = 0;
        int cells = 0;
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < DRAWS; i++) {
            int64_t drawn = sam_noise_gaussian(&noise, SIGMAS[s]);
            assert_in_range(drawn + REACH, 0, 2 * REACH);
            seen[drawn + REACH]++;
        }
        for (int x = -REACH; x <= REACH; x++)
            weight += exp(-x * (double)x / (2 * sigma * sigma));
        for (int x = -REACH; x <= REACH; x++) {
            double expected = (double)DRAWS * exp(-x * (double)x / (2 * sigma * sigma)) / weight;
            if (expected < 10)
                continue;
            chi += (seen[x + REACH] - expected) * (seen[x + REACH] - expected) / expected;
            cells++;
        }
        if (fabs(chi - cells) > 5 * sqrt(2.0 * cells))
            fail_msg("sigma %u: chi square %.1f of %d cells", SIGMAS[s], chi, cells);
    }
}

static void large_deviations_fit_too(void **state)
{
    uint64_t seed = 5;
    const sam_noise noise = {seeded_word, &seed};
    double squares = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        double drawn = (double)sam_noise_gaussian(&noise, SAM_PRIVACY_SIGMA_MAX) / SAM_PRIVACY_SIGMA_MAX;
        squares += drawn * drawn;
    }
    assert_true(fabs(squares / 20000 - 1) < 0.05);
}

typedef struct stage {
    sam_manifest manifest;
    sam_outcome outcomes[2 * 4];
    uint32_t indices[4];
} stage;

static stage stage_of(double difference)
{
    stage made = {.manifest = test_draft(), .indices = {5, 6, 7, 8}};
    made.manifest.probes = 1;
    made.manifest.batch = 4;
    made.manifest.privacy = (sam_privacy){.clip = 50, .sigma = 1, .period = 1};
    for (size_t b = 0; b < 4; b++)
        made.outcomes[b].loss = difference;
    return made;
}

/* Mean of many codes' values: the noise of deviation 1/4 averages out. */
static double mean_value(const stage *of)
{
    uint64_t seed = 9;
    const sam_noise noise = {seeded_word, &seed};
    double sum = 0;
    for (int i = 0; i < 4000; i++) {
        uint8_t code;
        sam_private_codes(&of->manifest, of->outcomes, of->indices, &noise, &code);
        assert_true(sam_code_has_value(code));
        sum += (double)sam_code_value(code);
    }
    return sum / 4000;
}

/* One quantum is a loss difference of quantum * 2 epsilon. */
static double loss_of(double quanta)
{
    const sam_manifest draft = test_draft();
    return quanta * sam_manifest_quantum(&draft) * 2 * sam_manifest_epsilon(&draft);
}

static void each_example_is_clipped_by_itself(void **state)
{
    stage small = stage_of(loss_of(40)), large = stage_of(loss_of(1e9)), one = stage_of(0);
    (void)state;
    assert_true(fabs(mean_value(&small) - 40) < 1);
    assert_true(fabs(mean_value(&large) - 50) < 2); /* 48 and 52 are neighbouring codes */
    one.outcomes[2].loss = -1e30;
    assert_true(fabs(mean_value(&one) + 50.0 / 4) < 0.5);
}

static void an_example_that_is_there_twice_counts_once(void **state)
{
    stage twice = stage_of(loss_of(40));
    (void)state;
    twice.indices[3] = twice.indices[0];
    assert_true(fabs(mean_value(&twice) - 30) < 1);
}

static void what_is_not_finite_tells_nothing(void **state)
{
    stage broken = stage_of(0);
    (void)state;
    broken.outcomes[1].loss = NAN;
    assert_true(fabs(mean_value(&broken)) < 0.1);
}

/* By the sampler itself: no example is in more of the first T slots than ceil(T / period) says. */
static void a_period_is_refused_if_the_sampler_breaks_it(void **state)
{
    enum { COUNT = 30, SLOTS = 60 };
    uint32_t classes[COUNT], batch[4];
    unsigned uses[COUNT] = {0};
    sam_manifest manifest = test_draft();
    sam_error err = {0};
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++)
        classes[i] = i < 13 ? 0 : 1;
    manifest.batch = 4;
    manifest.balance = true;
    manifest.privacy = (sam_privacy){.clip = 1, .sigma = 1, .period = 7}; /* 13 examples, two in each slot: 6 */
    assert_int_equal(sam_private_check(&manifest, classes, COUNT, 2, &err), SAM_MISMATCH);
    assert_non_null(strstr(err.text, "after 6"));
    manifest.privacy.period = 6;
    assert_int_equal(sam_private_check(&manifest, classes, COUNT, 2, &err), SAM_OK);
    sam_sampler *sampler = sam_sampler_new(manifest.seed, classes, COUNT, 2);
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        sam_sampler_batch(sampler, slot, 4, batch);
        for (int b = 0; b < 4; b++)
            uses[batch[b]]++;
        for (int i = 0; i < COUNT; i++)
            assert_true(uses[i] <= slot / 6 + 1);
    }
    sam_sampler_free(sampler);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_the_distribution_that_is_stated),
        cmocka_unit_test(large_deviations_fit_too),
        cmocka_unit_test(each_example_is_clipped_by_itself),
        cmocka_unit_test(an_example_that_is_there_twice_counts_once),
        cmocka_unit_test(what_is_not_finite_tells_nothing),
        cmocka_unit_test(a_period_is_refused_if_the_sampler_breaks_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
