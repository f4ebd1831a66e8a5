#include "train/quality/margins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#define COUNT 40

/* The same figures from their definitions, pair by pair. */
static double area_by_pairs(const sam_margin *list, size_t count)
{
    double right = 0, pairs = 0;
    for (size_t p = 0; p < count; p++)
        for (size_t n = 0; n < count; n++) {
            if (!list[p].positive || list[n].positive)
                continue;
            pairs++;
            right += list[p].margin > list[n].margin ? 1 : list[p].margin < list[n].margin ? 0 : 0.5;
        }
    return right / pairs;
}

static size_t right_at(const sam_margin *list, size_t count, double threshold)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++)
        right += (list[i].margin > threshold) == list[i].positive;
    return right;
}

/* Small margins with many ties, from a linear congruence. */
static void make_list(sam_margin *list, uint32_t seed)
{
    for (size_t i = 0; i < COUNT; i++) {
        seed = seed * 1664525 + 1013904223;
        list[i].margin = (double)(seed >> 28) / 4 - 2;
        list[i].positive = (seed >> 12 & 7) + (seed >> 28) > 10;
    }
    list[0].positive = true;
    list[1].positive = false;
    sam_margins_sort(list, COUNT);
}

static void the_area_is_the_share_of_pairs_in_order(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        sam_margin list[COUNT];
        make_list(list, seed);
        assert_true(fabs(sam_margins_area(list, COUNT) - area_by_pairs(list, COUNT)) < 1e-12);
    }
}

static void no_other_threshold_gets_more_right(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 50; seed++) {
        sam_margin list[COUNT];
        make_list(list, seed);
        size_t right = right_at(list, COUNT, sam_margins_threshold(list, COUNT));
        for (size_t i = 0; i < COUNT; i++)
            for (int side = -1; side <= 1; side++)
                assert_true(right_at(list, COUNT, list[i].margin + side * 0.01) <= right);
    }
}

static void lists_of_one_kind_have_a_threshold_but_no_area(void **state)
{
    (void)state;
    for (int positive = 0; positive <= 1; positive++) {
        const sam_margin list[] = {{-1, positive != 0}, {0, positive != 0}, {2, positive != 0}};
        assert_int_equal(right_at(list, 3, sam_margins_threshold(list, 3)), 3);
        assert_true(isnan(sam_margins_area(list, 3)));
    }
}

static void the_example_of_the_header_is_true(void **state)
{
    (void)state;
    const sam_margin list[] = {{-0.5, false}, {0.1, true}, {0.2, false}, {0.9, true}};
    assert_true(fabs(sam_margins_threshold(list, 4) + 0.2) < 1e-12);
    assert_true(fabs(sam_margins_area(list, 4) - 0.75) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_area_is_the_share_of_pairs_in_order),
        cmocka_unit_test(no_other_threshold_gets_more_right),
        cmocka_unit_test(lists_of_one_kind_have_a_threshold_but_no_area),
        cmocka_unit_test(the_example_of_the_header_is_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
