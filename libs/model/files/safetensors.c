#include "model/files/safetensors.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/files/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_LIMIT ((uint64_t)100 * 1000 * 1000) /* of the reference reader */

typedef struct shard {
    sam_file_map file; /* not open when the bytes are the caller's */
    char *path;
} shard;

struct sam_safetensors {
    shard *shards;
    size_t shard_count;
    sam_tensor *tensors; /* sorted by name once open */
    size_t count;
    sam_arena arena;
};

typedef struct dtype_name {
    const char *name;
    sam_dtype dtype;
} dtype_name;

static const dtype_name DTYPE_NAMES[] = {{"F32", SAM_F32}, {"F16", SAM_F16}, {"BF16", SAM_BF16}};

static sam_status parse_dtype(const char *path, const char *tensor, const json_t *json, sam_dtype *dtype,
                              sam_error *err)
{
    const char *name = json_string_value(json);
    if (name == NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: tensor %s has no \"dtype\"", path, tensor);
    for (size_t i = 0; i < sizeof DTYPE_NAMES / sizeof *DTYPE_NAMES; i++) {
        if (strcmp(DTYPE_NAMES[i].name, name) == 0) {
            *dtype = DTYPE_NAMES[i].dtype;
            return SAM_OK;
        }
    }
    return sam_fail(err, SAM_UNSUPPORTED, "%s: tensor %s has dtype %.32s; F32, F16 and BF16 are read", path, tensor,
                    name);
}

static sam_status parse_shape(const char *path, sam_tensor *t, const json_t *json, sam_error *err)
{
    if (!json_is_array(json) || json_array_size(json) > SAM_TENSOR_RANK)
        return sam_fail(err, SAM_CORRUPT, "%s: \"shape\" of tensor %s is no list of at most %d sizes", path, t->name,
                        SAM_TENSOR_RANK);
    t->rank = (unsigned)json_array_size(json);
    uint64_t product = 1;
    for (unsigned i = 0; i < t->rank; i++) {
        const json_t *size = json_array_get(json, i);
        if (!json_is_integer(size) || json_integer_value(size) <= 0)
            return sam_fail(err, SAM_CORRUPT, "%s: size %u of tensor %s is no number above 0", path, i, t->name);
        t->shape[i] = (uint64_t)json_integer_value(size);
        if (__builtin_mul_overflow(product, t->shape[i], &product))
            return sam_fail(err, SAM_CORRUPT, "%s: the sizes of tensor %s overflow", path, t->name);
    }
    t->length = sam_dtype_bytes(t->dtype, product);
    if (t->length == SIZE_MAX)
        return sam_fail(err, SAM_CORRUPT, "%s: the sizes of tensor %s overflow", path, t->name);
    return SAM_OK;
}

