/* A block of the Llama family (Llama, SmolLM, Qwen2): the whole of it, to read in one sitting.
 *
 *     x += Wo attend(rope(Wq n), rope(Wk n), Wv n)      n = norm(x)
 *     x += Wdown (silu(Wgate m) * (Wup m))              m = norm(x)
 *
 * Every line works on all variants; a product forms its weights on the way (sam_forward_products).
 */
#include "model/forward/forward.h"

static sam_product product(const sam_engine *engine, size_t tensor, size_t bias, sam_activation out)
{
    sam_product made = {.tensor = tensor, .bias = bias};
    for (unsigned v = 0; v < engine->variants; v++)
        made.out[v] = engine->streams[v].act[out];
    return made;
}

/* Keys and values of every column; queries of the live ones. Leaves `attended`, and in the last block brings the live
 * columns of the residual together. */
static const sam_live *attention(sam_engine *engine, const sam_block_tensors *block, bool last)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_live *live = last ? &engine->scored : &engine->all;
    const sam_rotation all = {engine->cosine, engine->sine}, scored = {engine->live_cosine, engine->live_sine};

    const sam_column_step enter = {.norm = true, .weight = block->input_norm, .pack = true, .x = SAM_ACT_NORMED};
    sam_forward_columns(engine, &enter, engine->columns);
    sam_product key_value_query[] = {product(engine, block->k, block->k_bias, SAM_ACT_K),
                                     product(engine, block->v, block->v_bias, SAM_ACT_V),
                                     product(engine, block->q, block->q_bias, SAM_ACT_Q)};
    sam_forward_products(engine, key_value_query, last ? 2 : 3, engine->columns);
    sam_forward_rotate(engine, SAM_ACT_K, config->kv_heads, engine->columns, &all);
    if (last) {
        size_t columns = sam_padded(live->count);
        sam_forward_gather(engine, SAM_ACT_RESIDUAL, live);
        sam_forward_gather(engine, SAM_ACT_NORMED, live);
        const sam_column_step again = {.pack = true, .x = SAM_ACT_NORMED};
        sam_forward_columns(engine, &again, columns);
        sam_forward_products(engine, &key_value_query[2], 1, columns);
    }
    sam_forward_attend(engine, live, last ? &scored : &all);
    return live;
}

void sam_llama_block(sam_engine *engine, uint32_t number, bool last)
{
    const sam_block_tensors *block = &engine->blocks[number];
    const sam_live *live = attention(engine, block, last);
    size_t columns = sam_padded(live->count);

    const sam_column_step attended = {.pack = true, .x = SAM_ACT_ATTENDED};
    sam_forward_columns(engine, &attended, columns);
    sam_product out = product(engine, block->o, SIZE_MAX, SAM_ACT_NORMED);
    sam_forward_products(engine, &out, 1, columns);

    const sam_column_step middle = {
        .add = true, .norm = true, .weight = block->post_norm, .pack = true, .x = SAM_ACT_NORMED};
    sam_forward_columns(engine, &middle, columns);
    sam_product gate_up[] = {product(engine, block->gate, SIZE_MAX, SAM_ACT_GATE),
                             product(engine, block->up, SIZE_MAX, SAM_ACT_UP)};
    sam_forward_gated(engine, gate_up, columns);
    const sam_column_step gated = {.pack = true, .x = SAM_ACT_GATE};
    sam_forward_columns(engine, &gated, columns);
    sam_product down = product(engine, block->down, SIZE_MAX, SAM_ACT_NORMED);
    sam_forward_products(engine, &down, 1, columns);
    const sam_column_step leave = {.add = true};
    sam_forward_columns(engine, &leave, columns);
}
