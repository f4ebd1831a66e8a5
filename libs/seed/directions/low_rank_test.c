/* Families that have matrices as products of thin ones, by a family for tests. */
#include "seed/directions/test_low_rank.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MOVES = 40, EPOCHS = 3, PARAMETERS = 9 + 24 + 70 };

static const sam_directions_tensor TENSORS[] = {{0, 1, 9}, {9, 4, 6}, {33, 7, 10}};
static const sam_directions_spec SPEC = {.seed = 11, .eta_log2 = -10, .tensors = TENSORS, .tensor_count = 3};

static sam_directions *open(void)
{
    sam_directions *directions = sam_directions_new_of(&test_low_rank_family, &SPEC);
    assert_non_null(directions);
    return directions;
}

static void draw_moves(sam_move *moves)
{
    for (uint32_t m = 0; m < MOVES; m++)
        moves[m] = (sam_move){{m * 7 % EPOCHS, m * 31}, (int64_t)(m * 97 % 61) - 30};
}

static void assert_same_weights(const sam_directions *a, const sam_directions *b)
{
    static const float base[PARAMETERS];
    float left[PARAMETERS], right[PARAMETERS];
    sam_directions_weights(a, 0, PARAMETERS, base, left);
    sam_directions_weights(b, 0, PARAMETERS, base, right);
    assert_memory_equal(left, right, sizeof left);
}

/* u core v^T, from the form alone. */
static float product_at(const sam_low_rank_form *form, const float *core, uint64_t row, uint64_t column)
{
    float sum = 0;
    for (size_t a = 0; a < form->rank; a++)
        for (size_t b = 0; b < form->rank; b++)
            sum += form->u[row * form->rank + a] * core[a * form->rank + b] * form->v[column * form->rank + b];
    return sum;
}

static void forms_weights_and_probes_are_the_same_numbers(void **state)
{
    (void)state;
    sam_directions *directions = open();
    sam_move moves[MOVES];
    draw_moves(moves);
    assert_true(sam_directions_move(directions, moves, MOVES));
    assert_true(sam_directions_has_low_rank(directions));
    static const float base[PARAMETERS];
    const sam_direction probe = {1, 77};
    float theta[PARAMETERS], z[PARAMETERS], core[TEST_CORE];
    sam_directions_weights(directions, 0, PARAMETERS, base, theta);
    sam_directions_probe(directions, probe, 0, PARAMETERS, z);
    for (size_t t = 1; t < 3; t++)
        for (uint64_t i = 0; i < TENSORS[t].rows * TENSORS[t].columns; i++) {
            uint64_t row = i / TENSORS[t].columns, column = i % TENSORS[t].columns;
            float sum = 0;
            for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
                const sam_low_rank_form *form = sam_directions_low_rank(directions, t, epoch);
                sum += product_at(form, form->core, row, column);
            }
            sam_directions_probe_core(directions, t, probe, core);
            assert_true(theta[TENSORS[t].start + i] == sum); /* integers times a power of two: exact */
            assert_true(z[TENSORS[t].start + i] ==
                        product_at(sam_directions_low_rank(directions, t, 1), core, row, column));
        }
    sam_directions_free(directions);
}

static void vectors_and_other_families_have_no_such_form(void **state)
{
    (void)state;
    sam_directions *directions = open();
    assert_null(sam_directions_low_rank(directions, 0, 0));
    sam_directions_spec spec = SPEC;
    spec.choice.log2_k = 6;
    sam_directions *sketch = sam_directions_new(&spec);
    assert_false(sam_directions_has_low_rank(sketch));
    assert_null(sam_directions_low_rank(sketch, 1, 0));
    sam_directions_free(directions);
    sam_directions_free(sketch);
}

static void moves_of_any_epochs_commute_and_can_be_taken_back(void **state)
{
    (void)state;
    sam_directions *at_once = open(), *one_by_one = open();
    sam_move moves[MOVES];
    draw_moves(moves);
    assert_true(sam_directions_move(at_once, moves, MOVES));
    for (size_t m = 0; m < MOVES; m++)
        assert_true(sam_directions_move(one_by_one, &moves[(7 * m + 3) % MOVES], 1));
    assert_same_weights(at_once, one_by_one);
    for (size_t m = 0; m < MOVES; m++)
        moves[m].amount = -moves[m].amount;
    assert_true(sam_directions_move(at_once, moves, MOVES));
    sam_directions_reset(one_by_one);
    assert_true(sam_directions_set_epochs(at_once, 1));
    assert_same_weights(at_once, one_by_one);
    sam_directions_free(at_once);
    sam_directions_free(one_by_one);
}

static void an_epoch_has_a_basis_of_its_own(void **state)
{
    (void)state;
    sam_directions *directions = open();
    assert_true(sam_directions_set_epochs(directions, 2));
    const sam_low_rank_form *old = sam_directions_low_rank(directions, 2, 0),
                            *new = sam_directions_low_rank(directions, 2, 1);
    assert_memory_not_equal(old->u, new->u, 7 * TEST_RANK * sizeof(float));
    const sam_move move = {{1, 5}, 3};
    assert_true(sam_directions_move(directions, &move, 1));
    const float zero[TEST_CORE] = {0};
    assert_memory_equal(old->core, zero, sizeof zero);
    assert_memory_not_equal(new->core, zero, sizeof zero);
    sam_directions_free(directions);
}

static void memory_that_runs_out_leaves_everything_as_it_was(void **state)
{
    (void)state;
    sam_move moves[MOVES];
    draw_moves(moves);
    sam_directions *directions = open(), *before = open();
    for (test_low_rank_opens = 0; test_low_rank_opens < EPOCHS - 1; test_low_rank_opens++) {
        long opens = test_low_rank_opens;
        assert_false(sam_directions_move(directions, moves, MOVES)); /* it has one epoch, and needs all */
        assert_int_equal(sam_directions_epochs(directions), 1);
        assert_same_weights(directions, before);
        test_low_rank_opens = opens;
    }
    assert_true(sam_directions_move(directions, moves, MOVES));
    test_low_rank_opens = 1;
    assert_false(sam_directions_set_epochs(directions, EPOCHS + 2));
    assert_int_equal(sam_directions_epochs(directions), EPOCHS);
    test_low_rank_opens = 0;
    assert_null(sam_directions_new_of(&test_low_rank_family, &SPEC));
    test_low_rank_opens = -1;
    sam_directions_free(directions);
    sam_directions_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_weights_and_probes_are_the_same_numbers),
        cmocka_unit_test(vectors_and_other_families_have_no_such_form),
        cmocka_unit_test(moves_of_any_epochs_commute_and_can_be_taken_back),
        cmocka_unit_test(an_epoch_has_a_basis_of_its_own),
        cmocka_unit_test(memory_that_runs_out_leaves_everything_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
