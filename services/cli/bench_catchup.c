/* samara bench catchup: a log of many records to the state, and from the state to all weights in memory.
 *
 * The log is synthetic: probe n moves by an amount of random size and sign. The clock starts with the amounts at hand,
 * as they are after the log's bytes have been decoded.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "bench.h"
#include "cli.h"
#include "material.h"
#include "train/trainable.h"

#include <string.h>
#include <time.h>

/* Rows of a tensor that a thread forms at a time; parameters that a piece of a row's state has. */
enum { SHARE_ROWS = 16, PIECE = 1024, DENSE_RECORDS = 1000, SKETCH_RECORDS = 1000000 };

typedef struct request {
    const char *model, *directions, *precision;
    uint64_t records, blocks, threads;
    bool json;
} request;

typedef struct work {
    request asked;
    cli_material material;
    sam_manifest manifest;
    const sam_kernels *kernels;
    sam_pool *pool;
    sam_trained_tensors trained;
    sam_directions *directions;
    sam_move *moves;   /* [records] */
    uint8_t **weights; /* [tensors] as the kernels narrow them; NULL where the tensor does not train */
    float **rows;      /* [threads][SHARE_ROWS * widest row] */
} work;

/* ---- opening ---- */

static void make_moves(work *w)
{
    uint64_t state = 88172645463325252u; /* xorshift64 (Marsaglia 2003) */
    for (uint64_t i = 0; i < w->asked.records; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        w->moves[i] = (sam_move){.probe = i, .amount = (int64_t)(state >> 44) - (1 << 19)};
    }
}

static size_t tensor_bytes(const work *w, const sam_model_tensor *tensor)
{
    return w->kernels->narrow_bytes((size_t)tensor->rows, (size_t)tensor->columns);
}

static sam_status make_room(work *w, sam_error *err)
{
    size_t count = sam_model_tensor_count(w->material.model), widest = 0;
    unsigned threads = sam_pool_threads(w->pool);
    w->moves = sam_alloc(w->asked.records, sizeof *w->moves);
    w->weights = sam_alloc(count, sizeof *w->weights);
    w->rows = sam_alloc(threads, sizeof *w->rows);
    bool good = w->moves != NULL && w->weights != NULL && w->rows != NULL;
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
    sam_precision precision;
    sam_status status = cli_bench_precision(w->asked.precision, &precision, err);
    if (status == SAM_OK)
        status = sam_kernels_choose(&w->kernels, precision, NULL, err);
    if (status == SAM_OK)
        status = cli_material_open_model(&w->material, w->asked.model, err);
    if (status != SAM_OK)
        return status;
    cli_bench_manifest(&w->manifest, w->material.model, w->asked.blocks);
    status = sam_trained_tensors_find(&w->trained, w->material.model, &w->manifest.trainable, err);
    if (status != SAM_OK)
        return status;
    const sam_directions_spec spec = {
        .family = strcmp(w->asked.directions, "sketch") == 0 ? SAM_SKETCH : SAM_DENSE_RADEMACHER,
        .log2_k = w->manifest.log2_k,
        .seed = w->manifest.seed,
        .parameters = w->trained.parameters,
        .eta_log2 = w->manifest.eta_log2,
    };
    w->pool = sam_pool_new((unsigned)w->asked.threads);
    w->directions = sam_directions_new(&spec);
    if (w->pool == NULL || w->directions == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory, or of threads");
    return make_room(w, err);
}

static void close_all(work *w)
{
    for (size_t i = 0; w->weights != NULL && i < sam_model_tensor_count(w->material.model); i++)
        sam_free(w->weights[i]);
    for (unsigned t = 0; w->rows != NULL && t < sam_pool_threads(w->pool); t++)
        sam_free(w->rows[t]);
    sam_free(w->weights);
    sam_free(w->rows);
    sam_free(w->moves);
    sam_pool_free(w->pool);
    sam_trained_tensors_free(&w->trained);
    sam_directions_free(w->directions);
    cli_material_close(&w->material);
}

/* ---- measuring ---- */

typedef struct tensor_share {
    const work *w;
    size_t tensor;
} tensor_share;

static void add_state(const work *w, uint64_t first, uint64_t count, float *theta)
{
    float room[PIECE];
    uint64_t signs[PIECE / 64];
    sam_direction_row row = {.room = room, .offset_signs = signs};
    for (uint64_t at = 0; at < count; at += PIECE) {
        size_t size = count - at < PIECE ? (size_t)(count - at) : PIECE;
        sam_directions_row(w->directions, NULL, first + at, size, &row);
        w->kernels->add_signed(theta + at, row.offset, signs, size);
    }
}

static void form_share(void *context, size_t index, unsigned thread)
{
    const tensor_share *share = context;
    const work *w = share->w;
    const sam_model_tensor *tensor = sam_model_tensor_at(w->material.model, share->tensor);
    uint64_t row = index * SHARE_ROWS, left = tensor->rows - row, rows = left < SHARE_ROWS ? left : SHARE_ROWS;
    float *theta = w->rows[thread];
    sam_model_rows(w->material.model, share->tensor, row, rows, theta);
    add_state(w, w->trained.start[share->tensor] + row * tensor->columns, rows * tensor->columns, theta);
    w->kernels->narrow(theta, (size_t)rows, (size_t)tensor->columns,
                       w->weights[share->tensor] + w->kernels->narrow_bytes((size_t)row, (size_t)tensor->columns));
}

static void form_weights(const work *w)
{
    for (size_t i = 0; i < sam_model_tensor_count(w->material.model); i++) {
        tensor_share share = {w, i};
        if (w->weights[i] != NULL)
            sam_pool_run(w->pool,
                         (size_t)(sam_model_tensor_at(w->material.model, i)->rows + SHARE_ROWS - 1) / SHARE_ROWS,
                         form_share, &share);
    }
}

static double cpu_seconds(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0 ? (double)now.tv_sec + (double)now.tv_nsec * 1e-9 : 0;
}

static sam_status measure(work *w, sam_error *err)
{
    make_moves(w);
    uint64_t began = sam_monotonic_ns();
    double cpu = cpu_seconds();
    if (!sam_directions_move(w->directions, w->moves, w->asked.records))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory applying %llu records",
                        (unsigned long long)w->asked.records);
    double state_s = (double)(sam_monotonic_ns() - began) * 1e-9;
    cpu = cpu_seconds() - cpu;
    form_weights(w); /* once for the page cache and the clock of the CPU */
    began = sam_monotonic_ns();
    form_weights(w);
    double weights_s = (double)(sam_monotonic_ns() - began) * 1e-9;
    double moved = (double)w->trained.parameters * (double)w->asked.records;
    json_t *figures =
        json_pack("{s:f, s:f, s:f, s:I, s:I, s:s, s:s, s:i}", "state_s", state_s, "weights_s", weights_s,
                  "param_records_per_s_core", cpu > 0 ? moved / cpu : 0.0, "records", (json_int_t)w->asked.records,
                  "parameters", (json_int_t)w->trained.parameters, "directions", w->asked.directions, "kernel",
                  w->kernels->name, "threads", (int)sam_pool_threads(w->pool));
    return cli_bench_print(figures, w->asked.json, err);
}

