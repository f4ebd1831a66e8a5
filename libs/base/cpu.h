/* What this CPU can do, asked once at run time; the build itself targets the plain instruction set. */
#ifndef SAM_BASE_CPU_H
#define SAM_BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sam_cpu {
    bool avx2_fma;    /* AVX2, FMA and F16C, and the system saves their registers */
    bool avx512;      /* AVX-512 F, BW, DQ, VL */
    bool avx512_bf16; /* and VDPBF16PS */
    bool amx_bf16;    /* tiles, and the kernel lets this process use them */
    char name[64];    /* as the vendor writes it */
} sam_cpu;

void sam_cpu_detect(sam_cpu *cpu);

#endif
