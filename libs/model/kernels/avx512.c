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
