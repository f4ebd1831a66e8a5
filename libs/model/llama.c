/* A block of the Llama family (Llama, SmolLM, Qwen2): the whole of it, to read in one sitting.
 *
 *     x += Wo attend(rope(Wq n), rope(Wk n), Wv n)      n = norm(x)
 *     x += Wdown (silu(Wgate m) * (Wup m))              m = norm(x)
 *
 * Every line works on all variants; a product forms its weights on the way (sam_forward_products).
 */
#include "model/forward.h"

static sam_product product(const sam_engine *engine, size_t tensor, size_t bias, sam_activation out)
{
    sam_product made = {.tensor = tensor, .bias = bias};
    for (unsigned v = 0; v < engine->variants; v++)
        made.out[v] = engine->streams[v].act[out];
    return made;
}

typedef struct rope_context {
    sam_engine *engine;
    sam_activation x;
    size_t columns;
    uint32_t heads;
    const float *cosine, *sine;
} rope_context;

static void rope_head(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const rope_context *context = argument;
    const sam_engine *engine = context->engine;
    size_t head_size = sam_model_configuration(engine->model)->head_size;
    float *x = engine->streams[index / context->heads].act[context->x];
    engine->kernels->rope(x + index % context->heads * head_size * engine->stride, context->cosine, context->sine,
                          head_size, context->columns, engine->stride, engine->stride);
}

static void rope(sam_engine *engine, sam_activation x, uint32_t heads, size_t columns, const float *cosine,
                 const float *sine)
{
    rope_context context = {engine, x, columns, heads, cosine, sine};
    sam_forward_share(engine, SAM_PHASE_OTHER, (size_t)heads * engine->variants, rope_head, &context);
}

/* Keys and values of every column; queries of the live ones. Leaves `attended`, and in the last block brings the live
 * columns of the residual together. */
static const sam_live *attention(sam_engine *engine, const sam_block_tensors *block, bool last)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_live *live = last ? &engine->scored : &engine->all;
    size_t columns = engine->columns;

    sam_forward_norm(engine, block->input_norm, columns);
    sam_forward_pack(engine, SAM_ACT_NORMED, config->hidden, columns);
    sam_product key_value_query[] = {product(engine, block->k, block->k_bias, SAM_ACT_K),
                                     product(engine, block->v, block->v_bias, SAM_ACT_V),
                                     product(engine, block->q, block->q_bias, SAM_ACT_Q)};
    sam_forward_products(engine, key_value_query, last ? 2 : 3, columns);
    rope(engine, SAM_ACT_K, config->kv_heads, columns, engine->cosine, engine->sine);
    if (last) {
        columns = sam_padded(live->count);
        sam_forward_gather(engine, SAM_ACT_RESIDUAL, config->hidden, live);
        sam_forward_gather(engine, SAM_ACT_NORMED, config->hidden, live);
        sam_forward_pack(engine, SAM_ACT_NORMED, config->hidden, columns);
        sam_forward_products(engine, &key_value_query[2], 1, columns);
        rope(engine, SAM_ACT_Q, config->heads, columns, engine->live_cosine, engine->live_sine);
    } else {
        rope(engine, SAM_ACT_Q, config->heads, columns, engine->cosine, engine->sine);
    }
    sam_forward_attend(engine, live);
    return live;
}

typedef struct gate_context {
    sam_engine *engine;
    size_t columns;
} gate_context;

static void gate_row(void *argument, size_t index, unsigned thread)
{
    (void)thread;
    const gate_context *context = argument;
    const sam_engine *engine = context->engine;
    size_t rows = sam_model_configuration(engine->model)->intermediate;
    const sam_stream *stream = &engine->streams[index / rows];
    size_t at = index % rows * engine->stride;
    engine->kernels->gate(stream->act[SAM_ACT_GATE] + at, stream->act[SAM_ACT_UP] + at, context->columns);
}

void sam_llama_block(sam_engine *engine, uint32_t number, bool last)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_block_tensors *block = &engine->blocks[number];
    const sam_live *live = attention(engine, block, last);
    size_t columns = sam_padded(live->count);

    sam_forward_pack(engine, SAM_ACT_ATTENDED, (size_t)config->heads * config->head_size, columns);
    sam_product out = product(engine, block->o, SIZE_MAX, SAM_ACT_NORMED);
    sam_forward_products(engine, &out, 1, columns);
    sam_forward_add(engine, columns);

    sam_forward_norm(engine, block->post_norm, columns);
    sam_forward_pack(engine, SAM_ACT_NORMED, config->hidden, columns);
    sam_product gate_up[] = {product(engine, block->gate, SIZE_MAX, SAM_ACT_GATE),
                             product(engine, block->up, SIZE_MAX, SAM_ACT_UP)};
    sam_forward_products(engine, gate_up, 2, columns);
    gate_context context = {engine, columns};
    sam_forward_share(engine, SAM_PHASE_OTHER, (size_t)config->intermediate * engine->variants, gate_row, &context);
    sam_forward_pack(engine, SAM_ACT_GATE, config->intermediate, columns);
    sam_product down = product(engine, block->down, SIZE_MAX, SAM_ACT_NORMED);
    sam_forward_products(engine, &down, 1, columns);
    sam_forward_add(engine, columns);
}
