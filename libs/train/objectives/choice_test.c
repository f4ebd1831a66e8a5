#include "train/objectives/test_examples.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const sam_objective CHOICE = SAM_OBJECTIVE_CHOICE;

static sam_outcome outcome_of(const sam_example *example, const double *probabilities, size_t count)
{
    float scores[16];
    sam_outcome outcome;
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)log(probabilities[i]);
    double loss = sam_objective_loss(CHOICE, &example, 1, scores, &outcome);
    assert_true(loss == outcome.loss);
    return outcome;
}

/* Probabilities of tokens whose products are round numbers, so what comes out can be said by hand. */
static void the_loss_is_that_of_the_labels_share_among_the_options(void **state)
{
    static const struct {
        uint32_t label;
        size_t lengths[3], options;
        double probabilities[6];
        uint32_t answer;
        double share, margin; /* of the label; as a ratio of probabilities */
    } CASES[] = {
        {0, {1, 1}, 2, {0.5, 0.25}, 0, 2.0 / 3, 0.5},
        {1, {1, 1}, 2, {0.5, 0.25}, 0, 1.0 / 3, 0.5},
        {1, {2, 1}, 2, {0.5, 0.5, 0.75}, 1, 0.75, 3},
        {2, {1, 2, 3}, 3, {0.1, 0.5, 0.2, 0.8, 0.5, 0.75}, 2, 0.6, 3},
        {0, {1, 2, 3}, 3, {0.1, 0.5, 0.2, 0.8, 0.5, 0.75}, 2, 0.2, 1.0 / 3},
        {1, {1, 1}, 2, {0.3, 0.3}, 0, 0.5, 1},
        {0, {2}, 1, {0.3, 0.3}, 0, 1, INFINITY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        test_example made;
        const sam_example *example = test_example_make(&made, CASES[i].label, CASES[i].lengths, CASES[i].options);
        size_t tokens = 0;
        for (size_t o = 0; o < CASES[i].options; o++)
            tokens += CASES[i].lengths[o];
        sam_outcome found = outcome_of(example, CASES[i].probabilities, tokens);
        if (found.answer != CASES[i].answer || fabs(exp(-found.loss) - CASES[i].share) > 1e-6 ||
            (exp(found.margin) != CASES[i].margin && fabs(exp(found.margin) - CASES[i].margin) > 1e-6))
            fail_msg("case %zu: answer %u, share %.7f, margin %.7f", i, found.answer, exp(-found.loss),
                     exp(found.margin));
    }
}

static void a_minibatch_has_the_mean_loss_of_its_examples(void **state)
{
    test_example made[2];
    const sam_example *examples[] = {test_example_make(&made[0], 0, (size_t[]){1, 1}, 2),
                                     test_example_make(&made[1], 1, (size_t[]){1, 2}, 2)};
    const float scores[] = {logf(0.5f), logf(0.5f), logf(0.1f), logf(0.6f), logf(0.5f)};
    (void)state;
    assert_true(fabs(sam_objective_loss(CHOICE, examples, 2, scores, NULL) - (log(2) + log(4.0 / 3)) / 2) < 1e-6);
}

static void scores_that_are_not_numbers_are_not_hidden(void **state)
{
    test_example made;
    const sam_example *example = test_example_make(&made, 0, (size_t[]){1, 1}, 2);
    const float scores[] = {NAN, 1};
    (void)state;
    assert_true(isnan(sam_objective_loss(CHOICE, &example, 1, scores, NULL)));
}

static void options_go_on_from_one_prefix(void **state)
{
    test_example made;
    const sam_example *example = test_example_make(&made, 0, (size_t[]){1, 3}, 2);
    sam_batch batch = {0};
    sam_error err;
    static const sam_score SCORES[] = {{3, 104, true}, {3, 105, true}, {4, 106, true}, {5, 107, true}};
    (void)state;
    assert_int_equal(sam_objective_pack(&batch, CHOICE, &example, 1, &err), SAM_OK);
    assert_int_equal(batch.segment_count, 2);
    assert_int_equal(batch.segments[1].prefix, 0);
    assert_int_equal(batch.columns, 6);
    assert_int_equal(sam_objective_columns(CHOICE, example), 6);
    assert_int_equal(batch.score_count, 4);
    for (size_t s = 0; s < 4; s++)
        if (batch.scores[s].column != SCORES[s].column || batch.scores[s].target != SCORES[s].target ||
            !batch.scores[s].normalised)
            fail_msg("score %zu: token %u after column %zu", s, batch.scores[s].target, batch.scores[s].column);
    sam_batch_free(&batch);
}

static void options_of_one_token_are_compared_by_bare_logits(void **state)
{
    test_example made;
    const sam_example *example = test_example_make(&made, 0, (size_t[]){1, 1, 1}, 3);
    sam_batch batch = {0};
    sam_error err;
    (void)state;
    assert_int_equal(sam_objective_pack(&batch, CHOICE, &example, 1, &err), SAM_OK);
    assert_int_equal(batch.segment_count, 1);
    for (size_t s = 0; s < 3; s++)
        assert_false(batch.scores[s].normalised);
    sam_batch_free(&batch);
}

static void minibatches_are_balanced(void **state)
{
    (void)state;
    assert_true(sam_objective_balances(CHOICE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_loss_is_that_of_the_labels_share_among_the_options),
        cmocka_unit_test(a_minibatch_has_the_mean_loss_of_its_examples),
        cmocka_unit_test(scores_that_are_not_numbers_are_not_hidden),
        cmocka_unit_test(options_go_on_from_one_prefix),
        cmocka_unit_test(options_of_one_token_are_compared_by_bare_logits),
        cmocka_unit_test(minibatches_are_balanced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
