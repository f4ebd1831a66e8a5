/* Architectures: for each one a row of names and a table of the tensors it has, with their shapes.
 *
 *     const sam_architecture *llama = sam_architecture_of_gguf("llama", 5);
 *     char name[SAM_TENSOR_NAME];
 *     for (size_t i = 0; i < llama->tensor_count; i++)
 *         sam_tensor_name(name, llama->tensors[i].hf, 3);      // "model.layers.3.self_attn.q_proj.weight"
 *
 * To add one: a row in architecture.c with its table of tensors, what its configuration needs in model_config.c, and
 * its `family` in the forward pass where that is new. Pure data, safe from any thread.
 */
#ifndef SAM_MODEL_ARCHITECTURE_H
#define SAM_MODEL_ARCHITECTURE_H

#include "model/model.h"

#define SAM_TENSOR_NAME 96

/* What the forward pass has to do, as far as it differs by more than sizes and biases. The forward code keeps one
 * table of functions for each. */
typedef enum sam_forward_family {
    SAM_FAMILY_LLAMA, /* RMS norm, rotary positions in halves, grouped-query attention, SiLU-gated MLP */
} sam_forward_family;

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
    const char *hf, *gguf; /* %u stands for the number of the block */
    sam_size rows, columns;
    bool rotary; /* rows of a matrix take part in RoPE: GGUF interleaves them where the architecture says so */
    sam_presence presence;
} sam_tensor_template;

struct sam_architecture {
    const char *gguf_name, *hf_class, *hf_type;
    sam_forward_family family;
    bool gguf_interleaved; /* llama.cpp's converter permutes the rows of q and k */
    bool attention_bias;   /* q, k and v have biases */
    double default_norm_epsilon;
    const char *const *harmless; /* tensors of files that carry no information; ends with NULL */
    const sam_tensor_template *tensors;
    size_t tensor_count;
};

const sam_architecture *sam_architecture_of_gguf(const char *name, size_t length); /* NULL: not known */
const sam_architecture *sam_architecture_of_class(const char *hf_class);           /* "LlamaForCausalLM" */

bool sam_template_per_block(const sam_tensor_template *tensor);
bool sam_template_present(const sam_tensor_template *tensor, const sam_model_config *config);
uint64_t sam_template_size(sam_size size, const sam_model_config *config); /* NONE: 1 */

/* Fills the block's number into a template. */
void sam_tensor_name(char out[SAM_TENSOR_NAME], const char *pattern, uint32_t block);

/* The reverse: is `name` what the pattern makes of one of the blocks, and of which? */
bool sam_tensor_matches(const char *name, const char *pattern, uint32_t blocks, uint32_t *block);

#endif
