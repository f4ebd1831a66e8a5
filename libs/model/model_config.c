#include "model/model_config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bounds that keep every product of two of them, times four bytes, inside 64 bits. */
#define SIZE_LIMIT  ((uint64_t)1 << 24)
#define BLOCK_LIMIT ((uint64_t)1 << 16)

#define ROPE_THETA_DEFAULT 10000.0

#define KNOWN_ROOM 256

/* " llama qwen2", or the names of their classes. */
static const char *known_architectures(bool classes, char out[KNOWN_ROOM])
{
    size_t used = 0;
    const sam_architecture *known;
    for (size_t i = 0; used < KNOWN_ROOM && (known = sam_architecture_at(i)) != NULL; i++)
        used += (size_t)snprintf(out + used, KNOWN_ROOM - used, " %s", classes ? known->hf_class : known->gguf_name);
    return out;
}

typedef struct gguf_source {
    const sam_gguf *gguf;
    const char *path, *architecture;
    char key[128]; /* the one asked for last, for messages */
} gguf_source;

static const char *full_key(gguf_source *source, const char *key)
{
    snprintf(source->key, sizeof source->key, "%s.%s", source->architecture, key);
    return source->key;
}

/* A number from 1 to `limit`. `otherwise` stands in where the key is absent; 0 says that it must be there. */
static sam_status gguf_count(gguf_source *source, const char *key, uint64_t limit, uint32_t otherwise, uint32_t *value,
                             sam_error *err)
{
    uint64_t number;
    *value = otherwise;
    if (!sam_gguf_has(source->gguf, full_key(source, key)))
        return otherwise != 0 ? SAM_OK : sam_fail(err, SAM_CORRUPT, "%s: key %s is missing", source->path, source->key);
    if (!sam_gguf_u64(source->gguf, source->key, &number))
        return sam_fail(err, SAM_UNSUPPORTED, "%s: key %s is not one whole number", source->path, source->key);
    if (number == 0 || number > limit)
        return sam_fail(err, SAM_CORRUPT, "%s: key %s is %" PRIu64 ", not from 1 to %" PRIu64, source->path,
                        source->key, number, limit);
    *value = (uint32_t)number;
    return SAM_OK;
}

/* A number above 0; `otherwise` of 0 says that it must be there. */
static sam_status gguf_number(gguf_source *source, const char *key, double otherwise, float *value, sam_error *err)
{
    double number = otherwise;
    if (sam_gguf_has(source->gguf, full_key(source, key)) && !sam_gguf_f64(source->gguf, source->key, &number))
        return sam_fail(err, SAM_CORRUPT, "%s: key %s is no number", source->path, source->key);
    *value = (float)number;
    if (!(*value > 0) || !isfinite(*value))
        return sam_fail(err, SAM_CORRUPT, "%s: key %s is missing, or not above 0", source->path, source->key);
    return SAM_OK;
}

static sam_status gguf_architecture(gguf_source *source, sam_model_config *config, sam_error *err)
{
    char known[KNOWN_ROOM];
    const char *name;
    size_t length;
    if (!sam_gguf_text(source->gguf, "general.architecture", &name, &length))
        return sam_fail(err, SAM_CORRUPT, "%s: key general.architecture is missing", source->path);
    config->architecture = sam_architecture_of_gguf(name, length);
    if (config->architecture == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: architecture %.*s is not known; these are:%s", source->path,
                        (int)(length > 64 ? 64 : length), name, known_architectures(false, known));
    source->architecture = config->architecture->gguf_name;
    return SAM_OK;
}

static const char *gguf_tensor(const sam_model_config *config, sam_tensor_role role)
{
    return sam_architecture_template(config->architecture, role)->gguf;
}

/* Rows of the embedding are the vocabulary: old files have no key for it, and some have a wrong one. */
static sam_status gguf_vocabulary(const gguf_source *source, sam_model_config *config, sam_error *err)
{
    const char *name = gguf_tensor(config, SAM_ROLE_EMBEDDINGS);
    const sam_tensor *embedding = sam_gguf_find(source->gguf, name);
    if (embedding == NULL || embedding->rank != 2)
        return sam_fail(err, SAM_CORRUPT, "%s: it has no matrix %s; is it only a vocabulary?", source->path, name);
    if (embedding->shape[0] > SIZE_LIMIT)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: a vocabulary of %" PRIu64 " tokens", source->path,
                        embedding->shape[0]);
    config->vocabulary = (uint32_t)embedding->shape[0];
    config->tied_embeddings = sam_gguf_find(source->gguf, gguf_tensor(config, SAM_ROLE_OUTPUT)) == NULL;
    return SAM_OK;
}

