/* The f32 kernels, written once over vectors of WIDTH floats (a GCC vector extension) and compiled once for each
 * instruction set: the file that includes this one defines
 *
 *     WIDTH   floats in a vector: 4, 8 or 16
 *     TILE_R  rows, and
 *     TILE_C  vectors of columns, that a product keeps in registers: TILE_R * TILE_C + TILE_C + 1 of them
 *
 * Multiplications and additions may fuse here (-ffp-contract=fast): this is the float zone.
 */
#include "model/kernels/kernels.h"

#include <string.h>

typedef float vec __attribute__((vector_size(4 * WIDTH)));
typedef float vec_unaligned __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));
typedef int32_t vec_int __attribute__((vector_size(4 * WIDTH)));
typedef int32_t vec_int_unaligned __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* A register whose value the compiler must not reason about. */
#if defined(__x86_64__)
#define OPAQUE(x) __asm__ volatile("" : "+v"(x))
#elif defined(__aarch64__)
#define OPAQUE(x) __asm__ volatile("" : "+w"(x))
#else
#define OPAQUE(x) __asm__ volatile("" : "+m"(x))
#endif

INLINE vec load(const float *from)
{
    return *(const vec_unaligned *)from;
}

INLINE void store(float *to, vec value)
{
    *(vec_unaligned *)to = value;
}

INLINE vec broadcast(float value)
{
    return value - (vec){0};
}

INLINE vec choose(vec_int mask, vec yes, vec no)
{
    return (vec)((mask & (vec_int)yes) | (~mask & (vec_int)no));
}

INLINE vec larger(vec a, vec b)
{
    return choose(a > b, a, b);
}

/* e^x for x <= 88, relative error 2e-7 (Cephes expf: x = n ln 2 + r, a polynomial in r, n into the exponent). */
INLINE vec exponential(vec x)
{
    x = larger(x, broadcast(-87.0f));
    x = choose(x < 88.0f, x, broadcast(88.0f));
    vec shifted = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: the low bits are n */
    vec n = shifted - 12582912.0f;
    vec r = x - n * 0.693359375f + n * 2.12194440e-4f;
    vec p = broadcast(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    vec_int power = ((vec_int)shifted - 0x4b400000) << 23;
    return (vec)((vec_int)p + power);
}

/* ---- products ---- */

#define PANEL (TILE_C * WIDTH)

/* Packed activations: panels of PANEL columns (the last may be narrower), each [k][columns of the panel]. */
static __attribute__((unused)) size_t f32_packed_bytes(size_t k, size_t columns)
{
    return k * columns * sizeof(float);
}

static __attribute__((unused)) void f32_pack(const float *x, size_t k, size_t columns, size_t stride, void *packed)
{
    float *to = packed;
    for (size_t c = 0; c < columns; c += PANEL) {
        size_t width = columns - c < PANEL ? columns - c : PANEL;
        for (size_t i = 0; i < k; i++, to += width)
            memcpy(to, x + i * stride + c, width * sizeof *to);
    }
}

static __attribute__((unused)) size_t f32_narrow_bytes(size_t rows, size_t k)
{
    return rows * k * sizeof(float);
}

static __attribute__((unused)) void f32_narrow(const float *w, size_t rows, size_t k, void *out)
{
    memcpy(out, w, rows * k * sizeof *w);
}

/* y[0..rows)[0..vectors * WIDTH) for constants `rows` and `vectors`: the sums stay in registers over all of k. */
INLINE void f32_tile(const float *w, size_t k, const float *x, size_t width, float *y, size_t stride, const int rows,
                     const int vectors)
{
    vec sum[TILE_R][TILE_C];
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++) sum[r][v] = broadcast(0);
    for (size_t i = 0; i < k; i++) {
        vec column[TILE_C];
        UNROLL for (int v = 0; v < vectors; v++) column[v] = load(x + i * width + (size_t)v * WIDTH);
        UNROLL for (int r = 0; r < rows; r++)
        {
            float weight = w[(size_t)r * k + i];
            UNROLL for (int v = 0; v < vectors; v++) sum[r][v] += weight * column[v];
        }
    }
    UNROLL for (int r = 0; r < rows; r++) UNROLL for (int v = 0; v < vectors; v++)
        store(y + (size_t)r * stride + (size_t)v * WIDTH, sum[r][v]);
}

