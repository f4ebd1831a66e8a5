#include "model/kernels/kernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const sam_kernels sam_kernels_amx_bf16, sam_kernels_avx512_bf16, sam_kernels_avx512, sam_kernels_avx2,
    sam_kernels_openblas, sam_kernels_portable;

static const sam_kernels *const ALL[] = {
#if defined(__x86_64__)
    &sam_kernels_amx_bf16, &sam_kernels_avx512_bf16, &sam_kernels_avx512,    &sam_kernels_avx2,
#endif
    &sam_kernels_openblas, &sam_kernels_portable,    &sam_kernels_reference, NULL,
};

const char *sam_precision_name(sam_precision precision)
{
    return precision == SAM_PRECISION_F32 ? "f32" : "bf16";
}

const sam_kernels *const *sam_kernels_all(void)
{
    return ALL;
}

static sam_status refuse(const char *name, const sam_cpu *cpu, sam_error *err)
{
    char list[128] = "";
    for (size_t i = 0; ALL[i] != NULL; i++)
        if (ALL[i]->runs_on(cpu)) {
            size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, " %s", ALL[i]->name);
        }
    return sam_fail(err, SAM_UNSUPPORTED, "no kernel \"%s\" runs on this CPU (%s); these do:%s", name, cpu->name, list);
}

sam_status sam_kernels_choose(const sam_kernels **kernels, sam_precision precision, const char *name, sam_error *err)
{
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    const char *wanted = name != NULL ? name : getenv("SAMARA_KERNEL");
    bool any = wanted == NULL || wanted[0] == 0;
    for (size_t i = 0; ALL[i] != NULL; i++) {
        const sam_kernels *set = ALL[i];
        bool fits = any ? set->precision <= precision : strcmp(set->name, wanted) == 0;
        if (fits && set->runs_on(&cpu)) {
            *kernels = set;
            return SAM_OK;
        }
    }
    return refuse(any ? "" : wanted, &cpu, err);
}
