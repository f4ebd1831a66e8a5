#include "seed/directions/family.h"

#include "seed/numbering.h"
#include "seed/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARAMETERS 1500
#define MOVES      50
#define EPOCHS     3

/* A vector, a matrix, and what is left as another. */
static const sam_directions_tensor THREE[] = {{0, 1, 40}, {40, 20, 43}, {900, 6, 100}};
#define TENSORS .tensors = THREE, .tensor_count = 3

static const sam_directions_spec SPECS[] = {
    {.choice.family = SAM_SKETCH, .choice.log2_k = 6, .seed = 21, TENSORS, .eta_log2 = -20},
    {.choice.family = SAM_SKETCH, .choice.log2_k = 9, .seed = 22, TENSORS, .eta_log2 = -20},
    {.choice.family = SAM_DENSE_RADEMACHER, .seed = 23, TENSORS, .eta_log2 = -20},
    {.choice.family = SAM_DENSE_RADEMACHER, .choice.log2_pool = 4, .seed = 24, TENSORS, .eta_log2 = -20},
    {.choice.family = SAM_DENSE_GAUSSIAN, .seed = 25, TENSORS, .eta_log2 = -20},
};
#define SPEC_COUNT (sizeof SPECS / sizeof SPECS[0])

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void draw_moves(sam_move *moves, size_t count, uint64_t seed)
{
    for (size_t m = 0; m < count; m++) {
        moves[m].direction = (sam_direction){(uint32_t)(draw(&seed) % EPOCHS), draw(&seed) % 100000};
        moves[m].amount = (int64_t)draw(&seed) >> (2 + draw(&seed) % 60);
    }
}

static sam_directions *open(const sam_directions_spec *spec)
{
    sam_directions *directions = sam_directions_new(spec);
    assert_non_null(directions);
    assert_true(sam_directions_set_epochs(directions, EPOCHS));
    return directions;
}

static uint8_t *state_of(const sam_directions *directions)
{
    size_t length = (size_t)sam_directions_state_bytes(directions);
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    sam_directions_state_read(directions, 0, length, bytes);
    return bytes;
}

static void assert_same_state(const sam_directions *a, const sam_directions *b)
{
    uint8_t *left = state_of(a), *right = state_of(b);
    assert_memory_equal(left, right, (size_t)sam_directions_state_bytes(a));
    free(left);
    free(right);
}

static void moves_commute_in_any_order_and_grouping(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *at_once = open(&SPECS[s]), *one_by_one = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 31 + s);
        assert_true(sam_directions_move(at_once, moves, MOVES));
        for (size_t m = 0; m < MOVES; m++) /* 7 is prime to 50: each once, in another order */
            assert_true(sam_directions_move(one_by_one, &moves[(7 * m + 3) % MOVES], 1));
        assert_same_state(at_once, one_by_one);
        sam_directions_free(at_once);
        sam_directions_free(one_by_one);
    }
}

static void a_move_taken_back_leaves_no_trace(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *whole = open(&SPECS[s]), *without = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 41 + s);
        assert_true(sam_directions_move(whole, moves, MOVES));
        assert_true(sam_directions_move(without, moves, 20));
        for (size_t m = 20; m < MOVES; m++)
            moves[m].amount = -moves[m].amount;
        assert_true(sam_directions_move(whole, moves + 20, MOVES - 20));
        assert_same_state(whole, without);
        sam_directions_free(whole);
        sam_directions_free(without);
    }
}

static void reset_is_the_state_of_a_start(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *used = open(&SPECS[s]), *fresh = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 51);
        assert_true(sam_directions_move(used, moves, MOVES));
        sam_directions_reset(used);
        assert_int_equal(sam_directions_epochs(used), 1);
        sam_directions_set_epochs(fresh, 1);
        assert_same_state(used, fresh);
        float base = 0.1f, theta;
        sam_directions_weights(used, 77, 1, &base, &theta);
        assert_true(theta == base);
        sam_directions_free(used);
        sam_directions_free(fresh);
    }
}

static int bit(const uint32_t words[4], uint64_t j)
{
    return (int)(words[j / 32] >> (j % 32) & 1);
}

static uint64_t walk(const sam_directions_spec *spec, sam_direction direction)
{
    const sam_walk walk = sam_walk_of(spec->seed, direction.epoch);
    return sam_walk_at(&walk, direction.number,
                       spec->choice.family == SAM_SKETCH ? spec->choice.log2_k : spec->choice.log2_pool);
}

