#include "model/export.h"

#include "base/files.h"
#include "base/memory.h"
#include "model/architecture.h"
#include "model/files/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)4 << 20)

const char *const SAM_EXPORT_COMPANIONS[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    NULL,
};

/* As JSON a float32 gets the fewest digits that read back as it: 1e-05, not 9.999999747378752e-06. */
static json_t *json_float(float value)
{
    char text[32];
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_real(strtod(text, NULL));
}

static const char *torch_name(sam_dtype dtype)
{
    return dtype == SAM_F16 ? "float16" : dtype == SAM_BF16 ? "bfloat16" : "float32";
}

/* A special token of the base as its number, or null. */
static json_t *special_token(const sam_model *model, const char *key)
{
    uint64_t token;
    const sam_gguf *gguf = sam_model_gguf(model);
    if (gguf == NULL || !sam_gguf_u64(gguf, key, &token) || token >= sam_model_configuration(model)->vocabulary)
        return json_null();
    return json_integer((json_int_t)token);
}

static json_t *composed_config(const sam_model *model, sam_dtype dtype)
{
    const sam_model_config *c = sam_model_configuration(model);
    return json_pack("{s:[s], s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o, s:b, s:b, s:o, s:o}",
                     "architectures", c->architecture->hf_class, "model_type", c->architecture->hf_type, "torch_dtype",
                     torch_name(dtype), "vocab_size", (json_int_t)c->vocabulary, "hidden_size", (json_int_t)c->hidden,
                     "intermediate_size", (json_int_t)c->intermediate, "num_hidden_layers", (json_int_t)c->blocks,
                     "num_attention_heads", (json_int_t)c->heads, "num_key_value_heads", (json_int_t)c->kv_heads,
                     "head_dim", (json_int_t)c->head_size, "max_position_embeddings", (json_int_t)c->context,
                     "hidden_act", "silu", "rms_norm_eps", json_float(c->norm_epsilon), "rope_theta",
                     json_float(c->rope_theta), "tie_word_embeddings", (int)c->tied_embeddings, "use_cache", 1,
                     "bos_token_id", special_token(model, "tokenizer.ggml.bos_token_id"), "eos_token_id",
                     special_token(model, "tokenizer.ggml.eos_token_id"));
}

static json_t *composed_generation_config(const sam_model *model)
{
    return json_pack("{s:b, s:o*, s:o*}", "_from_model_config", 1, "bos_token_id",
                     special_token(model, "tokenizer.ggml.bos_token_id"), "eos_token_id",
                     special_token(model, "tokenizer.ggml.eos_token_id"));
}

/* The base's own config.json with the element type of what stands beside it now. */
static sam_status carried_config(const char *path, sam_dtype dtype, json_t **json, sam_error *err)
{
    sam_status status = sam_json_file(json, path, err);
    if (status != SAM_OK)
        return status;
    const char *name = json_object_get(*json, "dtype") != NULL ? "dtype" : "torch_dtype";
    if (json_object_set_new(*json, name, json_string(torch_name(dtype))) != 0)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for config.json");
    return SAM_OK;
}

static sam_status put_json(json_t *json, sam_buffer *out, sam_error *err)
{
    sam_status status =
        json == NULL ? sam_fail(err, SAM_NO_MEMORY, "no memory to write JSON")
                     : sam_json_write(json, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15), out, err);
    sam_put_text(out, "\n");
    json_decref(json);
    return status;
}

static sam_status put_file(const char *path, sam_buffer *out, sam_error *err)
{
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    sam_put_bytes(out, file.bytes, file.length);
    sam_file_map_close(&file);
    return SAM_OK;
}

static sam_status put_tokenizer(const sam_model *model, bool want_config, sam_buffer *out, sam_error *err)
{
    const sam_tokenizer *tokenizer = sam_model_tokenizer(model);
    if (tokenizer == NULL)
        return sam_fail(err, SAM_NOT_FOUND, "the base has no tokenizer to export");
    sam_buffer other = {0};
    sam_status status = want_config ? sam_tokenizer_write_json(tokenizer, &other, out, err)
                                    : sam_tokenizer_write_json(tokenizer, out, &other, err);
    sam_buffer_free(&other);
    return status;
}

static sam_status companion_of_gguf(const sam_model *model, sam_dtype dtype, const char *name, sam_buffer *out,
                                    sam_error *err)
{
    if (strcmp(name, "config.json") == 0)
        return put_json(composed_config(model, dtype), out, err);
    if (strcmp(name, "generation_config.json") == 0)
        return put_json(composed_generation_config(model), out, err);
    if (strcmp(name, "tokenizer.json") == 0)
        return put_tokenizer(model, false, out, err);
    if (strcmp(name, "tokenizer_config.json") == 0)
        return put_tokenizer(model, true, out, err);
    return sam_fail(err, SAM_NOT_FOUND, "an export has no file %.64s", name);
}

