#include "support/amx_tiles.h"

#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64, LANES = ROW_BYTES / 4 };

typedef struct tile {
    size_t rows, row_bytes;
    unsigned char bytes[ROWS][ROW_BYTES];
} tile;

static _Thread_local struct {
    bool configured;
    tile tiles[TILES];
} state;

static void fault(const char *instruction, const char *why)
{
    fprintf(stderr, "%s: %s\n", instruction, why);
    raise(SIGILL);
}

/* ---- shapes ---- */

static bool all_zero(const void *bytes, size_t count)
{
    const unsigned char *byte = bytes;
    for (size_t i = 0; i < count; i++)
        if (byte[i] != 0)
            return false;
    return true;
}

static const char *refusal(const tile_config *config)
{
    if (config->palette > 1)
        return "no such palette";
    if (!all_zero(config->reserved, sizeof config->reserved) ||
        !all_zero(config->row_bytes + TILES, TILES * sizeof config->row_bytes[0]) ||
        !all_zero(config->rows + TILES, TILES * sizeof config->rows[0]))
        return "a reserved byte is not zero";
    for (size_t t = 0; t < TILES; t++)
        if (config->rows[t] > ROWS || config->row_bytes[t] > ROW_BYTES ||
            (config->rows[t] == 0) != (config->row_bytes[t] == 0))
            return "a shape that no tile has";
    return NULL;
}

void emulated_configure(const tile_config *config)
{
    const char *why = refusal(config);
    if (why != NULL)
        fault("LDTILECFG", why);
    memset(&state, 0, sizeof state);
    state.configured = config->palette == 1;
    for (size_t t = 0; state.configured && t < TILES; t++) {
        state.tiles[t].rows = config->rows[t];
        state.tiles[t].row_bytes = config->row_bytes[t];
    }
}

void emulated_release(void)
{
    memset(&state, 0, sizeof state);
}

bool emulated_in_use(void)
{
    return state.configured;
}

static tile *valid(const char *instruction, unsigned t)
{
    if (!state.configured)
        fault(instruction, "tiles are not configured");
    if (t >= TILES || state.tiles[t].rows == 0)
        fault(instruction, "not a tile");
    if (state.tiles[t].row_bytes % 4 != 0)
        fault(instruction, "rows of a tile are not whole words");
    return &state.tiles[t];
}

/* ---- moving ---- */

void emulated_zero(unsigned t)
{
    memset(valid("TILEZERO", t)->bytes, 0, sizeof state.tiles[0].bytes);
}

void emulated_load(unsigned t, const void *from, size_t stride)
{
    tile *to = valid("TILELOADD", t);
    memset(to->bytes, 0, sizeof to->bytes);
    for (size_t r = 0; r < to->rows; r++)
        memcpy(to->bytes[r], (const unsigned char *)from + r * stride, to->row_bytes);
}

void emulated_store(unsigned t, void *to, size_t stride)
{
    const tile *from = valid("TILESTORED", t);
    for (size_t r = 0; r < from->rows; r++)
        memcpy((unsigned char *)to + r * stride, from->bytes[r], from->row_bytes);
}

/* ---- arithmetic: denormals are zeros, as factors, as terms and as results ---- */

static float flushed(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

/* a b + c, rounded once. A result is denormal when it is below FLT_MIN after rounding with exponents unbounded: at that
 * border the factors are scaled up to see it. */
static float multiply_add(float a, float b, float c)
{
    float result = fmaf(a, b, c);
    if (fabsf(result) <= FLT_MIN && fabsf(fmaf(a * 0x1p32f, b * 0x1p32f, c * 0x1p64f)) < FLT_MIN * 0x1p64f)
        return copysignf(0, result);
    return result;
}

static float bf16_at(const tile *t, size_t row, size_t i)
{
    uint16_t half;
    memcpy(&half, &t->bytes[row][2 * i], sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return flushed(value);
}

/* One element of sum: first and second halves of the pairs have a chain each, then the chains are added, then that to
 * the sum. */
static float dot(const tile *a, size_t row, const tile *b, size_t column, float sum)
{
    float first = 0, second = 0;
    for (size_t pair = 0; pair < a->row_bytes / 4; pair++) {
        first = multiply_add(bf16_at(a, row, 2 * pair), bf16_at(b, pair, 2 * column), first);
        second = multiply_add(bf16_at(a, row, 2 * pair + 1), bf16_at(b, pair, 2 * column + 1), second);
    }
    return flushed(flushed(sum) + flushed(first + second));
}

void emulated_multiply(unsigned sum, unsigned a, unsigned b)
{
    static const char NAME[] = "TDPBF16PS";
    tile *s = valid(NAME, sum);
    const tile *ta = valid(NAME, a), *tb = valid(NAME, b);
    if (sum == a || sum == b || a == b)
        fault(NAME, "three different tiles are needed");
    if (s->rows != ta->rows || s->row_bytes != tb->row_bytes || ta->row_bytes / 4 != tb->rows)
        fault(NAME, "the shapes of the tiles do not fit");
    for (size_t r = 0; r < s->rows; r++) {
        float row[LANES];
        memcpy(row, s->bytes[r], sizeof row);
        for (size_t c = 0; c < s->row_bytes / 4; c++)
            row[c] = dot(ta, r, tb, c, row[c]);
        memcpy(s->bytes[r], row, sizeof row);
    }
}
