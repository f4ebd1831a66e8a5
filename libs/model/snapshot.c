#include "model/snapshot.h"

#include "base/memory.h"
#include "model/architecture.h"
#include "model/files/gguf_write.h"
#include "model/files/safetensors.h"

#include <inttypes.h>
#include <string.h>

#define TILE_BYTES         ((size_t)256 * 1024)
#define GGUF_FILE_TYPE_F16 1u /* LLAMA_FTYPE_MOSTLY_F16 */

/* One tensor of the file. */
typedef struct part {
    size_t tensor; /* of the model */
    sam_dtype dtype;
    uint64_t begin, length; /* in the file */
} part;

struct sam_snapshot {
    const sam_model *model;
    sam_weight_source source;
    bool file_rows; /* the file wants interleaved rows back where the base had them (GGUF) */
    sam_buffer head;
    part *parts; /* in file order */
    size_t part_count;
    uint64_t size;
};

typedef struct kind_row {
    const char *name;
    sam_dtype dtype;
} kind_row;

static const kind_row KINDS[] = {
#define X(name, text, dtype) [SAM_SNAPSHOT_##name] = {text, SAM_##dtype},
    SAM_SNAPSHOT_TABLE(X)
#undef X
};

const char *sam_snapshot_kind_name(sam_snapshot_kind kind)
{
    return KINDS[kind].name;
}

sam_dtype sam_snapshot_kind_dtype(sam_snapshot_kind kind)
{
    return KINDS[kind].dtype;
}

bool sam_snapshot_kind_of(const char *name, sam_snapshot_kind *kind)
{
    for (unsigned i = 0; i < sizeof KINDS / sizeof *KINDS; i++) {
        if (strcmp(KINDS[i].name, name) == 0) {
            *kind = (sam_snapshot_kind)i;
            return true;
        }
    }
    return false;
}

/* Shape as exported: a vector has one size. */
static void shape_of(const sam_model_tensor *t, uint64_t shape[2])
{
    shape[0] = t->rank == 1 ? t->columns : t->rows;
    shape[1] = t->columns;
}

static sam_status plan_safetensors(sam_snapshot *s, sam_dtype dtype, sam_error *err)
{
    static const char *const METADATA[][2] = {{"format", "pt"}}; /* transformers asks for it */
    sam_tensor *tensors = sam_alloc(s->part_count, sizeof *tensors);
    if (tensors == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to plan a snapshot");
    uint64_t offset = 0;
    for (size_t i = 0; i < s->part_count; i++) {
        const sam_model_tensor *t = sam_model_tensor_at(s->model, i);
        tensors[i] = (sam_tensor){.name = t->name, .dtype = dtype, .rank = t->rank};
        shape_of(t, tensors[i].shape);
        s->parts[i] = (part){i, dtype, offset, sam_dtype_bytes(dtype, t->rows * t->columns)};
        offset += s->parts[i].length;
    }
    sam_status status = sam_safetensors_header(&s->head, tensors, s->part_count, METADATA, 1, err);
    s->size = offset;
    sam_free(tensors);
    return status;
}

static sam_status write_gguf_parts(sam_snapshot *s, sam_gguf_writer *writer, sam_dtype dtype, sam_error *err)
{
    const sam_architecture *architecture = sam_model_configuration(s->model)->architecture;
    for (size_t i = 0; i < s->part_count; i++) {
        const sam_model_tensor *t = sam_model_tensor_at(s->model, i);
        const sam_dtype type = t->rank == 1 ? SAM_F32 : dtype; /* as llama.cpp: its kernels want vectors in f32 */
        char name[SAM_TENSOR_NAME];
        uint64_t shape[2];
        sam_tensor_name(name, sam_architecture_template(architecture, t->role)->gguf, t->block);
        shape_of(t, shape);
        uint64_t begin = sam_gguf_write_tensor(writer, name, type, t->rank, shape);
        s->parts[i] = (part){i, type, begin, sam_dtype_bytes(type, t->rows * t->columns)};
    }
    return sam_gguf_write_head(writer, &s->head, err);
}

static sam_status plan_gguf(sam_snapshot *s, sam_dtype dtype, sam_error *err)
{
    /* replaced, or true of the base's tensors only */
    static const char *const REPLACED[] = {"general.alignment", "general.file_type", "general.quantization_version",
                                           NULL};
    const sam_gguf *base = sam_model_gguf(s->model);
    if (base == NULL)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "%s: GGUF is written only from a base that is a GGUF, whose vocabulary is "
                        "carried over; export safetensors and convert it with llama.cpp's convert_hf_to_gguf.py",
                        sam_model_folder(s->model));
    sam_gguf_writer writer = {0};
    sam_gguf_write_copy(&writer, base, REPLACED);
    sam_gguf_write_u32(&writer, "general.file_type", GGUF_FILE_TYPE_F16);
    sam_status status = write_gguf_parts(s, &writer, dtype, err);
    s->size = writer.data_length;
    s->file_rows = true;
    sam_gguf_writer_free(&writer);
    return status;
}

