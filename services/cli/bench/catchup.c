/* samara bench catchup: a log of many records to the state, and from the state to all weights in memory.
 *
 * The log is synthetic: rounds of 16 slots, codes at random. The clock of the state starts with its encoded bytes, as a
 * worker has them from a ledger: decoding, guard, normaliser and schedule are in it. Seeks go to rounds at random.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "base/usage.h"
#include "cli/bench/bench.h"
#include "cli/cli.h"
#include "cli/shared/material.h"
#include "model/export.h"
#include "seed/code.h"
#include "train/defaults.h"
#include "train/replica.h"
#include "train/trainable.h"

#include <string.h>

/* Rows of a tensor that a thread forms at a time. */
enum { SHARE_ROWS = 16, DENSE_RECORDS = 1000, SKETCH_RECORDS = 1000000, SLOTS = 16, SEEKS = 9 };

typedef struct arguments {
    const char *model, *checkpoint;
    sam_family family;
    sam_precision precision;
    uint64_t records, blocks, threads;
    bool json;
} arguments;

typedef struct work {
    arguments args;
    cli_material material;
    sam_manifest manifest;
    const sam_kernels *kernels;
    sam_pool *pool;
    sam_trained_tensors trained;
    sam_replica *replica;
    sam_buffer log;
    const uint8_t **rounds; /* [manifest.rounds] in `log`, and how long each is */
    size_t *lengths;
    uint8_t **weights; /* [tensors] as the kernels narrow them; NULL where the tensor does not train */
    float **rows;      /* [threads][SHARE_ROWS * widest row] */
    uint64_t random;
} work;

/* ---- opening ---- */

static uint64_t next_random(work *w)
{
    w->random ^= w->random << 13; /* xorshift64 (Marsaglia 2003) */
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

static sam_status fill_round(work *w, sam_round *round, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint32_t slot = 0; slot < SLOTS && status == SAM_OK; slot++) {
        uint8_t code = sam_code_encode((double)(int64_t)(next_random(w) >> 44) - (1 << 19));
        const sam_record record = {.round = round->number,
                                   .place = slot,
                                   .author = 1,
                                   .weight = 1,
                                   .loss = SAM_LOSS_NONE,
                                   .codes = &code,
                                   .code_count = 1};
        status = sam_round_add(round, &record, err);
    }
    return status;
}

static sam_status encode_rounds(work *w, sam_error *err)
{
    const sam_round_shape shape = sam_manifest_shape(&w->manifest);
    sam_digest chain = w->manifest.id;
    sam_status status = SAM_OK;
    for (uint64_t r = 0; status == SAM_OK && r < w->manifest.rounds; r++) {
        size_t before = w->log.length;
        sam_round round = {.number = r};
        status = fill_round(w, &round, err);
        if (status == SAM_OK)
            status = sam_round_encode(&w->log, &round, &shape, &chain, err);
        chain = round.chain;
        sam_round_free(&round);
        w->lengths[r] = w->log.length - before;
    }
    const uint8_t *at = w->log.bytes;
    for (uint64_t r = 0; status == SAM_OK && r < w->manifest.rounds; at += w->lengths[r++])
        w->rounds[r] = at;
    return status;
}

static sam_status make_log(work *w, sam_error *err)
{
    w->rounds = sam_alloc(w->manifest.rounds, sizeof *w->rounds);
    w->lengths = sam_alloc(w->manifest.rounds, sizeof *w->lengths);
    if (w->rounds == NULL || w->lengths == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a log of %llu rounds",
                        (unsigned long long)w->manifest.rounds);
    return encode_rounds(w, err);
}

static size_t tensor_bytes(const work *w, const sam_model_tensor *tensor)
{
    return w->kernels->narrow_bytes((size_t)tensor->rows, (size_t)tensor->columns);
}

