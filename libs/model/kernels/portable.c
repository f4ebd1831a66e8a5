/* Plain C: what any compiler makes of vectors of four floats (SSE2, NEON, or scalars). */
#define WIDTH  4
#define TILE_R 5
#define TILE_C 2
#include "model/kernels/vector.inc.h"

static bool runs_on(const sam_cpu *cpu)
{
    (void)cpu;
    return true;
}

const sam_kernels sam_kernels_portable = {
    .name = "portable",
    .runs_on = runs_on,
    F32_PRODUCTS,
    VECTOR_STEPS,
};
