/* From the last residual stream to the scores: the final norm, the rows of the output matrix that are asked for, and
 * the sum over the vocabulary only where a score is a log probability. */
#include "model/forward/forward.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* Rows of the output matrix whose exponentials a task sums up: what it leaves is small beside the activations, and
 * there are tasks enough for many threads. */
enum { CHUNK_ROWS = 256 };

typedef struct head_context {
    sam_engine *engine;
    const sam_live *live;
    size_t columns, tile_rows, chunks;
    uint32_t vocabulary;
    sam_product output; /* whose rows are asked for a few at a time */
    size_t *place;      /* [score_count] live place of each score's column */
    float *products;    /* [threads][tile_rows][columns + slack] */
    float *top, *sum;   /* [variants][chunks][columns]: the largest logit, and the sum of exp(logit - largest) */
} head_context;

static size_t product_stride(const head_context *context)
{
    return context->columns + SAM_COLUMNS_SLACK;
}

static size_t chunks_of(uint32_t vocabulary)
{
    return ((size_t)vocabulary + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

static void score_target(void *argument, size_t index, unsigned thread)
{
    const head_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_pass *pass = engine->pass;
    const sam_score *scores = pass->batch->scores;
    for (size_t before = 0; before < index; before++)
        if (scores[before].target == scores[index].target)
            return; /* that one's turn does all scores of this target */
    float *logits = context->products + thread * context->tile_rows * product_stride(context);
    const sam_thread_room *room = &engine->rooms[thread];
    sam_tile tile;
    sam_forward_form_tile(engine, room, 0, context->output.tensor, scores[index].target, 1, &tile);
    for (unsigned v = 0; v < engine->variants; v++) {
        sam_forward_multiply_tile(engine, room, &tile, v, context->columns, logits, product_stride(context));
        for (size_t i = index; i < pass->batch->score_count; i++)
            if (scores[i].target == scores[index].target)
                pass->scores[v][i] = logits[context->place[i]];
    }
}

static void sum_rows(const head_context *context, size_t chunk, size_t row, size_t rows, unsigned thread)
{
    const sam_engine *engine = context->engine;
    const sam_thread_room *room = &engine->rooms[thread];
    const size_t stride = product_stride(context);
    float *logits = context->products + thread * context->tile_rows * stride;
    sam_tile tile;
    sam_forward_form_tile(engine, room, 0, context->output.tensor, row, rows, &tile);
    for (unsigned v = 0; v < engine->variants; v++) {
        const size_t at = (v * context->chunks + chunk) * context->columns;
        sam_forward_multiply_tile(engine, room, &tile, v, context->columns, logits, stride);
        engine->kernels->sum_exponentials(logits, rows, context->columns, stride, context->top + at, context->sum + at);
    }
}

static void sum_chunk(void *argument, size_t index, unsigned thread)
{
    const head_context *context = argument;
    const size_t first = index * CHUNK_ROWS, left = context->vocabulary - first;
    const size_t count = left < CHUNK_ROWS ? left : CHUNK_ROWS;
    for (unsigned v = 0; v < context->engine->variants; v++)
        for (size_t c = 0; c < context->columns; c++)
            context->top[(v * context->chunks + index) * context->columns + c] = -INFINITY;
    for (size_t done = 0; done < count; done += context->tile_rows) {
        const size_t rows = count - done < context->tile_rows ? count - done : context->tile_rows;
        sum_rows(context, index, first + done, rows, thread);
    }
}

/* log of the sum over the vocabulary, from the chunks in their order. */
static float log_total(const head_context *context, unsigned variant, size_t column)
{
    float top = -INFINITY;
    double sum = 0;
    for (size_t chunk = 0; chunk < context->chunks; chunk++)
        top = fmaxf(top, context->top[(variant * context->chunks + chunk) * context->columns + column]);
    for (size_t chunk = 0; chunk < context->chunks; chunk++) {
        size_t at = (variant * context->chunks + chunk) * context->columns + column;
        sum += (double)context->sum[at] * exp((double)context->top[at] - (double)top);
    }
    return (float)((double)top + log(sum));
}

static bool normalise(head_context *context)
{
    sam_engine *engine = context->engine;
    const sam_pass *pass = engine->pass;
    context->chunks = chunks_of(context->vocabulary);
    size_t count = engine->variants * context->chunks * context->columns;
    context->top = sam_alloc(count, sizeof *context->top);
    context->sum = sam_alloc(count, sizeof *context->sum);
    if (context->top == NULL || context->sum == NULL)
        return false;
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, context->chunks, sum_chunk, context);
    for (unsigned v = 0; v < engine->variants; v++)
        for (size_t i = 0; i < pass->batch->score_count; i++)
            if (pass->batch->scores[i].normalised)
                pass->scores[v][i] -= log_total(context, v, context->place[i]);
    return true;
}

static void find_places(const head_context *context)
{
    const sam_batch *batch = context->engine->pass->batch;
    for (size_t i = 0; i < batch->score_count; i++) {
        size_t low = 0, high = context->live->count; /* live columns ascend */
        while (high - low > 1) {
            size_t middle = (low + high) / 2;
            if (context->live->column[middle] <= batch->scores[i].column)
                low = middle;
            else
                high = middle;
        }
        context->place[i] = low;
    }
}

static size_t output_of(const sam_model *model)
{
    const bool tied = sam_model_configuration(model)->tied_embeddings;
    return sam_model_tensor_with(model, tied ? SAM_ROLE_EMBEDDINGS : SAM_ROLE_OUTPUT, SAM_NO_BLOCK);
}

/* What the head works on: the packed norm of the live columns, and what its matrix adds to the model's. */
static void enter(sam_engine *engine, const head_context *context)
{
    const sam_column_step step = {.norm = true,
                                  .weight = sam_model_tensor_with(engine->model, SAM_ROLE_FINAL_NORM, SAM_NO_BLOCK),
                                  .pack = true,
                                  .x = SAM_ACT_NORMED};
    sam_forward_columns(engine, &step, context->columns);
    sam_low_rank_prepare(engine, &context->output, 1, context->columns);
}

static bool any_normalised(const sam_batch *batch)
{
    for (size_t i = 0; i < batch->score_count; i++)
        if (batch->scores[i].normalised)
            return true;
    return false;
}

sam_status sam_forward_head(sam_engine *engine, const sam_live *live, sam_error *err)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_batch *batch = engine->pass->batch;
    head_context context = {.engine = engine,
                            .live = live,
                            .columns = sam_padded(live->count),
                            .vocabulary = config->vocabulary,
                            .output = {.tensor = output_of(engine->model), .bias = SAM_NO_TENSOR}};
    enter(engine, &context);
    context.tile_rows = sam_forward_tile_rows(engine->kernels, sam_forward_copies(engine, 1), config->hidden);
    context.place = sam_alloc(batch->score_count, sizeof *context.place);
    context.products = sam_alloc_aligned(sam_pool_threads(engine->pool) * context.tile_rows,
                                         product_stride(&context) * sizeof *context.products);
    bool good = context.place != NULL && context.products != NULL;
    if (good) {
        find_places(&context);
        sam_forward_share(engine, SAM_PHASE_PRODUCTS, batch->score_count, score_target, &context);
        good = !any_normalised(batch) || normalise(&context);
    }
    sam_free(context.place);
    sam_free(context.products);
    sam_free(context.top);
    sam_free(context.sum);
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory scoring %zu tokens", batch->score_count);
}

size_t sam_forward_head_bytes(const sam_engine *engine, size_t columns, unsigned variants)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const size_t padded = sam_padded(columns), sums = 2 * chunks_of(config->vocabulary) * padded;
    const size_t tile = sam_forward_tile_rows(engine->kernels, variants, config->hidden);
    const size_t logits = sam_pool_threads(engine->pool) * tile * (padded + SAM_COLUMNS_SLACK);
    return (variants * sums + logits) * sizeof(float);
}
