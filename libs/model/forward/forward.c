/* The steps that blocks are made of, each shared out over the engine's threads. */
#include "model/forward/forward.h"

#include "base/clock.h"

#include <string.h>

/* A tile's narrowed rows should stay in the second-level cache beside the activations; floats on the way there in the
 * first-level one. */
#define TILE_BYTES   ((size_t)400 * 1024)
#define FORMED_BYTES ((size_t)28 * 1024)

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
    clock->counted = 0;
    step->function(step->context, index, thread);
    clock->took.ns[step->phase] += sam_monotonic_ns() - began - clock->counted;
}

/* For a part of a step that belongs to another phase: its beginning, and its end. */
static uint64_t part_begins(const sam_thread_room *room)
{
    return room->clock == NULL ? 0 : sam_monotonic_ns();
}

static void part_ends(const sam_thread_room *room, sam_phase phase, uint64_t began)
{
    if (room->clock == NULL)
        return;
    uint64_t took = sam_monotonic_ns() - began;
    room->clock->counted += took;
    room->clock->took.ns[phase] += took;
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

size_t sam_forward_tile_rows(const sam_kernels *kernels, unsigned variants, size_t k)
{
    static const size_t CHOICES[] = {SAM_TILE_ROWS, 32, 16};
    for (size_t i = 0; i < sizeof CHOICES / sizeof CHOICES[0]; i++) {
        size_t rows = CHOICES[i] / kernels->tile_rows * kernels->tile_rows;
        if (rows > 0 && variants * rows * k * sizeof(uint16_t) <= TILE_BYTES)
            return rows;
    }
    return kernels->tile_rows;
}

size_t sam_forward_formed_rows(const sam_kernels *kernels, unsigned variants, size_t k)
{
    size_t rows = FORMED_BYTES / (variants * k * sizeof(float)), tile = sam_forward_tile_rows(kernels, variants, k);
    return rows < 1 ? 1 : rows < tile ? rows : tile;
}

/* As floats, of each variant of a source, one after the other in `memory`. */
static void form(const sam_engine *engine, const sam_thread_room *room, const sam_weight_source *weights, size_t tensor,
                 uint64_t row, uint64_t rows, float *memory, float *out[])
{
    size_t k = (size_t)sam_model_tensor_at(engine->model, tensor)->columns;
    for (unsigned v = 0; v < weights->variants; v++)
        out[v] = memory + v * rows * k;
    uint64_t began = part_begins(room);
    weights->rows(weights->context, tensor, row, rows, out);
    part_ends(room, SAM_PHASE_FORM, began);
}

void sam_forward_form(const sam_engine *engine, const sam_thread_room *room, size_t tensor, uint64_t row, uint64_t rows,
                      float *out[])
{
    form(engine, room, engine->pass->weights, tensor, row, rows, room->rows, out);
}

/* A vector of each variant, in the engine's memory: number `slot`, below SAM_PRODUCTS, of the present step. Formed by
 * the thread that runs the pass, once for a step. */
static void form_vector(sam_engine *engine, size_t slot, size_t tensor, float *out[])
{
    float *memory = engine->vectors + slot * engine->variants * engine->vector_floats;
    form(engine, &engine->rooms[0], engine->pass->weights, tensor, 0, 1, memory, out);
}

/* A tile's rows of each variant of a source, narrowed, one variant after the other: a few rows at a time pass through
 * the first-level cache as floats. */
static void form_narrow(const sam_engine *engine, const sam_thread_room *room, const sam_weight_source *weights,
                        size_t tensor, uint64_t row, uint64_t rows)
{
    const sam_kernels *kernels = engine->kernels;
    size_t k = (size_t)sam_model_tensor_at(engine->model, tensor)->columns;
    size_t bytes = kernels->narrow_bytes((size_t)rows, k);
    size_t step = sam_forward_formed_rows(kernels, weights->variants, k);
    for (size_t done = 0; done < rows; done += step) {
        size_t count = rows - done < step ? (size_t)rows - done : step;
        float *formed[SAM_VARIANTS_MAX];
        form(engine, room, weights, tensor, row + done, count, room->rows, formed);
        for (unsigned v = 0; v < weights->variants; v++)
            kernels->narrow(formed[v], count, k, (char *)room->narrow + v * bytes + kernels->narrow_bytes(done, k));
    }
}

void sam_forward_form_tile(const sam_engine *engine, const sam_thread_room *room, size_t slot, size_t tensor,
                           uint64_t row, uint64_t rows, sam_tile *tile)
{
    const sam_low_rank_part *low = &engine->low_rank[slot];
    const sam_weight_source base = sam_model_source(engine->model);
    const size_t k = (size_t)sam_model_tensor_at(engine->model, tensor)->columns;
    *tile = (sam_tile){.low_rank = low, .rows = (size_t)rows, .k = k, .weights = room->narrow};
    if (low->rank == 0) {
        form_narrow(engine, room, engine->pass->weights, tensor, row, rows);
        tile->next = engine->kernels->narrow_bytes(tile->rows, k);
    } else {
        form_narrow(engine, room, &base, tensor, row, rows);
        sam_low_rank_narrow_u(engine, room, low, row, rows);
    }
}

void sam_forward_multiply_tile(const sam_engine *engine, const sam_thread_room *room, const sam_tile *tile,
                               unsigned variant, size_t columns, float *y, size_t stride)
{
    engine->kernels->multiply(tile->weights + variant * tile->next, tile->rows, tile->k,
                              engine->streams[variant].packed, columns, y, stride);
    if (tile->low_rank->rank > 0)
        sam_low_rank_add(engine, room, tile->low_rank, variant, tile->rows, columns, y, stride);
}

typedef struct products_context {
    sam_engine *engine;
    const sam_product *products;
    size_t count, columns, tile_rows;
    float *bias[SAM_PRODUCTS][SAM_VARIANTS_MAX]; /* of those that have one */
} products_context;

static size_t tiles_of(const products_context *context, size_t p)
{
    uint64_t rows = sam_model_tensor_at(context->engine->model, context->products[p].tensor)->rows;
    return (size_t)((rows + context->tile_rows - 1) / context->tile_rows);
}

static void add_bias(const sam_engine *engine, const float *bias, size_t rows, size_t columns, float *y)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++)
            y[r * engine->stride + c] += bias[r];
}

