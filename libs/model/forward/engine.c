#include "model/forward/engine.h"

#include "base/available.h"
#include "base/memory.h"
#include "model/forward/forward.h"

#include <math.h>
#include <string.h>

size_t sam_engine_stride(size_t columns)
{
    return sam_padded(columns) + SAM_COLUMNS_SLACK;
}

const sam_kernels *sam_engine_kernels(const sam_engine *engine)
{
    return engine->kernels;
}

const sam_model *sam_engine_model(const sam_engine *engine)
{
    return engine->model;
}

unsigned sam_engine_threads(const sam_engine *engine)
{
    return sam_pool_threads(engine->pool);
}

static size_t largest_vector(const sam_model *model)
{
    size_t most = 0;
    for (size_t i = 0; i < sam_model_tensor_count(model); i++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(model, i);
        most = tensor->rank == 1 && tensor->columns > most ? (size_t)tensor->columns : most;
    }
    return most;
}

sam_status sam_engine_new(sam_engine **engine, const sam_model *model, const sam_engine_options *options,
                          sam_error *err)
{
    const sam_kernels *kernels;
    sam_status status = sam_kernels_choose(&kernels, options->precision, options->kernel, err);
    if (status != SAM_OK)
        return status;
    sam_engine *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory making an engine");
    made->model = model;
    made->vector_floats = largest_vector(model);
    made->memory_limit = options->memory_limit > 0 ? options->memory_limit : sam_memory_available() / 2;
    made->kernels = kernels;
    made->pool = sam_pool_new(options->threads);
    made->rooms = sam_alloc(sam_pool_threads(made->pool), sizeof *made->rooms);
    made->clocks = sam_alloc_aligned(sam_pool_threads(made->pool), sizeof *made->clocks);
    if (made->pool == NULL || made->rooms == NULL || made->clocks == NULL) {
        sam_engine_free(made);
        return sam_fail(err, SAM_NO_MEMORY, "out of memory, or of threads, making an engine");
    }
    *engine = made;
    return SAM_OK;
}

void sam_engine_free(sam_engine *engine)
{
    if (engine == NULL)
        return;
    sam_forward_free_room(engine);
    sam_pool_free(engine->pool);
    sam_free(engine->rooms);
    sam_free(engine->clocks);
    sam_free(engine);
}

/* All of the batch's columns may be scored, and its longest text may be all of it. */
static size_t bytes_of(const sam_engine *engine, size_t columns, unsigned variants)
{
    const sam_room room = {.columns = columns, .variants = variants, .keys = columns};
    return sam_forward_room_bytes(engine, &room) + sam_forward_head_bytes(engine, columns, variants);
}

unsigned sam_engine_variants_that_fit(const sam_engine *engine, size_t columns, size_t bytes)
{
    const size_t limit = bytes > 0 ? bytes : engine->memory_limit;
    unsigned fit = 2, beyond = SAM_VARIANTS_MAX + 1;
    while (beyond - fit > 1) {
        const unsigned middle = (fit + beyond) / 2;
        if (bytes_of(engine, columns, middle) <= limit)
            fit = middle;
        else
            beyond = middle;
    }
    return fit;
}

/* ---- columns ---- */

static void free_live(sam_live *live)
{
    sam_free(live->column);
    sam_free(live->own);
    sam_free(live->first);
    sam_free(live->in_segment);
    *live = (sam_live){0};
}

/* The columns of the batch for which keep[] holds (all when NULL), with their segments. */
static bool make_live(sam_live *live, const sam_batch *batch, const bool *keep)
{
    live->column = sam_alloc(batch->columns, sizeof *live->column);
    live->own = sam_alloc(batch->columns + SAM_COLUMNS_SLACK, sizeof *live->own);
    live->first = sam_alloc(batch->segment_count, sizeof *live->first);
    live->in_segment = sam_alloc(batch->segment_count, sizeof *live->in_segment);
    if (live->column == NULL || live->own == NULL || live->first == NULL || live->in_segment == NULL)
        return false;
    live->count = 0;
    for (size_t s = 0; s < batch->segment_count; s++) {
        live->first[s] = live->count;
        for (size_t i = 0; i < batch->segments[s].count; i++) {
            size_t column = batch->segments[s].first + i;
            if (keep != NULL && !keep[column])
                continue;
            live->column[live->count] = column;
            live->own[live->count++] = (int32_t)i;
        }
        live->in_segment[s] = live->count - live->first[s];
    }
    return true;
}