INLINE void f32_panel(const float *w, size_t rows, size_t k, const float *x, size_t width, float *y, size_t stride,
                      const int vectors)
{
    size_t r = 0;
    for (; r + TILE_R <= rows; r += TILE_R)
        f32_tile(w + r * k, k, x, width, y + r * stride, stride, TILE_R, vectors);
    for (; r < rows; r++)
        f32_tile(w + r * k, k, x, width, y + r * stride, stride, 1, vectors);
}

static __attribute__((unused)) void f32_multiply(const void *w, size_t rows, size_t k, const void *packed,
                                                 size_t columns, float *y, size_t stride)
{
    for (size_t c = 0; c < columns; c += PANEL) {
        size_t width = columns - c < PANEL ? columns - c : PANEL;
        const float *x = (const float *)packed + c * k;
        size_t done = 0;
        if (width == PANEL) {
            f32_panel(w, rows, k, x, width, y + c, stride, TILE_C);
            done = PANEL;
        }
        for (; done + WIDTH <= width; done += WIDTH)
            f32_panel(w, rows, k, x + done, width, y + c + done, stride, 1);
    }
}

static void multiply_small(const float *w, size_t rows, size_t k, const float *x, size_t columns, size_t stride,
                           float *y)
{
    size_t c = 0;
    for (; c + PANEL <= columns; c += PANEL)
        f32_panel(w, rows, k, x + c, stride, y + c, stride, TILE_C);
    for (; c < columns; c += WIDTH)
        f32_panel(w, rows, k, x + c, stride, y + c, stride, 1);
}

/* One factor is opaque, so that no round can be left out or merged with its neighbours; TILE_R * TILE_C independent
 * sums hide the latency of each addition. */
static __attribute__((unused)) double f32_peak(size_t rounds)
{
    vec sum[TILE_R][TILE_C], column[TILE_C], weight = broadcast(0x1p-10f);
    UNROLL for (int v = 0; v < TILE_C; v++) column[v] = broadcast((float)(v + 1));
    UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) sum[r][v] = broadcast((float)r);
    for (size_t i = 0; i < rounds; i++) {
        UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) sum[r][v] += weight * column[v];
        OPAQUE(weight);
    }
    UNROLL for (int r = 0; r < TILE_R; r++) UNROLL for (int v = 0; v < TILE_C; v++) OPAQUE(sum[r][v]);
    return (double)rounds * (2.0 * TILE_R * TILE_C * WIDTH);
}

/* ---- weights ---- */

/* WIDTH sign bits from bit i on, as sign bits of floats. i is a multiple of WIDTH, which divides 64. */
INLINE vec_int sign_mask(const uint64_t *signs, size_t i)
{
    int32_t bits = (int32_t)(uint32_t)(signs[i / 64] >> (i % 64));
    vec_int lane;
    UNROLL for (int l = 0; l < WIDTH; l++) lane[l] = 31 - l;
    return (vec_int)((bits - (vec_int){0}) << lane) & (int32_t)0x80000000;
}

INLINE float flipped(float value, const uint64_t *signs, size_t i)
{
    return (signs[i / 64] >> (i % 64) & 1) != 0 ? -value : value;
}

static void add_signed(float *x, const float *offset, const uint64_t *signs, size_t count)
{
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        store(x + i, load(x + i) + (vec)((vec_int)load(offset + i) ^ sign_mask(signs, i)));
    for (; i < count; i++)
        x[i] += flipped(offset[i], signs, i);
}

/* The offsets go on in a table larger than the second-level cache, which the CPU's own prefetching follows to the end
 * of a page only. */
enum { AHEAD = 512 };

