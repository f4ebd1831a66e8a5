/* GF/s of every product kernel that runs here, on one thread, at the shapes of SmolLM2-135M with 432 tokens.
 *
 *     bench_kernels            one line for each kernel and shape, then one JSON object
 */
#include "model/kernels/kernels.h"
#include "base/clock.h"
#include "base/memory.h"

#include <stdio.h>

enum { COLUMNS = 432, STRIDE = COLUMNS + SAM_COLUMNS_SLACK, REPEATS = 7 };

static const struct {
    size_t rows, k;
} SHAPES[] = {{60, 576}, {30, 1536}};

/* Best of several, each of about 20 ms: what the kernel can do when nobody disturbs it. */
static double best_rate(const sam_kernels *set, size_t rows, size_t k)
{
    float *w = sam_alloc_aligned(rows * k, sizeof *w), *x = sam_alloc_aligned(k * STRIDE, sizeof *x);
    float *y = sam_alloc_aligned(rows * STRIDE, sizeof *y);
    void *packed = sam_alloc_aligned(set->packed_bytes(k, COLUMNS) + 64, 1);
    void *narrow = sam_alloc_aligned(set->narrow_bytes(rows, k) + 64, 1);
    double best = 0, work = 2.0 * (double)rows * (double)k * (double)COLUMNS;
    if (w != NULL && x != NULL && y != NULL && packed != NULL && narrow != NULL) {
        for (size_t i = 0; i < rows * k; i++)
            w[i] = (float)(i % 7) - 3;
        for (size_t i = 0; i < k * STRIDE; i++)
            x[i] = (float)(i % 5) - 2;
        set->pack(x, k, COLUMNS, STRIDE, packed);
        set->narrow(w, rows, k, narrow);
        for (int repeat = 0; repeat < REPEATS; repeat++) {
            uint64_t began = sam_monotonic_ns(), spent = 0;
            double done = 0;
            for (; spent < 20000000; spent = sam_monotonic_ns() - began, done += work)
                set->multiply(narrow, rows, k, packed, COLUMNS, y, STRIDE);
            best = done / (double)spent > best ? done / (double)spent : best;
        }
    }
    void *const all[] = {w, x, y, packed, narrow};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sam_free(all[i]);
    return best;
}

int main(void)
{
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    printf("%s\n%-14s %8s %8s   GF/s on one thread\n", cpu.name, "kernel", "60x576", "30x1536");
    char json[1024];
    int used = snprintf(json, sizeof json, "{\"cpu\":\"%s\"", cpu.name);
    for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++) {
        if (!(*set)->runs_on(&cpu))
            continue;
        double rates[2];
        for (size_t s = 0; s < 2; s++)
            rates[s] = best_rate(*set, SHAPES[s].rows, SHAPES[s].k);
        printf("%-14s %8.1f %8.1f\n", (*set)->name, rates[0], rates[1]);
        used +=
            snprintf(json + used, sizeof json - (size_t)used, ",\"%s\":[%.1f,%.1f]", (*set)->name, rates[0], rates[1]);
    }
    printf("%s}\n", json);
    return 0;
}