static bool make_lives(sam_engine *engine, const sam_batch *batch)
{
    bool *scored = sam_alloc(batch->columns, sizeof *scored);
    if (scored == NULL)
        return false;
    for (size_t i = 0; i < batch->score_count; i++)
        scored[batch->scores[i].column] = true;
    bool good = make_live(&engine->all, batch, NULL) && make_live(&engine->scored, batch, scored);
    sam_free(scored);
    return good;
}

/* cos and sin of position / theta^(2d / head_size), in float32 as the published models were trained. */
static void fill_rope(const sam_engine *engine, const sam_live *live, float *cosine, float *sine)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    for (size_t d = 0; d < config->head_size / 2; d++) {
        float power = powf(config->rope_theta, (float)(2 * d) / (float)config->head_size), frequency = 1.0f / power;
        for (size_t c = 0; c < live->count; c++) {
            float angle = (float)engine->pass->batch->positions[live->column[c]] * frequency;
            cosine[d * engine->stride + c] = cosf(angle);
            sine[d * engine->stride + c] = sinf(angle);
        }
    }
}

/* ---- a run ---- */

static sam_status check(const sam_engine *engine, const sam_pass *pass, sam_error *err)
{
    const sam_model_config *config = sam_model_configuration(engine->model);
    const sam_batch *batch = pass->batch;
    if (batch->columns == 0)
        return sam_fail(err, SAM_INVALID, "the batch is empty");
    if (pass->weights->variants == 0 || pass->weights->variants > SAM_VARIANTS_MAX)
        return sam_fail(err, SAM_INVALID, "%u variants at once; 1 to %u are possible", pass->weights->variants,
                        SAM_VARIANTS_MAX);
    if (pass->first_block > pass->end_block || pass->end_block > config->blocks)
        return sam_fail(err, SAM_INVALID, "blocks %u to %u of a model of %u", pass->first_block, pass->end_block,
                        config->blocks);
    if (pass->output == NULL && (pass->end_block != config->blocks || batch->score_count == 0))
        return sam_fail(err, SAM_INVALID, "scores need the last block and at least one token to score");
    for (size_t c = 0; c < batch->columns; c++) {
        if (batch->tokens[c] >= config->vocabulary)
            return sam_fail(err, SAM_INVALID, "token %u is beyond the vocabulary of %u", batch->tokens[c],
                            config->vocabulary);
        if (batch->positions[c] >= config->context)
            return sam_fail(err, SAM_INVALID, "a text of more than %u tokens: the model's context ends there",
                            config->context);
    }
    for (size_t i = 0; i < batch->score_count; i++)
        if (batch->scores[i].target >= config->vocabulary)
            return sam_fail(err, SAM_INVALID, "token %u is beyond the vocabulary of %u", batch->scores[i].target,
                            config->vocabulary);
    return SAM_OK;
}

static size_t most_keys(const sam_batch *batch)
{
    size_t most = 0;
    for (size_t s = 0; s < batch->segment_count; s++) {
        size_t prefix = batch->segments[s].prefix, keys = batch->segments[s].count;
        keys += prefix == SAM_NO_PREFIX ? 0 : batch->segments[prefix].count;
        most = keys > most ? keys : most;
    }
    return most;
}

