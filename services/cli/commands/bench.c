/* samara bench: measures this machine, and what Samara makes of it. */
#include "cli/bench/bench.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    sam_status (*run)(int argc, char **argv, sam_error *err);
    const char *summary;
} PARTS[] = {
    {"step", cli_bench_step, "one step of training: time, share of the machine's peak, and where it goes"},
    {"peak", cli_bench_peak, "matrix products in registers, on all cores: what no step can pass"},
    {"catchup", cli_bench_catchup, "a log of many records: to the state, and to the weights"},
    {"ledger", cli_bench_ledger, "simulated workers against a ledger: contributions a second, bytes, memory"},
    {"links", cli_bench_links, "simulated workers over a slow link: slots a second, with leases ahead and without"},
    {"guards", cli_bench_guards, "what hostile workers do to a run, under each guard"},
};
#define PART_COUNT (sizeof PARTS / sizeof PARTS[0])

static sam_status print_parts(void)
{
    printf("usage: samara bench PART [options]\n\nMeasures this machine, and what Samara makes of it.\n\n");
    for (size_t i = 0; i < PART_COUNT; i++)
        printf("  %-10s %s\n", PARTS[i].name, PARTS[i].summary);
    printf("\nsamara bench PART --help lists the options of one.\n");
    return SAM_OK;
}

sam_status cli_bench(int argc, char **argv, sam_error *err)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
        return print_parts();
    for (size_t i = 0; argc > 1 && i < PART_COUNT; i++)
        if (strcmp(argv[1], PARTS[i].name) == 0)
            return PARTS[i].run(argc - 1, argv + 1, err);
    return sam_fail(err, SAM_INVALID,
                    "samara bench measures step, peak, catchup, ledger, links or guards%s%s; see samara bench --help",
                    argc > 1 ? ", not " : "", argc > 1 ? argv[1] : "");
}