static void perturb(const float *base, const sam_weight_shift *shift, size_t count, float *plus, float *minus)
{
    const sam_weight_shift s = *shift;
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH) {
        __builtin_prefetch(s.offset + i + AHEAD);
        vec step = s.sizes == NULL ? broadcast(s.epsilon) : load(s.sizes + i) * s.epsilon;
        step = (vec)((vec_int)step ^ sign_mask(s.signs, i));
        vec centre = load(base + i) + (vec)((vec_int)load(s.offset + i) ^ sign_mask(s.offset_signs, i));
        store(plus + i, centre + step);
        if (minus != NULL)
            store(minus + i, centre - step);
    }
    for (; i < count; i++) {
        float step = flipped(s.sizes == NULL ? s.epsilon : s.sizes[i] * s.epsilon, s.signs, i);
        float centre = base[i] + flipped(s.offset[i], s.offset_signs, i);
        plus[i] = centre + step;
        if (minus != NULL)
            minus[i] = centre - step;
    }
}

/* ---- the rest of a block ---- */

static void norm(const float *x, const float *weight, size_t features, float epsilon, size_t columns, size_t stride,
                 float *out)
{
    for (size_t c = 0; c < columns; c += WIDTH) {
        vec sum = broadcast(0);
        for (size_t f = 0; f < features; f++) {
            vec value = load(x + f * stride + c);
            sum += value * value;
        }
        vec inverse = sum / (float)features + epsilon;
        UNROLL for (int l = 0; l < WIDTH; l++) inverse[l] = 1.0f / __builtin_sqrtf(inverse[l]);
        for (size_t f = 0; f < features; f++)
            store(out + f * stride + c, load(x + f * stride + c) * inverse * weight[f]);
    }
}

static void rope(float *x, const float *cosine, const float *sine, size_t head_size, size_t columns, size_t stride,
                 size_t table_stride)
{
    size_t half = head_size / 2;
    for (size_t d = 0; d < half; d++)
        for (size_t c = 0; c < columns; c += WIDTH) {
            float *low = x + d * stride + c, *high = low + half * stride;
            vec cos = load(cosine + d * table_stride + c), sin = load(sine + d * table_stride + c);
            vec a = load(low), b = load(high);
            store(low, a * cos - b * sin);
            store(high, b * cos + a * sin);
        }
}

/* scores[j] = scale * q . k[column j] for `count` keys, four at a time. */
INLINE void score_keys(const sam_attention *a, const float *q, size_t first, size_t count, float *scores)
{
    size_t j = 0;
    for (; j + 4 <= count; j += 4) {
        const float *k = a->k + first + j;
        vec sum[4] = {broadcast(0), broadcast(0), broadcast(0), broadcast(0)};
        for (size_t d = 0; d < a->head_size; d++) {
            vec query = load(q + d * a->q_stride);
            UNROLL for (int n = 0; n < 4; n++) sum[n] += query * k[d * a->stride + (size_t)n];
        }
        UNROLL for (int n = 0; n < 4; n++) store(scores + (j + (size_t)n) * WIDTH, sum[n] * a->scale);
    }
    for (; j < count; j++) {
        vec sum = broadcast(0);
        for (size_t d = 0; d < a->head_size; d++)
            sum += load(q + d * a->q_stride) * a->k[d * a->stride + first + j];
        store(scores + j * WIDTH, sum * a->scale);
    }
}

/* Four features at a time: each score is loaded once for them, and their sums do not wait for each other. */
enum { VALUES = 4 };

INLINE void add_weighted(const sam_attention *a, size_t d, size_t first, size_t count, const float *scores,
                         vec sum[VALUES], const int features)
{
    const float *v = a->v + d * a->stride + first;
    for (size_t j = 0; j < count; j++) {
        vec score = load(scores + j * WIDTH);
        UNROLL for (int n = 0; n < features; n++) sum[n] += score * v[(size_t)n * a->stride + j];
    }
}

