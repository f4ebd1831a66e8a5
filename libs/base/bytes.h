/* Little-endian bytes: a buffer to write formats into, and a reader that can never run past its end.
 *
 *     sam_buffer out = {0};
 *     sam_put_u32(&out, 7);
 *     if (out.failed) return sam_fail(err, SAM_NO_MEMORY, "...");   // one check at the end is enough
 *     sam_reader in = sam_reader_of(out.bytes, out.length);
 *     uint32_t seven = sam_get_u32(&in);
 *     if (in.failed) return sam_fail(err, SAM_CORRUPT, "ends early at byte %zu", in.at);
 *     sam_buffer_free(&out);
 *
 * Both have a sticky `failed`: after it is set, puts do nothing and gets return zero.
 * The reader borrows its bytes. Thread safety: each belongs to one thread.
 */
#ifndef SAM_BASE_BYTES_H
#define SAM_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_buffer {
    uint8_t *bytes;
    size_t length, capacity;
    bool failed; /* out of memory */
} sam_buffer;

void sam_buffer_free(sam_buffer *buffer);                     /* frees and zeroes */
void sam_buffer_clear(sam_buffer *buffer);                    /* length 0, keeps memory */
uint8_t *sam_buffer_extend(sam_buffer *buffer, size_t count); /* room for count more bytes, already counted; or NULL */
void sam_put_bytes(sam_buffer *buffer, const void *bytes, size_t count);
void sam_put_text(sam_buffer *buffer, const char *text); /* without its NUL */
void sam_put_format(sam_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sam_put_u8(sam_buffer *buffer, uint8_t value);
void sam_put_u32(sam_buffer *buffer, uint32_t value);
void sam_put_u64(sam_buffer *buffer, uint64_t value);
void sam_put_f32(sam_buffer *buffer, float value);
void sam_put_varint(sam_buffer *buffer, uint64_t value); /* LEB128, shortest form */
void sam_put_zigzag(sam_buffer *buffer, int64_t value);  /* 0, -1, 1, -2 ... as the varints 0, 1, 2, 3 ... */

typedef struct sam_reader {
    const uint8_t *bytes;
    size_t length, at;
    bool failed; /* something asked for more than was there, or a varint was not in shortest form */
} sam_reader;

sam_reader sam_reader_of(const void *bytes, size_t length);
size_t sam_reader_left(const sam_reader *reader);
const uint8_t *sam_get_bytes(sam_reader *reader, size_t count); /* borrowed; NULL when not there */
uint8_t sam_get_u8(sam_reader *reader);
uint32_t sam_get_u32(sam_reader *reader);
uint64_t sam_get_u64(sam_reader *reader);
uint64_t sam_get_varint(sam_reader *reader);   /* LEB128; refuses longer forms of the same number */
uint32_t sam_get_varint32(sam_reader *reader); /* fails where it is larger */
int64_t sam_get_zigzag(sam_reader *reader);

uint32_t sam_load_u32(const uint8_t *bytes);
uint64_t sam_load_u64(const uint8_t *bytes);
void sam_store_u32(uint8_t *bytes, uint32_t value);
void sam_store_u64(uint8_t *bytes, uint64_t value);

#endif
