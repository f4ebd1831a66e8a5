#include "model/files/gguf.h"

#include "base/files.h"
#include "base/memory.h"
#include "model/files/names.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ALIGNMENT 32u
#define NAME_LIMIT        65535u

typedef struct key {
    const char *name;
    size_t name_length;
    sam_gguf_type type, element; /* element: of an array, else the type itself */
    size_t count;                /* of an array, else 1 */
    const uint8_t *values;       /* numbers, one after the other */
    const size_t *texts;         /* texts: where each begins in the file, at its length */
} key;

struct sam_gguf {
    sam_file_map file; /* not open when the bytes are the caller's */
    char *path;
    sam_reader in; /* while opening */
    uint32_t version;
    key *keys;
    size_t key_count;
    sam_tensor *tensors;
    size_t tensor_count;
    sam_names key_names, tensor_names;
    sam_arena arena;
};

static const uint8_t TYPE_BYTES[SAM_GGUF_TYPES] = {
    [SAM_GGUF_U8] = 1,  [SAM_GGUF_I8] = 1,  [SAM_GGUF_U16] = 2, [SAM_GGUF_I16] = 2,
    [SAM_GGUF_U32] = 4, [SAM_GGUF_I32] = 4, [SAM_GGUF_F32] = 4, [SAM_GGUF_BOOL] = 1,
    [SAM_GGUF_U64] = 8, [SAM_GGUF_I64] = 8, [SAM_GGUF_F64] = 8,
};

static sam_status ends_early(const sam_gguf *g, const char *where, sam_error *err)
{
    return sam_fail(err, SAM_CORRUPT, "%s: ends early in %s at byte %zu of %zu; fetch the file again", g->path, where,
                    g->in.at, g->in.length);
}

static sam_status no_memory(const sam_gguf *g, sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for its table of contents", g->path);
}

/* Version 1 counts in u32, later ones in u64. */
static uint64_t get_count(sam_gguf *g)
{
    return g->version == 1 ? sam_get_u32(&g->in) : sam_get_u64(&g->in);
}

static size_t count_bytes(const sam_gguf *g)
{
    return g->version == 1 ? 4 : 8;
}

/* A length and as many bytes; borrowed from the file, without NUL. */
static const char *get_text(sam_gguf *g, size_t *length)
{
    uint64_t claimed = get_count(g);
    *length = claimed > sam_reader_left(&g->in) ? SIZE_MAX : (size_t)claimed;
    return (const char *)sam_get_bytes(&g->in, *length);
}

static sam_status read_name(sam_gguf *g, const char *what, const char **name, size_t *length, sam_error *err)
{
    size_t at = g->in.at;
    *name = get_text(g, length);
    if (g->in.failed)
        return ends_early(g, what, err);
    if (*length == 0 || *length > NAME_LIMIT || memchr(*name, 0, *length) != NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: %s at byte %zu is empty, longer than %u or has a NUL in it", g->path,
                        what, at, NAME_LIMIT);
    return SAM_OK;
}

static sam_status read_header(sam_gguf *g, uint64_t *tensors, uint64_t *keys, sam_error *err)
{
    const uint8_t *magic = sam_get_bytes(&g->in, 4);
    if (magic == NULL)
        return ends_early(g, "the header", err);
    if (memcmp(magic, "GGUF", 4) != 0)
        return sam_fail(err, SAM_CORRUPT, "%s: no GGUF file: its first bytes are not \"GGUF\"", g->path);
    g->version = sam_get_u32(&g->in);
    if (g->in.failed)
        return ends_early(g, "the header", err);
    if (g->version != 0 && (g->version & 0xffffu) == 0)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: big-endian GGUF is not read; convert it to little-endian", g->path);
    if (g->version < 1 || g->version > 3)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: GGUF version %" PRIu32 " at byte 4; 1 to 3 are read", g->path,
                        g->version);
    *tensors = get_count(g);
    *keys = get_count(g);
    return g->in.failed ? ends_early(g, "the header", err) : SAM_OK;
}

