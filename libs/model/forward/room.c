/* The memory of a run: how large each part of it is, made and freed in one place. It grows to the largest run so far
 * and goes with the engine. */
#include "model/forward/forward.h"

#include "base/memory.h"

/* Kernels may read and write a little past the end of what they are given. */
enum { SLACK_BYTES = 256 };

/* Bytes of each buffer, as forward.h describes them. */
typedef struct sizes {
    size_t act[SAM_ACTIVATIONS], packed;              /* for each variant */
    size_t rows, narrow, attention, u, reduced, part; /* for each thread */
    size_t v, mixed;                                  /* for each product of a step */
    size_t vectors, table;
} sizes;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

size_t sam_forward_share_columns(const sam_engine *engine, size_t columns)
{
    return engine->kernels->panelled ? SAM_SHARE_COLUMNS : columns;
}

static size_t widest_activation(const sam_engine *engine)
{
    size_t k = 0;
    for (size_t x = 0; x < SAM_ACTIVATIONS; x++)
        k = larger(k, sam_forward_features(engine, (sam_activation)x));
    return k;
}

/* Rows of a tile of any product, of up to so many variants: fewer of them have larger tiles. */
static void size_tiles(const sam_kernels *kernels, unsigned most_variants, size_t k, sizes *s)
{
    for (unsigned variants = 1; variants <= most_variants; variants++) {
        size_t formed = sam_forward_formed_rows(kernels, variants, k);
        size_t tile = sam_forward_tile_rows(kernels, variants, k);
        s->rows = larger(s->rows, variants * formed * k * sizeof(float));
        s->narrow = larger(s->narrow, variants * kernels->narrow_bytes(tile, k) + SLACK_BYTES);
    }
}

static void size_low_rank(const sam_engine *engine, const sam_room *room, size_t stride, sizes *s)
{
    const sam_kernels *kernels = engine->kernels;
    const size_t width = sam_forward_share_columns(engine, stride), shares = (stride + width - 1) / width;
    s->v = kernels->narrow_bytes(room->rank, widest_activation(engine)) + SLACK_BYTES;
    s->mixed = room->variants * shares * kernels->packed_bytes(room->rank, width) + SLACK_BYTES;
    s->u = kernels->narrow_bytes(SAM_TILE_ROWS, room->rank) + SLACK_BYTES;
    s->reduced = 2 * room->rank * (width + SAM_COLUMNS_SLACK) * sizeof(float);
    s->part = SAM_TILE_ROWS * (width + SAM_COLUMNS_SLACK) * sizeof(float);
    s->rows = larger(s->rows, room->rank * sizeof(float));
}

static sizes sizes_of(const sam_engine *engine, const sam_room *room)
{
    const sam_kernels *kernels = engine->kernels;
    const size_t stride = sam_engine_stride(room->columns);
    sizes s = {0};
    for (size_t x = 0; x < SAM_ACTIVATIONS; x++)
        s.act[x] = (sam_forward_features(engine, (sam_activation)x) * stride + SAM_COLUMNS_SLACK) * sizeof(float);
    s.packed = kernels->packed_bytes(widest_activation(engine), stride) + SLACK_BYTES;
    for (size_t i = 0; i < sam_model_tensor_count(engine->model); i++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(engine->model, i);
        if (tensor->rank == 2)
            size_tiles(kernels, room->variants, (size_t)tensor->columns, &s);
    }
    s.attention = (room->keys + 1) * SAM_COLUMNS * sizeof(float);
    s.vectors = SAM_PRODUCTS * room->variants * engine->vector_floats * sizeof(float);
    s.table = (sam_model_configuration(engine->model)->head_size / 2 + 1) * stride * sizeof(float);
    if (room->rank > 0)
        size_low_rank(engine, room, stride, &s);
    return s;
}

static void free_stream(sam_stream *stream)
{
    for (size_t x = 0; x < SAM_ACTIVATIONS; x++)
        sam_free(stream->act[x]);
    sam_free(stream->packed);
    *stream = (sam_stream){0};
}

static void free_thread(sam_thread_room *room)
{
    sam_free(room->rows);
    sam_free(room->narrow);
    sam_free(room->attention);
    sam_free(room->u);
    sam_free(room->reduced);
    sam_free(room->part);
    *room = (sam_thread_room){0};
}