static sam_status gguf_refusals(gguf_source *source, const sam_model_config *config, sam_error *err)
{
    uint32_t size;
    sam_status status = gguf_count(source, "attention.value_length", SIZE_LIMIT, config->head_size, &size, err);
    if (status == SAM_OK && size == config->head_size)
        status = gguf_count(source, "rope.dimension_count", SIZE_LIMIT, config->head_size, &size, err);
    if (status == SAM_OK && size != config->head_size)
        status = sam_fail(err, SAM_UNSUPPORTED, "%s: key %s is %u; only the size of a head (%u) is supported",
                          source->path, source->key, size, config->head_size);
    uint64_t experts = 0;
    if (status == SAM_OK && sam_gguf_u64(source->gguf, full_key(source, "expert_count"), &experts) && experts != 0)
        status = sam_fail(err, SAM_UNSUPPORTED, "%s: mixtures of experts are not supported", source->path);
    const char *scaling;
    size_t length;
    if (status == SAM_OK && sam_gguf_text(source->gguf, full_key(source, "rope.scaling.type"), &scaling, &length) &&
        (length != 4 || memcmp(scaling, "none", 4) != 0))
        status =
            sam_fail(err, SAM_UNSUPPORTED, "%s: RoPE scaling (key %s) is not supported", source->path, source->key);
    double factor = 1;
    if (status == SAM_OK && (sam_gguf_f64(source->gguf, full_key(source, "rope.scale_linear"), &factor)) && factor != 1)
        status =
            sam_fail(err, SAM_UNSUPPORTED, "%s: RoPE scaling (key %s) is not supported", source->path, source->key);
    return status;
}

/* What both kinds of file must satisfy. */
static sam_status check_heads(const sam_model_config *config, const char *path, sam_error *err)
{
    if (config->heads % config->kv_heads != 0)
        return sam_fail(err, SAM_CORRUPT, "%s: %u heads cannot share %u key-value heads", path, config->heads,
                        config->kv_heads);
    if (config->head_size == 0 || config->head_size % 2 != 0)
        return sam_fail(err, SAM_CORRUPT, "%s: heads of size %u cannot be rotated in pairs", path, config->head_size);
    return SAM_OK;
}

static uint32_t default_head_size(const sam_model_config *config)
{
    return config->hidden / config->heads;
}

sam_status sam_config_from_gguf(sam_model_config *config, const sam_gguf *gguf, const char *path, sam_error *err)
{
    *config = (sam_model_config){0};
    gguf_source source = {.gguf = gguf, .path = path};
    sam_status status = gguf_architecture(&source, config, err);
    if (status != SAM_OK)
        return status;
    const struct {
        const char *key;
        uint64_t limit;
        uint32_t *value;
    } counts[] = {{"block_count", BLOCK_LIMIT, &config->blocks},
                  {"embedding_length", SIZE_LIMIT, &config->hidden},
                  {"feed_forward_length", SIZE_LIMIT, &config->intermediate},
                  {"attention.head_count", BLOCK_LIMIT, &config->heads},
                  {"context_length", UINT32_MAX, &config->context}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == SAM_OK; i++)
        status = gguf_count(&source, counts[i].key, counts[i].limit, 0, counts[i].value, err);
    if (status == SAM_OK)
        status = gguf_count(&source, "attention.head_count_kv", BLOCK_LIMIT, config->heads, &config->kv_heads, err);
    if (status == SAM_OK)
        status =
            gguf_count(&source, "attention.key_length", SIZE_LIMIT, default_head_size(config), &config->head_size, err);
    if (status == SAM_OK)
        status = gguf_number(&source, "attention.layer_norm_rms_epsilon", 0, &config->norm_epsilon, err);
    if (status == SAM_OK)
        status = gguf_number(&source, "rope.freq_base", ROPE_THETA_DEFAULT, &config->rope_theta, err);
    if (status == SAM_OK)
        status = gguf_vocabulary(&source, config, err);
    if (status == SAM_OK)
        status = gguf_refusals(&source, config, err);
    return status == SAM_OK ? check_heads(config, path, err) : status;
}

/* As gguf_count, of a member of config.json; null counts as absent. */
static sam_status json_count(const json_t *json, const char *name, uint64_t limit, uint32_t otherwise, uint32_t *value,
                             const char *path, sam_error *err)
{
    const json_t *member = json_object_get(json, name);
    *value = otherwise;
    if (member == NULL || json_is_null(member))
        return otherwise != 0 ? SAM_OK : sam_fail(err, SAM_CORRUPT, "%s: \"%s\" is missing", path, name);
    json_int_t number = json_integer_value(member);
    if (!json_is_integer(member) || number <= 0 || (uint64_t)number > limit)
        return sam_fail(err, SAM_CORRUPT, "%s: \"%s\" is no whole number from 1 to %" PRIu64, path, name, limit);
    *value = (uint32_t)number;
    return SAM_OK;
}

