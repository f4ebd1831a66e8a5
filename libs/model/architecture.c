#include "model/architecture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */

/* Tensors, without what every block begins with. */
#define HF(name)   "model.layers.%u." name
#define GGUF(name) "blk.%u." name

/* role, Hugging Face name, GGUF name, rows, columns, rotary, presence */
#define LLAMA_TENSORS \
    {SAM_ROLE_EMBEDDINGS, "model.embed_tokens.weight", "token_embd.weight", \
     SAM_SIZE_VOCABULARY, SAM_SIZE_HIDDEN, false, SAM_ALWAYS}, \
    {SAM_ROLE_FINAL_NORM, "model.norm.weight", "output_norm.weight", \
     SAM_SIZE_HIDDEN, SAM_SIZE_NONE, false, SAM_ALWAYS}, \
    {SAM_ROLE_OUTPUT, "lm_head.weight", "output.weight", \
     SAM_SIZE_VOCABULARY, SAM_SIZE_HIDDEN, false, SAM_UNLESS_TIED}, \
    {SAM_ROLE_INPUT_NORM, HF("input_layernorm.weight"), GGUF("attn_norm.weight"), \
     SAM_SIZE_HIDDEN, SAM_SIZE_NONE, false, SAM_ALWAYS}, \
    {SAM_ROLE_POST_NORM, HF("post_attention_layernorm.weight"), GGUF("ffn_norm.weight"), \
     SAM_SIZE_HIDDEN, SAM_SIZE_NONE, false, SAM_ALWAYS}, \
    {SAM_ROLE_Q, HF("self_attn.q_proj.weight"), GGUF("attn_q.weight"), \
     SAM_SIZE_QUERIES, SAM_SIZE_HIDDEN, true, SAM_ALWAYS}, \
    {SAM_ROLE_K, HF("self_attn.k_proj.weight"), GGUF("attn_k.weight"), \
     SAM_SIZE_KEYS, SAM_SIZE_HIDDEN, true, SAM_ALWAYS}, \
    {SAM_ROLE_V, HF("self_attn.v_proj.weight"), GGUF("attn_v.weight"), \
     SAM_SIZE_KEYS, SAM_SIZE_HIDDEN, false, SAM_ALWAYS}, \
    {SAM_ROLE_O, HF("self_attn.o_proj.weight"), GGUF("attn_output.weight"), \
     SAM_SIZE_HIDDEN, SAM_SIZE_QUERIES, false, SAM_ALWAYS}, \
    {SAM_ROLE_GATE, HF("mlp.gate_proj.weight"), GGUF("ffn_gate.weight"), \
     SAM_SIZE_INTERMEDIATE, SAM_SIZE_HIDDEN, false, SAM_ALWAYS}, \
    {SAM_ROLE_UP, HF("mlp.up_proj.weight"), GGUF("ffn_up.weight"), \
     SAM_SIZE_INTERMEDIATE, SAM_SIZE_HIDDEN, false, SAM_ALWAYS}, \
    {SAM_ROLE_DOWN, HF("mlp.down_proj.weight"), GGUF("ffn_down.weight"), \
     SAM_SIZE_HIDDEN, SAM_SIZE_INTERMEDIATE, false, SAM_ALWAYS}

static const sam_tensor_template LLAMA[] = {LLAMA_TENSORS};

static const sam_tensor_template QWEN2[] = {
    LLAMA_TENSORS,
    {SAM_ROLE_Q_BIAS, HF("self_attn.q_proj.bias"), GGUF("attn_q.bias"),
     SAM_SIZE_QUERIES, SAM_SIZE_NONE, false, SAM_ALWAYS},
    {SAM_ROLE_K_BIAS, HF("self_attn.k_proj.bias"), GGUF("attn_k.bias"),
     SAM_SIZE_KEYS, SAM_SIZE_NONE, false, SAM_ALWAYS},
    {SAM_ROLE_V_BIAS, HF("self_attn.v_proj.bias"), GGUF("attn_v.bias"),
     SAM_SIZE_KEYS, SAM_SIZE_NONE, false, SAM_ALWAYS},
};

/* clang-format on */

/* Old exports store the rotary frequencies, which follow from rope_theta; those of a scaled RoPE do not. */
static const sam_other_tensor LLAMA_OTHERS[] = {
    {HF("self_attn.rotary_emb.inv_freq"), NULL},
    {GGUF("attn_rot_embd"), NULL},
    {"rope_freqs.weight", "scaled RoPE, as in Llama 3.1"},
    {NULL, NULL},
};

