#include "train/quality/quality.h"

#include "train/test_training.h"

#include <math.h>

static test_training training;

static int make(void **state)
{
    (void)state;
    test_training_make(&training, SAM_OBJECTIVE_CHOICE);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    test_training_free(&training);
    return 0;
}

/* Labels are 0, 1, 0, 1, ...: every fourth example is answered wrong, by a margin that leans to option 1 by `lean`. */
static void fill(sam_outcome *outcomes, double lean)
{
    for (size_t i = 0; i < TEST_EXAMPLES; i++) {
        uint32_t label = sam_dataset_at(training.data, i)->label;
        bool right = i % 4 != 0;
        double towards_one = (label == 1) == right ? 1 : -1;
        outcomes[i] = (sam_outcome){.loss = right ? 0.25 : 1.25, .margin = towards_one + lean};
        outcomes[i].answer = outcomes[i].margin > 0;
    }
}

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

/* 6 of 24 wrong, all of them label 0 answered 1: 6 right zeros, 6 wrong ones, 12 right ones. */
static void the_figures_are_those_of_the_counts(void **state)
{
    sam_outcome outcomes[TEST_EXAMPLES];
    (void)state;
    fill(outcomes, 0);
    double threshold = sam_quality_threshold(training.data, outcomes);
    sam_quality quality = sam_quality_of(training.data, outcomes, threshold, SAM_METRIC_MACRO_F1);
    assert_true(quality.known && quality.two_options && quality.examples == TEST_EXAMPLES);
    assert_true(near(quality.accuracy, 18.0 / 24) && near(quality.loss, 0.5));
    assert_true(near(quality.calibrated_accuracy, 18.0 / 24));
    assert_true(near(quality.auc, 0.75)); /* 12 positives above 6 of 12 negatives, even with the other 6 */
    assert_true(near(quality.f1, (12.0 / 18 + 24.0 / 30) / 2));
    quality = sam_quality_of(training.data, outcomes, threshold, SAM_METRIC_F1);
    assert_true(near(quality.f1, 24.0 / 30));
}

static void a_model_that_leans_to_one_option_is_better_with_a_threshold(void **state)
{
    sam_outcome outcomes[TEST_EXAMPLES];
    (void)state;
    fill(outcomes, 5); /* everything is answered 1 */
    double threshold = sam_quality_threshold(training.data, outcomes);
    sam_quality quality = sam_quality_of(training.data, outcomes, threshold, SAM_METRIC_ACCURACY);
    assert_true(near(quality.accuracy, 0.5) && near(quality.calibrated_accuracy, 0.75) && near(quality.auc, 0.75));
    assert_true(threshold > 4 && threshold < 6);
}

static void without_a_threshold_there_are_no_calibrated_figures(void **state)
{
    sam_outcome outcomes[TEST_EXAMPLES];
    (void)state;
    fill(outcomes, 0);
    outcomes[3].margin = NAN;
    double threshold = sam_quality_threshold(training.data, outcomes);
    assert_true(isnan(threshold));
    assert_false(sam_quality_of(training.data, outcomes, threshold, SAM_METRIC_ACCURACY).two_options);
}

static void expect_read_back(const sam_quality *quality)
{
    json_t *json = sam_quality_json(quality);
    sam_quality read = sam_quality_from_json(json);
    assert_true(read.known == quality->known && read.two_options == quality->two_options);
    assert_true(read.examples == quality->examples && read.metric == quality->metric);
    if (quality->known)
        assert_true(near(read.accuracy, quality->accuracy) && near(read.loss, quality->loss));
    if (quality->two_options)
        assert_true(near(read.threshold, quality->threshold) && near(read.auc, quality->auc) &&
                    near(read.calibrated_accuracy, quality->calibrated_accuracy));
    if (sam_quality_f1_name(quality) != NULL)
        assert_true(near(read.f1, quality->f1));
    json_decref(json);
}

static void what_is_written_as_json_reads_back(void **state)
{
    sam_outcome outcomes[TEST_EXAMPLES];
    const sam_quality unknown = {0};
    (void)state;
    fill(outcomes, 1);
    expect_read_back(&unknown);
    for (sam_quality_metric metric = SAM_METRIC_ACCURACY; metric <= SAM_METRIC_MACRO_F1; metric++) {
        const double thresholds[] = {(double)NAN, 0.5};
        for (size_t i = 0; i < 2; i++) {
            sam_quality quality = sam_quality_of(training.data, outcomes, thresholds[i], metric);
            expect_read_back(&quality);
        }
    }
}

/* run.json may have been edited, or damaged. */
static void json_of_another_shape_gives_figures_that_are_not_numbers(void **state)
{
    json_t *odd = json_pack("{s:s,s:n,s:i}", "accuracy", "high", "loss", "examples", 3);
    (void)state;
    sam_quality quality = sam_quality_from_json(odd);
    assert_true(quality.known && isnan(quality.accuracy) && isnan(quality.loss) && quality.examples == 3);
    json_decref(odd);
    assert_false(sam_quality_from_json(NULL).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_figures_are_those_of_the_counts),
        cmocka_unit_test(a_model_that_leans_to_one_option_is_better_with_a_threshold),
        cmocka_unit_test(without_a_threshold_there_are_no_calibrated_figures),
        cmocka_unit_test(what_is_written_as_json_reads_back),
        cmocka_unit_test(json_of_another_shape_gives_figures_that_are_not_numbers),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
