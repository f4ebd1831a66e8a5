/* amx-bf16 over emulated tiles: the same source as libs/model/kernels/amx_bf16.c. */
#include "support/amx_tiles.h"

#define tile_configure emulated_configure
#define tile_release   emulated_release
#define tile_zero      emulated_zero
#define tile_load      emulated_load
#define tile_store     emulated_store
#define tile_multiply  emulated_multiply
#include "model/kernels/amx.inc.h"

/* Factors are narrowed by AVX512-bf16. */
static bool runs_on(const sam_cpu *cpu)
{
    return cpu->avx512_bf16;
}

extern const sam_kernels sam_kernels_amx_emulated;
const sam_kernels sam_kernels_amx_emulated = {
    .name = "amx-bf16 (emulated)",
    .runs_on = runs_on,
    BF16_FACTORS,
    .multiply = amx_multiply,
    .peak = amx_peak,
    VECTOR_STEPS,
};
