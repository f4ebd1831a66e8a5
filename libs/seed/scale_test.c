#include "seed/scale.h"

#include "seed/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RATE 4096

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static const sam_scale_rule RUNNING = {SAM_SCALE_RUNNING, .shift = 4};
static const sam_scale_rule FIRST = {SAM_SCALE_FIRST, .window = 3};

static sam_step_size size_of(sam_scale_rule rule)
{
    return (sam_step_size){.rate = RATE, .scale = rule, .clip = 1024};
}

/* A round of `values` codes of one size. */
static void learn_size(const sam_scale_rule *rule, sam_scale *scale, uint64_t size, uint64_t values)
{
    sam_scale_learn(rule, scale, (sam_u128)size * size * values, values);
}

/* ---- the square root ---- */

static void integer_square_root_is_exact_around_squares(void **state)
{
    (void)state;
    static const uint64_t ROOTS[] = {1, 2, 3, 10, 255, 256, 65535, 65536, 1000003, 0x7fffffff, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof ROOTS / sizeof ROOTS[0]; i++) {
        uint64_t root = ROOTS[i];
        assert_int_equal(sam_integer_sqrt(root * root), root);
        assert_int_equal(sam_integer_sqrt(root * root - 1), root - 1);
        assert_int_equal(sam_integer_sqrt(root * root + 2 * root), root); /* the last before the next square */
    }
    assert_int_equal(sam_integer_sqrt(0), 0);
    assert_int_equal(sam_integer_sqrt(UINT64_MAX), 0xffffffffu);
}

/* ---- the scale ---- */

static void a_round_without_values_teaches_nothing(void **state)
{
    (void)state;
    const sam_scale_rule *const RULES[] = {&(sam_scale_rule){SAM_SCALE_FIXED, .rms = 300}, &RUNNING, &FIRST};
    for (size_t i = 0; i < 3; i++) {
        sam_scale scale = {77, 5};
        sam_scale_learn(RULES[i], &scale, 0, 0);
        assert_true(scale.mean_square == 77 && scale.rounds_seen == 5);
    }
}

static void a_fixed_scale_is_what_the_manifest_says_whatever_is_seen(void **state)
{
    (void)state;
    const sam_scale_rule rule = {SAM_SCALE_FIXED, .rms = 300};
    sam_scale scale = {0};
    assert_int_equal(sam_scale_rms(&rule, &scale), 300);
    for (uint64_t size = 1; size < 100; size++)
        learn_size(&rule, &scale, size, 9);
    assert_true(scale.mean_square == 0 && scale.rounds_seen == 99);
    assert_int_equal(sam_scale_rms(&rule, &scale), 300);
}

static void the_rms_of_equal_sizes_is_their_size(void **state)
{
    (void)state;
    for (unsigned code = 1; code < 0x80; code++) {
        uint64_t size = (uint64_t)sam_code_value((uint8_t)code);
        sam_scale scale = {0};
        for (int round = 0; round < 40; round++)
            learn_size(&RUNNING, &scale, size, 1 + (uint64_t)round % 5);
        assert_int_equal(sam_scale_rms(&RUNNING, &scale), size << 8);
    }
}

static void the_rms_of_zeros_is_the_least_there_is(void **state)
{
    (void)state;
    sam_scale scale = {0};
    assert_int_equal(sam_scale_rms(&RUNNING, &scale), 0); /* nothing was seen */
    learn_size(&RUNNING, &scale, 0, 8);
    assert_int_equal(sam_scale_rms(&RUNNING, &scale), 1);
}

