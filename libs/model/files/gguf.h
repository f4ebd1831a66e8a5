/* GGUF, the model file of llama.cpp (versions 1 to 3), read in place from a mapped file, and written.
 *
 *     sam_gguf *gguf;
 *     if (sam_gguf_open(&gguf, "model.gguf", err) != SAM_OK)
 *         return err->status;
 *     uint64_t blocks;
 *     if (!sam_gguf_u64(gguf, "llama.block_count", &blocks))
 *         blocks = 0;                                              // it is missing, or not a whole number
 *     const sam_tensor *tensor = sam_gguf_find(gguf, "blk.0.attn_q.weight");     // NULL: there is none
 *     sam_gguf_close(gguf);
 *
 * A file in thirty lines: the letters "GGUF"; u32 version; tensor count and key count (u32 in version 1, else u64);
 * the keys, each a string, a u32 type, and a value (an array is a u32 element type, a count, the elements; a string
 * is a length, u32 in version 1 else u64, and bytes); the tensors, each a name, a u32 rank, `rank` sizes with the
 * fastest-varying first (u32 in version 1, else u64), a u32 element type, and a u64 offset; zeros up to a multiple of
 * general.alignment (32); then the data that the offsets count from. All little-endian.
 *
 * Refused, although other readers may take them: arrays of arrays, sizes of 0, tensors that overlap.
 *
 * Names, texts and tensor bytes are borrowed from the mapping and live until close. Strings of the file are not
 * NUL-terminated: lengths are returned. Thread safety: an open file is immutable; any thread may read.
 */
#ifndef SAM_MODEL_GGUF_H
#define SAM_MODEL_GGUF_H

#include "base/bytes.h"
#include "base/status.h"
#include "model/files/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_gguf sam_gguf;

typedef enum sam_gguf_type {
    SAM_GGUF_U8,
    SAM_GGUF_I8,
    SAM_GGUF_U16,
    SAM_GGUF_I16,
    SAM_GGUF_U32,
    SAM_GGUF_I32,
    SAM_GGUF_F32,
    SAM_GGUF_BOOL,
    SAM_GGUF_TEXT,
    SAM_GGUF_ARRAY,
    SAM_GGUF_U64,
    SAM_GGUF_I64,
    SAM_GGUF_F64,
    SAM_GGUF_TYPES
} sam_gguf_type; /* the numbers of the format */

/* CORRUPT with the byte offset and what stood there, NOT_FOUND, UNSUPPORTED (element type, version, big-endian). */
sam_status sam_gguf_open(sam_gguf **gguf, const char *path, sam_error *err);

/* The same of bytes in memory, which are borrowed until close. `name` is what errors call them. */
sam_status sam_gguf_open_bytes(sam_gguf **gguf, const uint8_t *bytes, size_t length, const char *name, sam_error *err);
void sam_gguf_close(sam_gguf *gguf); /* NULL is fine */

/* Keys. Each returns false where the key is absent or of another kind. Integers of any width convert when they fit. */
bool sam_gguf_has(const sam_gguf *gguf, const char *key);
bool sam_gguf_u64(const sam_gguf *gguf, const char *key, uint64_t *value);
bool sam_gguf_f64(const sam_gguf *gguf, const char *key, double *value);
bool sam_gguf_bool(const sam_gguf *gguf, const char *key, bool *value);
bool sam_gguf_text(const sam_gguf *gguf, const char *key, const char **text, size_t *length);
size_t sam_gguf_array_length(const sam_gguf *gguf, const char *key); /* 0 where it is no array */
bool sam_gguf_array_text(const sam_gguf *gguf, const char *key, size_t index, const char **text, size_t *length);
bool sam_gguf_array_i64(const sam_gguf *gguf, const char *key, size_t index, int64_t *value);
bool sam_gguf_array_f64(const sam_gguf *gguf, const char *key, size_t index, double *value);

/* Every key in file order, for exporters: its name, and its type and value appended as version 3 writes them. */
size_t sam_gguf_key_count(const sam_gguf *gguf);
const char *sam_gguf_key_name(const sam_gguf *gguf, size_t index, size_t *length);
void sam_gguf_put_value(const sam_gguf *gguf, size_t index, sam_buffer *out);

size_t sam_gguf_tensor_count(const sam_gguf *gguf);
const sam_tensor *sam_gguf_tensor(const sam_gguf *gguf, size_t index); /* file order */
const sam_tensor *sam_gguf_find(const sam_gguf *gguf, const char *name);

#endif