/* `count` entries of at least `least` bytes must fit into what is left: a lie about counts costs no memory. */
static sam_status check_count(const sam_gguf *g, uint64_t count, size_t least, const char *what, sam_error *err)
{
    if (count > sam_reader_left(&g->in) / least)
        return sam_fail(err, SAM_CORRUPT, "%s: %" PRIu64 " %s before byte %zu do not fit into the %zu bytes left",
                        g->path, count, what, g->in.at, sam_reader_left(&g->in));
    return SAM_OK;
}

static sam_status read_texts(sam_gguf *g, key *k, sam_error *err)
{
    size_t *offsets = sam_arena_array(&g->arena, k->count, sizeof *offsets);
    if (offsets == NULL)
        return no_memory(g, err);
    for (size_t i = 0; i < k->count; i++) {
        size_t length;
        offsets[i] = g->in.at;
        get_text(g, &length);
        if (g->in.failed)
            return ends_early(g, "a text", err);
    }
    k->texts = offsets;
    return SAM_OK;
}

static sam_status read_bools(const sam_gguf *g, const key *k, sam_error *err)
{
    for (size_t i = 0; i < k->count; i++) {
        if (k->values[i] > 1)
            return sam_fail(err, SAM_CORRUPT, "%s: the bool at byte %zu is %u, not 0 or 1", g->path,
                            (size_t)(k->values - g->in.bytes) + i, k->values[i]);
    }
    return SAM_OK;
}

static sam_status read_type(sam_gguf *g, sam_gguf_type *type, sam_error *err)
{
    size_t at = g->in.at;
    uint32_t number = sam_get_u32(&g->in);
    if (g->in.failed)
        return ends_early(g, "the type of a key", err);
    if (number >= SAM_GGUF_TYPES)
        return sam_fail(err, SAM_CORRUPT, "%s: unknown value type %" PRIu32 " at byte %zu", g->path, number, at);
    *type = (sam_gguf_type)number;
    return SAM_OK;
}

static sam_status read_array(sam_gguf *g, key *k, sam_error *err)
{
    size_t at = g->in.at;
    sam_status status = read_type(g, &k->element, err);
    if (status != SAM_OK)
        return status;
    if (k->element == SAM_GGUF_ARRAY)
        return sam_fail(err, SAM_UNSUPPORTED, "%s: an array of arrays at byte %zu (key %.*s)", g->path, at,
                        (int)k->name_length, k->name);
    uint64_t count = get_count(g);
    if (g->in.failed)
        return ends_early(g, "the length of an array", err);
    size_t least = k->element == SAM_GGUF_TEXT ? count_bytes(g) : TYPE_BYTES[k->element];
    status = check_count(g, count, least, "elements of an array", err);
    k->count = (size_t)count;
    return status;
}

static sam_status read_key(sam_gguf *g, key *k, sam_error *err)
{
    sam_status status = read_name(g, "the name of a key", &k->name, &k->name_length, err);
    if (status == SAM_OK)
        status = read_type(g, &k->type, err);
    if (status != SAM_OK)
        return status;
    k->element = k->type;
    k->count = 1;
    if (k->type == SAM_GGUF_ARRAY && (status = read_array(g, k, err)) != SAM_OK)
        return status;
    if (k->element == SAM_GGUF_TEXT)
        return read_texts(g, k, err);
    k->values = sam_get_bytes(&g->in, k->count * TYPE_BYTES[k->element]);
    if (g->in.failed)
        return ends_early(g, "a value", err);
    return k->element == SAM_GGUF_BOOL ? read_bools(g, k, err) : SAM_OK;
}

static sam_status read_keys(sam_gguf *g, uint64_t count, sam_error *err)
{
    sam_status status = check_count(g, count, count_bytes(g) + 1 + 4 + 1, "keys", err);
    if (status != SAM_OK)
        return status;
    g->keys = sam_alloc((size_t)count, sizeof *g->keys);
    if (g->keys == NULL)
        return no_memory(g, err);
    if ((status = sam_names_open(&g->key_names, (size_t)count, err)) != SAM_OK)
        return status;
    for (; g->key_count < count; g->key_count++) {
        key *k = &g->keys[g->key_count];
        if ((status = read_key(g, k, err)) != SAM_OK)
            return status;
        g->key_names.entries[g->key_count] = (sam_name){k->name, k->name_length, g->key_count};
    }
    const sam_name *twice = sam_names_sort(&g->key_names);
    if (twice != NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: the key %.*s occurs twice, the second time at byte %zu", g->path,
                        (int)twice->length, twice->text, (size_t)((const uint8_t *)twice->text - g->in.bytes));
    return SAM_OK;
}

