#include "model/files/gguf_write.h"

#include <string.h>

#define VERSION 3u

void sam_gguf_writer_free(sam_gguf_writer *writer)
{
    sam_buffer_free(&writer->keys);
    sam_buffer_free(&writer->tensors);
    *writer = (sam_gguf_writer){0};
}

static void put_text(sam_buffer *out, const char *text, size_t length)
{
    sam_put_u64(out, length);
    sam_put_bytes(out, text, length);
}

static sam_buffer *begin_key(sam_gguf_writer *writer, const char *key, size_t length)
{
    writer->key_count++;
    put_text(&writer->keys, key, length);
    return &writer->keys;
}

static sam_buffer *begin_value(sam_gguf_writer *writer, const char *key, sam_gguf_type type)
{
    sam_buffer *out = begin_key(writer, key, strlen(key));
    sam_put_u32(out, (uint32_t)type);
    return out;
}

static sam_buffer *begin_array(sam_gguf_writer *writer, const char *key, sam_gguf_type element, size_t count)
{
    sam_buffer *out = begin_value(writer, key, SAM_GGUF_ARRAY);
    sam_put_u32(out, (uint32_t)element);
    sam_put_u64(out, count);
    return out;
}

void sam_gguf_write_text(sam_gguf_writer *writer, const char *key, const char *text)
{
    put_text(begin_value(writer, key, SAM_GGUF_TEXT), text, strlen(text));
}

void sam_gguf_write_u32(sam_gguf_writer *writer, const char *key, uint32_t value)
{
    sam_put_u32(begin_value(writer, key, SAM_GGUF_U32), value);
}

void sam_gguf_write_f32(sam_gguf_writer *writer, const char *key, float value)
{
    sam_put_f32(begin_value(writer, key, SAM_GGUF_F32), value);
}

void sam_gguf_write_bool(sam_gguf_writer *writer, const char *key, bool value)
{
    sam_put_u8(begin_value(writer, key, SAM_GGUF_BOOL), value ? 1 : 0);
}

void sam_gguf_write_texts(sam_gguf_writer *writer, const char *key, const char *const texts[], const size_t lengths[],
                          size_t count)
{
    sam_buffer *out = begin_array(writer, key, SAM_GGUF_TEXT, count);
    for (size_t i = 0; i < count; i++)
        put_text(out, texts[i], lengths != NULL ? lengths[i] : strlen(texts[i]));
}

void sam_gguf_write_i32s(sam_gguf_writer *writer, const char *key, const int32_t values[], size_t count)
{
    sam_buffer *out = begin_array(writer, key, SAM_GGUF_I32, count);
    for (size_t i = 0; i < count; i++)
        sam_put_u32(out, (uint32_t)values[i]);
}

void sam_gguf_write_f32s(sam_gguf_writer *writer, const char *key, const float values[], size_t count)
{
    sam_buffer *out = begin_array(writer, key, SAM_GGUF_F32, count);
    for (size_t i = 0; i < count; i++)
        sam_put_f32(out, values[i]);
}

static bool is_among(const char *name, size_t length, const char *const list[])
{
    for (; *list != NULL; list++) {
        if (strlen(*list) == length && memcmp(*list, name, length) == 0)
            return true;
    }
    return false;
}

void sam_gguf_write_copy(sam_gguf_writer *writer, const sam_gguf *from, const char *const except[])
{
    for (size_t i = 0; i < sam_gguf_key_count(from); i++) {
        size_t length;
        const char *name = sam_gguf_key_name(from, i, &length);
        if (!is_among(name, length, except))
            sam_gguf_put_value(from, i, begin_key(writer, name, length));
    }
}

/* The product of the sizes in bytes, or SIZE_MAX. */
static size_t shape_bytes(sam_dtype dtype, unsigned rank, const uint64_t shape[])
{
    uint64_t product = 1;
    for (unsigned i = 0; i < rank; i++) {
        if (__builtin_mul_overflow(product, shape[i], &product))
            return SIZE_MAX;
    }
    return sam_dtype_bytes(dtype, product);
}

uint64_t sam_gguf_write_tensor(sam_gguf_writer *writer, const char *name, sam_dtype dtype, unsigned rank,
                               const uint64_t shape[])
{
    const uint64_t offset = writer->data_length, limit = (uint64_t)1 << 62;
    const size_t bytes = shape_bytes(dtype, rank, shape);
    put_text(&writer->tensors, name, strlen(name));
    sam_put_u32(&writer->tensors, rank);
    for (unsigned i = rank; i-- > 0;)
        sam_put_u64(&writer->tensors, shape[i]);
    sam_put_u32(&writer->tensors, sam_dtype_to_gguf(dtype));
    sam_put_u64(&writer->tensors, offset);
    writer->tensor_count++;
    if (bytes > limit || offset > limit - bytes)
        writer->overflow = true;
    else
        writer->data_length = (offset + bytes + SAM_GGUF_ALIGNMENT - 1) & ~(uint64_t)(SAM_GGUF_ALIGNMENT - 1);
    return offset;
}

sam_status sam_gguf_write_head(const sam_gguf_writer *writer, sam_buffer *head, sam_error *err)
{
    if (writer->overflow)
        return sam_fail(err, SAM_TOO_LARGE, "the %llu tensors of the GGUF do not fit into any file",
                        (unsigned long long)writer->tensor_count);
    sam_put_text(head, "GGUF");
    sam_put_u32(head, VERSION);
    sam_put_u64(head, writer->tensor_count);
    sam_put_u64(head, writer->key_count);
    sam_put_bytes(head, writer->keys.bytes, writer->keys.length);
    sam_put_bytes(head, writer->tensors.bytes, writer->tensors.length);
    while (!head->failed && head->length % SAM_GGUF_ALIGNMENT != 0)
        sam_put_u8(head, 0);
    if (head->failed || writer->keys.failed || writer->tensors.failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the head of the GGUF");
    return SAM_OK;
}
