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
    .precision = SAM_PRECISION_F32,
    .element = sizeof(float),
    .runs_on = runs_on,
    .packed_bytes = f32_packed_bytes,
    .pack = f32_pack,
    .narrow_bytes = f32_narrow_bytes,
    .narrow = f32_narrow,
    .multiply = f32_multiply,
    .peak = f32_peak,
    .add_signed = add_signed,
    .perturb = perturb,
    .norm = norm,
    .rope = rope,
    .attend = attend,
    .gate = gate,
    .add = add,
};
