/* AVX-512: sixteen blocks of 128 parameters to a tile, a lane each.
 *
 * Philox needs 32 x 32 -> 64 bit products, so it works on the even blocks in one vector of eight 64-bit lanes and on
 * the odd ones in another. What is in a lane's upper half does not matter until the end: a product reads the lower
 * half.
 *
 * Adding amounts by sign takes directions four at a time. Their 16 possible sums for one parameter are a table in one
 * register; their four bits for that parameter, brought side by side, are the index of a permutation that looks the
 * sum up for sixteen parameters: 64 parameters x directions for a shift, a permutation and an addition.
 */
#include "seed/directions/signs.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TARGET      __attribute__((target("avx512f")))
#define INLINE      static inline __attribute__((always_inline)) TARGET
#define UNROLL      _Pragma("GCC unroll 4")
#define TILE_BLOCKS 16
#define TILE        (128 * TILE_BLOCKS)
#define ROUNDS      10
#define GROUP       16 /* directions between a load and a store of a sum */
#define QUADS       (GROUP / 4)
#define ODD_LANES   0xaaaa
#define SELECT      0xca /* of a ternary operation: where the first has a 1 the second, else the third */
#define XOR3        0x96
#define BATCH_QUADS (SAM_SIGN_BATCH / 4)

_Static_assert(SAM_SIGN_BATCH % GROUP == 0, "a batch is whole groups");

typedef struct key_schedule {
    uint32_t left[ROUNDS], right[ROUNDS];
} key_schedule;

/* What a batch of directions needs for every tile. */
typedef struct prepared_batch {
    _Alignas(64) uint32_t sums[BATCH_QUADS][16]; /* sums[q][s]: of amounts[4 q + b] over the bits b of s */
    key_schedule keys[SAM_SIGN_BATCH];
    size_t count;
    uint32_t total; /* of the amounts */
} prepared_batch;

typedef struct sign_tile {
    _Alignas(64) uint32_t words[4][GROUP][TILE_BLOCKS]; /* [word of a block][direction][block] */
    _Alignas(64) uint32_t minus[4][32][TILE_BLOCKS];    /* [word][bit][block]: the amounts whose sign is -1 there */
} sign_tile;

typedef struct philox_lanes {
    __m512i x[4];
} philox_lanes;

static bool runs_here(void)
{
    return __builtin_cpu_supports("avx512f") != 0;
}

static void prepare(prepared_batch *batch, const uint64_t *seeds, const uint32_t *amounts, size_t count)
{
    batch->count = count;
    batch->total = 0;
    for (size_t m = 0; m < count; m++) {
        batch->total += amounts[m];
        for (uint32_t round = 0; round < ROUNDS; round++) {
            batch->keys[m].left[round] = (uint32_t)seeds[m] + round * 0x9E3779B9u;
            batch->keys[m].right[round] = (uint32_t)(seeds[m] >> 32) + round * 0xBB67AE85u;
        }
    }
    for (size_t m = 0; m < BATCH_QUADS * 4; m++) {
        uint32_t amount = m < count ? amounts[m] : 0, *sums = batch->sums[m / 4], bit = 1u << m % 4;
        sums[0] = 0;
        for (uint32_t s = 0; s < bit; s++)
            sums[bit + s] = sums[s] + amount;
    }
}

INLINE __m512i high_half_xor(__m512i product, __m512i word, uint32_t key)
{
    return _mm512_ternarylogic_epi32(_mm512_srli_epi64(product, 32), word, _mm512_set1_epi32((int)key), XOR3);
}

INLINE void philox_round(philox_lanes *lanes, uint32_t left_key, uint32_t right_key)
{
    __m512i left = _mm512_mul_epu32(lanes->x[0], _mm512_set1_epi64(0xD2511F53));
    __m512i right = _mm512_mul_epu32(lanes->x[2], _mm512_set1_epi64(0xCD9E8D57));
    lanes->x[0] = high_half_xor(right, lanes->x[1], left_key);
    lanes->x[1] = right;
    lanes->x[2] = high_half_xor(left, lanes->x[3], right_key);
    lanes->x[3] = left;
}