static sam_status check(const sam_command *command, request *asked, sam_error *err)
{
    bool sketch = strcmp(asked->directions, "sketch") == 0;
    sam_status status = cli_require(command, "model", asked->model, err);
    if (status == SAM_OK && !sketch && strcmp(asked->directions, "rademacher") != 0)
        status = sam_fail(err, SAM_INVALID, "--directions is sketch or rademacher, not \"%s\"", asked->directions);
    if (asked->records == 0)
        asked->records = sketch ? SKETCH_RECORDS : DENSE_RECORDS;
    if (status == SAM_OK && asked->threads > 1024)
        status = sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    return status;
}

sam_status cli_bench_catchup(int argc, char **argv, sam_error *err)
{
    work w = {.asked = {.directions = "sketch", .precision = "bf16"}};
    request *asked = &w.asked;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &asked->model, "MODEL", "a GGUF file, a folder, or a source"},
        {"records", SAM_OPTION_COUNT, &asked->records, "N", "of the log (sketch 1000000, rademacher 1000)"},
        {"directions", SAM_OPTION_TEXT, &asked->directions, "sketch|rademacher", "what a seed means"},
        {"blocks", SAM_OPTION_COUNT, &asked->blocks, "N", "train the top N; 0: all"},
        {"precision", SAM_OPTION_TEXT, &asked->precision, "bf16|f32", "of the weights in memory"},
        {"threads", SAM_OPTION_COUNT, &asked->threads, "N", "that form weights; 0: one for each core"},
        {"json", SAM_OPTION_FLAG, &asked->json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {"samara bench catchup", "--model MODEL",
                                 "Applies a synthetic log of many records, then forms all trained weights.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, asked, err);
    if (status == SAM_OK)
        status = open_all(&w, err);
    if (status == SAM_OK)
        status = measure(&w, err);
    close_all(&w);
    return status;
}
