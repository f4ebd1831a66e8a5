/* The inner loops, one set for each instruction set, chosen at run time.
 *
 *     const sam_kernels *kernels;
 *     if (sam_kernels_choose(&kernels, SAM_PRECISION_BF16, NULL, err) != SAM_OK) // NULL: the best here
 *         return err->status;
 *     kernels->narrow(w, rows, k, narrowed);                            // w[rows][k]
 *     kernels->pack(x, k, columns, stride, packed);                     // x[k][stride]
 *     kernels->multiply(narrowed, rows, k, packed, columns, y, stride); // y[rows][stride] = w x
 *
 * Activations are feature-major: element (feature f, token t) lies at x[f * stride + t], so that every loop runs over
 * tokens in vector lanes: a product needs no transposition of the weights (each weight is broadcast), norms and RoPE
 * need no reduction across lanes. Columns are tokens; a column count handed to a kernel is a multiple of
 * SAM_COLUMNS, and SAM_COLUMNS_SLACK more floats may be read, and rewritten, past the end of each buffer.
 *
 * The sets, best first: amx-bf16, avx512-bf16; avx512, avx2, openblas, portable in f32.
 *
 * Every output element is summed in the order of k (amx-bf16: 32 of k at a time, even and odd ones apart), whatever the
 * other rows and columns are: a token's result does not depend on its neighbours in the batch, nor on the number of
 * threads.
 *
 * Tolerance against sam_kernels_reference (kernels_test.c): f32 kernels 2e-6 of the sum of |w x|; bf16 as f32, after
 * both factors are rounded to bf16. Thread safety: pure functions of their arguments.
 */
#ifndef SAM_MODEL_KERNELS_H
#define SAM_MODEL_KERNELS_H

#include "base/cpu.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_COLUMNS       16u
#define SAM_COLUMNS_SLACK 32u

typedef enum sam_precision { SAM_PRECISION_F32, SAM_PRECISION_BF16 } sam_precision;
#define SAM_PRECISION_CHOICES "f32|bf16" /* their names, as of an option (base/options.h) */

const char *sam_precision_name(sam_precision precision);

/* One head of one segment of the batch. Keys: `prefix_count` columns from prefix_first, seen by every query, then
 * `count` columns from `first`, of which a query sees those up to its own. Queries: columns q_first, q_first + 1, ...;
 * own[i] is the place of query i among the segment's own keys. */
typedef struct sam_attention {
    const float *q, *k, *v; /* rows of the head: q [head_size][q_stride], k and v [head_size][stride] */
    float *out;             /* [head_size][q_stride] */
    size_t q_stride, stride, head_size;
    float scale;
    size_t prefix_first, prefix_count, first, count;
    size_t q_first, q_count;
    const int32_t *own; /* [q_count], readable up to SAM_COLUMNS_SLACK further */
    float *scratch;     /* [prefix_count + count][SAM_COLUMNS] */
} sam_attention;

/* What a perturbed copy adds to its base, parameter by parameter: +-offset, and epsilon * (+-size). */
typedef struct sam_weight_shift {
    const float *offset;
    const uint64_t *offset_signs; /* a set bit is minus */
    const float *sizes;           /* NULL: all 1 */
    const uint64_t *signs;
    float epsilon;
} sam_weight_shift;

typedef struct sam_kernels {
    const char *name;
    sam_precision precision;
    size_t tile_rows; /* that a product keeps in registers: it is fastest on multiples of these */
    bool (*runs_on)(const sam_cpu *cpu);

    /* Products: y[r][c] = sum over k of w[r][k] x[k][c]. Rows are narrowed one after the other: row r begins at
     * narrow_bytes(r, k). Where `panelled`, 64 columns may be packed apart from the others: column c, a multiple of 64,
     * begins at packed_bytes(k, c). */
    bool panelled;
    size_t (*packed_bytes)(size_t k, size_t columns);
    void (*pack)(const float *x, size_t k, size_t columns, size_t stride, void *packed);
    size_t (*narrow_bytes)(size_t rows, size_t k);
    void (*narrow)(const float *w, size_t rows, size_t k, void *out);
    void (*multiply)(const void *w, size_t rows, size_t k, const void *packed, size_t columns, float *y, size_t stride);
    /* The same in floats of any kernel, x[k][stride] as it lies: for a w of some tens of rows. */
    void (*multiply_small)(const float *w, size_t rows, size_t k, const float *x, size_t columns, size_t stride,
                           float *y);
    /* The same multiply-adds, `rounds` times over a tile that never leaves the registers: returns how many floating
     * point operations it did. What multiply could reach if loads, stores and edges cost nothing. NULL where the
     * instructions are not ours to name (openblas, reference). */
    double (*peak)(size_t rounds);

    /* Weights: x[i] += +-offset[i]; and plus, minus = (base +-offset) +- epsilon * (+-size), rounded once for each
     * bracket. `minus` may be NULL; one of them may be base itself. */
    void (*add_signed)(float *x, const float *offset, const uint64_t *signs, size_t count);
    void (*perturb)(const float *base, const sam_weight_shift *shift, size_t count, float *plus, float *minus);

    /* out = x / sqrt(mean of squares over features + epsilon) * weight */
    void (*norm)(const float *x, const float *weight, size_t features, float epsilon, size_t columns, size_t stride,
                 float *out);
    /* Rotates each head's rows (d, d + head_size / 2) by cosine and sine [head_size / 2][stride], in place. */
    void (*rope)(float *x, const float *cosine, const float *sine, size_t head_size, size_t columns, size_t stride,
                 size_t table_stride);
    void (*attend)(const sam_attention *attention);
    void (*gate)(float *gate, const float *up, size_t count); /* gate = silu(gate) * up; count a multiple of 16 */
    void (*add)(float *x, const float *y, size_t count);      /* x += y; count a multiple of 16 */
    /* Adds e^x of some more rows to the sum of each column: sum * e^top is what they come to, top the largest x so far
     * (-INFINITY, and a sum of 0, before the first). */
    void (*sum_exponentials)(const float *x, size_t rows, size_t columns, size_t stride, float *top, float *sum);
} sam_kernels;

/* `name`: one of the table's, or NULL for SAMARA_KERNEL in the environment, or else the fastest of this precision.
 * bf16 falls back to f32 where no bf16 kernel runs. UNSUPPORTED lists what runs here. */
sam_status sam_kernels_choose(const sam_kernels **kernels, sam_precision precision, const char *name, sam_error *err);

/* Every set built in, best first, NULL at the end; for tests and benchmarks. */
const sam_kernels *const *sam_kernels_all(void);

/* Plain loops that say what the others must compute. */
extern const sam_kernels sam_kernels_reference;

#endif
