/* What the kernels compute, in the plainest loops: the text to read first, and what the tests hold the others to. */
#include "model/kernels/kernels.h"

#include <math.h>
#include <string.h>

static bool runs_on(const sam_cpu *cpu)
{
    (void)cpu;
    return true;
}

static size_t packed_bytes(size_t k, size_t columns)
{
    return k * columns * sizeof(float);
}

static void pack(const float *x, size_t k, size_t columns, size_t stride, void *packed)
{
    for (size_t i = 0; i < k; i++)
        memcpy((float *)packed + i * columns, x + i * stride, columns * sizeof(float));
}

static size_t narrow_bytes(size_t rows, size_t k)
{
    return rows * k * sizeof(float);
}

static void narrow(const float *w, size_t rows, size_t k, void *out)
{
    memcpy(out, w, rows * k * sizeof *w);
}

static void multiply(const void *w, size_t rows, size_t k, const void *packed, size_t columns, float *y, size_t stride)
{
    const float *weight = w, *x = packed;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            float sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += weight[r * k + i] * x[i * columns + c];
            y[r * stride + c] = sum;
        }
}

static void multiply_small(const float *w, size_t rows, size_t k, const float *x, size_t columns, size_t stride,
                           float *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++) {
            float sum = 0;
            for (size_t i = 0; i < k; i++)
                sum += w[r * k + i] * x[i * stride + c];
            y[r * stride + c] = sum;
        }
}

static float signed_by(float value, const uint64_t *signs, size_t i)
{
    return (signs[i / 64] >> (i % 64) & 1) != 0 ? -value : value;
}

static void add_signed(float *x, const float *offset, const uint64_t *signs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += signed_by(offset[i], signs, i);
}

static void perturb(const float *base, const sam_weight_shift *shift, size_t count, float *plus, float *minus)
{
    for (size_t i = 0; i < count; i++) {
        float size = shift->sizes == NULL ? 1.0f : shift->sizes[i];
        float step = signed_by(size * shift->epsilon, shift->signs, i);
        float centre = base[i] + signed_by(shift->offset[i], shift->offset_signs, i);
        plus[i] = centre + step;
        if (minus != NULL)
            minus[i] = centre - step;
    }
}

static void norm(const float *x, const float *weight, size_t features, float epsilon, size_t columns, size_t stride,
                 float *out)
{
    for (size_t c = 0; c < columns; c++) {
        float sum = 0;
        for (size_t f = 0; f < features; f++)
            sum += x[f * stride + c] * x[f * stride + c];
        float inverse = 1.0f / sqrtf(sum / (float)features + epsilon);
        for (size_t f = 0; f < features; f++)
            out[f * stride + c] = x[f * stride + c] * inverse * weight[f];
    }
}

static void rope(float *x, const float *cosine, const float *sine, size_t head_size, size_t columns, size_t stride,
                 size_t table_stride)
{
    for (size_t d = 0; d < head_size / 2; d++)
        for (size_t c = 0; c < columns; c++) {
            float *low = x + d * stride + c, *high = low + head_size / 2 * stride;
            float a = *low, b = *high, cos = cosine[d * table_stride + c], sin = sine[d * table_stride + c];
            *low = a * cos - b * sin;
            *high = b * cos + a * sin;
        }
}

static size_t key_column(const sam_attention *a, size_t j)
{
    return j < a->prefix_count ? a->prefix_first + j : a->first + j - a->prefix_count;
}

static void attend_one(const sam_attention *a, size_t query)
{
    size_t keys = a->prefix_count + (size_t)a->own[query] + 1, column = a->q_first + query;
    float top = -INFINITY, sum = 0;
    for (size_t j = 0; j < keys; j++) {
        float score = 0;
        for (size_t d = 0; d < a->head_size; d++)
            score += a->q[d * a->q_stride + column] * a->k[d * a->stride + key_column(a, j)];
        a->scratch[j] = score * a->scale;
        top = fmaxf(top, a->scratch[j]);
    }
    for (size_t j = 0; j < keys; j++) {
        a->scratch[j] = expf(a->scratch[j] - top);
        sum += a->scratch[j];
    }
    for (size_t d = 0; d < a->head_size; d++) {
        float value = 0;
        for (size_t j = 0; j < keys; j++)
            value += a->scratch[j] * a->v[d * a->stride + key_column(a, j)];
        a->out[d * a->q_stride + column] = value / sum;
    }
}

static void attend(const sam_attention *attention)
{
    for (size_t query = 0; query < attention->q_count; query++)
        attend_one(attention, query);
}

static void gate(float *gate_values, const float *up, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gate_values[i] = gate_values[i] / (1.0f + expf(-gate_values[i])) * up[i];
}

static void add(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] += y[i];
}

static void sum_exponentials(const float *x, size_t rows, size_t columns, size_t stride, float *top, float *sum)
{
    for (size_t c = 0; c < columns; c++) {
        float most = top[c], more = 0;
        for (size_t r = 0; r < rows; r++)
            most = fmaxf(most, x[r * stride + c]);
        for (size_t r = 0; r < rows; r++)
            more += expf(x[r * stride + c] - most);
        sum[c] = sum[c] * expf(top[c] - most) + more;
        top[c] = most;
    }
}

const sam_kernels sam_kernels_reference = {
    .name = "reference",
    .precision = SAM_PRECISION_F32,
    .tile_rows = 1,
    .runs_on = runs_on,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .narrow_bytes = narrow_bytes,
    .narrow = narrow,
    .multiply = multiply,
    .multiply_small = multiply_small,
    .add_signed = add_signed,
    .perturb = perturb,
    .norm = norm,
    .rope = rope,
    .attend = attend,
    .gate = gate,
    .add = add,
    .sum_exponentials = sum_exponentials,
};
