/* The inside of the engine: what the block is written with.
 *
 * A run works on `variants` streams of activations, all [features][stride]. `live` are the columns that the present
 * block carries on: all of them, until the last block keeps the scored ones only.
 */
#ifndef SAM_MODEL_FORWARD_H
#define SAM_MODEL_FORWARD_H

#include "base/threads.h"
#include "model/architecture.h"
#include "model/forward/engine.h"

#define SAM_PRODUCTS      3u  /* most of one parallel step */
#define SAM_TILE_ROWS     64u /* most of a tile */
#define SAM_SHARE_COLUMNS 64u /* that a step between products takes at a time: whole panels of every kernel */
#define SAM_TERMS         64u /* low-rank terms of one tensor: beyond so many its rows are formed */

/* What one variant computes on its way through a block. */
typedef enum sam_activation {
    SAM_ACT_RESIDUAL, /* [hidden] */
    SAM_ACT_NORMED,   /* [hidden]; also takes a product before it is added to the residual */
    SAM_ACT_Q,        /* [heads * head_size] */
    SAM_ACT_K,        /* [kv_heads * head_size] */
    SAM_ACT_V,        /* [kv_heads * head_size] */
    SAM_ACT_ATTENDED, /* [heads * head_size] */
    SAM_ACT_GATE,     /* [intermediate] */
    SAM_ACT_UP,       /* [intermediate] */
    SAM_ACTIVATIONS,
} sam_activation;

typedef struct sam_stream {
    float *act[SAM_ACTIVATIONS];
    void *packed; /* the factor of the next product, as the kernel wants it */
} sam_stream;

/* What one thread took, where the run is profiled. `counted` is how much of the present step went into parts of
 * other phases, which is not to be counted twice. */
typedef struct sam_thread_clock {
    sam_profile took;
    uint64_t counted;
} sam_thread_clock;

/* Scratch of one thread. */
typedef struct sam_thread_room {
    float *rows;             /* [variants][a few rows][k]: small enough for the first-level cache */
    void *narrow;            /* [variants][rows of a tile][k], as the kernel wants them */
    float *attention;        /* [keys][SAM_COLUMNS] */
    void *u;                 /* [rows of a tile][rank], as the kernel wants them; this and the next: low_rank.c */
    float *reduced, *part;   /* [2][rank], [rows of a tile]; each by [columns of a share + slack] */
    sam_thread_clock *clock; /* NULL: not profiled */
} sam_thread_room;

/* Where each segment's queries lie among the live columns. */
typedef struct sam_live {
    size_t count;               /* columns */
    size_t *column;             /* [count] which column of the batch */
    int32_t *own;               /* [count + slack] place within the segment */
    size_t *first, *in_segment; /* [segments] */
} sam_live;

/* What memory a run needs: the most columns and variants, keys of a query, and rank of low-rank terms (0: none). */
typedef struct sam_room {
    size_t columns;
    unsigned variants;
    size_t keys, rank;
} sam_room;

/* The low-rank part of one product of a step. */
typedef struct sam_low_rank_part {
    sam_low_rank_term terms[SAM_TERMS];
    size_t count, rank;   /* rank: of all terms together; 0: each variant's rows are formed instead */
    size_t width, shares; /* columns of a share, and how many there are */
    void *v;              /* V^T of the terms, [rank][k], narrowed */
    void *mixed;          /* C V^T x, [variants][shares] of [rank][width], packed */
} sam_low_rank_part;

struct sam_engine {
    const sam_model *model;
    const sam_kernels *kernels;
    sam_pool *pool;
    size_t vector_floats; /* of the model's largest vector */
    size_t memory_limit;  /* bytes */

    /* memory that grows to the largest run so far (room.c) */
    sam_room room;
    sam_stream streams[SAM_VARIANTS_MAX];
    sam_thread_room *rooms;         /* one for each thread */
    sam_thread_clock *clocks;       /* one for each thread */
    float *cosine, *sine;           /* [head_size / 2][stride] of all columns */
    float *live_cosine, *live_sine; /* of the live ones */
    float *vectors;                 /* [SAM_PRODUCTS][variants][vector_floats]: norms and biases of a step */
    sam_low_rank_part low_rank[SAM_PRODUCTS];

    /* the present run */
    const sam_pass *pass;
    unsigned variants;
    size_t columns, stride; /* columns: padded to SAM_COLUMNS */
    sam_live all, scored;
};

/* One product of a parallel step: out[v] = W_v x_v (+ bias_v), W by rows from the weight source. */
typedef struct sam_product {
    size_t tensor, bias; /* bias: a tensor, or SAM_NO_TENSOR */
    float *out[SAM_VARIANTS_MAX];
} sam_product;

size_t sam_padded(size_t columns); /* up to a multiple of SAM_COLUMNS */

/* sam_pool_run on the engine's pool, its time counted under `phase` where the run is profiled. */
void sam_forward_share(const sam_engine *engine, sam_phase phase, size_t count, sam_pool_function function,
                       void *context);

