/* The low-rank part of products. Where a weight source says what its variants add to the model's matrix as thin factors
 * (sam_low_rank_term), the matrix itself is read and narrowed once for all variants, and each gets its own part of the
 * product without a matrix of its own:
 *
 *     reduced = V^T x     [rank][columns]     as one more product of the packed x
 *     mixed   = C reduced [rank][columns]     in floats: the core of each variant is all that differs
 *     y      += U mixed   [rows][columns]     beside each tile of the model's matrix
 *
 * `rank` is that of all terms together. Columns go in shares, whose intermediate results stay in the first-level cache.
 */
#include "model/forward/forward.h"

#include <string.h>

typedef struct low_rank_context {
    sam_engine *engine;
    const sam_product *products;
    size_t columns, shares;
} low_rank_context;

static size_t rank_of(const sam_weight_source *weights, size_t tensor, sam_low_rank_part *low)
{
    low->count = low->rank = 0;
    if (weights->low_rank == NULL)
        return 0;
    const size_t count = weights->low_rank(weights->context, tensor, low->terms, SAM_TERMS);
    low->count = count <= SAM_TERMS ? count : 0; /* so many are formed */
    for (size_t t = 0; t < low->count; t++)
        low->rank += low->terms[t].rank;
    return low->rank;
}

size_t sam_low_rank_most(const sam_model *model, const sam_weight_source *weights)
{
    size_t most = 0;
    for (size_t i = 0; weights->low_rank != NULL && i < sam_model_tensor_count(model); i++) {
        sam_low_rank_part low;
        const size_t rank = sam_model_tensor_at(model, i)->rank == 2 ? rank_of(weights, i, &low) : 0;
        most = rank > most ? rank : most;
    }
    return most;
}

/* Row `j` of V^T, of all terms one below the other. */
static void narrow_row(const sam_engine *engine, sam_low_rank_part *low, size_t k, size_t j, float *row)
{
    const sam_kernels *kernels = engine->kernels;
    void *to = (char *)low->v + kernels->narrow_bytes(j, k);
    const sam_low_rank_term *term = low->terms;
    for (; j >= term->rank; term++)
        j -= term->rank;
    for (size_t i = 0; i < k; i++)
        row[i] = term->v[i * term->rank + j];
    kernels->narrow(row, 1, k, to);
}

static void narrow_task(void *argument, size_t index, unsigned thread)
{
    const low_rank_context *context = argument;
    sam_engine *engine = context->engine;
    size_t p = 0;
    for (; index >= engine->low_rank[p].rank; p++)
        index -= engine->low_rank[p].rank;
    const size_t k = (size_t)sam_model_tensor_at(engine->model, context->products[p].tensor)->columns;
    narrow_row(engine, &engine->low_rank[p], k, index, engine->rooms[thread].rows);
}

static char *mixed_share(const sam_engine *engine, const sam_low_rank_part *low, unsigned variant, size_t share)
{
    const size_t bytes = engine->kernels->packed_bytes(low->rank, low->width);
    return (char *)low->mixed + (variant * low->shares + share) * bytes;
}

static size_t width_of_share(const sam_low_rank_part *low, size_t share, size_t columns)
{
    const size_t left = columns - share * low->width;
    return left < low->width ? left : low->width;
}

/* V^T x of some columns of one variant, and the cores of the terms over it. */
static void mix_task(void *argument, size_t index, unsigned thread)
{
    const low_rank_context *context = argument;
    const sam_engine *engine = context->engine;
    const sam_kernels *kernels = engine->kernels;
    const size_t share = index % context->shares, v = index / context->shares % engine->variants;
    const size_t p = index / context->shares / engine->variants;
    const sam_low_rank_part *low = &engine->low_rank[p];
    if (low->rank == 0)
        return;
    const size_t k = (size_t)sam_model_tensor_at(engine->model, context->products[p].tensor)->columns;
    const size_t width = width_of_share(low, share, context->columns), stride = low->width + SAM_COLUMNS_SLACK;
    float *reduced = engine->rooms[thread].reduced, *mixed = reduced + low->rank * stride;
    const char *x = (const char *)engine->streams[v].packed + kernels->packed_bytes(k, share * low->width);
    kernels->multiply(low->v, low->rank, k, x, width, reduced, stride);
    for (size_t t = 0, row = 0; t < low->count; row += low->terms[t++].rank)
        kernels->multiply_small(low->terms[t].core[v], low->terms[t].rank, low->terms[t].rank, reduced + row * stride,
                                width, stride, mixed + row * stride);
    kernels->pack(mixed, low->rank, width, stride, mixed_share(engine, low, (unsigned)v, share));
}

void sam_low_rank_prepare(sam_engine *engine, const sam_product *products, size_t count, size_t columns)
{
    size_t rows = 0;
    const size_t width = sam_forward_share_columns(engine, columns);
    low_rank_context context = {engine, products, columns, (columns + width - 1) / width};
    for (size_t p = 0; p < count; p++) {
        engine->low_rank[p].width = width;
        engine->low_rank[p].shares = context.shares;
        rows += rank_of(engine->pass->weights, products[p].tensor, &engine->low_rank[p]);
    }
    if (rows == 0)
        return;
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, rows, narrow_task, &context);
    sam_forward_share(engine, SAM_PHASE_PRODUCTS, count * engine->variants * context.shares, mix_task, &context);
}

void sam_low_rank_narrow_u(const sam_engine *engine, const sam_thread_room *room, const sam_low_rank_part *low,
                           uint64_t row, uint64_t rows)
{
    const sam_kernels *kernels = engine->kernels;
    for (uint64_t r = 0; r < rows; r++) {
        float *to = room->rows;
        for (size_t t = 0; t < low->count; to += low->terms[t++].rank)
            memcpy(to, low->terms[t].u + (row + r) * low->terms[t].rank, low->terms[t].rank * sizeof *to);
        kernels->narrow(room->rows, 1, low->rank, (char *)room->u + kernels->narrow_bytes((size_t)r, low->rank));
    }
}

void sam_low_rank_add(const sam_engine *engine, const sam_thread_room *room, const sam_low_rank_part *low,
                      unsigned variant, size_t rows, size_t columns, float *y, size_t stride)
{
    const sam_kernels *kernels = engine->kernels;
    const size_t part_stride = low->width + SAM_COLUMNS_SLACK;
    for (size_t share = 0; share < low->shares; share++) {
        const size_t width = width_of_share(low, share, columns);
        const char *mixed = mixed_share(engine, low, variant, share);
        kernels->multiply(room->u, rows, low->rank, mixed, width, room->part, part_stride);
        for (size_t r = 0; r < rows; r++)
            kernels->add(y + r * stride + share * low->width, room->part + r * part_stride, width);
    }
}
