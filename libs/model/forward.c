/* The steps that blocks are made of, each shared out over the engine's threads. */
#include "model/forward.h"

#include "base/clock.h"

#include <string.h>

/* A tile's formed rows should stay in the second-level cache beside the activations. */
#define TILE_BYTES ((size_t)400 * 1024)
/* Columns that a norm or a packing step takes at a time. */
#define SHARE_COLUMNS 64u

size_t sam_padded(size_t columns)
{
    return (columns + SAM_COLUMNS - 1) / SAM_COLUMNS * SAM_COLUMNS;
}

/* ---- sharing the work, and counting its time ---- */

typedef struct timed_step {
    const sam_engine *engine;
    sam_phase phase;
    sam_pool_function function;
    void *context;
} timed_step;

static void run_timed(void *argument, size_t index, unsigned thread)
{
    const timed_step *step = argument;
    sam_thread_clock *clock = &step->engine->clocks[thread];
    uint64_t began = sam_monotonic_ns();
    clock->formed = 0;
    step->function(step->context, index, thread);
    clock->took.ns[step->phase] += sam_monotonic_ns() - began - clock->formed;
}

void sam_forward_share(const sam_engine *engine, sam_phase phase, size_t count, sam_pool_function function,
                       void *context)
{
    timed_step step = {engine, phase, function, context};
    if (engine->pass->profile == NULL)
        sam_pool_run(engine->pool, count, function, context);
    else
        sam_pool_run(engine->pool, count, run_timed, &step);
}

/* ---- products ---- */

size_t sam_forward_tile_rows(unsigned variants, size_t k)
{
    static const size_t CHOICES[] = {60, 30, 12}; /* multiples of the kernels' register tiles */
    for (size_t i = 0; i < sizeof CHOICES / sizeof CHOICES[0]; i++)
        if (variants * CHOICES[i] * k * sizeof(float) <= TILE_BYTES)
            return CHOICES[i];
    return 6;
}

void sam_forward_rows(const sam_engine *engine, const sam_thread_room *room, size_t tensor, uint64_t row, uint64_t rows,
                      size_t k, float *out[])
{
    const sam_weight_source *weights = engine->pass->weights;
    for (unsigned v = 0; v < weights->variants; v++)
        out[v] = room->rows + v * rows * k;
    if (room->clock == NULL) {
        weights->rows(weights->context, tensor, row, rows, out);
        return;
    }
    uint64_t began = sam_monotonic_ns();
    weights->rows(weights->context, tensor, row, rows, out);
    uint64_t took = sam_monotonic_ns() - began;
    room->clock->formed += took;
    room->clock->took.ns[SAM_PHASE_FORM] += took;
}

typedef struct products_context {
    sam_engine *engine;
    const sam_product *products;
    size_t count, columns, tile_rows;
} products_context;

static size_t tiles_of(const products_context *context, const sam_product *product)
{
    uint64_t rows = sam_model_tensor_at(context->engine->model, product->tensor)->rows;
    return (size_t)((rows + context->tile_rows - 1) / context->tile_rows);
}

static void add_bias(const sam_engine *engine, const sam_thread_room *room, const sam_product *product, uint64_t row,
                     uint64_t rows, size_t columns)
{
    size_t length = (size_t)sam_model_tensor_at(engine->model, product->bias)->columns;
    float *bias[SAM_VARIANTS_MAX];
    sam_forward_rows(engine, room, product->bias, 0, 1, length, bias);
    for (unsigned v = 0; v < engine->variants; v++)
        for (uint64_t r = row; r < row + rows; r++)
            for (size_t c = 0; c < columns; c++)
                product->out[v][r * engine->stride + c] += bias[v][r];
}

static void product_tile(void *argument, size_t index, unsigned thread)
{
    const products_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_kernels *kernels = engine->kernels;
    const sam_product *product = context->products;
    for (; index >= tiles_of(context, product); product++)
        index -= tiles_of(context, product);
    const sam_model_tensor *tensor = sam_model_tensor_at(engine->model, product->tensor);
    uint64_t row = index * context->tile_rows, left = tensor->rows - row;
    uint64_t rows = left < context->tile_rows ? left : context->tile_rows;

    const sam_thread_room *room = &engine->rooms[thread];
    float *formed[SAM_VARIANTS_MAX];
    sam_forward_rows(engine, room, product->tensor, row, rows, tensor->columns, formed);
    for (unsigned v = 0; v < engine->variants; v++) {
        kernels->narrow(formed[v], rows, tensor->columns, room->narrow);
        kernels->multiply(room->narrow, rows, tensor->columns, engine->streams[v].packed, context->columns,
                          product->out[v] + row * engine->stride, engine->stride);
    }
    if (product->bias != SIZE_MAX)
        add_bias(engine, room, product, row, rows, context->columns);
}

void sam_forward_products(sam_engine *engine, const sam_product *products, size_t count, size_t columns)
{
    size_t k = (size_t)sam_model_tensor_at(engine->model, products[0].tensor)->columns, tiles = 0;
    products_context context = {engine, products, count, columns, sam_forward_tile_rows(engine->variants, k)};
    for (size_t p = 0; p < count; p++)
        tiles += tiles_of(&context, &products[p]);
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, tiles, product_tile, &context);
}

/* ---- steps over columns ---- */

