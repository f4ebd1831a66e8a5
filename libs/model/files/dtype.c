#include "model/files/dtype.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensors are read in place from little-endian files; a big-endian host needs byte swaps here"
#endif

/* Every reader below keeps the operations and their order as the gguf package has them, so that each value is the
 * same float32 (nothing fuses: -ffp-contract=off). The loops have constant trip counts and no branches, which is what
 * the compiler needs to vectorise them: rows are read again in every forward pass. So each is compiled for three
 * instruction sets, and the loader takes the best; not with the thread sanitizer, whose code in the resolvers would run
 * before it is set up. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__)
#define READER __attribute__((target_clones("avx512f", "avx2", "default"))) static void
#else
#define READER static void
#endif

typedef struct dtype_row {
    const char *name;
    uint32_t gguf;
    uint16_t block, bytes;
} dtype_row;

static const dtype_row DTYPES[SAM_DTYPE_COUNT] = {
#define X(name, gguf, block, bytes) [SAM_##name] = {#name, gguf, block, bytes},
    SAM_DTYPE_TABLE(X)
#undef X
};

const char *sam_dtype_name(sam_dtype type)
{
    return DTYPES[type].name;
}

bool sam_dtype_from_gguf(uint32_t number, sam_dtype *type)
{
    for (unsigned i = 0; i < SAM_DTYPE_COUNT; i++) {
        if (DTYPES[i].gguf == number) {
            *type = (sam_dtype)i;
            return true;
        }
    }
    return false;
}

uint32_t sam_dtype_to_gguf(sam_dtype type)
{
    return DTYPES[type].gguf;
}

size_t sam_dtype_block(sam_dtype type)
{
    return DTYPES[type].block;
}

size_t sam_dtype_block_bytes(sam_dtype type)
{
    return DTYPES[type].bytes;
}

size_t sam_dtype_bytes(sam_dtype type, uint64_t count)
{
    const dtype_row *row = &DTYPES[type];
    size_t bytes;
    if (count % row->block != 0 || __builtin_mul_overflow(count / row->block, (uint64_t)row->bytes, &bytes))
        return SIZE_MAX;
    return bytes;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Branch-free. The exponent is rebiased by an addition; infinities get the rest of the way to 255; subnormals are put
 * after an implied one that a subtraction of normal numbers takes away, so flush-to-zero modes do not matter. */
static inline float f16_value(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13;
    uint32_t exponent = magnitude & 0x0f800000u;
    uint32_t special = 0u - (uint32_t)(exponent == 0x0f800000u);
    uint32_t subnormal = 0u - (uint32_t)(exponent == 0);
    uint32_t normal_bits = magnitude + (112u << 23) + (special & (112u << 23));
    uint32_t subnormal_bits = bits_of(float_of(magnitude + (113u << 23)) - float_of(113u << 23));
    return float_of((normal_bits & ~subnormal) | (subnormal_bits & subnormal) | ((uint32_t)(half & 0x8000u) << 16));
}

static inline float f16_at(const uint8_t *bytes)
{
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    return f16_value(half);
}

float sam_f16_to_f32(uint16_t bits)
{
    return f16_value(bits);
}

float sam_bf16_to_f32(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t sam_f32_to_f16(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    uint32_t half;
    if (magnitude > 0x7f800000u)
        half = 0x7e00u | ((magnitude >> 13) & 0x3ffu); /* NaN stays NaN, quiet */
    else if (magnitude >= 0x477ff000u)
        half = 0x7c00u;               /* 65520 and above round to infinity */
    else if (magnitude < 0x38800000u) /* the addition rounds at the last place of a subnormal half */
        half = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    else
        half = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
    return (uint16_t)(sign | half);
}

uint16_t sam_f32_to_bf16(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)((bits >> 16) | 0x40u);
    return (uint16_t)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

READER read_f32(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    memcpy(out, bytes, count * sizeof *out);
}

READER read_f16(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = f16_at(bytes + 2 * i);
}

READER read_bf16(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + 2 * i, sizeof half);
        out[i] = float_of((uint32_t)half << 16);
    }
}

/* Sixteen at a time, spelled out where the compiler makes scalars of such a loop. */
typedef int8_t bytes16 __attribute__((vector_size(16)));
typedef int32_t ints16 __attribute__((vector_size(64)));
typedef float floats16 __attribute__((vector_size(64)));

static inline bytes16 bytes16_at(const uint8_t *from)
{
    bytes16 bytes;
    memcpy(&bytes, from, sizeof bytes);
    return bytes;
}

