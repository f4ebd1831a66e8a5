/* samara bench step: what a worker does for one slot, over and over: the perturbed forwards, and the update.
 *
 * The batch is made up: `examples` sentences, two answer options scored after each, as in a task of two labels. Lengths
 * go from a third of the mean to 1.7 times it, much as those of SST-2's minibatches do. Blocks below the trained ones
 * are computed once, beforehand, as a worker keeps them in its cache.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "base/usage.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/shared/engine_options.h"
#include "cli/shared/material.h"
#include "model/forward/engine.h"
#include "train/replica.h"

#include <stdio.h>
#include <string.h>

enum { OPTIONS = 2, BASE_PASSES = 3, REPEATS_MOST = 1000 };

typedef struct arguments {
    const char *model, *kernel;
    sam_estimator estimator;
    sam_precision precision;
    uint64_t tokens, examples, probes, blocks, threads, repeats;
    bool json;
} arguments;

typedef struct work {
    arguments args;
    cli_material material;
    sam_manifest manifest;
    sam_engine *engine;
    sam_replica *replica;
    sam_batch batch;
    unsigned variants;
    float *input, *scores[SAM_VARIANTS_MAX];

    double *ms; /* [repeats] */
    double wall_ns, update_ns;
    sam_profile steps, base; /* of all steps; of one pass over the base alone */
} work;

/* ---- what is to be done ---- */

/* The first column of a sentence: one each, and of the others more for each than for the one before. */
static uint64_t first_column(const arguments *args, uint64_t e)
{
    uint64_t n = args->examples;
    return e + (args->tokens - n) * e * (3 * e + n) / (4 * n * n);
}

static sam_status fill_batch(work *w, sam_error *err)
{
    uint32_t tokens[4096], vocabulary = sam_model_configuration(w->material.model)->vocabulary;
    sam_status status = SAM_OK;
    for (uint64_t e = 0; status == SAM_OK && e < w->args.examples; e++) {
        uint64_t count = first_column(&w->args, e + 1) - first_column(&w->args, e);
        size_t segment;
        for (uint64_t t = 0; t < count; t++)
            tokens[t] = (uint32_t)((e * 7919 + t * 104729 + 17) % vocabulary);
        status = sam_batch_add(&w->batch, SAM_NO_PREFIX, tokens, count, &segment, err);
        for (uint32_t option = 0; status == SAM_OK && option < OPTIONS; option++)
            status = sam_batch_score(&w->batch, segment, count - 1, 10 + option, false, err);
    }
    return status;
}

static sam_pass pass_of(const work *w, const sam_weight_source *weights, sam_profile *profile)
{
    uint32_t first = w->manifest.trainable.first_block;
    return (sam_pass){
        .batch = &w->batch,
        .weights = weights,
        .first_block = first,
        .end_block = sam_model_configuration(w->material.model)->blocks,
        .input = first > 0 ? w->input : NULL,
        .scores = w->scores,
        .profile = profile,
    };
}

/* The stream below the first trained block, which a worker has in its cache. */
static sam_status fill_input(work *w, sam_error *err)
{
    const sam_weight_source base = sam_model_source(w->material.model);
    const sam_pass below = {
        .batch = &w->batch, .weights = &base, .end_block = w->manifest.trainable.first_block, .output = w->input};
    return below.end_block == 0 ? SAM_OK : sam_engine_run(w->engine, &below, err);
}

static sam_status make_room(work *w, sam_error *err)
{
    size_t hidden = sam_model_configuration(w->material.model)->hidden;
    w->input = sam_alloc_aligned(hidden * sam_engine_stride(w->args.tokens), sizeof *w->input);
    w->ms = sam_alloc(w->args.repeats, sizeof *w->ms);
    bool good = w->input != NULL && w->ms != NULL;
    for (unsigned v = 0; good && v < w->variants; v++)
        good = (w->scores[v] = sam_alloc(w->args.examples, OPTIONS * sizeof(float))) != NULL;
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory");
}

static sam_status open_all(work *w, sam_error *err)
{
    const sam_engine_options options = {
        .threads = (unsigned)w->args.threads, .precision = w->args.precision, .kernel = w->args.kernel};
    sam_status status = cli_material_open_model(&w->material, w->args.model, err);
    if (status != SAM_OK)
        return status;
    cli_bench_manifest(&w->manifest, w->material.model, w->args.blocks);
    w->manifest.probes = (uint32_t)w->args.probes;
    w->manifest.estimator = w->args.estimator;
    status = sam_engine_new(&w->engine, w->material.model, &options, err);
    if (status == SAM_OK)
        status = sam_replica_new(&w->replica, w->material.model, &w->manifest, err);
    if (status == SAM_OK)
        status = make_room(w, err);
    if (status == SAM_OK)
        status = fill_batch(w, err);
    return status == SAM_OK ? fill_input(w, err) : status;
}