static sam_status plan(sam_snapshot *s, sam_snapshot_kind kind, sam_error *err)
{
    s->part_count = sam_model_tensor_count(s->model);
    s->parts = sam_alloc(s->part_count, sizeof *s->parts);
    if (s->parts == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to plan a snapshot");
    sam_status status = kind == SAM_SNAPSHOT_GGUF_F16 ? plan_gguf(s, KINDS[kind].dtype, err)
                                                      : plan_safetensors(s, KINDS[kind].dtype, err);
    for (size_t i = 0; i < s->part_count; i++)
        s->parts[i].begin += s->head.length;
    s->size += s->head.length;
    return status;
}

sam_status sam_snapshot_open(sam_snapshot **snapshot, const sam_model *model, const sam_weight_source *source,
                             sam_snapshot_kind kind, sam_error *err)
{
    *snapshot = NULL;
    if (source->variants != 1)
        return sam_fail(err, SAM_INVALID, "a snapshot needs a source of one variant, not %u", source->variants);
    *snapshot = sam_alloc(1, sizeof **snapshot);
    if (*snapshot == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to plan a snapshot");
    **snapshot = (sam_snapshot){.model = model, .source = *source};
    sam_status status = plan(*snapshot, kind, err);
    if (status != SAM_OK) {
        sam_snapshot_close(*snapshot);
        *snapshot = NULL;
    }
    return status;
}

void sam_snapshot_close(sam_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    sam_buffer_free(&snapshot->head);
    sam_free(snapshot->parts);
    sam_free(snapshot);
}

uint64_t sam_snapshot_size(const sam_snapshot *snapshot)
{
    return snapshot->size;
}

/* The Hugging Face row that lies at row `row` of a file with interleaved rows: the inverse of what model.c does. */
static uint64_t row_of_file_row(const sam_model_tensor *t, uint64_t row)
{
    const uint64_t n = t->interleaved, within = row % n;
    return row - within + (within % 2) * (n / 2) + within / 2;
}

/* Rows [row, row + rows) as the file has them, as floats. */
static void read_rows(const sam_snapshot *s, const part *p, uint64_t row, uint64_t rows, float *values)
{
    const sam_model_tensor *t = sam_model_tensor_at(s->model, p->tensor);
    if (!s->file_rows || t->interleaved == 0) {
        s->source.rows(s->source.context, p->tensor, row, rows, &values);
        return;
    }
    for (uint64_t i = 0; i < rows; i++) {
        float *one = values + i * t->columns;
        s->source.rows(s->source.context, p->tensor, row_of_file_row(t, row + i), 1, &one);
    }
}

/* Rounds in place: `count` floats become elements of the type, packed at the start of their own memory. */
static void round_in_place(sam_dtype dtype, float *values, size_t count)
{
    uint8_t *packed = (uint8_t *)values;
    if (dtype == SAM_F32)
        return;
    for (size_t i = 0; i < count; i++) {
        const uint16_t half = dtype == SAM_F16 ? sam_f32_to_f16(values[i]) : sam_f32_to_bf16(values[i]);
        memcpy(packed + 2 * i, &half, sizeof half);
    }
}

/* Bytes [from, to) of a part, row tile by row tile; the edge rows are computed whole and cut. */
static sam_status read_part(const sam_snapshot *s, const part *p, uint64_t from, uint64_t to, uint8_t *out,
                            sam_error *err)
{
    const sam_model_tensor *t = sam_model_tensor_at(s->model, p->tensor);
    const uint64_t row_bytes = t->columns * sam_dtype_block_bytes(p->dtype);
    const uint64_t fit = TILE_BYTES / (t->columns * sizeof(float)), last = (to + row_bytes - 1) / row_bytes;
    const uint64_t needed = last - from / row_bytes, tile = needed < fit ? needed : fit > 0 ? fit : 1;
    float *values = sam_alloc_aligned((size_t)(tile * t->columns), sizeof *values);
    if (values == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for %" PRIu64 " rows of %s", tile, t->name);
    for (uint64_t row = from / row_bytes; row < last; row += tile) {
        const uint64_t rows = last - row < tile ? last - row : tile;
        read_rows(s, p, row, rows, values);
        round_in_place(p->dtype, values, (size_t)(rows * t->columns));
        const uint64_t tile_begin = row * row_bytes, tile_end = tile_begin + rows * row_bytes;
        const uint64_t cut_begin = from > tile_begin ? from : tile_begin, cut_end = to < tile_end ? to : tile_end;
        memcpy(out + (cut_begin - from), (const uint8_t *)values + (cut_begin - tile_begin),
               (size_t)(cut_end - cut_begin));
    }
    sam_free(values);
    return SAM_OK;
}

/* The first part that ends after `offset`. */
static size_t part_at(const sam_snapshot *s, uint64_t offset)
{
    size_t low = 0, high = s->part_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->parts[middle].begin + s->parts[middle].length <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

sam_status sam_snapshot_read(const sam_snapshot *s, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    if (offset > s->size || length > s->size - offset)
        return sam_fail(err, SAM_INVALID, "bytes %" PRIu64 " to %" PRIu64 " of a snapshot of %" PRIu64, offset,
                        offset + length, s->size);
    const uint64_t end = offset + length;
    memset(out, 0, length); /* padding */
    if (offset < s->head.length) {
        const uint64_t until = end < s->head.length ? end : s->head.length;
        memcpy(out, s->head.bytes + offset, (size_t)(until - offset));
    }
    sam_status status = SAM_OK;
    for (size_t i = part_at(s, offset); i < s->part_count && s->parts[i].begin < end && status == SAM_OK; i++) {
        const part *p = &s->parts[i];
        const uint64_t from = offset > p->begin ? offset : p->begin;
        const uint64_t part_end = p->begin + p->length, to = end < part_end ? end : part_end;
        status = read_part(s, p, from - p->begin, to - p->begin, out + (from - offset), err);
    }
    return status;
}