/* Returns how many rows the tile has. */
static size_t product_rows(const products_context *context, size_t p, size_t index, unsigned thread)
{
    const sam_engine *engine = context->engine;
    const sam_product *product = &context->products[p];
    const sam_thread_room *room = &engine->rooms[thread];
    uint64_t row = index * context->tile_rows, left = sam_model_tensor_at(engine->model, product->tensor)->rows - row;
    sam_tile tile;
    sam_forward_form_tile(engine, room, p, product->tensor, row, left < context->tile_rows ? left : context->tile_rows,
                          &tile);
    for (unsigned v = 0; v < engine->variants; v++) {
        float *y = product->out[v] + row * engine->stride;
        sam_forward_multiply_tile(engine, room, &tile, v, context->columns, y, engine->stride);
        if (product->bias != SAM_NO_TENSOR)
            add_bias(engine, context->bias[p][v] + row, tile.rows, context->columns, y);
    }
    return tile.rows;
}

static void product_tile(void *argument, size_t index, unsigned thread)
{
    const products_context *context = argument;
    size_t p = 0;
    for (; index >= tiles_of(context, p); p++)
        index -= tiles_of(context, p);
    (void)product_rows(context, p, index, thread);
}

/* The same rows of both products, and the gate while they are in cache. */
static void gated_tile(void *argument, size_t index, unsigned thread)
{
    const products_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_product *gate = &context->products[0], *up = &context->products[1];
    (void)product_rows(context, 0, index, thread);
    size_t rows = product_rows(context, 1, index, thread), first = index * context->tile_rows;
    uint64_t began = part_begins(&engine->rooms[thread]);
    for (unsigned v = 0; v < engine->variants; v++)
        for (size_t r = first; r < first + rows; r++)
            engine->kernels->gate(gate->out[v] + r * engine->stride, up->out[v] + r * engine->stride, context->columns);
    part_ends(&engine->rooms[thread], SAM_PHASE_OTHER, began);
}

/* What is the same for all tiles: low-rank parts and biases. */
static products_context begin_products(sam_engine *engine, const sam_product *products, size_t count, size_t columns)
{
    products_context context = {.engine = engine, .products = products, .count = count, .columns = columns};
    sam_low_rank_prepare(engine, products, count, columns);
    for (size_t p = 0; p < count; p++)
        if (products[p].bias != SAM_NO_TENSOR)
            form_vector(engine, p, products[p].bias, context.bias[p]);
    return context;
}

unsigned sam_forward_copies(const sam_engine *engine, size_t count)
{
    for (size_t p = 0; p < count; p++)
        if (engine->low_rank[p].rank == 0)
            return engine->variants;
    return 1;
}

void sam_forward_products(sam_engine *engine, const sam_product *products, size_t count, size_t columns)
{
    size_t k = (size_t)sam_model_tensor_at(engine->model, products[0].tensor)->columns, tiles = 0;
    products_context context = begin_products(engine, products, count, columns);
    context.tile_rows = sam_forward_tile_rows(engine->kernels, sam_forward_copies(engine, count), k);
    for (size_t p = 0; p < count; p++)
        tiles += tiles_of(&context, p);
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, tiles, product_tile, &context);
}

void sam_forward_gated(sam_engine *engine, const sam_product gate_up[2], size_t columns)
{
    size_t k = (size_t)sam_model_tensor_at(engine->model, gate_up[0].tensor)->columns;
    products_context context = begin_products(engine, gate_up, 2, columns);
    /* Half the rows that fit twice: with larger tiles the threads end further apart. */
    context.tile_rows = sam_forward_tile_rows(engine->kernels, 4 * sam_forward_copies(engine, 2), k);
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, tiles_of(&context, 0), gated_tile, &context);
}

/* ---- steps over columns ---- */

