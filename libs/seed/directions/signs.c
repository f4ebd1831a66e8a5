#include "seed/directions/signs.h"

#include "seed/philox.h"

#include <string.h>

#define LANES 8 /* blocks to a tile: a vector of AVX2, two of SSE or NEON */
#define TILE  (128 * LANES)
#define GROUP 4 /* directions between a load and a store of a sum */

#define PIECE_BLOCKS 16 /* that are drawn at once, before their bits are moved to where they belong */

/* Written once in plain C that compilers turn into vectors, compiled for more than one instruction set. */
#define INLINE static inline __attribute__((always_inline))

typedef uint32_t lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t signed_lanes __attribute__((vector_size(4 * LANES)));

typedef struct sign_tile {
    lanes words[GROUP][4]; /* [direction][word of a block], a lane for each block */
    lanes minus[4][32];    /* [word][bit], the same lanes: the sum of the amounts whose sign is -1 there */
} sign_tile;

/* The words of LANES blocks: sam_philox in every lane. */
INLINE void draw_words(uint32_t x[4][LANES], const sam_sign_stream *stream, uint64_t first)
{
    uint32_t left_key = (uint32_t)stream->key, right_key = (uint32_t)(stream->key >> 32);
    for (uint32_t i = 0; i < LANES; i++) {
        x[0][i] = (uint32_t)(first + i);
        x[1][i] = (uint32_t)((first + i) >> 32);
        x[2][i] = stream->stream;
        x[3][i] = stream->part;
    }
    for (int round = 0; round < 10; round++) {
#pragma GCC unroll 1 /* left a loop, so that it becomes vectors */
        for (int i = 0; i < LANES; i++) {
            uint64_t left = (uint64_t)0xD2511F53u * x[0][i], right = (uint64_t)0xCD9E8D57u * x[2][i];
            x[0][i] = (uint32_t)(right >> 32) ^ x[1][i] ^ left_key;
            x[1][i] = (uint32_t)right;
            x[2][i] = (uint32_t)(left >> 32) ^ x[3][i] ^ right_key;
            x[3][i] = (uint32_t)left;
        }
        left_key += 0x9E3779B9u;
        right_key += 0xBB67AE85u;
    }
}

INLINE void draw(const sam_sign_stream *stream, uint64_t block, size_t blocks, uint64_t *signs)
{
    for (size_t at = 0; at < blocks; at += LANES) {
        uint32_t x[4][LANES];
        draw_words(x, stream, block + at);
        for (size_t i = 0; i < LANES && at + i < blocks; i++) {
            signs[2 * (at + i)] = x[0][i] | (uint64_t)x[1][i] << 32;
            signs[2 * (at + i) + 1] = x[2][i] | (uint64_t)x[3][i] << 32;
        }
    }
}

/* Adds the amounts whose sign is -1, bit 31 of each word first. */
INLINE void add_group(sign_tile *tile, const uint32_t amounts[GROUP])
{
    for (unsigned w = 0; w < 4; w++) {
        lanes bits[GROUP];
        for (unsigned m = 0; m < GROUP; m++)
            bits[m] = tile->words[m][w];
        for (unsigned j = 32; j-- > 0;) {
            lanes sum = tile->minus[w][j];
            for (unsigned m = 0; m < GROUP; m++) {
                sum += (lanes)((signed_lanes)bits[m] >> 31) & amounts[m];
                bits[m] += bits[m];
            }
            tile->minus[w][j] = sum;
        }
    }
}

INLINE void add_batch(sign_tile *tile, const uint64_t *seeds, const uint32_t *amounts, size_t count, uint64_t block)
{
    for (size_t at = 0; at < count; at += GROUP) {
        uint32_t group[GROUP] = {0};
        for (size_t m = 0; m < GROUP && at + m < count; m++) {
            uint32_t x[4][LANES];
            draw_words(x, &(sam_sign_stream){seeds[at + m], SAM_STREAM_DIRECTION, 0}, block);
            memcpy(tile->words[m], x, sizeof x);
            group[m] = amounts[at + m];
        }
        add_group(tile, group);
    }
}