/* Section 2, one element at a time. */
static float plain_probe(const sam_directions *directions, sam_direction probe, uint64_t i)
{
    const sam_directions_spec *spec = sam_directions_get_spec(directions);
    uint32_t words[4];
    if (spec->choice.family == SAM_SKETCH) {
        sam_philox(words, spec->seed, sam_counter(i / 128, SAM_STREAM_SIGNS, probe.epoch));
        uint64_t both = walk(spec, probe) & (i % ((uint64_t)1 << spec->choice.log2_k));
        return (bit(words, i % 128) + __builtin_popcountll(both)) % 2 == 0 ? 1.0f : -1.0f;
    }
    uint64_t number = spec->choice.log2_pool == 0 ? probe.number : walk(spec, probe);
    sam_philox(words, spec->seed, sam_counter(number, SAM_STREAM_PROBE_SEEDS, probe.epoch));
    uint64_t key = words[0] | (uint64_t)words[1] << 32, block = spec->choice.family == SAM_DENSE_GAUSSIAN ? 16 : 128;
    sam_philox(words, key, sam_counter(i / block, SAM_STREAM_DIRECTION, 0));
    if (block == 128)
        return bit(words, i % 128) != 0 ? -1.0f : 1.0f;
    /* no table here: the sign is the byte's top bit, the size grows with its distance from the middle */
    unsigned byte = words[i % 16 / 4] >> (8 * (i % 4)) & 0xff;
    return byte >= 128 ? (float)(byte - 128) : -(float)(127 - byte);
}

/* Values of z against the plain definition: equal, or for gaussian in the same order of sizes with the same sign. */
static void check_element(const sam_directions *directions, float z, float plain)
{
    if (directions->spec.choice.family != SAM_DENSE_GAUSSIAN) {
        assert_true(z == plain);
        return;
    }
    double step = (fabs((double)plain) + 0.5) / 128;                 /* the share of bytes nearer to the middle */
    double around = erf(fabs((double)z) / 1.4142135623730951);       /* the normal's mass within |z| */
    assert_true(fabs(around - step) < 0.0135);                       /* 1/64 of a standard deviation at the centre */
    assert_true(z == 0 || (z < 0) == (plain < 0 || signbit(plain))); /* -0: byte 127 */
}

static bool sign_at(const uint64_t *signs, size_t i)
{
    return (signs[i / 64] >> (i % 64) & 1) != 0;
}

#define PROBES 3

static void check_row(const sam_directions *directions, uint64_t number, uint64_t first, size_t count)
{
    const sam_direction probes[PROBES] = {{0, number}, {0, number + 1}, {2, number}};
    float room[PARAMETERS], sizes[PROBES * PARAMETERS];
    uint64_t offset_signs[SAM_SIGN_WORDS(PARAMETERS)], probe_signs[PROBES * SAM_SIGN_WORDS(PARAMETERS)];
    sam_direction_row row = {NULL, room, offset_signs, probe_signs, sizes};
    sam_directions_row(directions, probes, PROBES, first, count, &row);
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < PROBES; p++) {
            float size = sam_directions_sized(directions) ? sizes[p * count + i] : 1.0f;
            bool minus = sign_at(probe_signs + p * SAM_SIGN_WORDS(count), i);
            check_element(directions, minus ? -size : size, plain_probe(directions, probes[p], first + i));
        }
        float zero = 0, theta, added = sign_at(offset_signs, i) ? -row.offset[i] : row.offset[i];
        sam_directions_weights(directions, first + i, 1, &zero, &theta);
        assert_true(theta == added);
    }
}

static void rows_equal_the_plain_definition_at_any_offset(void **state)
{
    (void)state;
    static const struct {
        uint64_t first;
        size_t count;
    } CASES[] = {{0, 1}, {0, 64}, {1, 63}, {63, 2}, {37, 500}, {500, 30}, {511, 2}, {127, 129}, {1023, 477}, {0, 1500}};
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 61 + s);
        assert_true(sam_directions_move(directions, moves, MOVES));
        for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++)
            check_row(directions, 1000 * c + s, CASES[c].first, CASES[c].count);
        sam_directions_free(directions);
    }
}

/* What a move of one unit does to the weights is what the probe says. */
static void a_move_goes_along_its_probe(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]);
        const sam_move move = {{(uint32_t)s % EPOCHS, 12345}, -3};
        float z[PARAMETERS], base[PARAMETERS] = {0}, theta[PARAMETERS];
        assert_true(sam_directions_move(directions, &move, 1));
        sam_directions_probe(directions, move.direction, 0, PARAMETERS, z);
        sam_directions_weights(directions, 0, PARAMETERS, base, theta);
        for (size_t i = 0; i < PARAMETERS; i++)
            assert_true(theta[i] == ldexpf(3 * z[i], -20));
        sam_directions_free(directions);
    }
}

static void the_same_number_in_another_epoch_is_another_direction(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]);
        float z[2][PARAMETERS];
        for (uint32_t epoch = 0; epoch < 2; epoch++)
            sam_directions_probe(directions, (sam_direction){epoch, 77}, 0, PARAMETERS, z[epoch]);
        assert_memory_not_equal(z[0], z[1], sizeof z[0]);
        sam_directions_free(directions);
    }
}

