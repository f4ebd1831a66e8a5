/* Architectures: for each a row, with the names that files have for it, a table of its tensors, and the plan of its
 * blocks.
 *
 *     const sam_architecture *llama = sam_architecture_of_gguf("llama", 5);
 *     char name[SAM_TENSOR_NAME];
 *     for (size_t i = 0; i < llama->tensor_count; i++)
 *         sam_tensor_name(name, llama->tensors[i].hf, 3);      // "model.layers.3.self_attn.q_proj.weight"
 *
 * To add one: a row in architecture.c with its tensors, and what its configuration needs in model_config.c. Where its
 * blocks do what no other's do, a new value in the plan below, which forward/block.c then switches on; where it has
 * tensors of a new kind, a new role in model.h. Nothing else knows an architecture or a tensor by name. Pure data,
 * safe from any thread.
 */
#ifndef SAM_MODEL_ARCHITECTURE_H
#define SAM_MODEL_ARCHITECTURE_H

#include "model/model.h"

#define SAM_TENSOR_NAME 96

typedef enum sam_size {
    SAM_SIZE_NONE, /* a vector has no columns */
    SAM_SIZE_HIDDEN,
    SAM_SIZE_INTERMEDIATE,
    SAM_SIZE_QUERIES, /* heads * head_size */
    SAM_SIZE_KEYS,    /* kv_heads * head_size */
    SAM_SIZE_VOCABULARY,
} sam_size;

typedef enum sam_presence { SAM_ALWAYS, SAM_UNLESS_TIED } sam_presence;

typedef struct sam_tensor_template {
    sam_tensor_role role;
    const char *hf, *gguf; /* %u stands for the number of the block */
    sam_size rows, columns;
    bool rotary; /* rows of a matrix take part in RoPE: GGUF interleaves them where the architecture says so */
    sam_presence presence;
} sam_tensor_template;

/* What a block computes, as far as sizes and the presence of tensors do not say it already: a bias is added wherever
 * the architecture has a tensor for it. Each choice lists what is built; an architecture that needs another (a layer
 * norm, a norm after each half, learned positions, windows, a plain MLP, halves in parallel) adds its value here and
 * its case to forward/block.c. */
typedef enum sam_norm_kind {
    SAM_NORM_RMS, /* x / sqrt(mean of x^2 + epsilon) * weight */
} sam_norm_kind;

typedef enum sam_norm_place {
    SAM_NORM_BEFORE, /* attention and MLP each see a normed residual, and add to the bare one */
} sam_norm_place;

typedef enum sam_positions {
    SAM_POSITIONS_ROTARY, /* RoPE of queries and keys, rows d and d + head_size / 2 of a head together */
} sam_positions;

typedef enum sam_attention_kind {
    SAM_ATTENTION_GROUPED, /* causal; heads / kv_heads query heads share each head of keys and values */
} sam_attention_kind;

typedef enum sam_mlp_kind {
    SAM_MLP_SILU_GATED, /* down(silu(gate(x)) * up(x)) */
} sam_mlp_kind;

typedef enum sam_residual {
    SAM_RESIDUAL_IN_TURN, /* the MLP sees what attention added */
} sam_residual;

typedef struct sam_block_plan {
    sam_norm_kind norm; /* the final norm is of this kind too */
    sam_norm_place norm_place;
    sam_positions positions;
    sam_attention_kind attention;
    sam_mlp_kind mlp;
    sam_residual residual;
} sam_block_plan;

/* A tensor that files may have and no template names. */
typedef struct sam_other_tensor {
    const char *name;    /* as in a file of either kind; NULL ends a list */
    const char *refusal; /* what a file with it would need; NULL: it carries no information */
} sam_other_tensor;

struct sam_architecture {
    const char *gguf_name, *hf_class, *hf_type;
    sam_block_plan plan;
    bool gguf_interleaved; /* llama.cpp's converter permutes the rows of q and k */
    double default_norm_epsilon;
    const sam_other_tensor *others;
    const sam_tensor_template *tensors;
    size_t tensor_count;
};

/* Number `index` of the table, NULL past its end. */
const sam_architecture *sam_architecture_at(size_t index);
const sam_architecture *sam_architecture_of_gguf(const char *name, size_t length); /* NULL: not known */
const sam_architecture *sam_architecture_of_class(const char *hf_class);           /* "LlamaForCausalLM" */

/* NULL where the architecture has no tensor of this role. */
const sam_tensor_template *sam_architecture_template(const sam_architecture *architecture, sam_tensor_role role);

bool sam_role_is_norm(sam_tensor_role role);

bool sam_template_per_block(const sam_tensor_template *tensor);
bool sam_template_present(const sam_tensor_template *tensor, const sam_model_config *config);
uint64_t sam_template_size(sam_size size, const sam_model_config *config); /* NONE: 1 */

/* Fills the block's number into a template. */
void sam_tensor_name(char out[SAM_TENSOR_NAME], const char *pattern, uint32_t block);

/* The reverse: is `name` what the pattern makes of one of the blocks, and of which? */
bool sam_tensor_matches(const char *name, const char *pattern, uint32_t blocks, uint32_t *block);

#endif
