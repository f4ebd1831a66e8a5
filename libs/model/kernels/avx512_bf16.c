/* AVX-512 with VDPBF16PS: factors rounded to bf16, sums in f32; the rest as in avx512.c.
 *
 * VDPBF16PS adds two products at a time, so k goes in pairs: a packed panel is [k / 2][columns][2], a narrowed row is
 * plain bf16 and a pair of it is broadcast as one 32-bit word. An odd k ends with a zero.
 *
 *            columns ->  c0        c1
 *     pair 0          x[0] x[1] | x[0] x[1] | ...      times  w[0] w[1]  in every lane
 *     pair 1          x[2] x[3] | x[2] x[3] | ...      times  w[2] w[3]
 */
#define WIDTH  16
#define TILE_R 6
#define TILE_C 4
#include "model/kernels/vector.inc.h"

#include <immintrin.h>

#define K_STEP           2
#define ROW_PAIRS(pairs) (pairs)
#define TILE_ROWS        TILE_R
#include "model/kernels/bf16.inc.h"

static bool runs_on(const sam_cpu *cpu)
{
    return cpu->avx512_bf16;
}

INLINE void bf16_tile(const uint32_t *w, size_t pairs, const uint32_t *x, size_t width, float *y, size_t stride,
                      const int rows, const int vectors)
{
    __m512 sum[TILE_R][TILE_C];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = _mm512_setzero_ps();
    for (size_t i = 0; i < pairs; i++) {
        __m512bh column[TILE_C];
        UNROLL for (int v = 0; v < vectors; v++) column[v] =
            (__m512bh)_mm512_loadu_si512(x + i * width + (size_t)v * WIDTH);
        UNROLL for (int r = 0; r < rows; r++)
        {
            __m512bh weight = (__m512bh)_mm512_set1_epi32((int)w[(size_t)r * pairs + i]);
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], column[v], weight);
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++)
        _mm512_storeu_ps(y + (size_t)r * stride + (size_t)v * WIDTH, sum[r][v]);
}

INLINE void bf16_panel(const uint32_t *w, size_t rows, size_t pairs, const uint32_t *x, size_t width, float *y,
                       size_t stride, const int vectors)
{
    size_t r = 0;
    for (; r + TILE_R <= rows; r += TILE_R)
        bf16_tile(w + r * pairs, pairs, x, width, y + r * stride, stride, TILE_R, vectors);
    for (; r < rows; r++)
        bf16_tile(w + r * pairs, pairs, x, width, y + r * stride, stride, 1, vectors);
}

static void bf16_multiply(const void *w, size_t rows, size_t k, const void *packed, size_t columns, float *y,
                          size_t stride)
{
    size_t pairs = pairs_of(k);
    for (size_t c = 0; c < columns; c += PANEL) {
        size_t width = columns - c < PANEL ? columns - c : PANEL;
        const uint32_t *x = (const uint32_t *)packed + c * pairs;
        if (width == PANEL) {
            bf16_panel(w, rows, pairs, x, width, y + c, stride, TILE_C);
            continue;
        }
        for (size_t done = 0; done < width; done += WIDTH)
            bf16_panel(w, rows, pairs, x + done, width, y + c + done, stride, 1);
    }
}

/* As f32_peak. */
static double bf16_peak(size_t rounds)
{
    __m512 sum[TILE_R][TILE_C];
    __m512i weight = _mm512_set1_epi32(0x3a803a80); /* 2^-10, twice */
    __m512bh column[TILE_C];
    UNROLL for (int v = 0; v < TILE_C; v++) column[v] = (__m512bh)_mm512_set1_epi32(0x3f803f80 + v * 0x00010001);
    UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) sum[r][v] =
        _mm512_set1_ps((float)r);
    for (size_t i = 0; i < rounds; i++) {
        UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) sum[r][v] =
            _mm512_dpbf16_ps(sum[r][v], column[v], (__m512bh)weight);
        OPAQUE(weight);
    }
    UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) OPAQUE(sum[r][v]);
    return (double)rounds * (2.0 * TILE_R * TILE_C * WIDTH * 2);
}

const sam_kernels sam_kernels_avx512_bf16 = {
    .name = "avx512-bf16",
    .runs_on = runs_on,
    BF16_FACTORS,
    .multiply = bf16_multiply,
    .peak = bf16_peak,
    VECTOR_STEPS,
};