static sam_status json_above_zero(const json_t *json, const char *name, double otherwise, float *value,
                                  const char *path, sam_error *err)
{
    const json_t *member = json_object_get(json, name);
    *value = (float)(member == NULL || json_is_null(member) ? otherwise : json_number_value(member));
    if (!(*value > 0) || !isfinite(*value))
        return sam_fail(err, SAM_CORRUPT, "%s: \"%s\" is no number above 0", path, name);
    return SAM_OK;
}

static sam_status json_architecture(sam_model_config *config, const json_t *json, const char *path, sam_error *err)
{
    char known[KNOWN_ROOM];
    const char *name = json_string_value(json_array_get(json_object_get(json, "architectures"), 0));
    if (name == NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: \"architectures\" does not name a class", path);
    config->architecture = sam_architecture_of_class(name);
    if (config->architecture == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: architecture %.64s is not known; these are:%s", path, name,
                        known_architectures(true, known));
    return SAM_OK;
}

/* Members that change the computation in ways that are not built. */
static sam_status json_refusals(const json_t *json, const char *path, sam_error *err)
{
    static const char *const MUST_BE_FALSE[] = {"attention_bias", "mlp_bias", "use_sliding_window"};
    for (size_t i = 0; i < sizeof MUST_BE_FALSE / sizeof *MUST_BE_FALSE; i++) {
        if (json_is_true(json_object_get(json, MUST_BE_FALSE[i])))
            return sam_fail(err, SAM_UNSUPPORTED, "%s: \"%s\": true is not supported", path, MUST_BE_FALSE[i]);
    }
    const char *activation = json_string_value(json_object_get(json, "hidden_act"));
    if (activation != NULL && strcmp(activation, "silu") != 0)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: \"hidden_act\": \"%.64s\"; only silu is supported", path,
                        activation);
    return SAM_OK;
}

/* transformers 4 writes rope_theta and rope_scaling, transformers 5 one object rope_parameters. */
static sam_status json_rope(sam_model_config *config, const json_t *json, const char *path, sam_error *err)
{
    const json_t *rope = json_object_get(json, "rope_parameters");
    if (!json_is_object(rope))
        rope = json_object_get(json, "rope_scaling");
    const json_t *type = json_object_get(rope, "rope_type");
    if (type == NULL)
        type = json_object_get(rope, "type");
    if (json_is_object(rope) && type != NULL &&
        (!json_is_string(type) || strcmp(json_string_value(type), "default") != 0))
        return sam_fail(err, SAM_UNSUPPORTED, "%s: RoPE scaling other than \"default\" is not supported", path);
    const json_t *holder = json_object_get(rope, "rope_theta") != NULL ? rope : json;
    return json_above_zero(holder, "rope_theta", ROPE_THETA_DEFAULT, &config->rope_theta, path, err);
}

sam_status sam_config_from_json(sam_model_config *config, const json_t *json, const char *path, sam_error *err)
{
    *config = (sam_model_config){0};
    sam_status status = json_architecture(config, json, path, err);
    if (status != SAM_OK)
        return status;
    const struct {
        const char *name;
        uint64_t limit;
        uint32_t *value;
    } counts[] = {{"num_hidden_layers", BLOCK_LIMIT, &config->blocks},
                  {"hidden_size", SIZE_LIMIT, &config->hidden},
                  {"intermediate_size", SIZE_LIMIT, &config->intermediate},
                  {"num_attention_heads", BLOCK_LIMIT, &config->heads},
                  {"vocab_size", SIZE_LIMIT, &config->vocabulary},
                  {"max_position_embeddings", UINT32_MAX, &config->context}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts && status == SAM_OK; i++)
        status = json_count(json, counts[i].name, counts[i].limit, 0, counts[i].value, path, err);
    if (status == SAM_OK)
        status = json_count(json, "num_key_value_heads", BLOCK_LIMIT, config->heads, &config->kv_heads, path, err);
    if (status == SAM_OK)
        status = json_count(json, "head_dim", SIZE_LIMIT, default_head_size(config), &config->head_size, path, err);
    if (status == SAM_OK)
        status = json_above_zero(json, "rms_norm_eps", config->architecture->default_norm_epsilon,
                                 &config->norm_epsilon, path, err);
    if (status == SAM_OK)
        status = json_rope(config, json, path, err);
    if (status == SAM_OK)
        status = json_refusals(json, path, err);
    config->tied_embeddings = json_is_true(json_object_get(json, "tie_word_embeddings"));
    return status == SAM_OK ? check_heads(config, path, err) : status;
}