/* Moves of one epoch alone. */
static sam_directions *open_moved(const sam_directions_spec *spec, const sam_move *moves, uint32_t epoch)
{
    sam_directions *directions = open(spec);
    for (size_t m = 0; m < MOVES; m++)
        if (moves[m].direction.epoch == epoch)
            assert_true(sam_directions_move(directions, &moves[m], 1));
    return directions;
}

static void the_state_is_the_sum_of_what_each_epoch_moved(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 81 + s);
        sam_directions *all = open(&SPECS[s]), *sum = open(&SPECS[s]);
        assert_true(sam_directions_move(all, moves, MOVES));
        size_t count = (size_t)sam_directions_state_count(all);
        int64_t *added = calloc(count, sizeof *added), *values = calloc(count, sizeof *values);
        for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
            sam_directions *alone = open_moved(&SPECS[s], moves, epoch);
            sam_directions_state_get(alone, values);
            for (size_t i = 0; i < count; i++)
                added[i] = (int64_t)((uint64_t)added[i] + (uint64_t)values[i]);
            sam_directions_free(alone);
        }
        sam_directions_state_set(sum, added);
        assert_same_state(all, sum);
        free(added);
        free(values);
        sam_directions_free(all);
        sam_directions_free(sum);
    }
}

static void sketch_weights_add_the_parts_of_the_epochs_in_their_order(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2; s++) {
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 91 + s);
        sam_directions *all = open(&SPECS[s]);
        assert_true(sam_directions_move(all, moves, MOVES));
        static float zeros[PARAMETERS], part[PARAMETERS], sum[PARAMETERS], theta[PARAMETERS];
        for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
            sam_directions *alone = open_moved(&SPECS[s], moves, epoch);
            sam_directions_weights(alone, 0, PARAMETERS, zeros, part);
            for (size_t i = 0; i < PARAMETERS; i++)
                sum[i] = epoch == 0 ? part[i] : sum[i] + part[i];
            sam_directions_free(alone);
        }
        sam_directions_weights(all, 0, PARAMETERS, zeros, theta);
        for (size_t i = 0; i < PARAMETERS; i++)
            assert_true(theta[i] == sum[i]);
        sam_directions_free(all);
    }
}

static void a_state_is_exported_epoch_after_epoch(void **state)
{
    (void)state;
    const sam_move early = {{0, 5}, 100}, late = {{2, 6}, 300};
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = sam_directions_new(&SPECS[s]);
        uint64_t each = sam_directions_state_count(directions);
        assert_true(sam_directions_move(directions, &early, 1));
        assert_int_equal(sam_directions_epochs(directions), 1);
        assert_true(sam_directions_move(directions, &late, 1));
        assert_int_equal(sam_directions_epochs(directions), 3);
        bool one = directions->family->one_state;
        assert_int_equal(sam_directions_state_count(directions), one ? each : 3 * each);
        int64_t *values = calloc((size_t)(3 * each), sizeof *values);
        sam_directions_state_get(directions, values);
        for (uint64_t i = 0; i < each && !one; i++)
            assert_true(llabs(values[i]) == 100 && values[each + i] == 0 && llabs(values[2 * each + i]) == 300);
        free(values);
        sam_directions_free(directions);
    }
}

static void an_epoch_that_is_taken_back_leaves_the_state_of_before(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]), *before = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 101 + s);
        assert_true(sam_directions_move(directions, moves, MOVES));
        assert_true(sam_directions_move(before, moves, MOVES));
        const sam_move later = {{7, 3}, 1000}, back = {{7, 3}, -1000};
        assert_true(sam_directions_move(directions, &later, 1));
        assert_int_equal(sam_directions_epochs(directions), 8);
        assert_true(sam_directions_move(directions, &back, 1));
        assert_true(sam_directions_set_epochs(directions, EPOCHS));
        assert_same_state(directions, before);
        sam_directions_free(directions);
        sam_directions_free(before);
    }
}

static void epochs_out_of_range_change_nothing(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]), *untouched = open(&SPECS[s]);
        const sam_move moves[] = {{{1, 3}, 1000}, {{SAM_EPOCHS_MAX, 3}, 1000}, {{UINT32_MAX, 3}, 1000}};
        assert_false(sam_directions_move(directions, moves, 2));
        assert_false(sam_directions_move(directions, moves, 3));
        assert_false(sam_directions_set_epochs(directions, 0));
        assert_false(sam_directions_set_epochs(directions, SAM_EPOCHS_MAX + 1));
        assert_int_equal(sam_directions_epochs(directions), EPOCHS);
        assert_same_state(directions, untouched);
        sam_directions_free(directions);
        sam_directions_free(untouched);
    }
}

