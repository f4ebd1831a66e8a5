#include "train/quality/confusion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/quality/confusion_golden.h"

#include <math.h>

#define CASES (sizeof GOLDEN_F1 / sizeof GOLDEN_F1[0])
#define COUNT (sizeof GOLDEN_F1[0].labels / sizeof GOLDEN_F1[0].labels[0])

static void the_scores_are_those_of_scikit_learn(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        sam_confusion counts = {0};
        for (size_t i = 0; i < COUNT; i++)
            sam_confusion_add(&counts, GOLDEN_F1[c].labels[i], GOLDEN_F1[c].answers[i]);
        assert_true(fabs(sam_confusion_f1(&counts, 1) - GOLDEN_F1[c].f1_of_1) < 1e-12);
        assert_true(fabs(sam_confusion_macro_f1(&counts) - GOLDEN_F1[c].macro_f1) < 1e-12);
    }
}

static void nothing_counted_scores_nothing(void **state)
{
    (void)state;
    const sam_confusion none = {0};
    assert_true(sam_confusion_f1(&none, 1) == 0 && sam_confusion_macro_f1(&none) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scores_are_those_of_scikit_learn),
        cmocka_unit_test(nothing_counted_scores_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