static sam_status read_shape(sam_gguf *g, sam_tensor *t, sam_error *err)
{
    size_t at = g->in.at;
    uint32_t rank = sam_get_u32(&g->in);
    if (g->in.failed)
        return ends_early(g, "the shape of a tensor", err);
    if (rank > SAM_TENSOR_RANK)
        return sam_fail(err, SAM_CORRUPT, "%s: tensor %s has %" PRIu32 " dimensions at byte %zu; at most %d are known",
                        g->path, t->name, rank, at, SAM_TENSOR_RANK);
    t->rank = rank;
    uint64_t product = 1;
    for (unsigned i = rank; i-- > 0;) { /* the file has the fastest-varying first */
        t->shape[i] = get_count(g);
        if (g->in.failed)
            return ends_early(g, "the shape of a tensor", err);
        if (t->shape[i] == 0 || __builtin_mul_overflow(product, t->shape[i], &product))
            return sam_fail(err, SAM_CORRUPT, "%s: tensor %s has a size of 0, or too large a one, before byte %zu",
                            g->path, t->name, g->in.at);
    }
    t->length = (size_t)product; /* elements, until read_tensor knows the type */
    return SAM_OK;
}

/* The offset is kept in `offset`: where the data begins is known only after the last tensor. */
static sam_status read_tensor(sam_gguf *g, sam_tensor *t, uint64_t *offset, sam_error *err)
{
    const char *name;
    size_t length;
    sam_status status = read_name(g, "the name of a tensor", &name, &length, err);
    if (status != SAM_OK)
        return status;
    if ((t->name = sam_arena_strndup(&g->arena, name, length)) == NULL)
        return no_memory(g, err);
    if ((status = read_shape(g, t, err)) != SAM_OK)
        return status;
    size_t at = g->in.at;
    uint32_t type = sam_get_u32(&g->in);
    *offset = sam_get_u64(&g->in);
    if (g->in.failed)
        return ends_early(g, "the place of a tensor", err);
    if (!sam_dtype_from_gguf(type, &t->dtype))
        return sam_fail(err, SAM_UNSUPPORTED,
                        "%s: tensor %s has element type %" PRIu32 " at byte %zu, which is not read", g->path, t->name,
                        type, at);
    uint64_t row = t->rank == 0 ? 1 : t->shape[t->rank - 1];
    size_t bytes = sam_dtype_bytes(t->dtype, t->length);
    if (row % sam_dtype_block(t->dtype) != 0 || bytes == SIZE_MAX)
        return sam_fail(err, SAM_CORRUPT,
                        "%s: rows of %" PRIu64 " elements of tensor %s are no whole blocks of %s (byte %zu)", g->path,
                        row, t->name, sam_dtype_name(t->dtype), at);
    t->length = bytes;
    return SAM_OK;
}

static sam_status alignment_of(const sam_gguf *g, uint64_t *alignment, sam_error *err)
{
    *alignment = DEFAULT_ALIGNMENT;
    if (!sam_gguf_has(g, "general.alignment"))
        return SAM_OK;
    bool number = sam_gguf_u64(g, "general.alignment", alignment);
    if (!number || *alignment == 0 || (*alignment & (*alignment - 1)) != 0 || *alignment > UINT32_MAX)
        return sam_fail(err, SAM_CORRUPT, "%s: general.alignment before byte %zu is no power of two", g->path,
                        g->in.at);
    return SAM_OK;
}

