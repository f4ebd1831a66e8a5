#include "base/cpu.h"

#include <stdio.h>
#include <string.h>

static void read_name(char *name, size_t size)
{
    snprintf(name, size, "unknown");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            colon[strcspn(colon, "\n")] = 0;
            snprintf(name, size, "%.*s", (int)size - 1, colon + 2);
            break;
        }
    }
    fclose(file);
}

#if defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA  18

/* The two parts of the tiles' state that the system must save for us: their shapes and their data. */
static bool system_saves_tiles(void)
{
    unsigned low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    (void)high;
    return (low >> 17 & 3) == 3;
}

/* __builtin_cpu_supports of gcc 12 does not know AMX; leaf 7, EDX bits 22 (amx-bf16) and 24 (amx-tile). Linux lends the
 * tiles only to processes that ask, before their first use; asking again changes nothing. */
static bool has_amx_bf16(void)
{
    unsigned a = 7, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    (void)b;
    bool present = (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0;
    return present && system_saves_tiles() && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

void sam_cpu_detect(sam_cpu *cpu)
{
    *cpu = (sam_cpu){0};
    read_name(cpu->name, sizeof cpu->name);
    __builtin_cpu_init();
    cpu->avx2_fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    cpu->avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    cpu->avx512_bf16 = cpu->avx512 && __builtin_cpu_supports("avx512bf16");
    cpu->amx_bf16 = cpu->avx512_bf16 && has_amx_bf16();
}
#else
void sam_cpu_detect(sam_cpu *cpu)
{
    *cpu = (sam_cpu){0};
    read_name(cpu->name, sizeof cpu->name);
}
#endif
