#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void products_of_sizes_that_overflow_give_nothing(void **state)
{
    (void)state;
    sam_arena arena = {0};
    assert_null(sam_alloc(SIZE_MAX / 2, 4));
    assert_null(sam_realloc(NULL, SIZE_MAX / 2, 4));
    assert_null(sam_alloc_aligned(SIZE_MAX / 2, 4));
    assert_null(sam_alloc_aligned(SIZE_MAX - 8, 1));
    assert_null(sam_arena_array(&arena, SIZE_MAX / 2, 4));
    assert_null(sam_arena_strndup(&arena, "x", SIZE_MAX));
    assert_null(sam_strndup("x", SIZE_MAX));
    sam_arena_free(&arena);
}

static void the_chosen_allocation_fails_and_only_that(void **state)
{
    (void)state;
    for (long nth = 1; nth <= 4; nth++) {
        sam_memory_fail_at(nth);
        for (long i = 1; i <= 4; i++) {
            void *memory = i % 2 == 0 ? sam_alloc(3, 5) : sam_alloc_aligned(3, 5);
            assert_int_equal(memory == NULL, i == nth);
            sam_free(memory);
        }
    }
    sam_memory_fail_at(1);
    assert_null(sam_format("%d", 1));
    sam_memory_fail_at(1);
    sam_memory_fail_at(0);
    char *text = sam_strdup("still here");
    assert_string_equal(text, "still here");
    sam_free(text);
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    for (size_t count = 0; count < 300; count += 37) {
        unsigned char *memory = sam_alloc_aligned(count, 3);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < 3 * count; i++)
            assert_int_equal(memory[i], 0);
        sam_free(memory);
    }
}

static void an_arena_gives_separate_zeroed_aligned_pieces(void **state)
{
    (void)state;
    sam_arena arena = {0};
    unsigned char *last = NULL;
    for (size_t i = 1; i < 400; i++) { /* past one block, and pieces larger than a block */
        size_t size = i % 100 == 0 ? 200000 : i;
        unsigned char *piece = sam_arena_array(&arena, size, 1);
        assert_non_null(piece);
        assert_int_equal((uintptr_t)piece % 16, 0);
        for (size_t b = 0; b < size; b++)
            assert_int_equal(piece[b], 0);
        memset(piece, 0xff, size);
        assert_ptr_not_equal(piece, last);
        last = piece;
    }
    assert_string_equal(sam_arena_strndup(&arena, "samara", 3), "sam");
    sam_memory_fail_at(1);
    assert_null(sam_arena_array(&arena, 1, 300000));
    sam_memory_fail_at(0);
    sam_arena_free(&arena);
    assert_null(arena.blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_of_sizes_that_overflow_give_nothing),
        cmocka_unit_test(the_chosen_allocation_fails_and_only_that),
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(an_arena_gives_separate_zeroed_aligned_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