static sam_status place_tensors(sam_gguf *g, const uint64_t *offsets, sam_error *err)
{
    uint64_t alignment;
    sam_status status = alignment_of(g, &alignment, err);
    if (status != SAM_OK || g->tensor_count == 0)
        return status;
    uint64_t start = (g->in.at + alignment - 1) & ~(alignment - 1);
    uint64_t room = start > g->in.length ? 0 : g->in.length - start;
    for (size_t i = 0; i < g->tensor_count; i++) {
        sam_tensor *t = &g->tensors[i];
        if (offsets[i] % alignment != 0)
            return sam_fail(err, SAM_CORRUPT, "%s: the offset %" PRIu64 " of tensor %s is no multiple of %" PRIu64,
                            g->path, offsets[i], t->name, alignment);
        if (offsets[i] > room || t->length > room - offsets[i])
            return sam_fail(err, SAM_CORRUPT,
                            "%s: tensor %s (%zu bytes from byte %" PRIu64 " of the data at byte %" PRIu64
                            ") ends after the end of the file, byte %zu",
                            g->path, t->name, t->length, offsets[i], start, g->in.length);
        t->bytes = g->in.bytes + start + offsets[i];
    }
    return SAM_OK;
}

static int compare_places(const void *left, const void *right)
{
    const sam_tensor *const *a = left, *const *b = right;
    return ((*a)->bytes > (*b)->bytes) - ((*a)->bytes < (*b)->bytes);
}

static sam_status refuse_overlaps(const sam_gguf *g, sam_error *err)
{
    const sam_tensor **placed = sam_alloc(g->tensor_count, sizeof *placed);
    if (placed == NULL)
        return no_memory(g, err);
    for (size_t i = 0; i < g->tensor_count; i++)
        placed[i] = &g->tensors[i];
    qsort(placed, g->tensor_count, sizeof *placed, compare_places);
    sam_status status = SAM_OK;
    for (size_t i = 1; i < g->tensor_count && status == SAM_OK; i++) {
        if (placed[i - 1]->bytes + placed[i - 1]->length > placed[i]->bytes)
            status = sam_fail(err, SAM_CORRUPT, "%s: tensors %s and %s overlap at byte %zu", g->path,
                              placed[i - 1]->name, placed[i]->name, (size_t)(placed[i]->bytes - g->in.bytes));
    }
    sam_free(placed);
    return status;
}

static sam_status index_tensors(sam_gguf *g, sam_error *err)
{
    sam_status status = sam_names_open(&g->tensor_names, g->tensor_count, err);
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < g->tensor_count; i++)
        g->tensor_names.entries[i] = (sam_name){g->tensors[i].name, strlen(g->tensors[i].name), i};
    const sam_name *twice = sam_names_sort(&g->tensor_names);
    if (twice != NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: two tensors are named %s (in the table that ends at byte %zu)", g->path,
                        twice->text, g->in.at);
    return SAM_OK;
}

static sam_status read_tensors(sam_gguf *g, uint64_t count, sam_error *err)
{
    sam_status status = check_count(g, count, count_bytes(g) + 1 + 4 + 4 + 8, "tensors", err);
    if (status != SAM_OK)
        return status;
    g->tensors = sam_alloc((size_t)count, sizeof *g->tensors);
    uint64_t *offsets = sam_alloc((size_t)count, sizeof *offsets);
    if (g->tensors == NULL || offsets == NULL)
        status = no_memory(g, err);
    for (; status == SAM_OK && g->tensor_count < count; g->tensor_count++)
        status = read_tensor(g, &g->tensors[g->tensor_count], &offsets[g->tensor_count], err);
    if (status == SAM_OK)
        status = index_tensors(g, err);
    if (status == SAM_OK)
        status = place_tensors(g, offsets, err);
    if (status == SAM_OK)
        status = refuse_overlaps(g, err);
    sam_free(offsets);
    return status;
}

static sam_status parse(sam_gguf *g, sam_error *err)
{
    uint64_t tensors = 0, keys = 0;
    sam_status status = read_header(g, &tensors, &keys, err);
    if (status == SAM_OK)
        status = read_keys(g, keys, err);
    if (status == SAM_OK)
        status = read_tensors(g, tensors, err);
    return status;
}