static void embed_column(void *argument, size_t index, unsigned thread)
{
    sam_engine *engine = argument;
    size_t hidden = sam_model_configuration(engine->model)->hidden;
    size_t embeddings = sam_model_tensor_with(engine->model, SAM_ROLE_EMBEDDINGS, SAM_NO_BLOCK);
    float *row[SAM_VARIANTS_MAX];
    sam_forward_form(engine, &engine->rooms[thread], embeddings, engine->pass->batch->tokens[index], 1, row);
    for (unsigned v = 0; v < engine->variants; v++)
        for (size_t f = 0; f < hidden; f++)
            engine->streams[v].act[SAM_ACT_RESIDUAL][f * engine->stride + index] = row[v][f];
}

static void begin_streams(sam_engine *engine)
{
    const sam_pass *pass = engine->pass;
    size_t floats = sam_model_configuration(engine->model)->hidden * engine->stride;
    for (unsigned v = 0; v < engine->variants; v++) {
        if (pass->input != NULL)
            memcpy(engine->streams[v].act[SAM_ACT_RESIDUAL], pass->input, floats * sizeof(float));
        else
            memset(engine->streams[v].act[SAM_ACT_RESIDUAL], 0, floats * sizeof(float));
    }
    if (pass->input == NULL)
        sam_forward_share(engine, SAM_PHASE_OTHER, pass->batch->columns, embed_column, engine);
}

static sam_status run_blocks(sam_engine *engine, sam_error *err)
{
    const sam_pass *pass = engine->pass;
    const sam_model_config *config = sam_model_configuration(engine->model);
    switch (config->architecture->plan.positions) {
    case SAM_POSITIONS_ROTARY:
        fill_rope(engine, &engine->all, engine->cosine, engine->sine);
        fill_rope(engine, &engine->scored, engine->live_cosine, engine->live_sine);
        break;
    }
    begin_streams(engine);
    for (uint32_t block = pass->first_block; block < pass->end_block; block++)
        sam_forward_block(engine, block, pass->output == NULL && block + 1 == config->blocks);
    if (pass->output != NULL) {
        memcpy(pass->output, engine->streams[0].act[SAM_ACT_RESIDUAL], config->hidden * engine->stride * sizeof(float));
        return SAM_OK;
    }
    if (pass->first_block == pass->end_block)
        sam_forward_gather(engine, SAM_ACT_RESIDUAL, &engine->scored);
    return sam_forward_head(engine, &engine->scored, err);
}

static void begin_profile(sam_engine *engine)
{
    for (unsigned t = 0; t < sam_pool_threads(engine->pool); t++) {
        engine->clocks[t] = (sam_thread_clock){0};
        engine->rooms[t].clock = engine->pass->profile == NULL ? NULL : &engine->clocks[t];
    }
}

static void end_profile(const sam_engine *engine)
{
    if (engine->pass->profile == NULL)
        return;
    for (unsigned t = 0; t < sam_pool_threads(engine->pool); t++)
        for (size_t phase = 0; phase < SAM_PHASES; phase++)
            engine->pass->profile->ns[phase] += engine->clocks[t].took.ns[phase];
}

sam_status sam_engine_run(sam_engine *engine, const sam_pass *pass, sam_error *err)
{
    sam_status status = check(engine, pass, err);
    if (status != SAM_OK)
        return status;
    const sam_batch *batch = pass->batch;
    engine->pass = pass;
    engine->variants = pass->weights->variants;
    engine->columns = sam_padded(batch->columns);
    engine->stride = sam_engine_stride(batch->columns);
    const sam_room room = {.columns = batch->columns,
                           .variants = engine->variants,
                           .keys = most_keys(batch),
                           .rank = sam_low_rank_most(engine->model, pass->weights)};
    if (sam_forward_make_room(engine, &room) && make_lives(engine, batch)) {
        begin_profile(engine);
        status = run_blocks(engine, err);
        end_profile(engine);
    } else {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for a batch of %zu tokens", batch->columns);
    }
    free_live(&engine->all);
    free_live(&engine->scored);
    engine->pass = NULL;
    return status;
}
