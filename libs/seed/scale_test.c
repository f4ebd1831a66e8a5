#include "seed/update.h"

#include "seed/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define SLOTS  8
#define PROBES 4
#define CODES  (SLOTS * PROBES)

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static sam_update_spec plain_spec(void)
{
    return (sam_update_spec){.rate = 4096, .guard = {.clip = 1024, .cap = 512}};
}

static void run_round(const sam_update_spec *spec, sam_update_state *carried, const uint8_t *codes, int64_t *amounts)
{
    assert_true(sam_update_round(spec, carried, carried->rounds_seen, codes, SLOTS, PROBES, amounts));
}

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

static void a_code_without_value_moves_nothing_and_teaches_nothing(void **state)
{
    (void)state;
    sam_update_spec spec = plain_spec();
    spec.normaliser = (sam_normaliser){SAM_NORMALISER_RUNNING, 4, 0};
    sam_update_state carried = {0};
    uint8_t codes[CODES];
    int64_t amounts[CODES];
    memset(codes, SAM_CODE_NONE, sizeof codes);
    run_round(&spec, &carried, codes, amounts);
    assert_int_equal(carried.rounds_seen, 0);
    assert_int_equal(carried.mean_square, 0);
    for (size_t i = 0; i < CODES; i++)
        assert_int_equal(amounts[i], 0);
}

static void a_scalar_of_mean_size_moves_by_the_rate(void **state)
{
    (void)state;
    sam_update_spec spec = plain_spec();
    spec.normaliser = (sam_normaliser){SAM_NORMALISER_RUNNING, 4, 0};
    for (unsigned code = 0x08; code < 0x80; code += 7) {
        sam_update_state carried = {0};
        uint8_t codes[CODES];
        int64_t amounts[CODES];
        for (size_t i = 0; i < CODES; i++)
            codes[i] = (uint8_t)(i % 2 == 0 ? code : code | 0x80);
        run_round(&spec, &carried, codes, amounts);
        for (size_t i = 0; i < CODES; i++)
            assert_int_equal(amounts[i], i % 2 == 0 ? 4096 : -4096);
    }
}

static void one_bad_slot_is_held_by_each_guard(void **state)
{
    (void)state;
    static const struct {
        sam_guard guard;
        int64_t largest; /* that the bad slot may move, honest ones moving 4096 */
    } CASES[] = {
        {{SAM_GUARD_CLIP, 512, 0, 0}, 8192},
        {{SAM_GUARD_TRIMMED, 1 << 20, 32, 0}, 0},
        {{SAM_GUARD_MEDIAN, 1 << 20, 0, 512}, 8192},
    };
    for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++) {
        sam_update_spec spec = plain_spec();
        spec.guard = CASES[c].guard;
        spec.normaliser = (sam_normaliser){SAM_NORMALISER_FIRST, 0, 1}; /* the honest round fixes the scale */
        sam_update_state carried = {0};
        uint8_t codes[CODES];
        int64_t amounts[CODES];
        memset(codes, 0x30, sizeof codes);
        run_round(&spec, &carried, codes, amounts);
        memset(codes + PROBES * 3, 0xff, PROBES);
        run_round(&spec, &carried, codes, amounts);
        assert_int_equal(amounts[0], 4096);
        for (size_t p = 0; p < PROBES; p++)
            assert_int_equal(amounts[PROBES * 3 + p], -CASES[c].largest);
    }
}

/* Everything at its limit, under the sanitizers: an overflow would end the test. */
static void hostile_codes_and_settings_never_overflow(void **state)
{
    (void)state;
    uint64_t generator = 11;
    for (int i = 0; i < 3000; i++) {
        bool extreme = draw(&generator) % 2 == 0;
        const sam_update_spec spec = {
            .rate = extreme ? UINT64_MAX : draw(&generator),
            .schedule = {(sam_schedule_kind)(draw(&generator) % 4), extreme ? UINT64_MAX : draw(&generator) % 9,
                         extreme ? UINT64_MAX : draw(&generator), 65536},
            .normaliser = {(sam_normaliser_kind)(draw(&generator) % 3), (uint32_t)(draw(&generator) % 21), UINT32_MAX},
            .guard = {(sam_guard_kind)(draw(&generator) % 3), UINT32_MAX, UINT32_MAX, UINT32_MAX},
        };
        sam_update_state carried = {0};
        for (int round = 0; round < 5; round++) {
            uint8_t codes[CODES];
            int64_t amounts[CODES];
            for (size_t p = 0; p < CODES; p++)
                codes[p] = (uint8_t)(extreme ? 0x7f | (draw(&generator) & 0x80) : draw(&generator));
            assert_true(sam_update_round(&spec, &carried, UINT64_MAX - (uint64_t)round, codes, SLOTS, PROBES, amounts));
            for (size_t p = 0; p < CODES; p++)
                assert_true(amounts[p] <= (int64_t)1 << 62 && amounts[p] >= -((int64_t)1 << 62));
        }
    }
}

static void schedules_stay_within_whole_and_floor_and_never_rise_after_warmup(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        const sam_schedule schedule = {(sam_schedule_kind)kind, 10, 200, 300};
        uint32_t last = 0;
        for (uint64_t round = 0; round < 500; round++) {
            uint32_t share = sam_schedule_share(&schedule, round);
            assert_in_range(share, 300, 65536);
            if (round < 10)
                assert_true(share > last);
            else if (round > 10)
                assert_true(share <= last);
            last = share;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integer_square_root_is_exact_around_squares),
        cmocka_unit_test(a_code_without_value_moves_nothing_and_teaches_nothing),
        cmocka_unit_test(a_scalar_of_mean_size_moves_by_the_rate),
        cmocka_unit_test(one_bad_slot_is_held_by_each_guard),
        cmocka_unit_test(hostile_codes_and_settings_never_overflow),
        cmocka_unit_test(schedules_stay_within_whole_and_floor_and_never_rise_after_warmup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
