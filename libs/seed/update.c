#include "seed/update.h"

#include "seed/code.h"

#include <stdlib.h>

__extension__ typedef unsigned __int128 u128;

#define LARGEST_AMOUNT ((int64_t)1 << 62)

/* The sizes of a round's codes while the steps work on them. One slot is one row. */
typedef struct round_sizes {
    size_t slots, probes;
    int64_t *size; /* [slots][probes]; -1: no value */
} round_sizes;

uint64_t sam_integer_sqrt(uint64_t value)
{
    if (value == 0)
        return 0;
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << (63 - __builtin_clzll(value)) / 2; bit != 0; bit >>= 1) {
        uint64_t larger = root | bit;
        root = larger * larger <= value ? larger : root; /* no branch: nobody could foretell it */
    }
    return root;
}

static uint64_t root_mean_square(const sam_update_state *state)
{
    uint64_t root = sam_integer_sqrt(state->mean_square);
    return root == 0 ? 1 : root;
}

static void cut_sizes(round_sizes *sizes, int64_t limit)
{
    for (size_t i = 0; i < sizes->slots * sizes->probes; i++)
        if (sizes->size[i] > limit)
            sizes->size[i] = limit;
}

static void limit_to_past(const sam_update_spec *spec, const sam_update_state *state, round_sizes *sizes)
{
    if (state->mean_square == 0)
        return;
    u128 limit = (u128)spec->guard.clip * root_mean_square(state) >> 16;
    cut_sizes(sizes, limit == 0 ? 1 : limit > SAM_CODE_LARGEST ? SAM_CODE_LARGEST : (int64_t)limit);
}

typedef struct slot_total {
    int64_t sum;
    size_t values, slot;
} slot_total;

static slot_total total_of(const round_sizes *sizes, size_t slot)
{
    slot_total total = {.slot = slot};
    for (size_t p = 0; p < sizes->probes; p++) {
        int64_t size = sizes->size[slot * sizes->probes + p];
        total.sum += size < 0 ? 0 : size;
        total.values += size >= 0;
    }
    return total;
}

static int larger_sum_first(const void *left, const void *right)
{
    const slot_total *a = left, *b = right;
    if (a->sum != b->sum)
        return a->sum > b->sum ? -1 : 1;
    return a->slot > b->slot ? -1 : 1;
}

static void trim(const sam_guard *guard, round_sizes *sizes, slot_total *totals)
{
    for (size_t slot = 0; slot < sizes->slots; slot++)
        totals[slot] = total_of(sizes, slot);
    qsort(totals, sizes->slots, sizeof *totals, larger_sum_first);
    size_t drop = (size_t)((u128)sizes->slots * guard->trim / 256);
    for (size_t i = 0; i < drop && i < sizes->slots; i++)
        for (size_t p = 0; p < sizes->probes; p++)
            sizes->size[totals[i].slot * sizes->probes + p] = -1;
}

static void cap_by_median(const sam_guard *guard, round_sizes *sizes, slot_total *totals)
{
    size_t count = 0;
    for (size_t slot = 0; slot < sizes->slots; slot++) {
        slot_total total = total_of(sizes, slot);
        if (total.values == 0)
            continue;
        total.sum /= (int64_t)total.values;
        totals[count++] = total;
    }
    if (count == 0)
        return;
    qsort(totals, count, sizeof *totals, larger_sum_first);
    int64_t median = totals[count - 1 - (count - 1) / 2].sum; /* descending order: the lower median */
    int64_t limit = (int64_t)((u128)(uint64_t)median * guard->cap / 256);
    cut_sizes(sizes, limit < 1 ? 1 : limit);
}

static bool apply_guard(const sam_guard *guard, round_sizes *sizes)
{
    if (guard->kind == SAM_GUARD_CLIP || sizes->slots == 0)
        return true;
    slot_total *totals = calloc(sizes->slots, sizeof *totals);
    if (totals == NULL)
        return false;
    if (guard->kind == SAM_GUARD_TRIMMED)
        trim(guard, sizes, totals);
    else
        cap_by_median(guard, sizes, totals);
    free(totals);
    return true;
}

static uint64_t mean_square_of(const round_sizes *sizes, uint64_t *values)
{
    u128 sum = 0;
    *values = 0;
    for (size_t i = 0; i < sizes->slots * sizes->probes; i++) {
        if (sizes->size[i] < 0)
            continue;
        sum += (u128)((uint64_t)sizes->size[i] * (uint64_t)sizes->size[i]);
        *values += 1;
    }
    return *values == 0 ? 0 : (uint64_t)(((sum << 16) + *values / 2) / *values);
}

static void learn_mean_square(const sam_normaliser *normaliser, sam_update_state *state, const round_sizes *sizes)
{
    uint64_t values, now = mean_square_of(sizes, &values);
    if (values == 0)
        return;
    uint64_t seen = state->rounds_seen++;
    if (normaliser->kind == SAM_NORMALISER_NONE)
        return;
    bool first = normaliser->kind == SAM_NORMALISER_FIRST;
    uint64_t window = first ? normaliser->window : (uint64_t)1 << normaliser->shift;
    if (seen < window) {
        state->mean_square = (uint64_t)(((u128)state->mean_square * seen + now) / (seen + 1));
    } else if (!first) {
        /* floor((now - mean) / 2^shift), also where now is smaller: an arithmetic shift */
        state->mean_square += (uint64_t)((int64_t)(now - state->mean_square) >> normaliser->shift);
    }
}

static int64_t amount_of(uint64_t rate, uint32_t share, int64_t size, u128 divisor)
{
    u128 amount = ((((u128)rate * share) << 8) * (uint64_t)size + divisor / 2) / divisor;
    return amount > (u128)LARGEST_AMOUNT ? LARGEST_AMOUNT : (int64_t)amount;
}

static void fill_amounts(const sam_update_spec *spec, const sam_update_state *state, uint64_t round,
                         const uint8_t *codes, const round_sizes *sizes, int64_t *amounts)
{
    uint32_t share = sam_schedule_share(&spec->schedule, round);
    uint64_t rms = spec->normaliser.kind == SAM_NORMALISER_NONE ? 256 : root_mean_square(state);
    for (size_t i = 0; i < sizes->slots * sizes->probes; i++) {
        int64_t size = sizes->size[i] < 0 ? 0 : sizes->size[i];
        int64_t amount = amount_of(spec->rate, share, size, (u128)rms << 16);
        amounts[i] = codes[i] & 0x80 ? -amount : amount;
    }
}

bool sam_update_round(const sam_update_spec *spec, sam_update_state *state, uint64_t round, const uint8_t *codes,
                      size_t slots, size_t probes, int64_t *amounts)
{
    size_t count;
    if (__builtin_mul_overflow(slots, probes, &count))
        return false;
    round_sizes sizes = {slots, probes, calloc(count == 0 ? 1 : count, sizeof(int64_t))};
    if (sizes.size == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t w = sam_code_value(codes[i]);
        sizes.size[i] = !sam_code_has_value(codes[i]) ? -1 : w < 0 ? -w : w;
    }
    limit_to_past(spec, state, &sizes);
    bool good = apply_guard(&spec->guard, &sizes);
    if (good) {
        learn_mean_square(&spec->normaliser, state, &sizes);
        if (amounts != NULL)
            fill_amounts(spec, state, round, codes, &sizes, amounts);
    }
    free(sizes.size);
    return good;
}
