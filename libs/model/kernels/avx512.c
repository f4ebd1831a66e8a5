/* AVX-512: vectors of sixteen floats, thirty-two registers. */
#define WIDTH  16
#define TILE_R 6
#define TILE_C 4
#include "model/kernels/vector.inc.h"

static bool runs_on(const sam_cpu *cpu)
{
    return cpu->avx512;
}

const sam_kernels sam_kernels_avx512 = {
    .name = "avx512",
    .runs_on = runs_on,
    F32_PRODUCTS,
    VECTOR_STEPS,
};
