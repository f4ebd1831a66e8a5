#include "train/objectives/test_examples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const sam_objective COMPLETION = SAM_OBJECTIVE_COMPLETION;

static void the_loss_is_the_mean_over_the_labelled_options_tokens(void **state)
{
    test_example made[2];
    const sam_example *examples[] = {test_example_make(&made[0], 1, (size_t[]){2, 3}, 2),
                                     test_example_make(&made[1], 0, (size_t[]){1}, 1)};
    const float scores[] = {logf(0.5f), logf(0.25f), logf(0.125f), logf(0.1f)};
    sam_outcome outcomes[2];
    (void)state;
    double loss = sam_objective_loss(COMPLETION, examples, 2, scores, outcomes);
    assert_true(fabs(outcomes[0].loss - 2 * log(2)) < 1e-6); /* (1 + 2 + 3) / 3 halvings */
    assert_true(fabs(outcomes[1].loss - log(10)) < 1e-6);
    assert_true(fabs(loss - (2 * log(2) + log(10)) / 2) < 1e-6);
    assert_int_equal(outcomes[0].answer, 1);
    assert_int_equal(outcomes[1].answer, 0);
}

static void only_the_labelled_option_is_computed(void **state)
{
    test_example made;
    const sam_example *example = test_example_make(&made, 1, (size_t[]){4, 2}, 2);
    sam_batch batch = {0};
    sam_error err;
    (void)state;
    assert_int_equal(sam_objective_pack(&batch, COMPLETION, &example, 1, &err), SAM_OK);
    assert_int_equal(batch.columns, TEST_PREFIX + 1);
    assert_int_equal(sam_objective_columns(COMPLETION, example), TEST_PREFIX + 1);
    assert_int_equal(batch.score_count, 2);
    assert_int_equal(batch.scores[0].target, example->options[1].token[0]);
    assert_int_equal(batch.scores[1].target, example->options[1].token[1]);
    sam_batch_free(&batch);
}

/* A bare logit says nothing without others to compare it with. */
static void one_token_is_scored_by_its_probability_too(void **state)
{
    test_example made;
    const sam_example *example = test_example_make(&made, 0, (size_t[]){1}, 1);
    sam_batch batch = {0};
    sam_error err;
    (void)state;
    assert_int_equal(sam_objective_pack(&batch, COMPLETION, &example, 1, &err), SAM_OK);
    assert_true(batch.scores[0].normalised);
    sam_batch_free(&batch);
}

static void minibatches_are_drawn_as_they_come(void **state)
{
    (void)state;
    assert_false(sam_objective_balances(COMPLETION));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_the_mean_over_the_labelled_options_tokens),
        cmocka_unit_test(only_the_labelled_option_is_computed),
        cmocka_unit_test(one_token_is_scored_by_its_probability_too),
        cmocka_unit_test(minibatches_are_drawn_as_they_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
