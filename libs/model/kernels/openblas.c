/* Products by OpenBLAS, the rest as in portable.c: the f32 path of machines that no kernel of ours knows.
 *
 * A product is one sgemm on one thread (ours share the work already). OpenBLAS 0.3.21 takes SSE3 kernels on recent
 * CPUs unless OPENBLAS_CORETYPE is set before it is loaded; `samara doctor` shows what it picked. Its edge kernels may
 * sum in another order, so a token's last bits can depend on the batch around it: good for any use but
 * comparing digests between machines.
 */
#define WIDTH  4
#define TILE_R 5
#define TILE_C 2
#include "model/kernels/vector.inc.h"

#include <cblas.h>

/* Asked before the first product: OpenBLAS would wake threads of its own for each one. */
static bool runs_on(const sam_cpu *cpu)
{
    (void)cpu;
    openblas_set_num_threads(1);
    return true;
}

static void blas_pack(const float *x, size_t k, size_t columns, size_t stride, void *packed)
{
    float *to = packed;
    for (size_t i = 0; i < k; i++)
        memcpy(to + i * columns, x + i * stride, columns * sizeof *to);
}

static void blas_multiply(const void *w, size_t rows, size_t k, const void *packed, size_t columns, float *y,
                          size_t stride)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, (int)columns, (int)k, 1.0f, w, (int)k, packed,
                (int)columns, 0.0f, y, (int)stride);
}

const sam_kernels sam_kernels_openblas = {
    .name = "openblas",
    .precision = SAM_PRECISION_F32,
    .tile_rows = TILE_R,
    .runs_on = runs_on,
    .packed_bytes = f32_packed_bytes,
    .pack = blas_pack,
    .narrow_bytes = f32_narrow_bytes,
    .narrow = f32_narrow,
    .multiply = blas_multiply,
    VECTOR_STEPS,
};