static sam_status parse_place(const char *path, sam_tensor *t, const json_t *json, sam_reader data, sam_error *err)
{
    const json_t *from = json_array_get(json, 0), *to = json_array_get(json, 1);
    if (json_array_size(json) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return sam_fail(err, SAM_CORRUPT, "%s: \"data_offsets\" of tensor %s is no pair of numbers", path, t->name);
    int64_t begin = json_integer_value(from), end = json_integer_value(to);
    if (begin < 0 || end < begin || (uint64_t)end > data.length)
        return sam_fail(err, SAM_CORRUPT,
                        "%s: tensor %s is said to be at bytes %" PRId64 " to %" PRId64
                        " of the data, which has %zu (from byte %zu of the file)",
                        path, t->name, begin, end, data.length, data.at);
    if ((uint64_t)(end - begin) != t->length)
        return sam_fail(err, SAM_CORRUPT, "%s: tensor %s has %" PRId64 " bytes where its shape and dtype need %zu",
                        path, t->name, end - begin, t->length);
    t->bytes = data.bytes + begin;
    return SAM_OK;
}

static sam_status parse_tensor(const char *path, sam_tensor *t, const json_t *json, sam_reader data, sam_error *err)
{
    static const char *const KNOWN[] = {"dtype", "shape", "data_offsets", NULL};
    sam_status status = SAM_OK;
    if (!json_is_object(json))
        return sam_fail(err, SAM_CORRUPT, "%s: the entry of tensor %s is no object", path, t->name);
    const char *unknown = sam_json_unknown(json, KNOWN);
    if (unknown != NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: unknown member \"%.64s\" of tensor %s", path, unknown, t->name);
    status = parse_dtype(path, t->name, json_object_get(json, "dtype"), &t->dtype, err);
    if (status == SAM_OK)
        status = parse_shape(path, t, json_object_get(json, "shape"), err);
    if (status == SAM_OK)
        status = parse_place(path, t, json_object_get(json, "data_offsets"), data, err);
    return status;
}

static sam_status parse_metadata(const char *path, const json_t *metadata, sam_error *err)
{
    const char *name;
    json_t *value;
    if (metadata != NULL && !json_is_object(metadata))
        return sam_fail(err, SAM_CORRUPT, "%s: \"__metadata__\" is no object of texts", path);
    json_object_foreach((json_t *)metadata, name, value)
    {
        if (!json_is_string(value))
            return sam_fail(err, SAM_CORRUPT, "%s: \"__metadata__\" member \"%.64s\" is no text", path, name);
    }
    return SAM_OK;
}

static int compare_places(const void *left, const void *right)
{
    const sam_tensor *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes > b->bytes ? 1 : -1;
    return (a->length > b->length) - (a->length < b->length);
}

/* Tensors must fill the data one after the other: then no byte is read twice and none is hidden. */
static sam_status check_cover(const char *path, sam_tensor *tensors, size_t count, sam_reader data, sam_error *err)
{
    qsort(tensors, count, sizeof *tensors, compare_places);
    const uint8_t *next = data.bytes;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].bytes != next)
            return sam_fail(err, SAM_CORRUPT, "%s: tensor %s begins at byte %zu of the data and %s", path,
                            tensors[i].name, (size_t)(tensors[i].bytes - data.bytes),
                            tensors[i].bytes < next ? "overlaps the one before" : "leaves a gap before it");
        next += tensors[i].length;
    }
    if (next != data.bytes + data.length)
        return sam_fail(err, SAM_CORRUPT, "%s: the tensors end at byte %zu of the data, which has %zu", path,
                        (size_t)(next - data.bytes), data.length);
    return SAM_OK;
}

