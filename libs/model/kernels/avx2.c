/* AVX2 and FMA: vectors of eight floats, sixteen registers. */
#define WIDTH  8
#define TILE_R 5
#define TILE_C 2
#include "model/kernels/vector.inc.h"

static bool runs_on(const sam_cpu *cpu)
{
    return cpu->avx2_fma;
}

const sam_kernels sam_kernels_avx2 = {
    .name = "avx2",
    .runs_on = runs_on,
    F32_PRODUCTS,
    VECTOR_STEPS,
};
