#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_LINE        64u
#define ARENA_FIRST_BLOCK ((size_t)1024) /* many arenas hold little: an HTTP request, a call of Redis */
#define ARENA_BLOCK_MAX   ((size_t)64 * 1024)

struct sam_arena_block {
    struct sam_arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char bytes[];
};

static atomic_long fail_countdown;

void sam_memory_fail_at(long nth)
{
    atomic_store(&fail_countdown, nth);
}

static int must_fail(void)
{
    return atomic_load_explicit(&fail_countdown, memory_order_relaxed) > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *sam_alloc(size_t count, size_t size)
{
    size_t bytes;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return calloc(1, bytes == 0 ? 1 : bytes);
}

void *sam_realloc(void *old, size_t count, size_t size)
{
    size_t bytes;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return realloc(old, bytes == 0 ? 1 : bytes);
}

void *sam_alloc_aligned(size_t count, size_t size)
{
    size_t bytes;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - CACHE_LINE)
        return NULL;
    bytes = (bytes + CACHE_LINE) & ~(size_t)(CACHE_LINE - 1);
    void *memory = aligned_alloc(CACHE_LINE, bytes);
    if (memory != NULL)
        memset(memory, 0, bytes);
    return memory;
}

void sam_free(void *memory)
{
    free(memory);
}

char *sam_strdup(const char *text)
{
    return sam_strndup(text, strlen(text));
}

char *sam_strndup(const char *text, size_t length)
{
    char *copy = length == SIZE_MAX ? NULL : sam_alloc(length + 1, 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

char *sam_format(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : sam_alloc((size_t)length + 1, 1);
    if (text != NULL)
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

static size_t next_block_size(const sam_arena *arena)
{
    if (arena->blocks == NULL)
        return ARENA_FIRST_BLOCK;
    return arena->blocks->size >= ARENA_BLOCK_MAX / 4 ? ARENA_BLOCK_MAX : arena->blocks->size * 4;
}

void *sam_arena_array(sam_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + 15) & ~(size_t)15;
    struct sam_arena_block *block = arena->blocks;
    if (block == NULL || block->size - block->used < bytes) {
        size_t room = next_block_size(arena);
        room = bytes > room ? bytes : room;
        block = sam_alloc(1, sizeof *block + room);
        if (block == NULL)
            return NULL;
        block->size = room;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *memory = block->bytes + block->used;
    block->used += bytes;
    return memory;
}

char *sam_arena_strndup(sam_arena *arena, const char *text, size_t length)
{
    char *copy = length == SIZE_MAX ? NULL : sam_arena_array(arena, length + 1, 1);
    if (copy != NULL)
        memcpy(copy, text, length);
    return copy;
}

void sam_arena_free(sam_arena *arena)
{
    while (arena->blocks != NULL) {
        struct sam_arena_block *block = arena->blocks;
        arena->blocks = block->next;
        sam_free(block);
    }
}
