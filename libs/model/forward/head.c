/* From the last residual stream to the scores: the final norm, the rows of the output matrix that are asked for, and
 * the sum over the vocabulary only where a score is a log probability. */
#include "model/forward/forward.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

typedef struct head_context {
    sam_engine *engine;
    const sam_live *live;
    size_t columns, tile_rows, tiles;
    uint32_t vocabulary;
    sam_product output; /* whose rows are asked for a few at a time */
    size_t *place;      /* [score_count] live place of each score's column */
    float *products;    /* [threads][tile_rows][columns + slack] */
    float *top, *sum;   /* [variants][tiles][columns]: of each tile's logits */
} head_context;

static size_t product_stride(const head_context *context)
{
    return context->columns + SAM_COLUMNS_SLACK;
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

static void sum_tile(void *argument, size_t index, unsigned thread)
{
    const head_context *context = argument;
    const sam_engine *engine = context->engine;
    size_t row = index * context->tile_rows;
    size_t left = context->vocabulary - row, rows = left < context->tile_rows ? left : context->tile_rows;
    float *logits = context->products + thread * context->tile_rows * product_stride(context);
    const sam_thread_room *room = &engine->rooms[thread];
    sam_tile tile;
    sam_forward_form_tile(engine, room, 0, context->output.tensor, row, rows, &tile);
    for (unsigned v = 0; v < engine->variants; v++) {
        sam_forward_multiply_tile(engine, room, &tile, v, context->columns, logits, product_stride(context));
        for (size_t c = 0; c < context->live->count; c++) {
            size_t at = (v * context->tiles + index) * context->columns + c;
            float top = -INFINITY, sum = 0;
            for (size_t r = 0; r < rows; r++)
                top = fmaxf(top, logits[r * product_stride(context) + c]);
            for (size_t r = 0; r < rows; r++)
                sum += expf(logits[r * product_stride(context) + c] - top);
            context->top[at] = top;
            context->sum[at] = sum;
        }
    }
}

/* log of the sum over the vocabulary, from the tiles in their order. */
static float log_total(const head_context *context, unsigned variant, size_t column)
{
    float top = -INFINITY;
    double sum = 0;
    for (size_t tile = 0; tile < context->tiles; tile++)
        top = fmaxf(top, context->top[(variant * context->tiles + tile) * context->columns + column]);
    for (size_t tile = 0; tile < context->tiles; tile++) {
        size_t at = (variant * context->tiles + tile) * context->columns + column;
        sum += (double)context->sum[at] * exp((double)context->top[at] - (double)top);
    }
    return (float)((double)top + log(sum));
}

static bool normalise(head_context *context)
{
    sam_engine *engine = context->engine;
    const sam_pass *pass = engine->pass;
    context->tiles = (context->vocabulary + context->tile_rows - 1) / context->tile_rows;
    size_t count = engine->variants * context->tiles * context->columns;
    context->top = sam_alloc(count, sizeof *context->top);
    context->sum = sam_alloc(count, sizeof *context->sum);
    if (context->top == NULL || context->sum == NULL)
        return false;
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, context->tiles, sum_tile, context);
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

sam_status sam_forward_head(sam_engine *engine, const sam_live *live, sam_error *err)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_batch *batch = engine->pass->batch;
    head_context context = {.engine = engine, .live = live, .columns = sam_padded(live->count)};
    context.vocabulary = config->vocabulary;
    context.output = (sam_product){.tensor = output_of(engine->model), .bias = SAM_NO_TENSOR};
    context.tile_rows = sam_forward_tile_rows(engine->kernels, engine->variants, config->hidden);
    context.place = sam_alloc(batch->score_count, sizeof *context.place);
    context.products = sam_alloc_aligned(sam_pool_threads(engine->pool) * context.tile_rows,
                                         product_stride(&context) * sizeof *context.products);
    bool good = context.place != NULL && context.products != NULL;
    if (good) {
        find_places(&context);
        const sam_column_step leave = {.norm = true,
                                       .weight =
                                           sam_model_tensor_with(engine->model, SAM_ROLE_FINAL_NORM, SAM_NO_BLOCK),
                                       .pack = true,
                                       .x = SAM_ACT_NORMED};
        sam_forward_columns(engine, &leave, context.columns);
        sam_low_rank_prepare(engine, &context.output, 1, context.columns);
        sam_forward_share(engine, SAM_PHASE_PRODUCTS, batch->score_count, score_target, &context);
        bool any = false;
        for (size_t i = 0; i < batch->score_count; i++)
            any = any || batch->scores[i].normalised;
        good = !any || normalise(&context);
    }
    sam_free(context.place);
    sam_free(context.products);
    sam_free(context.top);
    sam_free(context.sum);
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory scoring %zu tokens", batch->score_count);
}