typedef struct columns_context {
    sam_engine *engine;
    sam_activation x;
    size_t features, columns, shares, tensor;
    const sam_live *live;
} columns_context;

static size_t shares_of(size_t columns)
{
    return (columns + SHARE_COLUMNS - 1) / SHARE_COLUMNS;
}

static void pack_variant(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const columns_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_stream *stream = &engine->streams[index];
    engine->kernels->pack(stream->act[context->x], context->features, context->columns, engine->stride, stream->packed);
}

void sam_forward_pack(sam_engine *engine, sam_activation x, size_t k, size_t columns)
{
    columns_context context = {.engine = engine, .x = x, .features = k, .columns = columns};
    sam_forward_share(engine, SAM_PHASE_OTHER, engine->variants, pack_variant, &context);
}

static void norm_share(void *argument, size_t index, unsigned thread)
{
    const columns_context *context = argument;
    const sam_engine *engine = context->engine;
    size_t variant = index / context->shares, first = index % context->shares * SHARE_COLUMNS;
    size_t left = context->columns - first;
    const sam_stream *stream = &engine->streams[variant];
    const sam_model_config *config = sam_model_configuration(engine->model);
    float *weight[SAM_VARIANTS_MAX];
    sam_forward_rows(engine, &engine->rooms[thread], context->tensor, 0, 1, config->hidden, weight);
    engine->kernels->norm(stream->act[SAM_ACT_RESIDUAL] + first, weight[variant], config->hidden, config->norm_epsilon,
                          left < SHARE_COLUMNS ? left : SHARE_COLUMNS, engine->stride,
                          stream->act[SAM_ACT_NORMED] + first);
}

void sam_forward_norm(sam_engine *engine, size_t tensor, size_t columns)
{
    columns_context context = {.engine = engine, .tensor = tensor, .columns = columns, .shares = shares_of(columns)};
    sam_forward_share(engine, SAM_PHASE_OTHER, context.shares * engine->variants, norm_share, &context);
}

static void add_variant(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const columns_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_stream *stream = &engine->streams[index];
    for (size_t f = 0; f < context->features; f++)
        engine->kernels->add(stream->act[SAM_ACT_RESIDUAL] + f * engine->stride,
                             stream->act[SAM_ACT_NORMED] + f * engine->stride, context->columns);
}

void sam_forward_add(sam_engine *engine, size_t columns)
{
    size_t hidden = sam_model_configuration(engine->model)->hidden;
    columns_context context = {.engine = engine, .features = hidden, .columns = columns};
    sam_forward_share(engine, SAM_PHASE_OTHER, engine->variants, add_variant, &context);
}

static void gather_variant(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const columns_context *context = argument;
    const sam_engine *engine = context->engine;
    float *x = engine->streams[index].act[context->x];
    for (size_t f = 0; f < context->features; f++) {
        float *row = x + f * engine->stride;
        for (size_t i = 0; i < context->live->count; i++)
            row[i] = row[context->live->column[i]]; /* columns ascend: nothing is overwritten before it is read */
    }
}

void sam_forward_gather(sam_engine *engine, sam_activation x, size_t features, const sam_live *live)
{
    columns_context context = {.engine = engine, .x = x, .features = features, .live = live};
    sam_forward_share(engine, SAM_PHASE_OTHER, engine->variants, gather_variant, &context);
}

/* ---- attention ---- */

typedef struct attend_context {
    sam_engine *engine;
    const sam_live *live;
} attend_context;

/* One query head of one variant, segment after segment: what a segment writes beyond its queries is overwritten by the
 * next one. */
static void attend_head(void *argument, size_t index, unsigned thread)
{
    const attend_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_live *live = context->live;
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_stream *stream = &engine->streams[index / config->heads];
    size_t head = index % config->heads, shared = head / (config->heads / config->kv_heads);
    size_t head_floats = config->head_size * engine->stride;
    const sam_batch *batch = engine->pass->batch;
    for (size_t s = 0; s < batch->segment_count; s++) {
        const sam_segment *segment = &batch->segments[s];
        bool prefixed = segment->prefix != SAM_NO_PREFIX;
        const sam_attention attention = {
            .q = stream->act[SAM_ACT_Q] + head * head_floats,
            .k = stream->act[SAM_ACT_K] + shared * head_floats,
            .v = stream->act[SAM_ACT_V] + shared * head_floats,
            .out = stream->act[SAM_ACT_ATTENDED] + head * head_floats,
            .q_stride = engine->stride,
            .stride = engine->stride,
            .head_size = config->head_size,
            .scale = 1.0f / __builtin_sqrtf((float)config->head_size),
            .prefix_first = prefixed ? batch->segments[segment->prefix].first : 0,
            .prefix_count = prefixed ? batch->segments[segment->prefix].count : 0,
            .first = segment->first,
            .count = segment->count,
            .q_first = live->first[s],
            .q_count = live->in_segment[s],
            .own = live->own + live->first[s],
            .scratch = engine->rooms[thread].attention,
        };
        engine->kernels->attend(&attention);
    }
}

void sam_forward_attend(sam_engine *engine, const sam_live *live)
{
    attend_context context = {engine, live};
    size_t heads = sam_model_configuration(engine->model)->heads;
    sam_forward_share(engine, SAM_PHASE_ATTENTION, heads * engine->variants, attend_head, &context);
}
