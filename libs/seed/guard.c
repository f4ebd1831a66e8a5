#include "seed/guard.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

typedef struct ranked {
    uint64_t key;
    size_t record;
} ranked;

static int larger_first(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->key != b->key)
        return a->key > b->key ? -1 : 1;
    return a->record > b->record ? -1 : 1;
}

static uint64_t mean_of(const sam_guarded *record)
{
    return record->sum / record->values;
}

static void trim(const sam_guard *guard, const sam_guarded *records, size_t count, ranked *order, uint32_t *weights)
{
    for (size_t i = 0; i < count; i++)
        order[i] = (ranked){records[i].sum, i};
    qsort(order, count, sizeof *order, larger_first);
    size_t drop = (size_t)((u128)count * guard->trim / 256);
    for (size_t i = 0; i < drop && i < count; i++)
        weights[order[i].record] = 0;
}

static void cap_by_median(const sam_guard *guard, const sam_guarded *records, size_t count, ranked *order,
                          uint32_t *weights)
{
    size_t with_values = 0;
    for (size_t i = 0; i < count; i++)
        if (records[i].values > 0)
            order[with_values++] = (ranked){mean_of(&records[i]), i};
    if (with_values == 0)
        return;
    qsort(order, with_values, sizeof *order, larger_first);
    uint64_t median = order[with_values - 1 - (with_values - 1) / 2].key; /* descending: the lower median */
    uint64_t limit = (uint64_t)((u128)median * guard->cap / 256);
    limit = limit == 0 ? 1 : limit;
    for (size_t i = 0; i < with_values; i++)
        if (order[i].key > limit)
            weights[order[i].record] = (uint32_t)((u128)SAM_WEIGHT_WHOLE * limit / order[i].key);
}

bool sam_guard_weigh(const sam_guard *guard, const sam_guarded *records, size_t count, uint32_t *weights)
{
    for (size_t i = 0; i < count; i++)
        weights[i] = SAM_WEIGHT_WHOLE;
    if (guard->kind == SAM_GUARD_CLIP || count == 0)
        return true;
    ranked *order = calloc(count, sizeof *order);
    if (order == NULL)
        return false;
    if (guard->kind == SAM_GUARD_TRIMMED)
        trim(guard, records, count, order, weights);
    else
        cap_by_median(guard, records, count, order, weights);
    free(order);
    return true;
}

int64_t sam_weighted(int64_t amount, uint32_t weight)
{
    uint64_t size = (uint64_t)(amount < 0 ? -amount : amount);
    uint64_t moved = (uint64_t)(((u128)size * weight + SAM_WEIGHT_WHOLE / 2) / SAM_WEIGHT_WHOLE);
    return amount < 0 ? -(int64_t)moved : (int64_t)moved;
}
