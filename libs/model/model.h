/* A model: configuration and weights under their canonical names, whatever file they came from.
 *
 *     sam_model *model;
 *     if (sam_model_open(&model, "SmolLM2.gguf", err) != SAM_OK) return err->status;   // or a folder of safetensors
 *     float row[576];
 *     sam_model_rows(model, sam_model_tensor_with(model, SAM_ROLE_UP, 0), 7, 1, row);
 *     sam_model_close(model);
 *
 * Canonical order (design section 3): tensors sorted by Hugging Face name (bytes), rows as in the Hugging Face
 * layout. Every shape is checked against the configuration at open. GGUF files of llama architecture store the rows of
 * q_proj and k_proj interleaved for their RoPE; reading rows undoes that. The weights stay in the file, mapped
 * read-only and shared; rows are converted to float when read. Thread safety: an open model is immutable; any thread
 * may read.
 */
#ifndef SAM_MODEL_MODEL_H
#define SAM_MODEL_MODEL_H

#include "base/digest.h"
#include "base/status.h"
#include "model/files/dtype.h"
#include "model/files/gguf.h"
#include "model/tokenizer/tokenizer.h"

typedef struct sam_architecture sam_architecture; /* model/architecture.h */

typedef struct sam_model_config {
    const sam_architecture *architecture;
    uint32_t blocks, hidden, intermediate, heads, kv_heads, head_size, vocabulary, context;
    float norm_epsilon, rope_theta;
    bool tied_embeddings; /* the output matrix is the embedding matrix */
} sam_model_config;

/* What a tensor is for. Code asks for tensors by role; only architecture.c knows what a file calls them. */
typedef enum sam_tensor_role {
    SAM_ROLE_EMBEDDINGS, /* [vocabulary][hidden] */
    SAM_ROLE_OUTPUT,     /* [vocabulary][hidden]; absent where embeddings are tied */
    SAM_ROLE_FINAL_NORM,
    SAM_ROLE_INPUT_NORM, /* this one and all that follow: one for each block */
    SAM_ROLE_POST_NORM,  /* after attention, before the MLP */
    SAM_ROLE_Q,
    SAM_ROLE_K,
    SAM_ROLE_V,
    SAM_ROLE_O,
    SAM_ROLE_Q_BIAS,
    SAM_ROLE_K_BIAS,
    SAM_ROLE_V_BIAS,
    SAM_ROLE_GATE,
    SAM_ROLE_UP,
    SAM_ROLE_DOWN,
    SAM_ROLES,
} sam_tensor_role;

#define SAM_NO_BLOCK  UINT32_MAX
#define SAM_NO_TENSOR SIZE_MAX

typedef struct sam_model_tensor {
    const char *name; /* Hugging Face name */
    sam_tensor_role role;
    uint32_t block;         /* SAM_NO_BLOCK: it belongs to the model as a whole */
    uint64_t rows, columns; /* a vector is one row */
    unsigned rank;          /* 1 or 2, as exported */
    sam_dtype dtype;
    const uint8_t *bytes; /* mapped file */
    size_t row_bytes;
    uint32_t interleaved; /* not 0: rows of each head of this size are stored as (0, n/2, 1, n/2 + 1, ...) */
} sam_model_tensor;

typedef struct sam_model sam_model;

/* `path`: a .gguf file, a .safetensors file beside its config.json, or a folder that holds one of them. */
sam_status sam_model_open(sam_model **model, const char *path, sam_error *err);
void sam_model_close(sam_model *model); /* NULL is fine */

const sam_model_config *sam_model_configuration(const sam_model *model);
const sam_tokenizer *sam_model_tokenizer(const sam_model *model); /* NULL where the files have none */

/* Names the base: BLAKE2b-256 of the file; of a folder: of the lines "<hex digest>  <file name>\n" of its weights,
 * config.json and tokenizer.json, sorted by name. Computed at open. */
const sam_digest *sam_model_digest(const sam_model *model);

size_t sam_model_tensor_count(const sam_model *model);
const sam_model_tensor *sam_model_tensor_at(const sam_model *model, size_t index); /* canonical order */
/* The tensor with this role in a block (SAM_NO_BLOCK: of the model as a whole), or SAM_NO_TENSOR. */
size_t sam_model_tensor_with(const sam_model *model, sam_tensor_role role, uint32_t block);

/* Rows [row, row + rows) of a tensor, Hugging Face layout, as out[rows][columns]. */
void sam_model_rows(const sam_model *model, size_t tensor, uint64_t row, uint64_t rows, float *out);

/* The GGUF it was opened from, or else the folder of config.json; the other is NULL. For exporters. */
const sam_gguf *sam_model_gguf(const sam_model *model);
const char *sam_model_folder(const sam_model *model);

/* One part of a matrix that is a product of thin ones: variant v of the tensor has U C_v V^T in it. */
typedef struct sam_low_rank_term {
    const float *u;           /* [rows][rank] */
    const float *v;           /* [columns][rank] */
    const float *const *core; /* [variants], each [rank][rank], row-major */
    size_t rank;
} sam_low_rank_term;

/* Where the forward pass and the exporters take weights from: the model itself, or a replica that adds to it.
 * `variants` differing copies are formed at once (theta+ and theta-). */
typedef struct sam_weight_source {
    const void *context;
    unsigned variants;
    /* out[v] is [rows][columns] of variant v, complete. Safe from several threads at once. */
    void (*rows)(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[]);
    /* NULL, or: the terms that, added to the model's own matrix, are what `rows` gives. The forward pass then adds
     * U (C (V^T x)) to the product of the model's matrix instead of forming each variant. Returns how many terms the
     * tensor has, one for each epoch for example, and writes them if they are at most `most`; 0 for a tensor that has
     * no such form (every vector). What they point to stays as it is until the pass is over. Worth offering where the
     * ranks together are well below rows and columns. */
    size_t (*low_rank)(const void *context, size_t tensor, sam_low_rank_term *terms, size_t most);
} sam_weight_source;

sam_weight_source sam_model_source(const sam_model *model); /* one variant: the base as it is */

#endif
