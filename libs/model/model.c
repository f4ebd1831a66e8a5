#include "model/model.h"

#include "base/bytes.h"
#include "base/digest_cache.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/architecture.h"
#include "model/files/json.h"
#include "model/files/safetensors.h"
#include "model/model_config.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct sam_model {
    sam_model_config config;
    sam_gguf *gguf; /* one of the two */
    sam_safetensors *safetensors;
    char *folder; /* of config.json, where the weights are safetensors */
    sam_tokenizer *tokenizer;
    sam_digest digest;
    sam_model_tensor *tensors; /* sorted by name */
    size_t tensor_count;
    size_t *with;    /* [1 + blocks][SAM_ROLES] which tensor has a role; first those of the model as a whole */
    sam_arena arena; /* names */
};

static sam_status no_memory(const char *path, sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open the model", path);
}

static const sam_tensor *find_in_file(const sam_model *model, const char *name)
{
    return model->gguf != NULL ? sam_gguf_find(model->gguf, name) : sam_safetensors_find(model->safetensors, name);
}

static sam_status check_shape(const sam_tensor *t, const char *name, uint64_t rows, uint64_t columns, unsigned rank,
                              const char *path, sam_error *err)
{
    if (rank == 2 && (t->rank != 2 || t->shape[0] != rows || t->shape[1] != columns))
        return sam_fail(err, SAM_MISMATCH,
                        "%s: %s has shape %" PRIu64 "x%" PRIu64 " (rank %u), expected %" PRIu64 "x%" PRIu64, path, name,
                        t->rank > 0 ? t->shape[0] : 1, t->rank > 1 ? t->shape[1] : 1, t->rank, rows, columns);
    if (rank == 1 && (t->rank != 1 || t->shape[0] != columns))
        return sam_fail(err, SAM_MISMATCH, "%s: %s has size %" PRIu64 " (rank %u), expected a vector of %" PRIu64, path,
                        name, t->rank > 0 ? t->shape[0] : 1, t->rank, columns);
    return SAM_OK;
}

