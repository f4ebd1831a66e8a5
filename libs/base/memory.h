/* Memory whose sizes are checked, and arenas for what lives and dies together.
 *
 *     sam_arena arena = {0};                        // valid when zeroed
 *     float *row = sam_arena_array(&arena, 576, sizeof *row);
 *     if (row == NULL)
 *         return sam_fail(err, SAM_NO_MEMORY, "out of memory for a row");
 *     sam_arena_free(&arena);
 *
 * Everything returns NULL when memory is out or a product of sizes overflows. sam_memory_fail_at(n) makes the n-th
 * allocation from now fail, so that tests can walk every failure path (the habit of jansson).
 * Thread safety: sam_alloc and friends as malloc; one arena belongs to one thread.
 */
#ifndef SAM_BASE_MEMORY_H
#define SAM_BASE_MEMORY_H

#include <stddef.h>

void *sam_alloc(size_t count, size_t size);              /* zeroed, as calloc */
void *sam_realloc(void *old, size_t count, size_t size); /* new bytes are not zeroed */
void *sam_alloc_aligned(size_t count, size_t size);      /* zeroed, aligned to a 64-byte cache line */
void sam_free(void *memory);                             /* for each of the three; NULL is fine */
char *sam_strdup(const char *text);
char *sam_strndup(const char *text, size_t length);
char *sam_format(const char *format, ...) __attribute__((format(printf, 1, 2))); /* sprintf into new memory */

typedef struct sam_arena {
    struct sam_arena_block *blocks;
} sam_arena;

void *sam_arena_array(sam_arena *arena, size_t count, size_t size); /* zeroed, 16-byte aligned */
char *sam_arena_strndup(sam_arena *arena, const char *text, size_t length);
void sam_arena_free(sam_arena *arena);

void sam_memory_fail_at(long nth); /* test hook: 1 fails the next allocation, 0 turns it off */

#endif