/* The lower halves of two vectors' lanes of 64 bits, side by side. */
INLINE __m512i halves(__m512i low, __m512i high)
{
    return _mm512_mask_shuffle_epi32(low, ODD_LANES, high, _MM_PERM_CCAA);
}

/* The words of sixteen blocks under one key, the first block a multiple of sixteen; to [4][stride of GROUP]. */
INLINE void draw_words(sign_tile *tile, size_t direction, const key_schedule *key, uint64_t first)
{
    const __m512i step = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    __m512i block = _mm512_add_epi64(_mm512_set1_epi64((long long)first), step);
    __m512i high = _mm512_set1_epi64((long long)(first >> 32)), zero = _mm512_setzero_si512();
    philox_lanes even = {{block, high, zero, zero}};
    philox_lanes odd = {{_mm512_add_epi64(block, _mm512_set1_epi64(1)), high, zero, zero}};
#pragma GCC unroll 10
    for (size_t round = 0; round < ROUNDS; round++) {
        philox_round(&even, key->left[round], key->right[round]);
        philox_round(&odd, key->left[round], key->right[round]);
    }
    UNROLL for (size_t w = 0; w < 4; w++) _mm512_store_si512(tile->words[w][direction], halves(even.x[w], odd.x[w]));
}

/* Eight blocks, from `first` on, as the sixteen words of their signs. */
INLINE void draw_eight(const sam_sign_stream *stream, uint64_t first, __m512i signs[2])
{
    const __m512i step = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i low = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), high = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
    __m512i block = _mm512_add_epi64(_mm512_set1_epi64((long long)first), step);
    philox_lanes lanes = {
        {block, _mm512_srli_epi64(block, 32), _mm512_set1_epi64(stream->stream), _mm512_set1_epi64(stream->part)}};
    uint32_t left_key = (uint32_t)stream->key, right_key = (uint32_t)(stream->key >> 32);
#pragma GCC unroll 10
    for (uint32_t round = 0; round < ROUNDS; round++)
        philox_round(&lanes, left_key + round * 0x9E3779B9u, right_key + round * 0xBB67AE85u);
    __m512i first_words = halves(lanes.x[0], lanes.x[1]), second_words = halves(lanes.x[2], lanes.x[3]);
    signs[0] = _mm512_permutex2var_epi64(first_words, low, second_words);
    signs[1] = _mm512_permutex2var_epi64(first_words, high, second_words);
}

TARGET static void draw(const sam_sign_stream *stream, uint64_t block, size_t blocks, uint64_t *signs)
{
    for (size_t at = 0; at < blocks; at += 8) {
        size_t words = 2 * (blocks - at < 8 ? blocks - at : 8);
        uint32_t some = ((uint32_t)1 << words) - 1;
        __m512i drawn[2];
        draw_eight(stream, block + at, drawn);
        _mm512_mask_storeu_epi64(signs + 2 * at, (__mmask8)some, drawn[0]);
        _mm512_mask_storeu_epi64(signs + 2 * at + 8, (__mmask8)(some >> 8), drawn[1]);
    }
}

INLINE __m512i select_bits(int mask, __m512i ones, __m512i zeros)
{
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32(mask), ones, zeros, SELECT);
}

/* Four directions' bits side by side: digit t of index[s], in base 16, holds bit 4 t + s of each. A 4 x 4 transposition
 * of bits in every digit. */