/* What columns go through between two products, done share by share while a share is in cache. In this order, each
 * where it is asked for:
 *     residual += normed;  normed = norm(residual);  packed = pack(x)
 */
typedef struct sam_column_step {
    bool add, norm, pack;
    size_t weight;    /* of the norm: a tensor */
    sam_activation x; /* what is packed, for the products that follow */
} sam_column_step;

void sam_forward_columns(sam_engine *engine, const sam_column_step *step, size_t columns);
/* All products of x (packed before), which has the same k for each. */
void sam_forward_products(sam_engine *engine, const sam_product *products, size_t count, size_t columns);
/* out of gate_up[0] = silu(gate_up[0] x) * (gate_up[1] x); the two have as many rows. */
void sam_forward_gated(sam_engine *engine, const sam_product gate_up[2], size_t columns);
/* Brings the columns of `live` together at the front of a [features][stride] array of each variant. */
void sam_forward_gather(sam_engine *engine, sam_activation x, const sam_live *live);

/* Rotary position embedding's tables, [head_size / 2][stride] each. */
typedef struct sam_rotation {
    const float *cosine, *sine;
} sam_rotation;

void sam_forward_rotate(sam_engine *engine, sam_activation x, size_t heads, size_t columns,
                        const sam_rotation *rotation);
/* attended = attention of the live columns' queries, which it rotates first; NULL: not. */
void sam_forward_attend(sam_engine *engine, const sam_live *live, const sam_rotation *rotation);

/* `last`: carries on the scored columns only. */
void sam_forward_block(sam_engine *engine, uint32_t number, bool last);

/* From the live residual to pass->scores. */
sam_status sam_forward_head(sam_engine *engine, const sam_live *live, sam_error *err);

size_t sam_forward_head_bytes(const sam_engine *engine, size_t columns, unsigned variants); /* of all its columns */

/* Width of an activation: how many features it has. */
size_t sam_forward_features(const sam_engine *engine, sam_activation x);

/* Columns that a task takes at a time: a share, or all where the kernel cannot pack them apart. */
size_t sam_forward_share_columns(const sam_engine *engine, size_t columns);

/* Makes the memory of a run, or keeps what is there where it is enough; false: out of memory. */
bool sam_forward_make_room(sam_engine *engine, const sam_room *needed);
void sam_forward_free_room(sam_engine *engine);
/* What making it anew would take. */
size_t sam_forward_room_bytes(const sam_engine *engine, const sam_room *needed);

/* How many rows of width k a tile has (narrowed, of all variants), and how many are formed as floats at a time. */
size_t sam_forward_tile_rows(const sam_kernels *kernels, unsigned variants, size_t k);
size_t sam_forward_formed_rows(const sam_kernels *kernels, unsigned variants, size_t k);

/* Rows of a tensor for each variant as floats in a thread's room, at most sam_forward_formed_rows of them. */
void sam_forward_form(const sam_engine *engine, const sam_thread_room *room, size_t tensor, uint64_t row, uint64_t rows,
                      float *out[]);

/* Rows of a product's matrix in a thread's room, ready to be multiplied: every variant's, or where the rest is low-rank
 * the model's own for all. */
typedef struct sam_tile {
    const sam_low_rank_part *low_rank;
    size_t rows, k;
    const char *weights; /* [rows][k], narrowed, of variant 0 */
    size_t next;         /* bytes to those of the next variant; 0: all have the same */
} sam_tile;

/* How many copies of a matrix a tile of `count` prepared products holds: one where all are low-rank. */
unsigned sam_forward_copies(const sam_engine *engine, size_t count);
/* Product `slot` of those that were prepared; at most a tile's rows. */
void sam_forward_form_tile(const sam_engine *engine, const sam_thread_room *room, size_t slot, size_t tensor,
                           uint64_t row, uint64_t rows, sam_tile *tile);
/* y[rows][stride] = the tile's rows times what is packed of one variant. */
void sam_forward_multiply_tile(const sam_engine *engine, const sam_thread_room *room, const sam_tile *tile,
                               unsigned variant, size_t columns, float *y, size_t stride);

/* ---- low_rank.c ---- */

/* The largest rank that the source offers for any matrix; 0: it has no low-rank form. */
size_t sam_low_rank_most(const sam_model *model, const sam_weight_source *weights);
/* For the products that follow of the packed x, `count` at most SAM_PRODUCTS: their terms, and C V^T x of each. */
void sam_low_rank_prepare(sam_engine *engine, const sam_product *products, size_t count, size_t columns);
/* Rows of U into the thread's room, for sam_low_rank_add of every variant: y[rows][stride] += U C V^T x. */
void sam_low_rank_narrow_u(const sam_engine *engine, const sam_thread_room *room, const sam_low_rank_part *low,
                           uint64_t row, uint64_t rows);
void sam_low_rank_add(const sam_engine *engine, const sam_thread_room *room, const sam_low_rank_part *low,
                      unsigned variant, size_t rows, size_t columns, float *y, size_t stride);

#endif
