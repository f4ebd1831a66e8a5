#include "cli/shared/recheck.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void the_sample_is_of_the_size_that_was_asked_for(void **state)
{
    const double SHARES[] = {0, 0.05, 0.5, 1};
    const sam_digest run = {{7}};
    (void)state;
    for (size_t i = 0; i < sizeof SHARES / sizeof SHARES[0]; i++) {
        const cli_recheck check = {.share = SHARES[i], .seed = 3};
        size_t taken = 0;
        for (uint64_t r = 0; r < 1000; r++)
            for (uint32_t slot = 0; slot < 10; slot++)
                taken += cli_recheck_takes(&check, &run, r, slot);
        assert_true(fabs((double)taken - 10000 * SHARES[i]) <= 250); /* five standard deviations */
    }
}

static void another_seed_or_run_draws_other_slots(void **state)
{
    const cli_recheck one = {.share = 0.5, .seed = 1}, other = {.share = 0.5, .seed = 2};
    const sam_digest a = {{1}}, b = {{2}};
    size_t by_seed = 0, by_run = 0;
    (void)state;
    for (uint64_t r = 0; r < 1000; r++) {
        by_seed += cli_recheck_takes(&one, &a, r, 0) != cli_recheck_takes(&other, &a, r, 0);
        by_run += cli_recheck_takes(&one, &a, r, 0) != cli_recheck_takes(&one, &b, r, 0);
    }
    assert_true(by_seed > 400 && by_seed < 600 && by_run > 400 && by_run < 600);
}

static void each_workers_codes_are_weighed_by_their_steps(void **state)
{
    cli_recheck check = {.share = 1, .tolerance = 1};
    (void)state;
    /* worker 5 tells the truth but for its rounding, worker 2 the opposite, worker 9 once nothing */
    assert_true(cli_recheck_add(&check, &(cli_code_difference){.round = 4, .slot = 0, .worker = 5},
                                (const uint8_t[]){0x30, 0x31, 0xb0}, (const uint8_t[]){0x30, 0x30, 0xb0}, 3));
    assert_true(cli_recheck_add(&check, &(cli_code_difference){.round = 4, .slot = 1, .worker = 2},
                                (const uint8_t[]){0x30, 0x31, 0xb0}, (const uint8_t[]){0xb0, 0xb1, 0x30}, 3));
    assert_true(cli_recheck_add(&check, &(cli_code_difference){.round = 5, .slot = 0, .worker = 9},
                                (const uint8_t[]){0x80, 0x10, 0x10}, (const uint8_t[]){0x10, 0x10, 0x10}, 3));
    assert_int_equal(check.slots, 3);
    assert_int_equal(check.worker_count, 3);
    const cli_worker_check *liar = &check.workers[0], *honest = &check.workers[1], *silent = &check.workers[2];
    assert_true(liar->worker == 2 && honest->worker == 5 && silent->worker == 9);
    assert_true(honest->codes == 3 && honest->same == 2 && honest->near == 1 && honest->beyond == 0);
    assert_true(honest->largest == 1 && cli_worker_agreement(honest) > 0.99);
    assert_true(liar->beyond == 3 && cli_worker_agreement(liar) < -0.99);
    assert_true(silent->same == 2 && silent->beyond == 1 && silent->largest == 255);
    assert_int_equal(check.difference_count, 5);
    assert_true(check.differences[0].probe == 1 && check.differences[0].in_log == 0x31 &&
                check.differences[0].here == 0x30 && check.differences[0].round == 4);
    cli_recheck_free(&check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sample_is_of_the_size_that_was_asked_for),
        cmocka_unit_test(another_seed_or_run_draws_other_slots),
        cmocka_unit_test(each_workers_codes_are_weighed_by_their_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