static void sketch_probes_are_orthogonal_over_whole_turns_of_k(void **state)
{
    (void)state;
    const sam_directions_tensor tensor = {0, 10, 64};
    const sam_directions_spec spec = {
        .choice.family = SAM_SKETCH, .choice.log2_k = 6, .seed = 3, .tensors = &tensor, .tensor_count = 1};
    sam_directions *directions = open(&spec);
    for (uint64_t a = 0; a < 64; a++)
        for (uint64_t b = 0; b <= a; b++) {
            float left[640], right[640], product = 0;
            sam_directions_probe(directions, (sam_direction){1, a}, 0, 640, left);
            sam_directions_probe(directions, (sam_direction){1, b}, 0, 640, right);
            for (size_t i = 0; i < 640; i++)
                product += left[i] * right[i];
            assert_true(product == (a == b ? 640.0f : 0.0f));
        }
    sam_directions_free(directions);
}

static void state_is_read_the_same_in_pieces(void **state)
{
    (void)state;
    for (size_t s = 0; s < SPEC_COUNT; s++) {
        sam_directions *directions = open(&SPECS[s]);
        sam_move moves[MOVES];
        draw_moves(moves, MOVES, 71);
        assert_true(sam_directions_move(directions, moves, MOVES));
        size_t length = (size_t)sam_directions_state_bytes(directions);
        uint8_t *whole = state_of(directions), piece[13];
        for (size_t at = 0; at < length; at += sizeof piece) {
            size_t size = length - at < sizeof piece ? length - at : sizeof piece;
            sam_directions_state_read(directions, at, size, piece);
            assert_memory_equal(piece, whole + at, size);
        }
        free(whole);
        sam_directions_free(directions);
    }
}

static void specs_out_of_range_are_refused(void **state)
{
    (void)state;
    const sam_directions_spec bad[] = {
        {.choice.family = SAM_SKETCH, .choice.log2_k = 5, TENSORS},
        {.choice.family = SAM_SKETCH, .choice.log2_k = 27, TENSORS},
        {.choice.family = SAM_SKETCH, .choice.log2_k = 10, .eta_log2 = 1, TENSORS},
        {.choice.family = SAM_SKETCH, .choice.log2_k = 10, .eta_log2 = -101, TENSORS},
        {.choice.family = SAM_DENSE_GAUSSIAN, .choice.log2_pool = 63, TENSORS},
        {.choice.family = (sam_family)1000, TENSORS},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(sam_directions_new(&bad[i]));
    sam_directions_free(NULL);
}

static void tensors_that_do_not_follow_one_another_are_refused(void **state)
{
    (void)state;
    static const sam_directions_tensor BAD[][2] = {
        {{1, 1, 5}, {6, 1, 5}},                   /* a gap before the first */
        {{0, 2, 5}, {11, 1, 5}},                  /* and between two */
        {{0, 2, 5}, {9, 1, 5}},                   /* they overlap */
        {{0, 0, 5}, {0, 1, 5}},                   /* an empty one */
        {{0, 1, 5}, {5, UINT64_MAX, UINT64_MAX}}, /* no model has so many */
        {{0, 1, 5}, {5, (uint64_t)1 << 47, 2}},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const sam_directions_spec spec = {
            .choice.family = SAM_SKETCH, .choice.log2_k = 6, .tensors = BAD[i], .tensor_count = 2};
        assert_null(sam_directions_new(&spec));
    }
    assert_null(sam_directions_new(&(sam_directions_spec){.choice.family = SAM_SKETCH, .choice.log2_k = 6}));
    sam_directions *directions = open(&SPECS[0]);
    assert_ptr_not_equal(sam_directions_get_spec(directions)->tensors, THREE);
    sam_directions_free(directions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves_commute_in_any_order_and_grouping),
        cmocka_unit_test(a_move_taken_back_leaves_no_trace),
        cmocka_unit_test(reset_is_the_state_of_a_start),
        cmocka_unit_test(rows_equal_the_plain_definition_at_any_offset),
        cmocka_unit_test(a_move_goes_along_its_probe),
        cmocka_unit_test(the_same_number_in_another_epoch_is_another_direction),
        cmocka_unit_test(the_state_is_the_sum_of_what_each_epoch_moved),
        cmocka_unit_test(sketch_weights_add_the_parts_of_the_epochs_in_their_order),
        cmocka_unit_test(a_state_is_exported_epoch_after_epoch),
        cmocka_unit_test(an_epoch_that_is_taken_back_leaves_the_state_of_before),
        cmocka_unit_test(epochs_out_of_range_change_nothing),
        cmocka_unit_test(sketch_probes_are_orthogonal_over_whole_turns_of_k),
        cmocka_unit_test(state_is_read_the_same_in_pieces),
        cmocka_unit_test(specs_out_of_range_are_refused),
        cmocka_unit_test(tensors_that_do_not_follow_one_another_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
