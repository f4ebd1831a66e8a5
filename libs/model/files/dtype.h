/* Element types of tensors in files, and how to read them as float.
 *
 *     float row[576];
 *     const sam_tensor *tensor = sam_gguf_find(gguf, "blk.0.attn_q.weight");
 *     sam_dtype_read(tensor->dtype, tensor->bytes, 576, row);
 *
 * Block-quantised types hold `block` elements in `block_bytes` bytes (layouts: ggml-quants of llama.cpp; the GGUF
 * specification). Reading is exact where the format is: each value is the float32 the `gguf` Python package computes.
 * Pure functions, safe from any thread.
 */
#ifndef SAM_MODEL_DTYPE_H
#define SAM_MODEL_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* name, GGUF type number, elements in a block, bytes of a block */
#define SAM_DTYPE_TABLE(X)                                                                                             \
    X(F32, 0, 1, 4)                                                                                                    \
    X(F16, 1, 1, 2)                                                                                                    \
    X(Q4_0, 2, 32, 18)                                                                                                 \
    X(Q4_1, 3, 32, 20)                                                                                                 \
    X(Q5_0, 6, 32, 22)                                                                                                 \
    X(Q5_1, 7, 32, 24)                                                                                                 \
    X(Q8_0, 8, 32, 34)                                                                                                 \
    X(Q2_K, 10, 256, 84)                                                                                               \
    X(Q3_K, 11, 256, 110)                                                                                              \
    X(Q4_K, 12, 256, 144)                                                                                              \
    X(Q5_K, 13, 256, 176)                                                                                              \
    X(Q6_K, 14, 256, 210)                                                                                              \
    X(BF16, 30, 1, 2)

typedef enum sam_dtype {
#define X(name, gguf, block, bytes) SAM_##name,
    SAM_DTYPE_TABLE(X)
#undef X
        SAM_DTYPE_COUNT
} sam_dtype;

const char *sam_dtype_name(sam_dtype type);
bool sam_dtype_from_gguf(uint32_t number, sam_dtype *type);
uint32_t sam_dtype_to_gguf(sam_dtype type);
size_t sam_dtype_block(sam_dtype type); /* elements */
size_t sam_dtype_block_bytes(sam_dtype type);

/* Bytes of `count` elements (a multiple of the block), or SIZE_MAX when it is not, or does not fit. */
size_t sam_dtype_bytes(sam_dtype type, uint64_t count);

/* Reads `count` elements (a multiple of the block) that start at `bytes` into out[count]. */
void sam_dtype_read(sam_dtype type, const uint8_t *bytes, size_t count, float *out);

/* Writers, for what Samara exports: round to nearest even. */
uint16_t sam_f32_to_f16(float value);
uint16_t sam_f32_to_bf16(float value);
float sam_f16_to_f32(uint16_t bits);
float sam_bf16_to_f32(uint16_t bits);

#endif
