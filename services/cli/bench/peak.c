/* samara bench peak: independent multiply-adds in registers, with the instructions of the chosen kernels. */
#include "cli/bench/bench.h"

#include "base/clock.h"
#include "base/cpu.h"
#include "cli/cli.h"

enum { TRIES = 5, ROUNDS = 20000, TRY_NS = 60000000 };

typedef struct effort {
    double (*peak)(size_t rounds);
    uint64_t until;
    double *operations; /* [threads] */
} effort;

/* Each thread works until the same checkpoint, so that none is waited for. */
static void work(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const effort *e = context;
    do
        e->operations[index] += e->peak(ROUNDS);
    while (sam_monotonic_ns() < e->until);
}

static const sam_kernels *with_a_peak(const sam_kernels *kernels)
{
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    if (kernels->peak != NULL)
        return kernels;
    for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++)
        if ((*set)->peak != NULL && (*set)->precision == kernels->precision && (*set)->runs_on(&cpu))
            return *set;
    return kernels;
}

double cli_bench_peak_rate(const sam_kernels *kernels, sam_pool *pool)
{
    enum { MOST_THREADS = 1024 };
    double operations[MOST_THREADS], best = 0;
    unsigned threads = sam_pool_threads(pool) < MOST_THREADS ? sam_pool_threads(pool) : MOST_THREADS;
    effort e = {.peak = with_a_peak(kernels)->peak, .operations = operations};
    for (int i = 0; e.peak != NULL && i < TRIES; i++) {
        double sum = 0;
        for (unsigned t = 0; t < threads; t++)
            operations[t] = 0;
        uint64_t began = sam_monotonic_ns();
        e.until = began + TRY_NS;
        sam_pool_run(pool, threads, work, &e);
        double ns = (double)(sam_monotonic_ns() - began);
        for (unsigned t = 0; t < threads; t++)
            sum += operations[t];
        best = sum / ns > best ? sum / ns : best;
    }
    return best;
}

sam_status cli_bench_peak(int argc, char **argv, sam_error *err)
{
    const char *kernel = NULL;
    sam_precision precision = SAM_PRECISION_BF16;
    uint64_t threads = 0;
    bool json = false;
    const sam_option table[] = {
        {"threads", SAM_OPTION_COUNT, &threads, "N", "threads that compute; 0: one for each core"},
        {"precision", SAM_OPTION_CHOICE, &precision, SAM_PRECISION_CHOICES, "precision of matrix products"},
        {"kernel", SAM_OPTION_TEXT, &kernel, "NAME", "use this kernel; samara doctor lists them"},
        {"json", SAM_OPTION_FLAG, &json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {
        "samara bench peak", "",
        "Measures independent multiply-adds in registers, on all cores: the peak of matrix products.", table};
    int rest;
    const sam_kernels *kernels;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK && threads > 1024)
        status = sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    if (status == SAM_OK)
        status = sam_kernels_choose(&kernels, precision, kernel, err);
    if (status != SAM_OK)
        return status;
    sam_pool *pool = sam_pool_new((unsigned)threads);
    if (pool == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory, or of threads");
    double rate = cli_bench_peak_rate(kernels, pool);
    json_t *figures = json_pack("{s:f, s:i, s:s}", "peak_gflops", rate, "threads", (int)sam_pool_threads(pool),
                                "kernel", with_a_peak(kernels)->name);
    sam_pool_free(pool);
    return cli_bench_print(figures, json, err);
}