/* out[i] = d * numbers[i] */
static inline __attribute__((always_inline)) void put_scaled(bytes16 numbers, float d, float *out)
{
    const floats16 values = __builtin_convertvector(__builtin_convertvector(numbers, ints16), floats16) * d;
    memcpy(out, &values, sizeof values);
}

/* out[i] = d * numbers[i] + m */
static inline __attribute__((always_inline)) void put_moved(bytes16 numbers, float d, float m, float *out)
{
    const floats16 values = __builtin_convertvector(__builtin_convertvector(numbers, ints16), floats16) * d + m;
    memcpy(out, &values, sizeof values);
}

/* One alone is a branch that is never missed: scales are normal numbers. */
static inline float scale_at(const uint8_t *bytes)
{
    uint16_t half;
    memcpy(&half, bytes, sizeof half);
    uint32_t magnitude = half & 0x7fffu;
    if (magnitude - 0x0400u >= 0x7800u)
        return f16_value(half);
    return float_of(((magnitude << 13) + (112u << 23)) | (uint32_t)(half & 0x8000u) << 16);
}

/* The types of 32: a scale d (and for _1 a minimum m), for 5 bits a word of high bits, then nibbles; elements 0 to 15
 * are the low nibbles and 16 to 31 the high ones. */
READER read_q4_0(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 32, bytes += 18, out += 32) {
        const float d = scale_at(bytes);
        const bytes16 quants = bytes16_at(bytes + 2);
        put_scaled((quants & 15) - 8, d, out);
        put_scaled((quants >> 4 & 15) - 8, d, out + 16);
    }
}

READER read_q4_1(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 32, bytes += 20, out += 32) {
        const float d = scale_at(bytes), m = scale_at(bytes + 2);
        const bytes16 quants = bytes16_at(bytes + 4);
        put_moved(quants & 15, d, m, out);
        put_moved(quants >> 4 & 15, d, m, out + 16);
    }
}

/* Five-bit numbers of a block: nibbles and the bit i of `high` above them. */
static inline void five_bits(const uint8_t *high_bytes, const uint8_t *quants, int32_t numbers[32])
{
    uint32_t high;
    memcpy(&high, high_bytes, sizeof high);
    for (uint32_t i = 0; i < 16; i++) {
        numbers[i] = (int32_t)((quants[i] & 15u) | (((high >> i) & 1u) << 4));
        numbers[i + 16] = (int32_t)((quants[i] >> 4) | (((high >> (i + 16)) & 1u) << 4));
    }
}

READER read_q5_0(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 32, bytes += 22, out += 32) {
        const float d = scale_at(bytes);
        int32_t numbers[32];
        five_bits(bytes + 2, bytes + 6, numbers);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)(numbers[i] - 16);
    }
}

READER read_q5_1(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 32, bytes += 24, out += 32) {
        const float d = scale_at(bytes), m = scale_at(bytes + 2);
        int32_t numbers[32];
        five_bits(bytes + 4, bytes + 8, numbers);
        for (int i = 0; i < 32; i++)
            out[i] = d * (float)numbers[i] + m;
    }
}

READER read_q8_0(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 32, bytes += 34, out += 32) {
        const float d = scale_at(bytes);
        put_scaled(bytes16_at(bytes + 2), d, out);
        put_scaled(bytes16_at(bytes + 18), d, out + 16);
    }
}

/* The K types: 256 elements in 16 groups of 16 or 8 groups of 32, each group with a small scale (and minimum). */

/* scales[16] (low nibble scale, high nibble minimum), quants[64], d, dmin */
READER read_q2_k(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 256, bytes += 84, out += 256) {
        const float d = scale_at(bytes + 80), dmin = scale_at(bytes + 82);
        for (int group = 0; group < 16; group++) {
            const float scale = d * (float)(bytes[group] & 15), minimum = dmin * (float)(bytes[group] >> 4);
            const uint8_t *quants = bytes + 16 + 32 * (group / 8) + 16 * (group % 2);
            const int shift = 2 * (group / 2 % 4);
            for (int i = 0; i < 16; i++)
                out[16 * group + i] = scale * (float)((quants[i] >> shift) & 3) - minimum;
        }
    }
}

/* Six bits of scale for each of 16 groups: low nibbles in bytes 0 to 7, high pairs of bits in bytes 8 to 11. */
static inline int q3_k_scale(const uint8_t *scales, int group)
{
    const int low = (scales[group % 8] >> (4 * (group / 8))) & 15;
    const int high = (scales[8 + group % 4] >> (2 * (group / 4))) & 3;
    return (low | (high << 4)) - 32;
}