static void a_running_scale_is_the_mean_of_its_window_and_then_follows(void **state)
{
    (void)state;
    sam_scale scale = {0};
    for (uint64_t size = 1; size <= 16; size++)
        learn_size(&RUNNING, &scale, size, 3);
    assert_in_range(scale.mean_square, (1496 << 16) / 16 - 16, (1496 << 16) / 16); /* of the squares 1, 4, ... 256 */
    for (uint64_t before = scale.mean_square; scale.rounds_seen < 300; before = scale.mean_square) {
        learn_size(&RUNNING, &scale, 100, 3);
        assert_in_range(scale.mean_square, before, 10000 << 16); /* rises, and never beyond */
    }
    assert_in_range(scale.mean_square, (10000 << 16) - 16, 10000 << 16);
    for (uint64_t before = scale.mean_square; scale.rounds_seen < 600; before = scale.mean_square) {
        learn_size(&RUNNING, &scale, 2, 3);
        assert_in_range(scale.mean_square, 4 << 16, before);
    }
    assert_int_equal(scale.mean_square, 4 << 16);
}

static void a_scale_of_the_first_rounds_stays_after_them(void **state)
{
    (void)state;
    sam_scale scale = {0};
    for (int round = 0; round < 3; round++)
        learn_size(&FIRST, &scale, 50, 4);
    for (int round = 0; round < 10; round++)
        learn_size(&FIRST, &scale, 245760, 4);
    assert_true(sam_scale_rms(&FIRST, &scale) == 50 << 8 && scale.rounds_seen == 13);
}

/* ---- prices ---- */

static void nothing_has_a_price_before_a_scale_is_known(void **state)
{
    (void)state;
    const sam_scale_rule *const RULES[] = {&RUNNING, &FIRST};
    for (size_t i = 0; i < 2; i++) {
        const sam_step_size size = size_of(*RULES[i]);
        const sam_scale start = {0};
        sam_price price = sam_price_of(&size, &start, 0);
        for (unsigned code = 0; code < 256; code++) {
            int64_t value = sam_code_value((uint8_t)code);
            assert_int_equal(sam_price_amount(&price, (uint8_t)code), 0);
            assert_int_equal(sam_price_size(&price, (uint8_t)code), value < 0 ? -value : value); /* not cut */
        }
    }
}

static void a_scalar_of_mean_size_moves_by_the_rate(void **state)
{
    (void)state;
    const sam_step_size size = size_of(RUNNING);
    for (unsigned code = 1; code < 0x80; code++) {
        sam_scale scale = {0};
        learn_size(&RUNNING, &scale, (uint64_t)sam_code_value((uint8_t)code), 8);
        sam_price price = sam_price_of(&size, &scale, 1);
        assert_int_equal(sam_price_amount(&price, (uint8_t)code), RATE);
        assert_int_equal(sam_price_amount(&price, (uint8_t)(code | 0x80)), -RATE);
    }
}

static void a_code_without_value_moves_nothing(void **state)
{
    (void)state;
    const sam_step_size size = size_of((sam_scale_rule){SAM_SCALE_FIXED, .rms = 256});
    const sam_scale scale = {0};
    sam_price price = sam_price_of(&size, &scale, 0);
    assert_int_equal(sam_price_amount(&price, SAM_CODE_NONE), 0);
    assert_int_equal(sam_price_size(&price, SAM_CODE_NONE), 0);
    assert_int_equal(sam_price_amount(&price, 0x00), 0);
}

static void a_code_counts_at_most_as_many_rms_as_the_clip_says(void **state)
{
    (void)state;
    for (uint32_t clip = 256; clip <= 1024; clip += 256) {
        sam_step_size size = size_of((sam_scale_rule){SAM_SCALE_FIXED, .rms = 100 << 8});
        size.clip = clip;
        const sam_scale scale = {0};
        sam_price price = sam_price_of(&size, &scale, 0);
        assert_int_equal(sam_price_size(&price, 0x7f), 100 * clip / 256);
        assert_int_equal(sam_price_amount(&price, 0xff), -(int64_t)(RATE * clip / 256));
    }
}

