/* samara bench: measures this machine, and what Samara makes of it. */
#include "cli/bench/bench.h"

#include "cli/cli.h"
#include "train/defaults.h"

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
                    "samara bench measures step, peak, catchup, ledger or guards%s%s; see samara bench --help",
                    argc > 1 ? ", not " : "", argc > 1 ? argv[1] : "");
}

sam_status cli_bench_precision(const char *name, sam_precision *precision, sam_error *err)
{
    *precision = strcmp(name, "f32") == 0 ? SAM_PRECISION_F32 : SAM_PRECISION_BF16;
    if (*precision == SAM_PRECISION_F32 || strcmp(name, "bf16") == 0)
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--precision is bf16 or f32, not \"%s\"", name);
}

void cli_bench_manifest(sam_manifest *draft, const sam_model *model, uint64_t blocks)
{
    uint32_t all = sam_model_configuration(model)->blocks;
    sam_default_manifest(draft, model, SAM_OBJECTIVE_CHOICE);
    draft->slots = 1;
    draft->probes = 1;
    draft->trainable.first_block = blocks == 0 || blocks > all ? 0 : all - (uint32_t)blocks;
}

static void print_line(const char *key, const json_t *value)
{
    if (json_is_string(value))
        printf("%-24s %s\n", key, json_string_value(value));
    else if (json_is_integer(value))
        printf("%-24s %lld\n", key, (long long)json_integer_value(value));
    else
        printf("%-24s %.4g\n", key, json_real_value(value));
}

sam_status cli_bench_print(json_t *figures, bool as_json, sam_error *err)
{
    if (figures == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    const char *key;
    json_t *value;
    if (as_json) {
        (void)json_dumpf(figures, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("\n");
    } else {
        json_object_foreach(figures, key, value) print_line(key, value);
    }
    json_decref(figures);
    return SAM_OK;
}