/* hmask[32], quants[64], scales[12], d; the offset of 4 applies where the mask bit is 0 */
READER read_q3_k(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 256, bytes += 110, out += 256) {
        const float d = scale_at(bytes + 108);
        for (int group = 0; group < 16; group++) {
            const float scale = d * (float)q3_k_scale(bytes + 96, group);
            const uint8_t *mask = bytes + 16 * (group % 2);
            const uint8_t *quants = bytes + 32 + 32 * (group / 8) + 16 * (group % 2);
            const int shift = 2 * (group / 2 % 4), bit = group / 2;
            for (int i = 0; i < 16; i++) {
                const int high = ((mask[i] >> bit) & 1) ^ 1;
                out[16 * group + i] = scale * (float)(((quants[i] >> shift) & 3) - (high << 2));
            }
        }
    }
}

/* Scale and minimum of 6 bits for each of 8 groups of 32, packed in 12 bytes. */
static inline void q45_k_scale(const uint8_t *packed, int group, int *scale, int *minimum)
{
    const int i = group % 4;
    if (group < 4) {
        *scale = packed[i] & 63;
        *minimum = packed[4 + i] & 63;
    } else {
        *scale = (packed[8 + i] & 15) | ((packed[i] >> 2) & 48);
        *minimum = (packed[8 + i] >> 4) | ((packed[4 + i] >> 2) & 48);
    }
}

/* d, dmin, scales[12], quants[128] */
READER read_q4_k(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 256, bytes += 144, out += 256) {
        const float d = scale_at(bytes), dmin = scale_at(bytes + 2);
        for (int group = 0; group < 8; group++) {
            int scale, minimum;
            q45_k_scale(bytes + 4, group, &scale, &minimum);
            const float ds = d * (float)scale, dm = dmin * (float)minimum;
            const uint8_t *quants = bytes + 16 + 32 * (group / 2);
            const int shift = 4 * (group % 2);
            for (int i = 0; i < 32; i++)
                out[32 * group + i] = ds * (float)((quants[i] >> shift) & 15) - dm;
        }
    }
}

/* d, dmin, scales[12], high bits[32], quants[128] */
READER read_q5_k(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 256, bytes += 176, out += 256) {
        const float d = scale_at(bytes), dmin = scale_at(bytes + 2);
        for (int group = 0; group < 8; group++) {
            int scale, minimum;
            q45_k_scale(bytes + 4, group, &scale, &minimum);
            const float ds = d * (float)scale, dm = dmin * (float)minimum;
            const uint8_t *high = bytes + 16, *quants = bytes + 48 + 32 * (group / 2);
            const int shift = 4 * (group % 2);
            for (int i = 0; i < 32; i++) {
                const int number = ((quants[i] >> shift) & 15) | (((high[i] >> group) & 1) << 4);
                out[32 * group + i] = ds * (float)number - dm;
            }
        }
    }
}

/* low nibbles[128], high pairs of bits[64], scales[16] (signed), d */
READER read_q6_k(const uint8_t *restrict bytes, size_t count, float *restrict out)
{
    for (; count > 0; count -= 256, bytes += 210, out += 256) {
        const float d = scale_at(bytes + 208);
        for (int group = 0; group < 16; group++) {
            const float scale = d * (float)(int8_t)bytes[192 + group];
            const int half = group / 8, quarter = group / 2 % 4;
            const uint8_t *low = bytes + 64 * half + 32 * (quarter % 2) + 16 * (group % 2);
            const uint8_t *high = bytes + 128 + 32 * half + 16 * (group % 2);
            const int low_shift = 4 * (quarter / 2), high_shift = 2 * quarter;
            for (int i = 0; i < 16; i++) {
                const int number = ((low[i] >> low_shift) & 15) | (((high[i] >> high_shift) & 3) << 4);
                out[16 * group + i] = scale * (float)(number - 32);
            }
        }
    }
}

void sam_dtype_read(sam_dtype type, const uint8_t *bytes, size_t count, float *out)
{
    static void (*const READERS[SAM_DTYPE_COUNT])(const uint8_t *restrict, size_t, float *restrict) = {
        [SAM_F32] = read_f32,   [SAM_F16] = read_f16,   [SAM_BF16] = read_bf16, [SAM_Q4_0] = read_q4_0,
        [SAM_Q4_1] = read_q4_1, [SAM_Q5_0] = read_q5_0, [SAM_Q5_1] = read_q5_1, [SAM_Q8_0] = read_q8_0,
        [SAM_Q2_K] = read_q2_k, [SAM_Q3_K] = read_q3_k, [SAM_Q4_K] = read_q4_k, [SAM_Q5_K] = read_q5_k,
        [SAM_Q6_K] = read_q6_k,
    };
    READERS[type](bytes, count, out);
}