static sam_status make_room(work *w, sam_error *err)
{
    size_t count = sam_model_tensor_count(w->material.model), widest = 0;
    unsigned threads = sam_pool_threads(w->pool);
    w->weights = sam_alloc(count, sizeof *w->weights);
    w->rows = sam_alloc(threads, sizeof *w->rows);
    bool good = w->weights != NULL && w->rows != NULL;
    for (size_t i = 0; good && i < count; i++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(w->material.model, i);
        widest = tensor->columns > widest ? (size_t)tensor->columns : widest;
        if (w->trained.start[i] == SAM_NOT_TRAINED)
            continue;
        w->weights[i] = sam_alloc_aligned(tensor_bytes(w, tensor) + 64, 1);
        good = w->weights[i] != NULL;
        if (good)
            memset(w->weights[i], 1, tensor_bytes(w, tensor)); /* the system's pages are not what is measured */
    }
    for (unsigned t = 0; good && t < threads; t++)
        good = (w->rows[t] = sam_alloc_aligned(SHARE_ROWS * widest, sizeof(float))) != NULL;
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory for the whole weights");
}

static sam_status open_all(work *w, sam_error *err)
{
    sam_status status = sam_kernels_choose(&w->kernels, w->args.precision, NULL, err);
    if (status == SAM_OK)
        status = cli_material_open_model(&w->material, w->args.model, err);
    if (status != SAM_OK)
        return status;
    cli_bench_manifest(&w->manifest, w->material.model, w->args.blocks);
    w->manifest.slots = SLOTS;
    w->manifest.rounds = (w->args.records + SLOTS - 1) / SLOTS;
    w->manifest.directions.family = w->args.family;
    w->manifest.directions.log2_k = sam_default_log2_k(w->args.records);
    status = sam_trained_tensors_find(&w->trained, w->material.model, &w->manifest.trainable, err);
    if (status == SAM_OK)
        status = sam_replica_new(&w->replica, w->material.model, &w->manifest, err);
    if (status != SAM_OK)
        return status;
    w->pool = sam_pool_new((unsigned)w->args.threads);
    if (w->pool == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory, or of threads");
    status = make_room(w, err);
    return status == SAM_OK ? make_log(w, err) : status;
}

static void close_all(work *w)
{
    for (size_t i = 0; w->weights != NULL && i < sam_model_tensor_count(w->material.model); i++)
        sam_free(w->weights[i]);
    for (unsigned t = 0; w->rows != NULL && t < sam_pool_threads(w->pool); t++)
        sam_free(w->rows[t]);
    sam_free(w->weights);
    sam_free(w->rows);
    sam_free(w->rounds);
    sam_free(w->lengths);
    sam_buffer_free(&w->log);
    sam_pool_free(w->pool);
    sam_replica_free(w->replica);
    sam_trained_tensors_free(&w->trained);
    cli_material_close(&w->material);
}

/* ---- measuring ---- */

static double seconds_since(uint64_t began)
{
    return (double)(sam_monotonic_ns() - began) * 1e-9;
}

typedef struct tensor_share {
    const work *w;
    sam_weight_source source;
    size_t tensor;
} tensor_share;

static void form_share(void *context, size_t index, unsigned thread)
{
    const tensor_share *share = context;
    const work *w = share->w;
    const sam_model_tensor *tensor = sam_model_tensor_at(w->material.model, share->tensor);
    uint64_t row = index * SHARE_ROWS, left = tensor->rows - row, rows = left < SHARE_ROWS ? left : SHARE_ROWS;
    float *theta = w->rows[thread];
    share->source.rows(share->source.context, share->tensor, row, rows, &theta);
    w->kernels->narrow(theta, (size_t)rows, (size_t)tensor->columns,
                       w->weights[share->tensor] + w->kernels->narrow_bytes((size_t)row, (size_t)tensor->columns));
}

static void form_weights(const work *w)
{
    for (size_t i = 0; i < sam_model_tensor_count(w->material.model); i++) {
        tensor_share share = {w, sam_replica_weights(w->replica), i};
        if (w->weights[i] != NULL)
            sam_pool_run(w->pool,
                         (size_t)(sam_model_tensor_at(w->material.model, i)->rows + SHARE_ROWS - 1) / SHARE_ROWS,
                         form_share, &share);
    }
}

/* The median. */
static sam_status seek(work *w, double *seconds, sam_error *err)
{
    double all[SEEKS];
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < SEEKS; i++) {
        uint64_t began = sam_monotonic_ns();
        status = sam_replica_seek(w->replica, next_random(w) % (w->manifest.rounds + 1), err);
        all[i] = seconds_since(began);
    }
    cli_bench_sort(all, SEEKS);
    *seconds = all[SEEKS / 2];
    return status;
}

