#include "cli/bench/bench.h"

#include "train/defaults.h"

#include <stdio.h>
#include <stdlib.h>

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void cli_bench_sort(double *figures, size_t count)
{
    qsort(figures, count, sizeof *figures, compare);
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
