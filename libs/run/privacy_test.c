#include "run/privacy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "run/privacy_golden.h"

static void epsilons_are_those_of_another_accountant(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof GOLDEN_EPSILONS / sizeof GOLDEN_EPSILONS[0]; i++) {
        double own =
            sam_privacy_epsilon(&GOLDEN_EPSILONS[i].privacy, GOLDEN_EPSILONS[i].probes, GOLDEN_EPSILONS[i].slots);
        if (fabs(own - GOLDEN_EPSILONS[i].epsilon) > 1e-9 * (1 + own))
            fail_msg("case %zu: %.12g, where dp-accounting has %.12g", i, own, GOLDEN_EPSILONS[i].epsilon);
    }
}

static void nothing_is_told_before_the_first_slot_and_ever_more_after_it(void **state)
{
    const sam_privacy privacy = {.clip = 100, .sigma = 2000, .period = 10};
    const sam_privacy none = {0};
    double before = sam_privacy_epsilon(&privacy, 1, 0);
    (void)state;
    assert_true(before == 0 && sam_privacy_epsilon(&none, 1, 1000) == 0);
    for (uint64_t slots = 1; slots < 2000; slots++) {
        double now = sam_privacy_epsilon(&privacy, 1, slots);
        assert_true(slots % 10 == 1 ? now > before : now == before);
        before = now;
    }
}

static void the_least_noise_that_keeps_within_a_budget(void **state)
{
    const sam_privacy privacy = {.clip = 512, .period = 1000};
    (void)state;
    for (double budget = 0.1; budget < 100; budget *= 3) {
        sam_privacy chosen = privacy;
        chosen.sigma = sam_privacy_sigma(&privacy, 2, 8000, budget);
        assert_in_range(chosen.sigma, 2, SAM_PRIVACY_SIGMA_MAX);
        assert_true(sam_privacy_epsilon(&chosen, 2, 8000) <= budget);
        chosen.sigma--;
        assert_true(sam_privacy_epsilon(&chosen, 2, 8000) > budget);
    }
    assert_int_equal(sam_privacy_sigma(&privacy, 2, (uint64_t)1 << 60, 0.1), 0);
    assert_int_equal(sam_privacy_sigma(&privacy, 2, 0, 0.1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(epsilons_are_those_of_another_accountant),
        cmocka_unit_test(nothing_is_told_before_the_first_slot_and_ever_more_after_it),
        cmocka_unit_test(the_least_noise_that_keeps_within_a_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