static sam_status make_room(sam_safetensors *files, size_t more, sam_error *err)
{
    size_t capacity = files->count + more;
    sam_tensor *tensors = sam_realloc(files->tensors, capacity, sizeof *tensors);
    if (tensors == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a table of %zu tensors", capacity);
    files->tensors = tensors;
    return SAM_OK;
}

static sam_status parse_entries(sam_safetensors *files, const char *path, json_t *header, sam_reader data,
                                sam_error *err)
{
    size_t first = files->count;
    sam_status status = parse_metadata(path, json_object_get(header, "__metadata__"), err);
    if (status == SAM_OK)
        status = make_room(files, json_object_size(header), err);
    const char *name;
    json_t *entry;
    json_object_foreach(header, name, entry)
    {
        if (status != SAM_OK)
            return status;
        if (strcmp(name, "__metadata__") == 0)
            continue;
        sam_tensor *t = &files->tensors[files->count];
        *t = (sam_tensor){.name = sam_arena_strndup(&files->arena, name, strlen(name))};
        if (t->name == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for its table of contents", path);
        status = parse_tensor(path, t, entry, data, err);
        files->count++;
    }
    if (status == SAM_OK)
        status = check_cover(path, files->tensors + first, files->count - first, data, err);
    return status;
}

static sam_status parse_file(sam_safetensors *files, const char *path, const uint8_t *bytes, size_t length,
                             sam_error *err)
{
    sam_reader in = sam_reader_of(bytes, length);
    uint64_t header_length = sam_get_u64(&in);
    if (in.failed)
        return sam_fail(err, SAM_CORRUPT, "%s: ends at byte %zu, inside the length of its header", path, length);
    if (header_length > HEADER_LIMIT || header_length > sam_reader_left(&in))
        return sam_fail(err, SAM_CORRUPT,
                        "%s: byte 0 claims a header of %" PRIu64 " bytes; the file has %zu (limit %" PRIu64 ")", path,
                        header_length, length, HEADER_LIMIT);
    const char *text = (const char *)sam_get_bytes(&in, (size_t)header_length);
    json_t *header;
    sam_status status = sam_json_parse(&header, text, (size_t)header_length, path, err);
    if (status != SAM_OK)
        return status;
    /* `at` is where the data begins in the file, for messages */
    sam_reader data = {.bytes = bytes + in.at, .length = length - in.at, .at = in.at};
    status = json_is_object(header) ? parse_entries(files, path, header, data, err)
                                    : sam_fail(err, SAM_CORRUPT, "%s: the header is no JSON object", path);
    json_decref(header);
    return status;
}

static int compare_tensors(const void *left, const void *right)
{
    return strcmp(((const sam_tensor *)left)->name, ((const sam_tensor *)right)->name);
}

static sam_status sort_tensors(sam_safetensors *files, const char *path, sam_error *err)
{
    if (files->count > 0)
        qsort(files->tensors, files->count, sizeof *files->tensors, compare_tensors);
    for (size_t i = 1; i < files->count; i++) {
        if (compare_tensors(&files->tensors[i - 1], &files->tensors[i]) == 0)
            return sam_fail(err, SAM_CORRUPT, "%s: tensor %s is there twice", path, files->tensors[i].name);
    }
    return SAM_OK;
}

/* Takes `path`, also on failure. */
static sam_status open_shard(sam_safetensors *files, char *path, sam_error *err)
{
    shard *shards = path == NULL ? NULL : sam_realloc(files->shards, files->shard_count + 1, sizeof *shards);
    if (shards == NULL) {
        sam_free(path);
        return sam_fail(err, SAM_NO_MEMORY, "no memory to open the weights");
    }
    files->shards = shards;
    shard *s = &shards[files->shard_count++];
    *s = (shard){.path = path};
    sam_status status = sam_file_map_open(&s->file, path, err);
    if (status == SAM_OK)
        status = parse_file(files, path, s->file.bytes, s->file.length, err);
    return status;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* The distinct file names of a weight map, sorted; borrowed from the JSON. */
static sam_status shard_names(const char *path, json_t *map, const char ***names, size_t *count, sam_error *err)
{
    *count = 0;
    *names = sam_alloc(json_object_size(map), sizeof **names);
    if (*names == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for its list of files", path);
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        const char *file = json_string_value(value);
        if (file == NULL || file[0] == '.' || file[0] == 0 || strchr(file, '/') != NULL)
            return sam_fail(err, SAM_CORRUPT, "%s: the weight map has no plain file name for %s", path, tensor);
        (*names)[(*count)++] = file;
    }
    qsort(*names, *count, sizeof **names, compare_texts);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++) {
        if (i == 0 || strcmp((*names)[i], (*names)[kept - 1]) != 0)
            (*names)[kept++] = (*names)[i];
    }
    *count = kept;
    return SAM_OK;
}

/* The tensors of one shard, not sorted yet, must be those that the weight map puts there. */
static sam_status check_map(const char *path, json_t *map, const char *file, const sam_tensor *tensors, size_t count,
                            sam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const char *said = json_string_value(json_object_get(map, tensors[i].name));
        if (said == NULL || strcmp(said, file) != 0)
            return sam_fail(err, SAM_CORRUPT, "%s: tensor %s is in %s, but the weight map says %s", path,
                            tensors[i].name, file, said == NULL ? "nothing of it" : said);
    }
    return SAM_OK;
}

static sam_status open_shards(sam_safetensors *files, const char *path, json_t *map, sam_error *err)
{
    const char **names = NULL;
    size_t count;
    sam_status status = shard_names(path, map, &names, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++) {
        size_t first = files->count;
        status = open_shard(files, sam_path_beside(path, names[i]), err);
        if (status == SAM_OK)
            status = check_map(path, map, names[i], files->tensors + first, files->count - first, err);
    }
    sam_free(names);
    if (status == SAM_OK)
        status = sort_tensors(files, path, err);
    const char *tensor;
    json_t *value;
    json_object_foreach(map, tensor, value)
    {
        if (status == SAM_OK && sam_safetensors_find(files, tensor) == NULL)
            status = sam_fail(err, SAM_CORRUPT, "%s: the weight map names %s, which %s does not hold", path, tensor,
                              json_string_value(value));
    }
    return status;
}

static sam_status open_index(sam_safetensors *files, const char *path, sam_error *err)
{
    json_t *index;
    sam_status status = sam_json_file(&index, path, err);
    if (status != SAM_OK)
        return status;
    json_t *map = json_object_get(index, "weight_map");
    status = json_is_object(map) ? open_shards(files, path, map, err)
                                 : sam_fail(err, SAM_CORRUPT, "%s has no \"weight_map\" object", path);
    json_decref(index);
    return status;
}

/* A folder stands for the index in it, or for model.safetensors. New memory. */
static char *weights_path(const char *path)
{
    if (sam_ends_with(path, ".safetensors") || sam_ends_with(path, ".json"))
        return sam_strdup(path);
    char *index = sam_format("%s/model.safetensors.index.json", path);
    if (index == NULL || sam_file_exists(index))
        return index;
    sam_free(index);
    return sam_format("%s/model.safetensors", path);
}

static sam_status open_path(sam_safetensors *files, const char *path, sam_error *err)
{
    char *weights = weights_path(path);
    if (weights == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open it", path);
    sam_status status;
    if (sam_ends_with(weights, ".json")) {
        status = open_index(files, weights, err);
    } else {
        status = open_shard(files, sam_strdup(weights), err);
        if (status == SAM_OK)
            status = sort_tensors(files, weights, err);
    }
    sam_free(weights);
    return status;
}

static sam_status close_unless(sam_status status, sam_safetensors **files)
{
    if (status != SAM_OK) {
        sam_safetensors_close(*files);
        *files = NULL;
    }
    return status;
}

sam_status sam_safetensors_open(sam_safetensors **files, const char *path, sam_error *err)
{
    *files = sam_alloc(1, sizeof **files);
    if (*files == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open it", path);
    return close_unless(open_path(*files, path, err), files);
}

sam_status sam_safetensors_open_bytes(sam_safetensors **files, const uint8_t *bytes, size_t length, const char *name,
                                      sam_error *err)
{
    *files = sam_alloc(1, sizeof **files);
    if (*files == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open it", name);
    sam_status status = parse_file(*files, name, bytes, length, err);
    if (status == SAM_OK)
        status = sort_tensors(*files, name, err);
    return close_unless(status, files);
}

void sam_safetensors_close(sam_safetensors *files)
{
    if (files == NULL)
        return;
    for (size_t i = 0; i < files->shard_count; i++) {
        sam_file_map_close(&files->shards[i].file);
        sam_free(files->shards[i].path);
    }
    sam_free(files->shards);
    sam_free(files->tensors);
    sam_arena_free(&files->arena);
    sam_free(files);
}

size_t sam_safetensors_count(const sam_safetensors *files)
{
    return files->count;
}

const sam_tensor *sam_safetensors_at(const sam_safetensors *files, size_t index)
{
    return &files->tensors[index];
}

const sam_tensor *sam_safetensors_find(const sam_safetensors *files, const char *name)
{
    const sam_tensor wanted = {.name = name};
    if (files->count == 0)
        return NULL;
    return bsearch(&wanted, files->tensors, files->count, sizeof wanted, compare_tensors);
}

size_t sam_safetensors_file_count(const sam_safetensors *files)
{
    return files->shard_count;
}

const char *sam_safetensors_file(const sam_safetensors *files, size_t index)
{
    return files->shards[index].path;
}

static json_t *metadata_json(const char *const metadata[][2], size_t count)
{
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        if (json_object_set_new(object, metadata[i][0], json_string(metadata[i][1])) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *shape_json(const sam_tensor *t)
{
    json_t *shape = json_array();
    for (unsigned i = 0; i < t->rank; i++) {
        if (json_array_append_new(shape, json_integer((json_int_t)t->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    }
    return shape;
}

static json_t *tensor_json(const sam_tensor *t, uint64_t offset, uint64_t length)
{
    const char *dtype = t->dtype == SAM_F32 ? "F32" : t->dtype == SAM_F16 ? "F16" : "BF16";
    uint64_t end = offset + length;
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", dtype, "shape", shape_json(t), "data_offsets", (json_int_t)offset,
                     (json_int_t)end);
}

static sam_status tensor_length(const sam_tensor *t, uint64_t *length, sam_error *err)
{
    uint64_t product = 1;
    if (t->dtype != SAM_F32 && t->dtype != SAM_F16 && t->dtype != SAM_BF16)
        return sam_fail(err, SAM_UNSUPPORTED, "safetensors has no dtype for %s (tensor %s)", sam_dtype_name(t->dtype),
                        t->name);
    for (unsigned i = 0; i < t->rank; i++) {
        if (__builtin_mul_overflow(product, t->shape[i], &product))
            return sam_fail(err, SAM_INVALID, "the sizes of tensor %s overflow", t->name);
    }
    *length = sam_dtype_bytes(t->dtype, product);
    return *length > INT64_MAX / 2 ? sam_fail(err, SAM_INVALID, "the sizes of tensor %s overflow", t->name) : SAM_OK;
}

static sam_status header_json(json_t *object, const sam_tensor *tensors, size_t count, sam_error *err)
{
    uint64_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t length = 0;
        sam_status status = tensor_length(&tensors[i], &length, err);
        if (status != SAM_OK)
            return status;
        if (json_object_get(object, tensors[i].name) != NULL || length > INT64_MAX - offset)
            return sam_fail(err, SAM_INVALID, "tensor %s is given twice, or is beyond any file", tensors[i].name);
        if (json_object_set_new(object, tensors[i].name, tensor_json(&tensors[i], offset, length)) != 0)
            return sam_fail(err, SAM_NO_MEMORY, "no memory for a header of %zu tensors", count);
        offset += length;
    }
    return SAM_OK;
}

static void put_header(sam_buffer *header, const char *text, size_t length)
{
    size_t padded = (length + 7) & ~(size_t)7;
    sam_put_u64(header, padded);
    sam_put_bytes(header, text, length);
    for (; length < padded; length++)
        sam_put_u8(header, ' ');
}

sam_status sam_safetensors_header(sam_buffer *header, const sam_tensor *tensors, size_t count,
                                  const char *const metadata[][2], size_t metadata_count, sam_error *err)
{
    json_t *object = json_object();
    sam_status status = SAM_OK;
    if (metadata_count > 0 && json_object_set_new(object, "__metadata__", metadata_json(metadata, metadata_count)) != 0)
        status = sam_fail(err, SAM_NO_MEMORY, "no memory for a header of %zu tensors", count);
    if (status == SAM_OK)
        status = header_json(object, tensors, count, err);
    if (status == SAM_OK) {
        sam_buffer text = {0};
        status = sam_json_write(object, JSON_COMPACT | JSON_PRESERVE_ORDER, &text, err);
        put_header(header, (const char *)text.bytes, text.length);
        sam_buffer_free(&text);
        if (header->failed)
            status = sam_fail(err, SAM_NO_MEMORY, "no memory for a header of %zu tensors", count);
    }
    json_decref(object);
    return status;
}
