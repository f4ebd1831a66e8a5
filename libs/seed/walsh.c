#include "seed/walsh.h"

#include <stdbool.h>

/* Blocks of this size are transformed while they sit in the first-level cache. */
#define CACHED_LOG2 12u

/* u_k over 0..63 for k = 2^b: bit j is bit b of j. */
static const uint64_t LOW_BIT[6] = {0xaaaaaaaaaaaaaaaaull, 0xccccccccccccccccull, 0xf0f0f0f0f0f0f0f0ull,
                                    0xff00ff00ff00ff00ull, 0xffff0000ffff0000ull, 0xffffffff00000000ull};

static uint64_t low_signs(uint64_t k)
{
    uint64_t signs = 0;
    for (int b = 0; b < 6; b++)
        if (k >> b & 1)
            signs ^= LOW_BIT[b];
    return signs;
}

static uint64_t parity_mask(uint64_t bits)
{
    return (uint64_t)0 - (uint64_t)(__builtin_popcountll(bits) & 1);
}

uint64_t sam_walsh_signs(uint64_t k, uint64_t j)
{
    return low_signs(k) ^ parity_mask(k & j & ~(uint64_t)63);
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t wrapping_subtract(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static void add_small(int64_t *sum, size_t size, uint64_t k, int64_t amount)
{
    for (size_t j = 0; j < size; j++) {
        bool minus = (__builtin_popcountll(k & j) & 1) != 0;
        sum[j] = minus ? wrapping_subtract(sum[j], amount) : wrapping_add(sum[j], amount);
    }
}

void sam_walsh_add(int64_t *sum, unsigned log2_size, uint64_t k, int64_t amount)
{
    if (log2_size < 6) {
        add_small(sum, (size_t)1 << log2_size, k, amount);
        return;
    }
    int64_t pattern[64] = {0};
    add_small(pattern, 64, k & 63, amount);
    for (size_t j = 0; j < (size_t)1 << log2_size; j += 64) {
        int64_t flip = (int64_t)parity_mask(k & j & ~(uint64_t)63);
        for (size_t b = 0; b < 64; b++)
            sum[j + b] = wrapping_add(sum[j + b], wrapping_subtract(pattern[b] ^ flip, flip));
    }
}

/* One level of butterflies: partners lie `half` apart. */
static void butterflies(int64_t *low, int64_t *high, size_t half)
{
    for (size_t i = 0; i < half; i++) {
        int64_t a = low[i], b = high[i];
        low[i] = wrapping_add(a, b);
        high[i] = wrapping_subtract(a, b);
    }
}

static void transform_cached(int64_t *values, size_t size)
{
    for (size_t half = 1; half < size; half *= 2)
        for (size_t at = 0; at < size; at += 2 * half)
            butterflies(values + at, values + at + half, half);
}

/* Two levels in one pass over memory: quarters of a block that is larger than the cache. */
static void butterflies_of_quarters(int64_t *values, size_t quarter)
{
    int64_t *q0 = values, *q1 = q0 + quarter, *q2 = q1 + quarter, *q3 = q2 + quarter;
    for (size_t i = 0; i < quarter; i++) {
        int64_t a = wrapping_add(q0[i], q2[i]), b = wrapping_add(q1[i], q3[i]);
        int64_t c = wrapping_subtract(q0[i], q2[i]), d = wrapping_subtract(q1[i], q3[i]);
        q0[i] = wrapping_add(a, b);
        q1[i] = wrapping_subtract(a, b);
        q2[i] = wrapping_add(c, d);
        q3[i] = wrapping_subtract(c, d);
    }
}

void sam_walsh_transform(int64_t *values, unsigned log2_size)
{
    size_t size = (size_t)1 << log2_size;
    if (log2_size <= CACHED_LOG2) {
        transform_cached(values, size);
        return;
    }
    butterflies_of_quarters(values, size / 4);
    for (size_t part = 0; part < 4; part++)
        sam_walsh_transform(values + part * (size / 4), log2_size - 2);
}
