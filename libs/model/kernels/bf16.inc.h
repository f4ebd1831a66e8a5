/* The factors of the bf16 kernels, rounded to nearest even: the instructions add two products at a time, so k goes in
 * pairs. A packed panel is [pair][columns][2], a narrowed row [pair][2], and both end with zeros up to whole steps.
 * Included after vector.inc.h and <immintrin.h>; the file that includes this one defines
 *
 *     K_STEP            how many k the product takes at once, even
 *     ROW_PAIRS(pairs)  pairs from one narrowed row to the next, at least `pairs`
 *     TILE_ROWS         rows that the product keeps in registers
 */
static size_t pairs_of(size_t k)
{
    return (k + K_STEP - 1) / K_STEP * (K_STEP / 2);
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
        size_t padding = (pairs_of(k) - (k + 1) / 2) * width;
        memset(to, 0, padding * sizeof *to);
        to += padding;
    }
}

static size_t bf16_narrow_bytes(size_t rows, size_t k)
{
    return rows * ROW_PAIRS(pairs_of(k)) * 4;
}

INLINE __mmask16 first_lanes(size_t count)
{
    return (__mmask16)(count < 16 ? (1u << count) - 1 : 0xffffu);
}

static void narrow_row(const float *w, size_t k, uint16_t *out)
{
    const size_t padded = 2 * pairs_of(k);
    size_t i = 0;
    for (; i + 16 <= k; i += 16)
        _mm256_storeu_epi16(out + i, (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(w + i)));
    if (i < k) {
        __m256i last = (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(first_lanes(k - i), w + i));
        _mm256_mask_storeu_epi16(out + i, first_lanes(padded - i), last);
        i += 16;
    }
    if (i < padded)
        memset(out + i, 0, (padded - i) * sizeof *out);
}

static void bf16_narrow(const float *w, size_t rows, size_t k, void *out)
{
    for (size_t r = 0; r < rows; r++)
        narrow_row(w + r * k, k, (uint16_t *)out + r * 2 * ROW_PAIRS(pairs_of(k)));
}

#define BF16_FACTORS                                                                                                   \
    .precision = SAM_PRECISION_BF16, .panelled = true, .tile_rows = TILE_ROWS, .packed_bytes = bf16_packed_bytes,      \
    .pack = bf16_pack, .narrow_bytes = bf16_narrow_bytes, .narrow = bf16_narrow