void sam_forward_free_room(sam_engine *engine)
{
    for (size_t v = 0; v < SAM_VARIANTS_MAX; v++)
        free_stream(&engine->streams[v]);
    for (unsigned t = 0; engine->rooms != NULL && t < sam_pool_threads(engine->pool); t++)
        free_thread(&engine->rooms[t]);
    for (size_t p = 0; p < SAM_PRODUCTS; p++) {
        sam_free(engine->low_rank[p].v);
        sam_free(engine->low_rank[p].mixed);
        engine->low_rank[p] = (sam_low_rank_part){0};
    }
    float **const others[] = {&engine->cosine, &engine->sine, &engine->live_cosine, &engine->live_sine,
                              &engine->vectors};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        sam_free(*others[i]);
        *others[i] = NULL;
    }
    engine->room = (sam_room){0};
}

/* NULL for none of it, or once something was not to be had. */
static void *make(size_t bytes, bool *good)
{
    void *memory = *good && bytes > 0 ? sam_alloc_aligned(bytes, 1) : NULL;
    *good = *good && (memory != NULL || bytes == 0);
    return memory;
}

static void make_stream(sam_stream *stream, const sizes *s, bool *good)
{
    for (size_t x = 0; x < SAM_ACTIVATIONS; x++)
        stream->act[x] = make(s->act[x], good);
    stream->packed = make(s->packed, good);
}

static void make_thread(sam_thread_room *room, const sizes *s, bool *good)
{
    room->rows = make(s->rows, good);
    room->narrow = make(s->narrow, good);
    room->attention = make(s->attention, good);
    room->u = make(s->u, good);
    room->reduced = make(s->reduced, good);
    room->part = make(s->part, good);
}

static bool make_all(sam_engine *engine, unsigned variants, const sizes *s)
{
    bool good = true;
    for (unsigned v = 0; v < variants; v++)
        make_stream(&engine->streams[v], s, &good);
    for (unsigned t = 0; t < sam_pool_threads(engine->pool); t++)
        make_thread(&engine->rooms[t], s, &good);
    for (size_t p = 0; p < SAM_PRODUCTS; p++) {
        engine->low_rank[p].v = make(s->v, &good);
        engine->low_rank[p].mixed = make(s->mixed, &good);
    }
    engine->cosine = make(s->table, &good);
    engine->sine = make(s->table, &good);
    engine->live_cosine = make(s->table, &good);
    engine->live_sine = make(s->table, &good);
    engine->vectors = make(s->vectors, &good);
    return good;
}

/* Batches differ by some columns from one to the next: a larger one makes room for a quarter more. */
static size_t with_spare(size_t columns)
{
    return columns + columns / 4;
}

bool sam_forward_make_room(sam_engine *engine, const sam_room *needed)
{
    const sam_room *had = &engine->room;
    if (needed->columns <= had->columns && needed->variants <= had->variants && needed->keys <= had->keys &&
        needed->rank <= had->rank)
        return true;
    const sam_room room = {
        .columns = needed->columns > had->columns ? with_spare(needed->columns) : had->columns,
        .variants = needed->variants > had->variants ? needed->variants : had->variants,
        .keys = larger(needed->keys, had->keys),
        .rank = larger(needed->rank, had->rank),
    };
    const sizes s = sizes_of(engine, &room);
    sam_forward_free_room(engine);
    if (!make_all(engine, room.variants, &s)) {
        sam_forward_free_room(engine);
        return false;
    }
    engine->room = room;
    return true;
}

size_t sam_forward_room_bytes(const sam_engine *engine, const sam_room *needed)
{
    sam_room room = *needed;
    room.columns = with_spare(room.columns);
    const sizes s = sizes_of(engine, &room);
    size_t stream = s.packed;
    for (size_t x = 0; x < SAM_ACTIVATIONS; x++)
        stream += s.act[x];
    return room.variants * stream + SAM_PRODUCTS * (s.v + s.mixed) + 4 * s.table + s.vectors +
           sam_pool_threads(engine->pool) * (s.rows + s.narrow + s.attention + s.u + s.reduced + s.part);
}
