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

static bool runs_on(const sam_cpu *cpu)
{
    return cpu->avx512_bf16;
}

static size_t pairs_of(size_t k)
{
    return (k + 1) / 2;
}

static size_t bf16_packed_bytes(size_t k, size_t columns)
{
    return pairs_of(k) * columns * 4;
}

INLINE __m512i widened_bf16(const float *x)
{
    return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x)));
}

static void bf16_pack(const float *x, size_t k, size_t columns, size_t stride, void *packed)
{
    uint32_t *to = packed;
    for (size_t c = 0; c < columns; c += PANEL) {
        size_t width = columns - c < PANEL ? columns - c : PANEL;
        for (size_t i = 0; i < k; i += 2)
            for (size_t v = 0; v < width; v += WIDTH, to += WIDTH) {
                const float *from = x + i * stride + c + v;
                __m512i pair = widened_bf16(from);
                if (i + 1 < k)
                    pair = _mm512_or_si512(pair, _mm512_slli_epi32(widened_bf16(from + stride), 16));
                _mm512_storeu_si512(to, pair);
            }
    }
}

static size_t bf16_narrow_bytes(size_t rows, size_t k)
{
    return rows * pairs_of(k) * 4;
}

static void narrow_row(const float *w, size_t k, uint16_t *out)
{
    size_t i = 0;
    for (; i + 16 <= k; i += 16)
        _mm256_storeu_si256((__m256i *)(void *)(out + i), (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(w + i)));
    if (i < k) {
        __mmask16 rest = (__mmask16)((1u << (k - i)) - 1), padded = (__mmask16)((1u << (2 * pairs_of(k) - i)) - 1);
        __m256i last = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(rest, w + i));
        _mm256_mask_storeu_epi16(out + i, padded, last);
    }
}

static void bf16_narrow(const float *w, size_t rows, size_t k, void *out)
{
    for (size_t r = 0; r < rows; r++)
        narrow_row(w + r * k, k, (uint16_t *)out + r * 2 * pairs_of(k));
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
    .precision = SAM_PRECISION_BF16,
    .element = sizeof(uint16_t),
    .runs_on = runs_on,
    .packed_bytes = bf16_packed_bytes,
    .pack = bf16_pack,
    .narrow_bytes = bf16_narrow_bytes,
    .narrow = bf16_narrow,
    .multiply = bf16_multiply,
    .peak = bf16_peak,
    .add_signed = add_signed,
    .perturb = perturb,
    .norm = norm,
    .rope = rope,
    .attend = attend,
    .gate = gate,
    .add = add,
};