static sam_status make(sam_gguf **gguf, const char *name, sam_error *err)
{
    *gguf = sam_alloc(1, sizeof **gguf);
    if (*gguf != NULL)
        (*gguf)->path = sam_strdup(name);
    if (*gguf == NULL || (*gguf)->path == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open it", name);
    return SAM_OK;
}

static sam_status close_unless(sam_status status, sam_gguf **gguf)
{
    if (status != SAM_OK) {
        sam_gguf_close(*gguf);
        *gguf = NULL;
    }
    return status;
}

sam_status sam_gguf_open_bytes(sam_gguf **gguf, const uint8_t *bytes, size_t length, const char *name, sam_error *err)
{
    sam_status status = make(gguf, name, err);
    if (status == SAM_OK) {
        (*gguf)->in = sam_reader_of(bytes, length);
        status = parse(*gguf, err);
    }
    return close_unless(status, gguf);
}

sam_status sam_gguf_open(sam_gguf **gguf, const char *path, sam_error *err)
{
    sam_status status = make(gguf, path, err);
    if (status == SAM_OK)
        status = sam_file_map_open(&(*gguf)->file, path, err);
    if (status == SAM_OK) {
        (*gguf)->in = sam_reader_of((*gguf)->file.bytes, (*gguf)->file.length);
        status = parse(*gguf, err);
    }
    return close_unless(status, gguf);
}

void sam_gguf_close(sam_gguf *gguf)
{
    if (gguf == NULL)
        return;
    sam_names_close(&gguf->key_names);
    sam_names_close(&gguf->tensor_names);
    sam_arena_free(&gguf->arena);
    sam_free(gguf->keys);
    sam_free(gguf->tensors);
    sam_free(gguf->path);
    sam_file_map_close(&gguf->file);
    sam_free(gguf);
}

static const key *find_key(const sam_gguf *gguf, const char *name)
{
    const sam_name *found = sam_names_find(&gguf->key_names, name, strlen(name));
    return found == NULL ? NULL : &gguf->keys[found->position];
}

/* A key that is no array, or NULL. */
static const key *find_single(const sam_gguf *gguf, const char *name)
{
    const key *k = find_key(gguf, name);
    return k == NULL || k->type == SAM_GGUF_ARRAY ? NULL : k;
}

/* An array that has the index, or NULL. */
static const key *find_array(const sam_gguf *gguf, const char *name, size_t index)
{
    const key *k = find_key(gguf, name);
    return k == NULL || k->type != SAM_GGUF_ARRAY || index >= k->count ? NULL : k;
}

/* A number of any integer type as magnitude bits and sign; false for what is no integer. */
static bool integer_at(const key *k, size_t index, uint64_t *bits, bool *negative)
{
    static const bool IS_SIGNED[SAM_GGUF_TYPES] = {
        [SAM_GGUF_I8] = true, [SAM_GGUF_I16] = true, [SAM_GGUF_I32] = true, [SAM_GGUF_I64] = true};
    const size_t width = TYPE_BYTES[k->element];
    if (width == 0 || k->element == SAM_GGUF_F32 || k->element == SAM_GGUF_F64 || k->element == SAM_GGUF_BOOL)
        return false;
    *bits = 0;
    for (size_t i = 0; i < width; i++)
        *bits |= (uint64_t)k->values[index * width + i] << (8 * i);
    *negative = IS_SIGNED[k->element] && (*bits >> (8 * width - 1)) != 0;
    if (*negative && width < 8)
        *bits |= ~(uint64_t)0 << (8 * width);
    return true;
}

static bool u64_at(const key *k, size_t index, uint64_t *value)
{
    bool negative;
    return integer_at(k, index, value, &negative) && !negative;
}

static bool i64_at(const key *k, size_t index, int64_t *value)
{
    uint64_t bits;
    bool negative;
    if (!integer_at(k, index, &bits, &negative) || (!negative && bits > INT64_MAX))
        return false;
    memcpy(value, &bits, sizeof *value);
    return true;
}

static bool f64_at(const key *k, size_t index, double *value)
{
    int64_t integer;
    if (k->element == SAM_GGUF_F32) {
        float narrow;
        memcpy(&narrow, k->values + 4 * index, sizeof narrow);
        *value = (double)narrow;
    } else if (k->element == SAM_GGUF_F64) {
        memcpy(value, k->values + 8 * index, sizeof *value);
    } else if (i64_at(k, index, &integer)) {
        *value = (double)integer;
    } else {
        return false;
    }
    return true;
}

static bool text_at(const sam_gguf *gguf, const key *k, size_t index, const char **text, size_t *length)
{
    if (k->element != SAM_GGUF_TEXT)
        return false;
    const uint8_t *place = gguf->in.bytes + k->texts[index];
    *length = gguf->version == 1 ? sam_load_u32(place) : (size_t)sam_load_u64(place);
    *text = (const char *)place + count_bytes(gguf);
    return true;
}

bool sam_gguf_has(const sam_gguf *gguf, const char *name)
{
    return find_key(gguf, name) != NULL;
}

bool sam_gguf_u64(const sam_gguf *gguf, const char *name, uint64_t *value)
{
    const key *k = find_single(gguf, name);
    return k != NULL && u64_at(k, 0, value);
}

bool sam_gguf_f64(const sam_gguf *gguf, const char *name, double *value)
{
    const key *k = find_single(gguf, name);
    return k != NULL && f64_at(k, 0, value);
}

bool sam_gguf_bool(const sam_gguf *gguf, const char *name, bool *value)
{
    const key *k = find_single(gguf, name);
    if (k == NULL || k->type != SAM_GGUF_BOOL)
        return false;
    *value = k->values[0] != 0;
    return true;
}

bool sam_gguf_text(const sam_gguf *gguf, const char *name, const char **text, size_t *length)
{
    const key *k = find_single(gguf, name);
    return k != NULL && text_at(gguf, k, 0, text, length);
}

size_t sam_gguf_array_length(const sam_gguf *gguf, const char *name)
{
    const key *k = find_array(gguf, name, 0);
    return k == NULL ? 0 : k->count;
}

bool sam_gguf_array_text(const sam_gguf *gguf, const char *name, size_t index, const char **text, size_t *length)
{
    const key *k = find_array(gguf, name, index);
    return k != NULL && text_at(gguf, k, index, text, length);
}

bool sam_gguf_array_i64(const sam_gguf *gguf, const char *name, size_t index, int64_t *value)
{
    const key *k = find_array(gguf, name, index);
    return k != NULL && i64_at(k, index, value);
}

bool sam_gguf_array_f64(const sam_gguf *gguf, const char *name, size_t index, double *value)
{
    const key *k = find_array(gguf, name, index);
    return k != NULL && f64_at(k, index, value);
}

size_t sam_gguf_key_count(const sam_gguf *gguf)
{
    return gguf->key_count;
}

const char *sam_gguf_key_name(const sam_gguf *gguf, size_t index, size_t *length)
{
    *length = gguf->keys[index].name_length;
    return gguf->keys[index].name;
}

void sam_gguf_put_value(const sam_gguf *gguf, size_t index, sam_buffer *out)
{
    const key *k = &gguf->keys[index];
    sam_put_u32(out, (uint32_t)k->type);
    if (k->type == SAM_GGUF_ARRAY) {
        sam_put_u32(out, (uint32_t)k->element);
        sam_put_u64(out, k->count);
    }
    if (k->element != SAM_GGUF_TEXT)
        sam_put_bytes(out, k->values, k->count * TYPE_BYTES[k->element]);
    for (size_t i = 0; k->element == SAM_GGUF_TEXT && i < k->count; i++) {
        const char *text;
        size_t length;
        text_at(gguf, k, i, &text, &length);
        sam_put_u64(out, length);
        sam_put_bytes(out, text, length);
    }
}

size_t sam_gguf_tensor_count(const sam_gguf *gguf)
{
    return gguf->tensor_count;
}

const sam_tensor *sam_gguf_tensor(const sam_gguf *gguf, size_t index)
{
    return &gguf->tensors[index];
}

const sam_tensor *sam_gguf_find(const sam_gguf *gguf, const char *name)
{
    const sam_name *found = sam_names_find(&gguf->tensor_names, name, strlen(name));
    return found == NULL ? NULL : &gguf->tensors[found->position];
}