static sam_status companion_of_folder(const sam_model *model, sam_dtype dtype, const char *name, sam_buffer *out,
                                      sam_error *err)
{
    char *path = sam_format("%s/%s", sam_model_folder(model), name);
    if (path == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to export %s", name);
    sam_status status;
    json_t *config = NULL;
    if (strcmp(name, "config.json") == 0) {
        status = carried_config(path, dtype, &config, err);
        status = status == SAM_OK ? put_json(config, out, err) : status;
    } else if (strcmp(name, "generation_config.json") == 0 && !sam_file_exists(path)) {
        status = put_json(composed_generation_config(model), out, err);
    } else {
        status = put_file(path, out, err);
    }
    sam_free(path);
    return status;
}

sam_status sam_export_companion(const sam_model *model, sam_snapshot_kind kind, const char *name, sam_buffer *out,
                                sam_error *err)
{
    size_t known = 0;
    while (SAM_EXPORT_COMPANIONS[known] != NULL && strcmp(SAM_EXPORT_COMPANIONS[known], name) != 0)
        known++;
    if (SAM_EXPORT_COMPANIONS[known] == NULL)
        return sam_fail(err, SAM_NOT_FOUND, "an export has no file %.64s", name);
    const sam_dtype dtype = sam_snapshot_kind_dtype(kind);
    sam_status status = sam_model_folder(model) != NULL ? companion_of_folder(model, dtype, name, out, err)
                                                        : companion_of_gguf(model, dtype, name, out, err);
    if (status == SAM_OK && out->failed)
        status = sam_fail(err, SAM_NO_MEMORY, "no memory for %s", name);
    return status;
}

static sam_status copy_snapshot(const sam_snapshot *snapshot, sam_file_writer *out, sam_error *err)
{
    uint8_t *chunk = sam_alloc(CHUNK, 1);
    if (chunk == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to export");
    const uint64_t size = sam_snapshot_size(snapshot);
    sam_status status = SAM_OK;
    for (uint64_t at = 0; at < size && status == SAM_OK; at += CHUNK) {
        const size_t length = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
        status = sam_snapshot_read(snapshot, at, length, chunk, err);
        if (status == SAM_OK)
            status = sam_file_writer_put(out, chunk, length, err);
    }
    sam_free(chunk);
    return status;
}

static sam_status export_file(const sam_model *model, const sam_weight_source *source, sam_snapshot_kind kind,
                              const char *path, sam_error *err)
{
    sam_snapshot *snapshot;
    sam_file_writer out;
    sam_status status = sam_snapshot_open(&snapshot, model, source, kind, err);
    if (status != SAM_OK)
        return status;
    status = sam_file_writer_open(&out, path, err);
    if (status == SAM_OK) {
        status = copy_snapshot(snapshot, &out, err);
        if (status == SAM_OK)
            status = sam_file_writer_commit(&out, err);
        sam_file_writer_abandon(&out);
    }
    sam_snapshot_close(snapshot);
    return status;
}

static sam_status export_companion(const sam_model *model, sam_snapshot_kind kind, const char *folder, const char *name,
                                   sam_error *err)
{
    sam_buffer content = {0};
    char *path = sam_format("%s/%s", folder, name);
    sam_status status = path == NULL ? sam_fail(err, SAM_NO_MEMORY, "no memory to export %s", name)
                                     : sam_export_companion(model, kind, name, &content, err);
    if (status == SAM_OK)
        status = sam_file_write(path, content.bytes, content.length, err);
    else if (status == SAM_NOT_FOUND) /* the base does not have it */
        status = SAM_OK;
    sam_buffer_free(&content);
    sam_free(path);
    return status;
}

sam_status sam_export_folder(const sam_model *model, const sam_weight_source *source, sam_snapshot_kind kind,
                             const char *folder, sam_error *err)
{
    if (kind == SAM_SNAPSHOT_GGUF_F16)
        return sam_fail(err, SAM_INVALID, "a folder holds safetensors, not %s", sam_snapshot_kind_name(kind));
    sam_status status = sam_make_folders(folder, err);
    for (size_t i = 0; SAM_EXPORT_COMPANIONS[i] != NULL && status == SAM_OK; i++)
        status = export_companion(model, kind, folder, SAM_EXPORT_COMPANIONS[i], err);
    if (status != SAM_OK)
        return status;
    char *path = sam_format("%s/model.safetensors", folder);
    status = path == NULL ? sam_fail(err, SAM_NO_MEMORY, "no memory to export to %s", folder)
                          : export_file(model, source, kind, path, err);
    sam_free(path);
    return status;
}

sam_status sam_export_gguf(const sam_model *model, const sam_weight_source *source, const char *path, sam_error *err)
{
    return export_file(model, source, SAM_SNAPSHOT_GGUF_F16, path, err);
}
