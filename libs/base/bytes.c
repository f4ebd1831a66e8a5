#include "base/bytes.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sam_buffer_free(sam_buffer *buffer)
{
    sam_free(buffer->bytes);
    *buffer = (sam_buffer){0};
}

void sam_buffer_clear(sam_buffer *buffer)
{
    buffer->length = 0;
    buffer->failed = false;
}

static bool grow(sam_buffer *buffer, size_t count)
{
    if (buffer->failed || count > SIZE_MAX / 2 - buffer->length)
        return false;
    size_t needed = buffer->length + count;
    if (needed <= buffer->capacity && buffer->bytes != NULL) /* extending by 0 gives an address too */
        return true;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *bytes = sam_realloc(buffer->bytes, capacity, 1);
    if (bytes == NULL)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

uint8_t *sam_buffer_extend(sam_buffer *buffer, size_t count)
{
    if (!grow(buffer, count)) {
        buffer->failed = true;
        return NULL;
    }
    uint8_t *room = buffer->bytes + buffer->length;
    buffer->length += count;
    return room;
}

void sam_put_bytes(sam_buffer *buffer, const void *bytes, size_t count)
{
    uint8_t *room = sam_buffer_extend(buffer, count);
    if (room != NULL && count > 0)
        memcpy(room, bytes, count);
}

void sam_put_text(sam_buffer *buffer, const char *text)
{
    sam_put_bytes(buffer, text, strlen(text));
}

void sam_put_format(sam_buffer *buffer, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !grow(buffer, (size_t)length + 1)) {
        buffer->failed = true;
    } else {
        vsnprintf((char *)buffer->bytes + buffer->length, (size_t)length + 1, format, again);
        buffer->length += (size_t)length;
    }
    va_end(again);
}

void sam_put_u8(sam_buffer *buffer, uint8_t value)
{
    sam_put_bytes(buffer, &value, 1);
}

void sam_put_u32(sam_buffer *buffer, uint32_t value)
{
    uint8_t bytes[4];
    sam_store_u32(bytes, value);
    sam_put_bytes(buffer, bytes, sizeof bytes);
}

void sam_put_u64(sam_buffer *buffer, uint64_t value)
{
    uint8_t bytes[8];
    sam_store_u64(bytes, value);
    sam_put_bytes(buffer, bytes, sizeof bytes);
}

void sam_put_f32(sam_buffer *buffer, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    sam_put_u32(buffer, bits);
}

void sam_put_varint(sam_buffer *buffer, uint64_t value)
{
    while (value >= 0x80) {
        sam_put_u8(buffer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    sam_put_u8(buffer, (uint8_t)value);
}

void sam_put_zigzag(sam_buffer *buffer, int64_t value)
{
    sam_put_varint(buffer, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

sam_reader sam_reader_of(const void *bytes, size_t length)
{
    static const uint8_t NONE[1]; /* so that reading 0 bytes of nothing gives an address */
    return (sam_reader){.bytes = bytes == NULL ? NONE : bytes, .length = bytes == NULL ? 0 : length};
}

size_t sam_reader_left(const sam_reader *reader)
{
    return reader->failed ? 0 : reader->length - reader->at;
}

const uint8_t *sam_get_bytes(sam_reader *reader, size_t count)
{
    if (reader->failed || count > reader->length - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *bytes = reader->bytes + reader->at;
    reader->at += count;
    return bytes;
}

uint8_t sam_get_u8(sam_reader *reader)
{
    const uint8_t *bytes = sam_get_bytes(reader, 1);
    return bytes == NULL ? 0 : bytes[0];
}

uint32_t sam_get_u32(sam_reader *reader)
{
    const uint8_t *bytes = sam_get_bytes(reader, 4);
    return bytes == NULL ? 0 : sam_load_u32(bytes);
}

uint64_t sam_get_u64(sam_reader *reader)
{
    const uint8_t *bytes = sam_get_bytes(reader, 8);
    return bytes == NULL ? 0 : sam_load_u64(bytes);
}

uint64_t sam_get_varint(sam_reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = sam_get_u8(reader);
        if (reader->failed)
            return 0;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            bool shortest = byte != 0 || shift == 0;
            bool fits = shift < 63 || byte <= 1;
            reader->failed = !shortest || !fits;
            return reader->failed ? 0 : value;
        }
    }
    reader->failed = true;
    return 0;
}

uint32_t sam_get_varint32(sam_reader *reader)
{
    uint64_t value = sam_get_varint(reader);
    reader->failed = reader->failed || value > UINT32_MAX;
    return reader->failed ? 0 : (uint32_t)value;
}

int64_t sam_get_zigzag(sam_reader *reader)
{
    uint64_t value = sam_get_varint(reader);
    return (int64_t)(value >> 1) ^ ((value & 1) != 0 ? -1 : 0);
}

uint32_t sam_load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

uint64_t sam_load_u64(const uint8_t *bytes)
{
    return (uint64_t)sam_load_u32(bytes) | (uint64_t)sam_load_u32(bytes + 4) << 32;
}

void sam_store_u32(uint8_t *bytes, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

void sam_store_u64(uint8_t *bytes, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}