static sam_status catch_up(work *w, double *wall, double *cpu, sam_error *err)
{
    uint64_t began = sam_monotonic_ns();
    double cpu_before = sam_usage_cpu_seconds(0);
    sam_status status = sam_replica_put_encoded(w->replica, w->rounds, w->lengths, w->manifest.rounds, err);
    if (status == SAM_OK)
        status = sam_replica_seek(w->replica, w->manifest.rounds, err);
    *wall = seconds_since(began);
    *cpu = sam_usage_cpu_seconds(0) - cpu_before;
    return status;
}

/* All weights as a file, through to the disk. */
static sam_status write_checkpoint(const work *w, json_t *figures, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(w->replica);
    uint64_t began = sam_monotonic_ns();
    sam_status status =
        sam_export_folder(w->material.model, &weights, SAM_SNAPSHOT_SAFETENSORS_F32, w->args.checkpoint, err);
    json_object_set_new(figures, "checkpoint_s", json_real(seconds_since(began)));
    return status;
}

static sam_status measure(work *w, sam_error *err)
{
    double state_s, cpu_s, seek_s = 0;
    sam_status status = catch_up(w, &state_s, &cpu_s, err);
    if (status != SAM_OK)
        return status;
    form_weights(w); /* once for the page cache and the clock of the CPU */
    uint64_t began = sam_monotonic_ns();
    form_weights(w);
    double weights_s = seconds_since(began);
    double moved = (double)w->trained.parameters * (double)SLOTS * (double)w->manifest.rounds;
    bool sketch = w->manifest.directions.family == SAM_SKETCH;
    if (sketch)
        status = seek(w, &seek_s, err);
    if (status != SAM_OK)
        return status;
    json_t *figures = json_pack("{s:f, s:f, s:f, s:I, s:I, s:s, s:s, s:i}", "state_s", state_s, "weights_s", weights_s,
                                "param_records_per_s_core", cpu_s > 0 ? moved / cpu_s : 0.0, "records",
                                SLOTS * (json_int_t)w->manifest.rounds, "parameters", (json_int_t)w->trained.parameters,
                                "directions", sketch ? "sketch" : "rademacher", "kernel", w->kernels->name, "threads",
                                (int)sam_pool_threads(w->pool));
    if (sketch)
        json_object_set_new(figures, "seek_s", json_real(seek_s));
    if (w->args.checkpoint != NULL)
        status = write_checkpoint(w, figures, err);
    if (status != SAM_OK) {
        json_decref(figures);
        return status;
    }
    return cli_bench_print(figures, w->args.json, err);
}

static sam_status check(const sam_command *command, arguments *args, sam_error *err)
{
    bool sketch = args->family == SAM_SKETCH;
    sam_status status = cli_require(command, "model", err);
    if (args->records == 0)
        args->records = sketch ? SKETCH_RECORDS : DENSE_RECORDS;
    if (status == SAM_OK && args->threads > 1024)
        status = sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    return status;
}

sam_status cli_bench_catchup(int argc, char **argv, sam_error *err)
{
    work w = {.args = {.precision = SAM_PRECISION_BF16}, .random = 88172645463325252u};
    arguments *args = &w.args;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &args->model, "MODEL", "a GGUF file, a folder, or a source"},
        {"records", SAM_OPTION_COUNT, &args->records, "N", "records of the log; 0: 1000000, or 1000 where rademacher"},
        {"directions", SAM_OPTION_CHOICE, &args->family, "sketch|rademacher", "family of directions"},
        {"blocks", SAM_OPTION_COUNT, &args->blocks, "N", "how many of the top blocks train; 0: all"},
        {"precision", SAM_OPTION_CHOICE, &args->precision, SAM_PRECISION_CHOICES, "precision of the weights in memory"},
        {"checkpoint", SAM_OPTION_TEXT, &args->checkpoint, "DIR", "also write all weights there as safetensors"},
        {"threads", SAM_OPTION_COUNT, &args->threads, "N", "threads that form weights; 0: one for each core"},
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {"samara bench catchup", "--model MODEL",
                                 "Applies a synthetic log of many records, then forms all trained weights.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, args, err);
    if (status == SAM_OK)
        status = open_all(&w, err);
    if (status == SAM_OK)
        status = measure(&w, err);
    close_all(&w);
    return status;
}