static void close_all(work *w)
{
    for (unsigned v = 0; v < w->variants; v++)
        sam_free(w->scores[v]);
    sam_free(w->input);
    sam_free(w->ms);
    sam_batch_free(&w->batch);
    sam_replica_free(w->replica);
    sam_engine_free(w->engine);
    cli_material_close(&w->material);
}

/* ---- measuring ---- */

/* The update that every worker makes once the round is committed; the codes' values do not matter to its time. */
static sam_status update(work *w, uint64_t number, sam_error *err)
{
    uint8_t codes[SAM_PROBES_MAX];
    memset(codes, 0x38, sizeof codes);
    const sam_record record = {.round = number, .author = 1, .codes = codes, .code_count = w->manifest.probes};
    sam_status status = sam_replica_put(w->replica, number, &record, 1, err);
    return status == SAM_OK ? sam_replica_seek(w->replica, number + 1, err) : status;
}

static sam_status step(work *w, uint64_t number, sam_profile *profile, uint64_t *update_ns, sam_error *err)
{
    const sam_step place = w->manifest.mode->number(&w->manifest, number, 0, 0);
    sam_direction probes[SAM_VARIANTS_MAX];
    for (uint32_t p = 0; p < w->manifest.probes; p++)
        probes[p] = (sam_direction){place.epoch, place.direction + p};
    sam_perturbation perturbation = {
        .tuned = sam_replica_tuned(w->replica),
        .probes = probes,
        .probe_count = w->manifest.probes,
        .estimator = w->manifest.estimator,
        .epsilon = (float)sam_manifest_epsilon(&w->manifest),
    };
    sam_status status = sam_perturbation_open(&perturbation, err);
    const sam_weight_source weights = sam_perturbed_weights(&perturbation);
    const sam_pass pass = pass_of(w, &weights, profile);
    if (status == SAM_OK)
        status = sam_engine_run(w->engine, &pass, err);
    sam_perturbation_close(&perturbation);
    uint64_t began = sam_monotonic_ns();
    if (status == SAM_OK)
        status = update(w, number, err);
    *update_ns = sam_monotonic_ns() - began;
    return status;
}

/* How long the base alone takes to form: what is over, in a step, perturbing took. */
static sam_status measure_base(work *w, sam_error *err)
{
    const sam_weight_source base = sam_model_source(w->material.model);
    const sam_pass pass = pass_of(w, &base, &w->base);
    sam_status status = SAM_OK;
    for (int i = 0; status == SAM_OK && i < BASE_PASSES; i++)
        status = sam_engine_run(w->engine, &pass, err);
    for (size_t phase = 0; phase < SAM_PHASES; phase++)
        w->base.ns[phase] /= BASE_PASSES;
    return status;
}

static sam_status measure(work *w, sam_error *err)
{
    uint64_t update_ns;
    sam_status status = step(w, 0, NULL, &update_ns, err); /* memory is made, the file is read */
    if (status == SAM_OK)
        status = measure_base(w, err);
    for (uint64_t i = 0; status == SAM_OK && i < w->args.repeats; i++) {
        uint64_t began = sam_monotonic_ns();
        status = step(w, i + 1, &w->steps, &update_ns, err);
        double ns = (double)(sam_monotonic_ns() - began);
        w->ms[i] = ns * 1e-6;
        w->wall_ns += ns;
        w->update_ns += (double)update_ns;
        if (status == SAM_OK && sam_shutdown_requested())
            status = sam_fail(err, SAM_CANCELLED, "stopped");
    }
    if (status == SAM_OK)
        cli_bench_sort(w->ms, w->args.repeats);
    return status;
}

/* ---- what it comes to ---- */

/* Floating point operations of a forward that cannot be done without: the products of the blocks (the last one beyond
 * keys and values at scored columns only), the causal half of attention, and the rows of the output that are asked for.
 */
static double operations_of_forward(const work *w)
{
    const sam_model_config *c = sam_model_configuration(w->material.model);
    double columns = (double)w->args.tokens, scored = (double)w->args.examples;
    double hidden = c->hidden, pairs = 0; /* of a query and a key */
    double keys = (double)c->kv_heads * c->head_size, queries = (double)c->heads * c->head_size;
    double key_value = 4 * hidden * keys, others = 4 * hidden * queries + 6 * hidden * (double)c->intermediate;
    double full = c->blocks - w->manifest.trainable.first_block - 1;
    double attention = 4 * queries; /* of one pair */
    for (size_t s = 0; s < w->batch.segment_count; s++)
        pairs += (double)w->batch.segments[s].count * (double)(w->batch.segments[s].count + 1) / 2;
    return full * (columns * (key_value + others) + pairs * attention) + columns * key_value + scored * others +
           columns * attention + scored * (double)OPTIONS * 2 * hidden;
}

static double measure_peak(const work *w)
{
    sam_pool *pool = sam_pool_new(sam_engine_threads(w->engine));
    double rate = pool == NULL ? 0 : cli_bench_peak_rate(sam_engine_kernels(w->engine), pool);
    sam_pool_free(pool);
    return rate;
}

