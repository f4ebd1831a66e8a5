#include "model/tokenizer/merges.h"

#include "base/memory.h"
#include "model/tokenizer/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* The definition: the pair of lowest rank, the leftmost among equals, until there is none. */
static size_t merge_naively(const sam_merges *merges, uint32_t *tokens, size_t count)
{
    for (;;) {
        size_t best = SIZE_MAX;
        uint32_t rank = UINT32_MAX, result = 0;
        for (size_t i = 0; i + 1 < count; i++) {
            const sam_merge *merge = sam_merges_find(merges, tokens[i], tokens[i + 1]);
            if (merge != NULL && merge->rank < rank) {
                rank = merge->rank;
                result = merge->result;
                best = i;
            }
        }
        if (best == SIZE_MAX)
            return count;
        tokens[best] = result;
        memmove(tokens + best + 1, tokens + best + 2, (count - best - 2) * sizeof *tokens);
        count--;
    }
}

/* Few tokens, equal ranks, results that merge again: the heap sees many stale entries. */
static void fill_randomly(sam_merges *merges, uint64_t *seed, size_t count)
{
    assert_int_equal(sam_merges_reserve(merges, count, NULL), SAM_OK);
    for (size_t i = 0; i < count; i++)
        sam_merges_add(merges, (sam_merge){(uint32_t)(next_random(seed) % 12), (uint32_t)(next_random(seed) % 12),
                                           (uint32_t)(next_random(seed) % 20), (uint32_t)(next_random(seed) % 16)});
}

static void check_against_naive(const sam_merges *merges, sam_symbols *symbols, uint64_t *seed)
{
    uint32_t tokens[60];
    size_t count = 1 + next_random(seed) % 60, place = 0;
    assert_int_equal(sam_symbols_begin(symbols, count, NULL), SAM_OK);
    for (size_t i = 0; i < count; i++) {
        tokens[i] = next_random(seed) % 30 == 0 ? SAM_NO_TOKEN : (uint32_t)(next_random(seed) % 6);
        sam_symbols_add(symbols, tokens[i], i);
    }
    sam_merges_apply(merges, symbols);
    count = merge_naively(merges, tokens, count);
    for (uint32_t i = 0; i != SAM_NO_SYMBOL; i = symbols->items[i].next, place++) {
        assert_true(place < count);
        assert_int_equal(symbols->items[i].token, tokens[place]);
    }
    assert_int_equal(place, count);
}

static void the_heap_merges_as_the_definition_does(void **state)
{
    (void)state;
    uint64_t seed = 3;
    sam_symbols symbols = {0};
    for (int table = 0; table < 300; table++) {
        sam_merges merges = {0};
        fill_randomly(&merges, &seed, 40);
        for (int i = 0; i < 60; i++)
            check_against_naive(&merges, &symbols, &seed);
        sam_merges_free(&merges);
    }
    sam_symbols_free(&symbols);
}

static void the_first_of_two_merges_of_a_pair_stays(void **state)
{
    (void)state;
    sam_merges merges = {0};
    assert_int_equal(sam_merges_reserve(&merges, 2, NULL), SAM_OK);
    sam_merges_add(&merges, (sam_merge){1, 2, 0, 3});
    sam_merges_add(&merges, (sam_merge){1, 2, 1, 4});
    assert_int_equal(merges.count, 1);
    assert_int_equal(sam_merges_find(&merges, 1, 2)->result, 3);
    assert_null(sam_merges_find(&merges, 2, 1));
    sam_merges_free(&merges);
}

static void four_million_equal_symbols_merge_at_once(void **state)
{
    (void)state;
    const size_t count = (size_t)1 << 22;
    sam_merges merges = {0};
    sam_symbols symbols = {0};
    assert_int_equal(sam_merges_reserve(&merges, 22, NULL), SAM_OK);
    for (uint32_t i = 0; i < 22; i++)
        sam_merges_add(&merges, (sam_merge){i, i, i, i + 1});
    assert_int_equal(sam_symbols_begin(&symbols, count, NULL), SAM_OK);
    for (size_t i = 0; i < count; i++)
        sam_symbols_add(&symbols, 0, i);
    sam_merges_apply(&merges, &symbols);
    assert_int_equal(symbols.items[0].token, 22);
    assert_int_equal(symbols.items[0].next, SAM_NO_SYMBOL);
    sam_symbols_free(&symbols);
    sam_merges_free(&merges);
}

static void too_much_is_refused_before_memory_is_asked_for(void **state)
{
    (void)state;
    sam_merges merges = {0};
    sam_symbols symbols = {0};
    sam_error err;
    assert_int_equal(sam_merges_reserve(&merges, SIZE_MAX / 2, &err), SAM_TOO_LARGE);
    assert_int_equal(sam_symbols_begin(&symbols, SIZE_MAX / 64, &err), SAM_TOO_LARGE);
    assert_null(sam_merges_find(&merges, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heap_merges_as_the_definition_does),
        cmocka_unit_test(the_first_of_two_merges_of_a_pair_stays),
        cmocka_unit_test(four_million_equal_symbols_merge_at_once),
        cmocka_unit_test(too_much_is_refused_before_memory_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
