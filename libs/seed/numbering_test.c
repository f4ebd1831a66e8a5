#include "seed/numbering.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static uint64_t draw(uint64_t *state) /* xorshift64 */
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

static void places_count_through_rounds_and_probes_through_places(void **state)
{
    (void)state;
    for (uint32_t places = 1; places < 6; places++)
        for (uint32_t probes = 1; probes < 4; probes++) {
            const sam_numbering numbering = {places, probes, 0};
            uint64_t minibatch = 0, direction = 0;
            for (uint64_t round = 0; round < 20; round++)
                for (uint32_t place = 0; place < places; place++, minibatch++, direction += probes) {
                    sam_step step = sam_number_slot(&numbering, round, place);
                    assert_true(step.minibatch == minibatch && step.direction == direction && step.epoch == 0);
                }
        }
}

static void an_epoch_is_so_many_rounds_and_numbers_go_on_through_it(void **state)
{
    (void)state;
    const sam_numbering whole = {3, 2, 0};
    for (uint64_t epoch_rounds = 1; epoch_rounds < 8; epoch_rounds++) {
        const sam_numbering numbering = {3, 2, epoch_rounds};
        for (uint64_t round = 0; round < 40; round++) {
            sam_step step = sam_number_slot(&numbering, round, 1), same = sam_number_slot(&whole, round, 1);
            assert_int_equal(step.epoch, round / epoch_rounds);
            assert_int_equal(sam_epoch_of(&numbering, round), step.epoch);
            assert_true(step.direction == same.direction && step.minibatch == same.minibatch);
        }
    }
}

static void the_largest_run_has_numbers_of_its_own_for_all_its_probes(void **state)
{
    (void)state;
    const sam_numbering numbering = {4096, 256, (uint64_t)1 << 28};
    sam_step last = sam_number_slot(&numbering, ((uint64_t)1 << 40) - 1, 4095);
    sam_step before = sam_number_slot(&numbering, ((uint64_t)1 << 40) - 1, 4094);
    assert_int_equal(last.epoch, 4095);
    assert_int_equal(last.minibatch, ((uint64_t)1 << 52) - 1);
    assert_int_equal(last.direction, ((uint64_t)1 << 60) - 256);
    assert_int_equal(last.direction - before.direction, 256);
}

static void a_walk_visits_each_direction_once_from_wherever_it_begins(void **state)
{
    (void)state;
    static bool seen[1 << 10];
    uint64_t generator = 9;
    for (unsigned log2_size = 1; log2_size <= 10; log2_size++)
        for (int i = 0; i < 20; i++) {
            const sam_walk walk = sam_walk_of(draw(&generator), (uint32_t)(draw(&generator) % 4096));
            uint64_t size = (uint64_t)1 << log2_size, start = draw(&generator);
            memset(seen, 0, sizeof seen);
            for (uint64_t n = 0; n < size; n++) {
                uint64_t k = sam_walk_at(&walk, start + n, log2_size);
                assert_true(k < size && !seen[k]);
                seen[k] = true;
            }
        }
}

static void another_seed_or_epoch_walks_another_way(void **state)
{
    (void)state;
    const sam_walk walk = sam_walk_of(7, 0), again = sam_walk_of(7, 0);
    assert_memory_equal(&walk, &again, sizeof walk);
    const sam_walk others[] = {sam_walk_of(8, 0), sam_walk_of(7, 1), sam_walk_of(7 + ((uint64_t)1 << 32), 0)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(others[i].a != walk.a && others[i].c != walk.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_count_through_rounds_and_probes_through_places),
        cmocka_unit_test(an_epoch_is_so_many_rounds_and_numbers_go_on_through_it),
        cmocka_unit_test(the_largest_run_has_numbers_of_its_own_for_all_its_probes),
        cmocka_unit_test(a_walk_visits_each_direction_once_from_wherever_it_begins),
        cmocka_unit_test(another_seed_or_epoch_walks_another_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