/* Shares are of the time of all threads; what no phase has, they waited. */
static json_t *figures_of(const work *w, double peak)
{
    const sam_kernels *kernels = sam_engine_kernels(w->engine);
    double median = w->ms[w->args.repeats / 2], threads = sam_engine_threads(w->engine), total = w->wall_ns * threads;
    double gflops = operations_of_forward(w) * w->variants / (median * 1e6);
    double base = (double)(w->base.ns[SAM_PHASE_FORM] * w->args.repeats), form = (double)w->steps.ns[SAM_PHASE_FORM];
    double perturb = (form > base ? form - base : 0) / total + w->update_ns / w->wall_ns;
    double products = (double)w->steps.ns[SAM_PHASE_PRODUCTS] / total;
    double attention = (double)w->steps.ns[SAM_PHASE_ATTENTION] / total;
    double read = (form > base ? base : form) / total, other = (double)w->steps.ns[SAM_PHASE_OTHER] / total;
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:s, s:s, s:I, s:I, s:I, s:I}",
                     "ms_min", w->ms[0], "ms_median", median, "ms_max", w->ms[w->args.repeats - 1], "gflops", gflops,
                     "peak_gflops", peak, "peak_share", peak > 0 ? gflops / peak : 0.0, "products_share", products,
                     "attention_share", attention, "perturb_share", perturb, "base_share", read, "other_share", other,
                     "waiting_share", 1 - products - attention - perturb - read - other, "threads", (int)threads,
                     "kernel", kernels->name, "precision", sam_precision_name(kernels->precision), "rss_mb",
                     (json_int_t)sam_usage_kb("/proc/self/status", "VmRSS") / 1024, "private_mb",
                     (json_int_t)sam_usage_kb("/proc/self/status", "RssAnon") / 1024, "tokens",
                     (json_int_t)w->args.tokens, "forwards", (json_int_t)w->variants);
}

static sam_status check(const sam_command *command, work *w, sam_error *err)
{
    const arguments *args = &w->args;
    bool one_sided = args->estimator == SAM_ONE_SIDED;
    sam_status status = cli_require(command, "model", err);
    if (status != SAM_OK)
        return status;
    uint64_t least = one_sided ? 2 : 1, most = one_sided ? SAM_VARIANTS_MAX : SAM_VARIANTS_MAX / 2;
    if (w->args.probes == 0)
        w->args.probes = least;
    if (args->probes < least || args->probes > most)
        return sam_fail(err, SAM_INVALID, "--probes is %llu to %llu for %s", (unsigned long long)least,
                        (unsigned long long)most, one_sided ? "one-sided" : "two-point");
    if (args->examples == 0 || args->examples > args->tokens || args->tokens / args->examples >= 2048 ||
        args->tokens > 1048576)
        return sam_fail(err, SAM_INVALID, "--tokens (at most 1048576) are shared by --examples: 1 to 2047 each");
    if (args->repeats == 0 || args->repeats > REPEATS_MOST)
        return sam_fail(err, SAM_INVALID, "--repeats is 1 to %d", REPEATS_MOST);
    if (args->threads > 1024)
        return sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    w->variants = (unsigned)args->probes * (one_sided ? 1 : 2);
    return SAM_OK;
}

sam_status cli_bench_step(int argc, char **argv, sam_error *err)
{
    work w = {.args = {.precision = SAM_PRECISION_BF16, .tokens = 512, .examples = 16, .repeats = 9}};
    arguments *args = &w.args;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &args->model, "MODEL", "a GGUF file, a folder, or a source"},
        {"tokens", SAM_OPTION_COUNT, &args->tokens, "N", "tokens of the batch"},
        {"examples", SAM_OPTION_COUNT, &args->examples, "N", "examples that share them"},
        {"estimator", SAM_OPTION_CHOICE, &args->estimator, "two-point|one-sided", "two forwards a probe, or one"},
        {"probes", SAM_OPTION_COUNT, &args->probes, "N", "probes of the step; 0: 1, or 2 where one-sided"},
        {"blocks", SAM_OPTION_COUNT, &args->blocks, "N", "how many of the top blocks train; 0: all"},
        {"repeats", SAM_OPTION_COUNT, &args->repeats, "N", "steps to measure"},
        CLI_ENGINE_OPTIONS(args),
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {"samara bench step", "--model MODEL",
                                 "Measures one step of training: its time, its share of "
                                 "the machine's measured peak, and where it goes.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, &w, err);
    if (status == SAM_OK)
        status = open_all(&w, err);
    double before = status == SAM_OK ? measure_peak(&w) : 0;
    if (status == SAM_OK)
        status = measure(&w, err);
    if (status == SAM_OK) {
        double after = measure_peak(&w); /* neighbours can only lower it */
        status = cli_bench_print(figures_of(&w, after > before ? after : before), args->json, err);
    }
    close_all(&w);
    return status;
}
