/* AMX: products of bf16 tiles. What is done with them is in amx.inc.h. */
#include "model/kernels/amx_config.h"

#include <immintrin.h>

/* To gcc 12, LDTILECFG reads eight bytes and a tile load none: whatever was stored is in memory from here on. */
static inline __attribute__((always_inline)) void tile_configure(const tile_config *config)
{
    __asm__ volatile("" : : "r"(config) : "memory");
    _tile_loadconfig(config);
}

#define tile_zero(t)               _tile_zero(t)
#define tile_load(t, from, stride) _tile_loadd(t, from, stride)
#define tile_store(t, to, stride)  _tile_stored(t, to, stride)
#define tile_multiply(sum, a, b)   _tile_dpbf16ps(sum, a, b)
#define tile_release()             _tile_release()
#include "model/kernels/amx.inc.h"

static bool runs_on(const sam_cpu *cpu)
{
    return cpu->amx_bf16;
}

const sam_kernels sam_kernels_amx_bf16 = {
    .name = "amx-bf16",
    .runs_on = runs_on,
    BF16_FACTORS,
    .multiply = amx_multiply,
    .peak = amx_peak,
    VECTOR_STEPS,
};