static void a_larger_code_never_moves_less(void **state)
{
    (void)state;
    uint64_t generator = 5;
    for (int i = 0; i < 300; i++) {
        const sam_step_size size = {.rate = 1 + draw(&generator) % ((uint64_t)1 << 40),
                                    .schedule = {.kind = SAM_SCHEDULE_INVERSE, .horizon = 10},
                                    .scale = {SAM_SCALE_FIXED, .rms = 1 + (uint32_t)(draw(&generator) % (1 << 26))},
                                    .clip = 256 + (uint32_t)(draw(&generator) % (1 << 24))};
        const sam_scale scale = {0};
        sam_price price = sam_price_of(&size, &scale, draw(&generator) % 100);
        int64_t last = 0;
        for (unsigned code = 0; code < 0x80; code++) {
            int64_t amount = sam_price_amount(&price, (uint8_t)code);
            assert_true(amount >= last);
            if (code > 0) /* 0x80 has no value */
                assert_int_equal(sam_price_amount(&price, (uint8_t)(code | 0x80)), -amount);
            last = amount;
        }
    }
}

static void a_price_reads_the_schedule_at_its_origin(void **state)
{
    (void)state;
    sam_step_size size = size_of((sam_scale_rule){SAM_SCALE_FIXED, .rms = 8 << 8});
    size.schedule = (sam_schedule){SAM_SCHEDULE_LINEAR, .warmup = 0, .horizon = 4};
    const sam_scale scale = {0};
    for (uint64_t origin = 0; origin < 6; origin++) {
        sam_price price = sam_price_of(&size, &scale, origin);
        assert_int_equal(sam_price_amount(&price, 0x08), origin < 4 ? RATE * (4 - origin) / 4 : 0);
    }
}

/* Everything at its limit and beyond it, under the sanitizers: an overflow would end the test. */
static void hostile_codes_and_settings_never_overflow(void **state)
{
    (void)state;
    uint64_t generator = 11;
    for (int i = 0; i < 3000; i++) {
        bool extreme = draw(&generator) % 2 == 0;
        const sam_step_size size = {
            .rate = extreme ? UINT64_MAX : draw(&generator),
            .schedule = {(sam_schedule_kind)(draw(&generator) % 4), extreme ? UINT64_MAX : draw(&generator) % 9,
                         extreme ? UINT64_MAX : draw(&generator), 65536},
            .scale = {(sam_scale_kind)(draw(&generator) % 3), (uint32_t)(draw(&generator) % 2) * UINT32_MAX,
                      (uint32_t)(draw(&generator) % 21), UINT32_MAX},
            .clip = UINT32_MAX,
        };
        sam_scale scale = {0};
        for (uint64_t round = 0; round < 5; round++) {
            sam_price price = sam_price_of(&size, &scale, UINT64_MAX - round);
            uint8_t code = (uint8_t)(extreme ? 0x7f | (draw(&generator) & 0x80) : draw(&generator));
            int64_t amount = sam_price_amount(&price, code);
            assert_true(amount <= (int64_t)1 << 62 && amount >= -((int64_t)1 << 62));
            learn_size(&size.scale, &scale, (uint64_t)sam_price_size(&price, code), 4096 * 256);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_square_root_is_exact_around_squares),
        cmocka_unit_test(a_round_without_values_teaches_nothing),
        cmocka_unit_test(a_fixed_scale_is_what_the_manifest_says_whatever_is_seen),
        cmocka_unit_test(the_rms_of_equal_sizes_is_their_size),
        cmocka_unit_test(the_rms_of_zeros_is_the_least_there_is),
        cmocka_unit_test(a_running_scale_is_the_mean_of_its_window_and_then_follows),
        cmocka_unit_test(a_scale_of_the_first_rounds_stays_after_them),
        cmocka_unit_test(nothing_has_a_price_before_a_scale_is_known),
        cmocka_unit_test(a_scalar_of_mean_size_moves_by_the_rate),
        cmocka_unit_test(a_code_without_value_moves_nothing),
        cmocka_unit_test(a_code_counts_at_most_as_many_rms_as_the_clip_says),
        cmocka_unit_test(a_larger_code_never_moves_less),
        cmocka_unit_test(a_price_reads_the_schedule_at_its_origin),
        cmocka_unit_test(hostile_codes_and_settings_never_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
