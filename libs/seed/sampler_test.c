#include "seed/sampler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define EXAMPLES 60

static void every_example_comes_once_in_each_epoch(void **state)
{
    (void)state;
    static const size_t SIZES[] = {1, 4, 7, 60, 90}; /* some do not divide the epoch */
    for (size_t s = 0; s < sizeof SIZES / sizeof SIZES[0]; s++) {
        sam_sampler *sampler = sam_sampler_new(5, NULL, EXAMPLES, 1);
        assert_non_null(sampler);
        unsigned seen[EXAMPLES] = {0};
        size_t visits = 0;
        for (uint64_t number = 0; visits < 10 * EXAMPLES; number++) {
            uint32_t batch[90];
            sam_sampler_batch(sampler, number, SIZES[s], batch);
            for (size_t b = 0; b < SIZES[s] && visits < 10 * EXAMPLES; b++, visits++)
                assert_int_equal(seen[batch[b]]++, visits / EXAMPLES);
        }
        sam_sampler_free(sampler);
    }
}

static void balance_gives_each_class_its_share_and_each_member_its_turn(void **state)
{
    (void)state;
    uint32_t classes[EXAMPLES];
    for (size_t i = 0; i < EXAMPLES; i++)
        classes[i] = i < 6 ? 0 : i < 20 ? 1 : 2; /* 6, 14 and 40 examples */
    sam_sampler *sampler = sam_sampler_new(5, classes, EXAMPLES, 3);
    assert_non_null(sampler);
    unsigned seen[EXAMPLES] = {0};
    for (uint64_t number = 0; number < 840; number++) {
        uint32_t batch[6];
        sam_sampler_batch(sampler, number, 6, batch);
        for (size_t b = 0; b < 6; b++) {
            assert_int_equal(classes[batch[b]], b % 3);
            seen[batch[b]]++;
        }
    }
    for (size_t i = 0; i < EXAMPLES; i++)
        assert_int_equal(seen[i], i < 6 ? 280 : i < 20 ? 120 : 42); /* 1680 visits over the class */
    sam_sampler_free(sampler);
}

static void a_minibatch_depends_on_its_number_alone(void **state)
{
    (void)state;
    sam_sampler *forwards = sam_sampler_new(9, NULL, EXAMPLES, 1), *backwards = sam_sampler_new(9, NULL, EXAMPLES, 1);
    uint32_t wanted[50][7], batch[7];
    for (uint64_t number = 0; number < 50; number++)
        sam_sampler_batch(forwards, number, 7, wanted[number]);
    for (uint64_t number = 50; number-- > 0;) {
        sam_sampler_batch(backwards, number, 7, batch);
        assert_memory_equal(batch, wanted[number], sizeof batch);
    }
    sam_sampler_free(forwards);
    sam_sampler_free(backwards);
}

static void epochs_and_seeds_have_orders_of_their_own(void **state)
{
    (void)state;
    sam_sampler *one = sam_sampler_new(1, NULL, EXAMPLES, 1), *two = sam_sampler_new(2, NULL, EXAMPLES, 1);
    uint32_t first[EXAMPLES], second[EXAMPLES], other[EXAMPLES];
    sam_sampler_batch(one, 0, EXAMPLES, first);
    sam_sampler_batch(one, 1, EXAMPLES, second);
    sam_sampler_batch(two, 0, EXAMPLES, other);
    assert_memory_not_equal(first, second, sizeof first);
    assert_memory_not_equal(first, other, sizeof first);
    sam_sampler_free(one);
    sam_sampler_free(two);
}

static void data_that_cannot_be_sampled_is_refused(void **state)
{
    (void)state;
    const uint32_t classes[] = {0, 2, 2};
    assert_null(sam_sampler_new(1, NULL, 0, 1));
    assert_null(sam_sampler_new(1, classes, 3, 3)); /* class 1 is empty */
    assert_null(sam_sampler_new(1, classes, 3, 0));
    sam_sampler_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_comes_once_in_each_epoch),
        cmocka_unit_test(balance_gives_each_class_its_share_and_each_member_its_turn),
        cmocka_unit_test(a_minibatch_depends_on_its_number_alone),
        cmocka_unit_test(epochs_and_seeds_have_orders_of_their_own),
        cmocka_unit_test(data_that_cannot_be_sampled_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