INLINE void interleave(const uint32_t words[4][TILE_BLOCKS], __m512i index[4])
{
    __m512i a = _mm512_load_si512(words[0]), b = _mm512_load_si512(words[1]);
    __m512i c = _mm512_load_si512(words[2]), d = _mm512_load_si512(words[3]);
    __m512i ab_even = select_bits(0x55555555, a, _mm512_slli_epi32(b, 1));
    __m512i ab_odd = select_bits(0x55555555, _mm512_srli_epi32(a, 1), b);
    __m512i cd_even = select_bits(0x55555555, c, _mm512_slli_epi32(d, 1));
    __m512i cd_odd = select_bits(0x55555555, _mm512_srli_epi32(c, 1), d);
    index[0] = select_bits(0x33333333, ab_even, _mm512_slli_epi32(cd_even, 2));
    index[1] = select_bits(0x33333333, ab_odd, _mm512_slli_epi32(cd_odd, 2));
    index[2] = select_bits(0x33333333, _mm512_srli_epi32(ab_even, 2), cd_even);
    index[3] = select_bits(0x33333333, _mm512_srli_epi32(ab_odd, 2), cd_odd);
}

/* minus[j] += the sums of a group's directions whose bit j is set. */
INLINE void add_group(uint32_t minus[32][TILE_BLOCKS], const uint32_t words[GROUP][TILE_BLOCKS],
                      const uint32_t sums[QUADS][16])
{
    __m512i index[QUADS][4], table[QUADS];
    UNROLL for (size_t q = 0; q < QUADS; q++)
    {
        interleave(words + 4 * q, index[q]);
        table[q] = _mm512_load_si512(sums[q]);
    }
    for (size_t digit = 0; digit < 8; digit++) {
        UNROLL for (size_t s = 0; s < 4; s++)
        {
            __m512i sum = _mm512_load_si512(minus[4 * digit + s]);
            UNROLL for (size_t q = 0; q < QUADS; q++)
            {
                sum = _mm512_add_epi32(sum, _mm512_permutexvar_epi32(index[q][s], table[q]));
                index[q][s] = _mm512_srli_epi32(index[q][s], 4);
            }
            _mm512_store_si512(minus[4 * digit + s], sum);
        }
    }
}

TARGET static void add_batch(sign_tile *tile, const prepared_batch *batch, uint64_t first_block)
{
    for (size_t at = 0; at < batch->count; at += GROUP) {
        size_t size = batch->count - at < GROUP ? batch->count - at : GROUP; /* the rest have sums of 0 */
        for (size_t m = 0; m < size; m++)
            draw_words(tile, m, &batch->keys[at + m], first_block);
        for (size_t w = 0; w < 4; w++)
            add_group(tile->minus[w], (const uint32_t(*)[TILE_BLOCKS])tile->words[w], batch->sums + at / 4);
    }
}

/* -sum of amount * z = 2 * (the amounts whose z is -1) - (all amounts), for the blocks of one lane each. */
TARGET static void put_tile(const sign_tile *tile, uint32_t total, int32_t *g, uint64_t count)
{
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i step = _mm512_slli_epi32(lane, 4), all = _mm512_set1_epi32((int)total);
    for (uint64_t i = 0; i < count; i += 16) {
        __mmask16 some = (__mmask16)(count - i < 16 ? (1u << (count - i)) - 1 : 0xffff);
        __m512i minus = _mm512_i32gather_epi32(step, &tile->minus[i % 128 / 32][i % 32][i / 128], 4);
        __m512i sum = _mm512_add_epi32(_mm512_maskz_loadu_epi32(some, g + i), _mm512_slli_epi32(minus, 1));
        _mm512_mask_storeu_epi32(g + i, some, _mm512_sub_epi32(sum, all));
    }
}

static void subtract(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts, size_t count)
{
    prepared_batch batch;
    prepare(&batch, seeds, amounts, count);
    for (uint64_t first = 0; first < parameters; first += TILE) {
        sign_tile tile = {0};
        add_batch(&tile, &batch, first / 128);
        put_tile(&tile, batch.total, g + first, parameters - first < TILE ? parameters - first : TILE);
    }
}

const sam_sign_kernel sam_signs_avx512 = {"avx512", runs_here, draw, subtract};

#else

typedef int signs_avx512_is_for_x86_64; /* a translation unit is never empty */

#endif
