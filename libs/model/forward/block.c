/* The block, of every architecture: the whole of it, to read in one sitting. What it computes is said by the plan in
 * its architecture's row (architecture.h); for Llama, SmolLM and Qwen2 that is
 *
 *     x += Wo attend(rope(Wq n + bq), rope(Wk n + bk), Wv n + bv)      n = norm(x)
 *     x += Wdown (silu(Wgate m) * (Wup m))                             m = norm(x)
 *
 * Every line works on all variants; a product forms its weights on the way (sam_forward_products).
 */
#include "model/forward/forward.h"

#define NO_BIAS SAM_ROLES

typedef struct block {
    sam_engine *engine;
    const sam_block_plan *plan;
    uint32_t number;
    bool last;            /* beyond keys and values it carries on the scored columns only */
    const sam_live *live; /* the columns that it carries on */
    size_t columns;       /* of them, padded */
} block;

static size_t tensor(const block *b, sam_tensor_role role)
{
    return role == NO_BIAS ? SAM_NO_TENSOR : sam_model_tensor_with(b->engine->model, role, b->number);
}

static sam_product product(const block *b, sam_tensor_role matrix, sam_tensor_role bias, sam_activation out)
{
    sam_product made = {.tensor = tensor(b, matrix), .bias = tensor(b, bias)};
    for (unsigned v = 0; v < b->engine->variants; v++)
        made.out[v] = b->engine->streams[v].act[out];
    return made;
}

/* One product of x, which is packed for it. */
static void apply(const block *b, sam_tensor_role matrix, sam_activation x, sam_activation out)
{
    const sam_column_step pack = {.pack = true, .x = x};
    const sam_product one = product(b, matrix, NO_BIAS, out);
    sam_forward_columns(b->engine, &pack, b->columns);
    sam_forward_products(b->engine, &one, 1, b->columns);
}

/* Takes the residual into a half of the block: packs its norm. `add`: first adds what the half before left. */
static void enter(const block *b, bool add, sam_tensor_role norm, size_t columns)
{
    sam_column_step step = {.add = add, .pack = true, .x = SAM_ACT_NORMED};
    switch (b->plan->norm_place) {
    case SAM_NORM_BEFORE:
        step.norm = true;
        step.weight = tensor(b, norm);
        break;
    }
    sam_forward_columns(b->engine, &step, columns);
}

/* Keys and values of every column, queries of the live ones. In the last block it brings the live columns of the
 * residual together in between. */
static void project(const block *b)
{
    sam_engine *engine = b->engine;
    const sam_product key_value_query[] = {product(b, SAM_ROLE_K, SAM_ROLE_K_BIAS, SAM_ACT_K),
                                           product(b, SAM_ROLE_V, SAM_ROLE_V_BIAS, SAM_ACT_V),
                                           product(b, SAM_ROLE_Q, SAM_ROLE_Q_BIAS, SAM_ACT_Q)};
    sam_forward_products(engine, key_value_query, b->last ? 2 : 3, engine->columns);
    if (b->last) {
        const sam_column_step again = {.pack = true, .x = SAM_ACT_NORMED};
        sam_forward_gather(engine, SAM_ACT_RESIDUAL, b->live);
        sam_forward_gather(engine, SAM_ACT_NORMED, b->live);
        sam_forward_columns(engine, &again, b->columns);
        sam_forward_products(engine, &key_value_query[2], 1, b->columns);
    }
}

/* Queries are placed where each head attends. */
static void attend(const block *b)
{
    sam_engine *engine = b->engine;
    const sam_rotation all = {engine->cosine, engine->sine}, scored = {engine->live_cosine, engine->live_sine};
    const sam_rotation *of_queries = NULL;
    switch (b->plan->positions) {
    case SAM_POSITIONS_ROTARY:
        sam_forward_rotate(engine, SAM_ACT_K, sam_model_configuration(engine->model)->kv_heads, engine->columns, &all);
        of_queries = b->last ? &scored : &all;
        break;
    }
    switch (b->plan->attention) {
    case SAM_ATTENTION_GROUPED:
        sam_forward_attend(engine, b->live, of_queries);
        break;
    }
}

/* From the packed norm to what is to be added. */
static void attention(const block *b)
{
    project(b);
    attend(b);
    apply(b, SAM_ROLE_O, SAM_ACT_ATTENDED, SAM_ACT_NORMED);
}

static void mlp(const block *b)
{
    switch (b->plan->mlp) {
    case SAM_MLP_SILU_GATED: {
        const sam_product gate_up[] = {product(b, SAM_ROLE_GATE, NO_BIAS, SAM_ACT_GATE),
                                       product(b, SAM_ROLE_UP, NO_BIAS, SAM_ACT_UP)};
        sam_forward_gated(b->engine, gate_up, b->columns);
        apply(b, SAM_ROLE_DOWN, SAM_ACT_GATE, SAM_ACT_NORMED);
        break;
    }
    }
}

void sam_forward_block(sam_engine *engine, uint32_t number, bool last)
{
    const sam_live *live = last ? &engine->scored : &engine->all;
    const block b = {.engine = engine,
                     .plan = &sam_model_configuration(engine->model)->architecture->plan,
                     .number = number,
                     .last = last,
                     .live = live,
                     .columns = sam_padded(live->count)};
    const sam_column_step leave = {.add = true};
    switch (b.plan->residual) {
    case SAM_RESIDUAL_IN_TURN:
        enter(&b, false, SAM_ROLE_INPUT_NORM, engine->columns);
        attention(&b);
        enter(&b, true, SAM_ROLE_POST_NORM, b.columns);
        mlp(&b);
        sam_forward_columns(engine, &leave, b.columns);
        break;
    }
}