/* -sum of amount * z = 2 * (the amounts whose z is -1) - (all amounts) */
INLINE void put_tile(const sign_tile *tile, uint32_t total, int32_t *g, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint32_t minus = tile->minus[i % 128 / 32][i % 32][i / 128];
        g[i] = (int32_t)((uint32_t)g[i] + 2 * minus - total);
    }
}

INLINE void subtract(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts, size_t count)
{
    uint32_t total = 0;
    for (size_t m = 0; m < count; m++)
        total += amounts[m];
    for (uint64_t first = 0; first < parameters; first += TILE) {
        sign_tile tile = {0};
        add_batch(&tile, seeds, amounts, count, first / 128);
        put_tile(&tile, total, g + first, parameters - first < TILE ? parameters - first : TILE);
    }
}

static bool runs_anywhere(void)
{
    return true;
}

static void draw_portable(const sam_sign_stream *stream, uint64_t block, size_t blocks, uint64_t *signs)
{
    draw(stream, block, blocks, signs);
}

static void subtract_portable(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts,
                              size_t count)
{
    subtract(g, parameters, seeds, amounts, count);
}

static const sam_sign_kernel PORTABLE = {"portable", runs_anywhere, draw_portable, subtract_portable};

#if defined(__x86_64__)

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}

__attribute__((target("avx2"))) static void draw_avx2(const sam_sign_stream *stream, uint64_t block, size_t blocks,
                                                      uint64_t *signs)
{
    draw(stream, block, blocks, signs);
}

__attribute__((target("avx2"))) static void subtract_avx2(int32_t *g, uint64_t parameters, const uint64_t *seeds,
                                                          const uint32_t *amounts, size_t count)
{
    subtract(g, parameters, seeds, amounts, count);
}

static const sam_sign_kernel AVX2 = {"avx2", has_avx2, draw_avx2, subtract_avx2};

extern const sam_sign_kernel sam_signs_avx512;

#endif

static const sam_sign_kernel *const ALL[] = {
#if defined(__x86_64__)
    &sam_signs_avx512,
    &AVX2,
#endif
    &PORTABLE,
    NULL,
};

const sam_sign_kernel *const *sam_sign_kernels_all(void)
{
    return ALL;
}

const sam_sign_kernel *sam_sign_kernel_best(void)
{
    for (size_t i = 0; ALL[i] != NULL; i++)
        if (ALL[i]->runs_here())
            return ALL[i];
    return &PORTABLE;
}

/* Copies `count` bits that start at bit `first` of `bits` to the front of `out`. Reads whole words, up to the one that
 * holds the last bit. */
static void copy_bits(const uint64_t *bits, unsigned first, size_t count, uint64_t *out)
{
    const uint64_t *from = bits + first / 64;
    unsigned shift = first % 64;
    size_t last = (shift + count - 1) / 64; /* the word that holds the last bit */
    for (size_t w = 0; w < (count + 63) / 64; w++) {
        out[w] = from[w] >> shift;
        if (shift != 0 && w + 1 <= last)
            out[w] |= from[w + 1] << (64 - shift);
    }
}

void sam_signs_draw(const sam_sign_stream *stream, uint64_t first, size_t count, uint64_t *out)
{
    const sam_sign_kernel *kernel = sam_sign_kernel_best();
    if (first % 128 == 0 && count % 128 == 0) {
        kernel->draw(stream, first / 128, count / 128, out);
        return;
    }
    uint64_t drawn[2 * (PIECE_BLOCKS + 1)];
    while (count > 0) {
        unsigned skip = (unsigned)(first % 128);
        size_t size = count < 128 * PIECE_BLOCKS ? count : 128 * PIECE_BLOCKS;
        kernel->draw(stream, first / 128, (skip + size + 127) / 128, drawn);
        copy_bits(drawn, skip, size, out);
        first += size;
        out += size / 64;
        count -= size;
    }
}