#define LLAMA_PLAN                                                                                                     \
    {.norm = SAM_NORM_RMS,                                                                                             \
     .norm_place = SAM_NORM_BEFORE,                                                                                    \
     .positions = SAM_POSITIONS_ROTARY,                                                                                \
     .attention = SAM_ATTENTION_GROUPED,                                                                               \
     .mlp = SAM_MLP_SILU_GATED,                                                                                        \
     .residual = SAM_RESIDUAL_IN_TURN}
#define TENSORS(table) .tensors = (table), .tensor_count = sizeof(table) / sizeof *(table)

static const sam_architecture ARCHITECTURES[] = {
    {
        .gguf_name = "llama",
        .hf_class = "LlamaForCausalLM",
        .hf_type = "llama",
        .plan = LLAMA_PLAN,
        .gguf_interleaved = true,
        .default_norm_epsilon = 1e-6,
        .others = LLAMA_OTHERS,
        TENSORS(LLAMA),
    },
    {
        .gguf_name = "qwen2",
        .hf_class = "Qwen2ForCausalLM",
        .hf_type = "qwen2",
        .plan = LLAMA_PLAN,
        .default_norm_epsilon = 1e-6,
        .others = LLAMA_OTHERS,
        TENSORS(QWEN2),
    },
};

static const size_t ARCHITECTURE_COUNT = sizeof ARCHITECTURES / sizeof *ARCHITECTURES;

const sam_architecture *sam_architecture_at(size_t index)
{
    return index < ARCHITECTURE_COUNT ? &ARCHITECTURES[index] : NULL;
}

const sam_architecture *sam_architecture_of_gguf(const char *name, size_t length)
{
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++) {
        const char *known = ARCHITECTURES[i].gguf_name;
        if (strlen(known) == length && memcmp(known, name, length) == 0)
            return &ARCHITECTURES[i];
    }
    return NULL;
}

const sam_architecture *sam_architecture_of_class(const char *hf_class)
{
    for (size_t i = 0; i < ARCHITECTURE_COUNT; i++) {
        if (strcmp(ARCHITECTURES[i].hf_class, hf_class) == 0)
            return &ARCHITECTURES[i];
    }
    return NULL;
}

const sam_tensor_template *sam_architecture_template(const sam_architecture *architecture, sam_tensor_role role)
{
    for (size_t i = 0; i < architecture->tensor_count; i++) {
        if (architecture->tensors[i].role == role)
            return &architecture->tensors[i];
    }
    return NULL;
}

bool sam_role_is_norm(sam_tensor_role role)
{
    return role == SAM_ROLE_FINAL_NORM || role == SAM_ROLE_INPUT_NORM || role == SAM_ROLE_POST_NORM;
}

bool sam_template_per_block(const sam_tensor_template *tensor)
{
    return strstr(tensor->hf, "%u") != NULL;
}

bool sam_template_present(const sam_tensor_template *tensor, const sam_model_config *config)
{
    return tensor->presence == SAM_ALWAYS || !config->tied_embeddings;
}

uint64_t sam_template_size(sam_size size, const sam_model_config *config)
{
    switch (size) {
    case SAM_SIZE_NONE:
        return 1;
    case SAM_SIZE_HIDDEN:
        return config->hidden;
    case SAM_SIZE_INTERMEDIATE:
        return config->intermediate;
    case SAM_SIZE_QUERIES:
        return (uint64_t)config->heads * config->head_size;
    case SAM_SIZE_KEYS:
        return (uint64_t)config->kv_heads * config->head_size;
    case SAM_SIZE_VOCABULARY:
        return config->vocabulary;
    }
    return 0;
}

void sam_tensor_name(char out[SAM_TENSOR_NAME], const char *pattern, uint32_t block)
{
    const char *number = strstr(pattern, "%u");
    if (number == NULL)
        snprintf(out, SAM_TENSOR_NAME, "%s", pattern);
    else
        snprintf(out, SAM_TENSOR_NAME, "%.*s%u%s", (int)(number - pattern), pattern, block, number + 2);
}

bool sam_tensor_matches(const char *name, const char *pattern, uint32_t blocks, uint32_t *block)
{
    const char *number = strstr(pattern, "%u");
    *block = 0;
    if (number == NULL)
        return strcmp(name, pattern) == 0;
    const size_t before = (size_t)(number - pattern);
    if (strncmp(name, pattern, before) != 0 || name[before] < '0' || name[before] > '9')
        return false;
    const unsigned long value = strtoul(name + before, NULL, 10);
    if (value >= blocks)
        return false;
    char expected[SAM_TENSOR_NAME]; /* written again, so that "blk.03" and "blk.3x" do not pass */
    *block = (uint32_t)value;
    sam_tensor_name(expected, pattern, *block);
    return strcmp(name, expected) == 0;
}