size_t sam_forward_features(const sam_engine *engine, sam_activation x)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    switch (x) {
    case SAM_ACT_Q:
    case SAM_ACT_ATTENDED:
        return (size_t)config->heads * config->head_size;
    case SAM_ACT_K:
    case SAM_ACT_V:
        return (size_t)config->kv_heads * config->head_size;
    case SAM_ACT_GATE:
    case SAM_ACT_UP:
        return config->intermediate;
    default:
        return config->hidden;
    }
}

typedef struct columns_context {
    sam_engine *engine;
    const sam_column_step *step;
    size_t columns, width, shares;
    float *weight[SAM_VARIANTS_MAX]; /* of the norm */
} columns_context;

static void norm_columns(const sam_engine *engine, const sam_stream *stream, const float *weight, size_t first,
                         size_t width)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    switch (config->architecture->plan.norm) {
    case SAM_NORM_RMS:
        engine->kernels->norm(stream->act[SAM_ACT_RESIDUAL] + first, weight, config->hidden, config->norm_epsilon,
                              width, engine->stride, stream->act[SAM_ACT_NORMED] + first);
        break;
    }
}

static void add_columns(const sam_engine *engine, const sam_stream *stream, size_t first, size_t width)
{
    size_t features = sam_forward_features(engine, SAM_ACT_RESIDUAL);
    for (size_t at = first; at < features * engine->stride; at += engine->stride)
        engine->kernels->add(stream->act[SAM_ACT_RESIDUAL] + at, stream->act[SAM_ACT_NORMED] + at, width);
}

static void columns_share(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const columns_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_column_step *step = context->step;
    const sam_kernels *kernels = engine->kernels;
    unsigned variant = (unsigned)(index / context->shares);
    const sam_stream *stream = &engine->streams[variant];
    size_t first = index % context->shares * context->width, left = context->columns - first;
    size_t width = left < context->width ? left : context->width;
    if (step->add)
        add_columns(engine, stream, first, width);
    if (step->norm)
        norm_columns(engine, stream, context->weight[variant], first, width);
    if (step->pack) {
        size_t k = sam_forward_features(engine, step->x);
        kernels->pack(stream->act[step->x] + first, k, width, engine->stride,
                      (char *)stream->packed + kernels->packed_bytes(k, first));
    }
}

void sam_forward_columns(sam_engine *engine, const sam_column_step *step, size_t columns)
{
    size_t width = sam_forward_share_columns(engine, columns);
    columns_context context = {
        .engine = engine, .step = step, .columns = columns, .width = width, .shares = (columns + width - 1) / width};
    if (step->norm)
        form_vector(engine, 0, step->weight, context.weight);
    sam_forward_share(engine, SAM_PHASE_OTHER, context.shares * engine->variants, columns_share, &context);
}

typedef struct gather_context {
    sam_engine *engine;
    sam_activation x;
    const sam_live *live;
} gather_context;

static void gather_variant(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const gather_context *context = argument;
    const sam_engine *engine = context->engine;
    float *x = engine->streams[index].act[context->x];
    for (size_t f = 0; f < sam_forward_features(engine, context->x); f++) {
        float *row = x + f * engine->stride;
        for (size_t i = 0; i < context->live->count; i++)
            row[i] = row[context->live->column[i]]; /* columns ascend: nothing is overwritten before it is read */
    }
}

void sam_forward_gather(sam_engine *engine, sam_activation x, const sam_live *live)
{
    gather_context context = {engine, x, live};
    sam_forward_share(engine, SAM_PHASE_OTHER, engine->variants, gather_variant, &context);
}

/* ---- attention ---- */

typedef struct heads_context {
    sam_engine *engine;
    const sam_rotation *rotation;
    sam_activation x;
    size_t heads, columns;
    const sam_live *live;
} heads_context;

static void rotate_head(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const heads_context *context = argument;
    const sam_engine *engine = context->engine;
    size_t head_size = sam_model_configuration(engine->model)->head_size;
    float *x = engine->streams[index / context->heads].act[context->x];
    engine->kernels->rope(x + index % context->heads * head_size * engine->stride, context->rotation->cosine,
                          context->rotation->sine, head_size, context->columns, engine->stride, engine->stride);
}

void sam_forward_rotate(sam_engine *engine, sam_activation x, size_t heads, size_t columns,
                        const sam_rotation *rotation)
{
    heads_context context = {engine, rotation, x, heads, columns, NULL};
    sam_forward_share(engine, SAM_PHASE_OTHER, heads * engine->variants, rotate_head, &context);
}

/* One query head of one variant, segment after segment: what a segment writes beyond its queries is overwritten by the
 * next one. */
static void attend_head(void *argument, size_t index, unsigned thread)
{
    const heads_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_live *live = context->live;
    const sam_model_config *config = sam_model_configuration(engine->model);
    if (context->rotation != NULL)
        rotate_head(argument, index, thread);
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

void sam_forward_attend(sam_engine *engine, const sam_live *live, const sam_rotation *rotation)
{
    size_t heads = sam_model_configuration(engine->model)->heads;
    heads_context context = {engine, rotation, SAM_ACT_Q, heads, sam_padded(live->count), live};
    sam_forward_share(engine, SAM_PHASE_ATTENTION, heads * engine->variants, attend_head, &context);
}
