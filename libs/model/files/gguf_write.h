/* The head of a GGUF version 3 file: keys, then the table of tensors, with the places that their data will have.
 *
 *     sam_gguf_writer writer = {0};
 *     sam_gguf_write_text(&writer, "general.architecture", "llama");
 *     sam_gguf_write_u32(&writer, "llama.block_count", 30);
 *     uint64_t offset = sam_gguf_write_tensor(&writer, "token_embd.weight", SAM_F16, 2, (uint64_t[]){49152, 576});
 *     sam_buffer head = {0};
 *     status = sam_gguf_write_head(&writer, &head, err);    // head.length is where the data begins
 *     sam_gguf_writer_free(&writer);
 *
 * The same calls give the same bytes. Data is the caller's to write: each tensor at its offset after the head, zeros
 * between. Running out of memory is kept and reported by sam_gguf_write_head. Thread safety: one thread a writer.
 */
#ifndef SAM_MODEL_GGUF_WRITE_H
#define SAM_MODEL_GGUF_WRITE_H

#include "model/files/gguf.h"

#define SAM_GGUF_ALIGNMENT 32u

typedef struct sam_gguf_writer {
    sam_buffer keys, tensors;
    uint64_t key_count, tensor_count, data_length;
    bool overflow; /* tensors beyond any file */
} sam_gguf_writer;

void sam_gguf_writer_free(sam_gguf_writer *writer);

void sam_gguf_write_text(sam_gguf_writer *writer, const char *key, const char *text);
void sam_gguf_write_u32(sam_gguf_writer *writer, const char *key, uint32_t value);
void sam_gguf_write_f32(sam_gguf_writer *writer, const char *key, float value);
void sam_gguf_write_bool(sam_gguf_writer *writer, const char *key, bool value);

/* `texts` borrowed; lengths may be NULL where they end with NUL. */
void sam_gguf_write_texts(sam_gguf_writer *writer, const char *key, const char *const texts[], const size_t lengths[],
                          size_t count);
void sam_gguf_write_i32s(sam_gguf_writer *writer, const char *key, const int32_t values[], size_t count);
void sam_gguf_write_f32s(sam_gguf_writer *writer, const char *key, const float values[], size_t count);

/* Every key of a file but those in `except` (ends with NULL). */
void sam_gguf_write_copy(sam_gguf_writer *writer, const sam_gguf *from, const char *const except[]);

/* Shape outermost first. Returns where its data begins, counted from the end of the head. */
uint64_t sam_gguf_write_tensor(sam_gguf_writer *writer, const char *name, sam_dtype dtype, unsigned rank,
                               const uint64_t shape[]);

/* Appends the head with its padding to an empty buffer. NO_MEMORY, TOO_LARGE. */
sam_status sam_gguf_write_head(const sam_gguf_writer *writer, sam_buffer *head, sam_error *err);

#endif