/* Finds what a template names in the file, checks it, and adds it under its Hugging Face name. */
static sam_status add_tensor(sam_model *model, const sam_tensor_template *template, uint32_t block, const char *path,
                             sam_error *err)
{
    char name[SAM_TENSOR_NAME], in_file[SAM_TENSOR_NAME];
    sam_tensor_name(name, template->hf, block);
    sam_tensor_name(in_file, model->gguf != NULL ? template->gguf : template->hf, block);
    const sam_tensor *t = find_in_file(model, in_file);
    if (t == NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: tensor %s is missing", path, in_file);
    const sam_model_config *config = &model->config;
    const unsigned rank = template->columns == SAM_SIZE_NONE ? 1 : 2;
    const uint64_t rows = rank == 1 ? 1 : sam_template_size(template->rows, config);
    const uint64_t columns = sam_template_size(rank == 1 ? template->rows : template->columns, config);
    sam_status status = check_shape(t, in_file, rows, columns, rank, path, err);
    if (status != SAM_OK)
        return status;
    const bool interleaved = model->gguf != NULL && config->architecture->gguf_interleaved && template->rotary;
    model->tensors[model->tensor_count++] = (sam_model_tensor){
        .name = sam_arena_strndup(&model->arena, name, strlen(name)),
        .role = template->role,
        .block = sam_template_per_block(template) ? block : SAM_NO_BLOCK,
        .rows = rows,
        .columns = columns,
        .rank = rank,
        .dtype = t->dtype,
        .bytes = t->bytes,
        .row_bytes = t->length / (size_t)rows,
        .interleaved = interleaved ? config->head_size : 0,
    };
    return model->tensors[model->tensor_count - 1].name == NULL ? no_memory(path, err) : SAM_OK;
}

static sam_status add_template(sam_model *model, const sam_tensor_template *template, const char *path, sam_error *err)
{
    if (!sam_template_present(template, &model->config))
        return SAM_OK;
    const uint32_t copies = sam_template_per_block(template) ? model->config.blocks : 1;
    sam_status status = SAM_OK;
    for (uint32_t block = 0; block < copies && status == SAM_OK; block++)
        status = add_tensor(model, template, block, path, err);
    return status;
}

static int compare_tensors(const void *left, const void *right)
{
    return strcmp(((const sam_model_tensor *)left)->name, ((const sam_model_tensor *)right)->name);
}

static size_t place_of_role(sam_tensor_role role, uint32_t block)
{
    return (block == SAM_NO_BLOCK ? 0 : (size_t)block + 1) * SAM_ROLES + role;
}

/* Once the tensors are sorted. */
static sam_status index_roles(sam_model *model, const char *path, sam_error *err)
{
    const size_t places = ((size_t)model->config.blocks + 1) * SAM_ROLES;
    model->with = sam_alloc(places, sizeof *model->with);
    if (model->with == NULL)
        return no_memory(path, err);
    for (size_t i = 0; i < places; i++)
        model->with[i] = SAM_NO_TENSOR;
    for (size_t i = 0; i < model->tensor_count; i++)
        model->with[place_of_role(model->tensors[i].role, model->tensors[i].block)] = i;
    return SAM_OK;
}

static sam_status add_tensors(sam_model *model, const char *path, sam_error *err)
{
    const sam_architecture *architecture = model->config.architecture;
    model->tensors = sam_alloc(architecture->tensor_count * model->config.blocks, sizeof *model->tensors);
    if (model->tensors == NULL)
        return no_memory(path, err);
    sam_status status = SAM_OK;
    for (size_t i = 0; i < architecture->tensor_count && status == SAM_OK; i++)
        status = add_template(model, &architecture->tensors[i], path, err);
    qsort(model->tensors, model->tensor_count, sizeof *model->tensors, compare_tensors);
    return status == SAM_OK ? index_roles(model, path, err) : status;
}

static bool has_template(const sam_model *model, const char *name)
{
    const sam_architecture *architecture = model->config.architecture;
    uint32_t block;
    for (size_t i = 0; i < architecture->tensor_count; i++) {
        const sam_tensor_template *t = &architecture->tensors[i];
        if (sam_tensor_matches(name, model->gguf != NULL ? t->gguf : t->hf, model->config.blocks, &block))
            return true; /* also the output matrix of a tied model: transformers does not read it then either */
    }
    return false;
}

static const sam_other_tensor *other_tensor(const sam_model *model, const char *name)
{
    uint32_t block;
    for (const sam_other_tensor *other = model->config.architecture->others; other->name != NULL; other++) {
        if (sam_tensor_matches(name, other->name, model->config.blocks, &block))
            return other;
    }
    return NULL;
}

/* A tensor that nobody asks for would change what the model computes elsewhere, so it is named and refused. */
static sam_status refuse_unknown(const sam_model *model, const char *path, sam_error *err)
{
    const size_t count =
        model->gguf != NULL ? sam_gguf_tensor_count(model->gguf) : sam_safetensors_count(model->safetensors);
    for (size_t i = 0; i < count; i++) {
        const sam_tensor *t =
            model->gguf != NULL ? sam_gguf_tensor(model->gguf, i) : sam_safetensors_at(model->safetensors, i);
        const sam_other_tensor *other = other_tensor(model, t->name);
        if (other != NULL && other->refusal != NULL)
            return sam_fail(err, SAM_UNSUPPORTED, "%s: %s (%s) is not supported", path, t->name, other->refusal);
        if (other == NULL && !has_template(model, t->name))
            return sam_fail(err, SAM_UNSUPPORTED, "%s: tensor %s is not part of a %s model of %u blocks", path, t->name,
                            model->config.architecture->gguf_name, model->config.blocks);
    }
    return SAM_OK;
}

static sam_status open_gguf(sam_model *model, const char *path, sam_error *err)
{
    sam_status status = sam_gguf_open(&model->gguf, path, err);
    if (status == SAM_OK)
        status = sam_config_from_gguf(&model->config, model->gguf, path, err);
    if (status == SAM_OK && sam_gguf_has(model->gguf, "tokenizer.ggml.tokens"))
        status = sam_tokenizer_from_gguf(&model->tokenizer, model->gguf, err);
    if (status == SAM_OK)
        status = sam_digest_file_cached(&model->digest, path, err);
    return status;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static sam_status add_digest_line(sam_buffer *lines, const char *path, sam_error *err)
{
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_status status = sam_digest_file_cached(&digest, path, err);
    if (status != SAM_OK)
        return status;
    sam_digest_hex(hex, &digest);
    sam_put_format(lines, "%s  %s\n", hex, file_name(path));
    return SAM_OK;
}

static int compare_file_names(const void *left, const void *right)
{
    return strcmp(file_name(*(const char *const *)left), file_name(*(const char *const *)right));
}

/* `paths` has room for two more than the weights. */
static sam_status digest_files(sam_model *model, const char **paths, const char *config, const char *tokenizer,
                               sam_error *err)
{
    size_t count = sam_safetensors_file_count(model->safetensors);
    for (size_t i = 0; i < count; i++)
        paths[i] = sam_safetensors_file(model->safetensors, i);
    paths[count++] = config;
    if (sam_file_exists(tokenizer))
        paths[count++] = tokenizer;
    qsort(paths, count, sizeof *paths, compare_file_names);
    sam_buffer lines = {0};
    sam_status status = SAM_OK;
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = add_digest_line(&lines, paths[i], err);
    if (status == SAM_OK && lines.failed)
        status = no_memory(config, err);
    if (status == SAM_OK)
        sam_digest_of(&model->digest, lines.bytes, lines.length);
    sam_buffer_free(&lines);
    return status;
}

static sam_status read_config(sam_model *model, const char *path, sam_error *err)
{
    json_t *json;
    sam_status status = sam_json_file(&json, path, err);
    if (status == SAM_OK)
        status = sam_config_from_json(&model->config, json, path, err);
    json_decref(json);
    return status;
}

/* `weights` is the folder, or a file in it. */
static sam_status open_safetensors(sam_model *model, const char *weights, sam_error *err)
{
    char *config = sam_format("%s/config.json", model->folder);
    char *tokenizer = sam_format("%s/tokenizer.json", model->folder);
    sam_status status = config == NULL || tokenizer == NULL ? no_memory(weights, err) : read_config(model, config, err);
    if (status == SAM_OK)
        status = sam_safetensors_open(&model->safetensors, weights, err);
    if (status == SAM_OK && sam_file_exists(tokenizer))
        status = sam_tokenizer_from_json(&model->tokenizer, tokenizer, err);
    if (status == SAM_OK) {
        const char **paths = sam_alloc(sam_safetensors_file_count(model->safetensors) + 2, sizeof *paths);
        status = paths == NULL ? no_memory(weights, err) : digest_files(model, paths, config, tokenizer, err);
        sam_free(paths);
    }
    sam_free(config);
    sam_free(tokenizer);
    return status;
}

/* The one .gguf file of a folder, as new memory. */
static sam_status gguf_of_folder(const char *folder, char **path, sam_error *err)
{
    DIR *entries = opendir(folder);
    if (entries == NULL)
        return sam_fail_errno(err, SAM_IO, errno, "cannot list %s", folder);
    sam_status status = SAM_OK;
    for (struct dirent *entry; status == SAM_OK && (entry = readdir(entries)) != NULL;) {
        if (!sam_ends_with(entry->d_name, ".gguf"))
            continue;
        if (*path != NULL)
            status = sam_fail(err, SAM_INVALID, "%s holds several .gguf files; name the one to open", folder);
        else if ((*path = sam_format("%s/%s", folder, entry->d_name)) == NULL)
            status = no_memory(folder, err);
    }
    closedir(entries);
    if (status == SAM_OK && *path == NULL)
        status = sam_fail(err, SAM_NOT_FOUND, "%s holds neither config.json nor a .gguf file", folder);
    return status;
}

static sam_status open_folder(sam_model *model, const char *path, sam_error *err)
{
    char *config = sam_format("%s/config.json", path), *gguf = NULL;
    sam_status status;
    if (config == NULL) {
        status = no_memory(path, err);
    } else if (sam_file_exists(config)) {
        model->folder = sam_strdup(path);
        status = model->folder == NULL ? no_memory(path, err) : open_safetensors(model, path, err);
    } else {
        status = gguf_of_folder(path, &gguf, err);
        if (status == SAM_OK)
            status = open_gguf(model, gguf, err);
    }
    sam_free(config);
    sam_free(gguf);
    return status;
}

static sam_status open_path(sam_model *model, const char *path, sam_error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return sam_fail_errno(err, errno == ENOENT ? SAM_NOT_FOUND : SAM_IO, errno, "cannot open %s", path);
    if (S_ISDIR(info.st_mode))
        return open_folder(model, path, err);
    if (!sam_ends_with(path, ".safetensors") && !sam_ends_with(path, ".safetensors.index.json"))
        return open_gguf(model, path, err);
    model->folder = sam_path_beside(path, ".");
    return model->folder == NULL ? no_memory(path, err) : open_safetensors(model, path, err);
}

sam_status sam_model_open(sam_model **model, const char *path, sam_error *err)
{
    *model = sam_alloc(1, sizeof **model);
    if (*model == NULL)
        return no_memory(path, err);
    sam_status status = open_path(*model, path, err);
    if (status == SAM_OK)
        status = add_tensors(*model, path, err);
    if (status == SAM_OK)
        status = refuse_unknown(*model, path, err);
    if (status != SAM_OK) {
        sam_model_close(*model);
        *model = NULL;
    }
    return status;
}

void sam_model_close(sam_model *model)
{
    if (model == NULL)
        return;
    sam_tokenizer_free(model->tokenizer);
    sam_gguf_close(model->gguf);
    sam_safetensors_close(model->safetensors);
    sam_arena_free(&model->arena);
    sam_free(model->tensors);
    sam_free(model->with);
    sam_free(model->folder);
    sam_free(model);
}

const sam_model_config *sam_model_configuration(const sam_model *model)
{
    return &model->config;
}

const sam_tokenizer *sam_model_tokenizer(const sam_model *model)
{
    return model->tokenizer;
}

const sam_digest *sam_model_digest(const sam_model *model)
{
    return &model->digest;
}

size_t sam_model_tensor_count(const sam_model *model)
{
    return model->tensor_count;
}

const sam_model_tensor *sam_model_tensor_at(const sam_model *model, size_t index)
{
    return &model->tensors[index];
}

size_t sam_model_tensor_with(const sam_model *model, sam_tensor_role role, uint32_t block)
{
    return model->with[place_of_role(role, block)];
}

/* Where a row lies in the file, counted in rows: differs from `row` only where the tensor is interleaved. */
static uint64_t file_row(const sam_model_tensor *tensor, uint64_t row)
{
    const uint64_t n = tensor->interleaved;
    if (n == 0)
        return row;
    const uint64_t within = row % n, half = within / (n / 2), pair = within % (n / 2);
    return row - within + 2 * pair + half;
}

void sam_model_rows(const sam_model *model, size_t tensor, uint64_t row, uint64_t rows, float *out)
{
    const sam_model_tensor *t = &model->tensors[tensor];
    const size_t columns = (size_t)t->columns;
    if (t->interleaved == 0) {
        sam_dtype_read(t->dtype, t->bytes + row * t->row_bytes, (size_t)rows * columns, out);
        return;
    }
    for (uint64_t i = 0; i < rows; i++)
        sam_dtype_read(t->dtype, t->bytes + file_row(t, row + i) * t->row_bytes, columns, out + i * columns);
}

const sam_gguf *sam_model_gguf(const sam_model *model)
{
    return model->gguf;
}

const char *sam_model_folder(const sam_model *model)
{
    return model->folder;
}

static void base_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    sam_model_rows(context, tensor, row, rows, out[0]);
}

sam_weight_source sam_model_source(const sam_model *model)
{
    return (sam_weight_source){.context = model, .variants = 1, .rows = base_rows};
}
