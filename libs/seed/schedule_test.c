#include "seed/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WHOLE 65536

static void schedules_stay_within_whole_and_floor_and_never_rise_after_warmup(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        const sam_schedule schedule = {(sam_schedule_kind)kind, 10, 200, 300};
        uint32_t last = 0;
        for (uint64_t round = 0; round < 500; round++) {
            uint32_t share = sam_schedule_share(&schedule, round);
            assert_in_range(share, 300, WHOLE);
            if (round < 10)
                assert_true(share > last);
            else if (round > 10)
                assert_true(share <= last);
            last = share;
        }
    }
}

static void the_round_after_the_warmup_has_the_whole_rate(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++)
        for (uint64_t warmup = 0; warmup < 50; warmup += 7) {
            const sam_schedule schedule = {(sam_schedule_kind)kind, warmup, 1000, 0};
            assert_int_equal(sam_schedule_share(&schedule, warmup), WHOLE);
        }
}

static void each_kind_is_where_it_should_be_half_way_and_at_the_horizon(void **state)
{
    (void)state;
    static const struct {
        sam_schedule_kind kind;
        uint32_t half_way, horizon, far;
    } CASES[] = {
        {SAM_SCHEDULE_CONSTANT, WHOLE, WHOLE, WHOLE},
        {SAM_SCHEDULE_LINEAR, WHOLE / 2, 0, 0},
        {SAM_SCHEDULE_COSINE, WHOLE / 2, 0, 0},
        {SAM_SCHEDULE_INVERSE, WHOLE * 2 / 3, WHOLE / 2, 655},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        const sam_schedule schedule = {CASES[i].kind, 0, 100, 0};
        assert_int_equal(sam_schedule_share(&schedule, 50), CASES[i].half_way);
        assert_int_equal(sam_schedule_share(&schedule, 100), CASES[i].horizon);
        assert_in_range(sam_schedule_share(&schedule, 9900), CASES[i].far, CASES[i].far);
    }
}

static void the_floor_holds_in_the_warmup_too(void **state)
{
    (void)state;
    const sam_schedule schedule = {SAM_SCHEDULE_LINEAR, 1000, 2000, 5000};
    assert_int_equal(sam_schedule_share(&schedule, 0), 5000);
    assert_int_equal(sam_schedule_share(&schedule, 999), (uint64_t)WHOLE * 1000 / 1001);
    assert_int_equal(sam_schedule_share(&schedule, 2000), 5000);
}

static void a_horizon_that_is_not_after_the_warmup_counts_as_one_round(void **state)
{
    (void)state;
    for (uint64_t horizon = 0; horizon <= 6; horizon++) {
        const sam_schedule schedule = {SAM_SCHEDULE_INVERSE, 5, horizon, 0};
        assert_int_equal(sam_schedule_share(&schedule, 5), WHOLE);
        assert_int_equal(sam_schedule_share(&schedule, 6), WHOLE / 2);
    }
}

/* Under the sanitizers: an overflow would end the test. */
static void no_round_and_no_horizon_is_too_far(void **state)
{
    (void)state;
    static const uint64_t FAR[] = {0, 1, (uint64_t)1 << 40, (uint64_t)1 << 63, UINT64_MAX - 1, UINT64_MAX};
    for (unsigned kind = 0; kind < 4; kind++)
        for (size_t w = 0; w < 6; w++)
            for (size_t h = 0; h < 6; h++)
                for (size_t r = 0; r < 6; r++) {
                    const sam_schedule schedule = {(sam_schedule_kind)kind, FAR[w], FAR[h], 0};
                    assert_in_range(sam_schedule_share(&schedule, FAR[r]), 0, WHOLE);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules_stay_within_whole_and_floor_and_never_rise_after_warmup),
        cmocka_unit_test(the_round_after_the_warmup_has_the_whole_rate),
        cmocka_unit_test(each_kind_is_where_it_should_be_half_way_and_at_the_horizon),
        cmocka_unit_test(the_floor_holds_in_the_warmup_too),
        cmocka_unit_test(a_horizon_that_is_not_after_the_warmup_counts_as_one_round),
        cmocka_unit_test(no_round_and_no_horizon_is_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