INLINE void weigh_values(const sam_attention *a, size_t d, size_t keys, vec inverse, float *out, const int features)
{
    vec sum[VALUES];
    UNROLL for (int n = 0; n < features; n++) sum[n] = broadcast(0);
    add_weighted(a, d, a->prefix_first, a->prefix_count, a->scratch, sum, features);
    add_weighted(a, d, a->first, keys, a->scratch + a->prefix_count * WIDTH, sum, features);
    UNROLL for (int n = 0; n < features; n++) store(out + (d + (size_t)n) * a->q_stride, sum[n] * inverse);
}

/* WIDTH queries from column q_first + lane on, against all keys that any of them sees. */
INLINE void attend_lanes(const sam_attention *a, size_t lane)
{
    vec_int own = *(const vec_int_unaligned *)(a->own + lane);
    size_t live = a->q_count - lane < WIDTH ? a->q_count - lane : WIDTH, keys = 0;
    for (size_t l = 0; l < live; l++)
        keys = (size_t)a->own[lane + l] + 1 > keys ? (size_t)a->own[lane + l] + 1 : keys;

    const float *q = a->q + a->q_first + lane;
    float *own_scores = a->scratch + a->prefix_count * WIDTH;
    score_keys(a, q, a->prefix_first, a->prefix_count, a->scratch);
    score_keys(a, q, a->first, keys, own_scores);
    vec top = broadcast(-1e30f);
    for (size_t j = 0; j < a->prefix_count; j++)
        top = larger(top, load(a->scratch + j * WIDTH));
    for (size_t j = 0; j < keys; j++) {
        vec score = choose(own >= (int32_t)j, load(own_scores + j * WIDTH), broadcast(-1e30f));
        store(own_scores + j * WIDTH, score);
        top = larger(top, score);
    }
    vec sum = broadcast(0);
    for (size_t j = 0; j < a->prefix_count + keys; j++) {
        vec weight = exponential(load(a->scratch + j * WIDTH) - top);
        store(a->scratch + j * WIDTH, weight);
        sum += weight;
    }
    vec inverse = 1.0f / sum;
    float *out = a->out + a->q_first + lane;
    size_t d = 0;
    for (; d + VALUES <= a->head_size; d += VALUES)
        weigh_values(a, d, keys, inverse, out, VALUES);
    for (; d < a->head_size; d++)
        weigh_values(a, d, keys, inverse, out, 1);
}

static void attend(const sam_attention *attention)
{
    for (size_t lane = 0; lane < attention->q_count; lane += WIDTH)
        attend_lanes(attention, lane);
}

static void gate(float *gate_values, const float *up, size_t count)
{
    for (size_t i = 0; i < count; i += WIDTH) {
        vec x = load(gate_values + i);
        store(gate_values + i, x / (1.0f + exponential(-x)) * load(up + i));
    }
}

static void add(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i += WIDTH)
        store(x + i, load(x + i) + load(y + i));
}

static void sum_exponentials(const float *x, size_t rows, size_t columns, size_t stride, float *top, float *sum)
{
    for (size_t c = 0; c < columns; c += WIDTH) {
        vec most = load(top + c), more = broadcast(0);
        for (size_t r = 0; r < rows; r++)
            most = larger(load(x + r * stride + c), most);
        for (size_t r = 0; r < rows; r++)
            more += exponential(load(x + r * stride + c) - most);
        store(sum + c, load(sum + c) * exponential(load(top + c) - most) + more);
        store(top + c, most);
    }
}

/* ---- members of a set ---- */

#define F32_PRODUCTS                                                                                                   \
    .precision = SAM_PRECISION_F32, .tile_rows = TILE_R, .packed_bytes = f32_packed_bytes, .pack = f32_pack,           \
    .panelled = true, .narrow_bytes = f32_narrow_bytes, .narrow = f32_narrow, .multiply = f32_multiply,                \
    .peak = f32_peak
#define VECTOR_STEPS                                                                                                   \
    .multiply_small = multiply_small, .add_signed = add_signed, .perturb = perturb, .norm = norm, .rope = rope,        \
    .attend = attend, .gate = gate, .add = add, .sum_exponentials = sum_exponentials
