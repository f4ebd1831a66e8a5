/* Products of bf16 tiles, over the eight tile registers of AMX; all else as in avx512_bf16.c. The file that includes
 * this one says what the operations are: instructions in amx_bf16.c, an emulation of them in
 * tests/support/amx_emulated.c. t, sum, a and b are literal numbers of tiles; strides are bytes.
 *
 *     tile_configure(config)       LDTILECFG: shapes of the tiles, which become zero
 *     tile_zero(t)                 TILEZERO
 *     tile_load(t, from, stride)   TILELOADD
 *     tile_store(t, to, stride)    TILESTORED
 *     tile_multiply(sum, a, b)     TDPBF16PS: sum[r][c] += a[r][pair] . b[pair][c]
 *     tile_release()               TILERELEASE
 *
 * Feature-major activations fit without any shuffle: rows of weights are a, pairs of features b, and the sums are
 * features by columns again. Two by two tiles of sums: four loads for four multiplications.
 *
 *                              16 columns  16 columns
 *                             +-----------+-----------+
 *                    16 pairs |     6     |     7     |   [pair][column][2]: lines side by side in a panel
 *              16 pairs       +-----------+-----------+
 *             +---------+     +-----------+-----------+
 *     16 rows |    4    |     |     0     |     1     |
 *             +---------+     +-----------+-----------+   [row][column], f32
 *     16 rows |    5    |     |     2     |     3     |
 *             +---------+     +-----------+-----------+
 *
 * The last rows of a product have tiles of fewer rows: nothing beyond y is written. The tiles are the thread's. They
 * are configured when a product begins and released when it ends: tiles in use are 8 KB more for the kernel to save
 * and restore whenever it switches threads.
 */
#define WIDTH  16
#define TILE_R 2
#define TILE_C 2 /* a panel is two tiles wide */
#include "model/kernels/vector.inc.h"

#include <immintrin.h>

/* A tile has 16 lines. Narrowed rows lie an odd number of lines apart, so that those of a tile never share one set of
 * the first-level cache (at k = 2048, without this, all of them would). */
#define K_STEP           32
#define ROW_PAIRS(pairs) ((pairs) | 16)
#define TILE_ROWS        32
#include "model/kernels/bf16.inc.h"

#define SUM_00 0 /* the intrinsics paste these numbers into the names of registers: no enum */
#define SUM_01 1
#define SUM_10 2
#define SUM_11 3
#define ROWS_0 4
#define ROWS_1 5
#define COLS_0 6
#define COLS_1 7

enum { SIDE = 16, LINE = 64 };

/* Tiles of 64 bytes by 16 rows, `upper` and `lower` of the weights and sums; one without rows is no tile. */
static void configure(size_t upper, size_t lower)
{
    const size_t rows[] = {upper, upper, lower, lower, upper, lower, SIDE, SIDE};
    tile_config config = {.palette = 1};
    for (size_t t = 0; t < sizeof rows / sizeof rows[0]; t++) {
        config.rows[t] = (uint8_t)rows[t];
        config.row_bytes[t] = rows[t] > 0 ? LINE : 0;
    }
    tile_configure(&config);
}

/* One or two tiles of rows by one or two of columns: the sums stay in their tiles over all of k. */
INLINE void amx_block(const uint32_t *w, size_t pairs, const uint32_t *x, size_t width, float *y, size_t stride,
                      const bool two_rows, const bool two_columns)
{
    const size_t w_bytes = ROW_PAIRS(pairs) * 4, x_bytes = width * 4, y_bytes = stride * 4;
    tile_zero(SUM_00);
    if (two_columns)
        tile_zero(SUM_01);
    if (two_rows)
        tile_zero(SUM_10);
    if (two_rows && two_columns)
        tile_zero(SUM_11);
    for (size_t i = 0; i < pairs; i += SIDE, x += SIDE * width) {
        tile_load(ROWS_0, w + i, w_bytes);
        tile_load(COLS_0, x, x_bytes);
        tile_multiply(SUM_00, ROWS_0, COLS_0);
        if (two_columns) {
            tile_load(COLS_1, x + SIDE, x_bytes);
            tile_multiply(SUM_01, ROWS_0, COLS_1);
        }
        if (two_rows) {
            tile_load(ROWS_1, w + SIDE * ROW_PAIRS(pairs) + i, w_bytes);
            tile_multiply(SUM_10, ROWS_1, COLS_0);
        }
        if (two_rows && two_columns)
            tile_multiply(SUM_11, ROWS_1, COLS_1);
    }
    tile_store(SUM_00, y, y_bytes);
    if (two_columns)
        tile_store(SUM_01, y + SIDE, y_bytes);
    if (two_rows)
        tile_store(SUM_10, y + SIDE * stride, y_bytes);
    if (two_rows && two_columns)
        tile_store(SUM_11, y + SIDE * stride + SIDE, y_bytes);
}

/* All columns for one or two tiles of rows. */
INLINE void amx_rows(const uint32_t *w, size_t pairs, const uint32_t *x, size_t columns, float *y, size_t stride,
                     const bool two_rows)
{
    size_t c = 0;
    for (; c + PANEL <= columns; c += PANEL)
        amx_block(w, pairs, x + c * pairs, PANEL, y + c, stride, two_rows, true);
    if (c < columns)
        amx_block(w, pairs, x + c * pairs, SIDE, y + c, stride, two_rows, false);
}

static void amx_multiply(const void *w, size_t rows, size_t k, const void *packed, size_t columns, float *y,
                         size_t stride)
{
    const size_t pairs = pairs_of(k);
    for (size_t r = 0; r < rows; r += 2 * SIDE) {
        const uint32_t *from = (const uint32_t *)w + r * ROW_PAIRS(pairs);
        size_t left = rows - r, upper = left < SIDE ? left : SIDE, lower = left - upper < SIDE ? left - upper : SIDE;
        if (r == 0 || left < 2 * SIDE)
            configure(upper, lower);
        if (lower > 0)
            amx_rows(from, pairs, packed, columns, y + r * stride, stride, true);
        else
            amx_rows(from, pairs, packed, columns, y + r * stride, stride, false);
    }
    tile_release();
}

/* As f32_peak; the operations are volatile. Four sums of 16 cycles each hide the 52 that one of them takes. */
static double amx_peak(size_t rounds)
{
    uint32_t factors[SIDE * SIDE];
    for (size_t i = 0; i < SIDE * SIDE; i++)
        factors[i] = 0x3a803a80; /* 2^-10, twice */
    configure(SIDE, SIDE);
    tile_load(ROWS_0, factors, LINE);
    tile_load(ROWS_1, factors, LINE);
    tile_load(COLS_0, factors, LINE);
    tile_load(COLS_1, factors, LINE);
    for (size_t i = 0; i < rounds; i++) {
        tile_multiply(SUM_00, ROWS_0, COLS_0);
        tile_multiply(SUM_01, ROWS_0, COLS_1);
        tile_multiply(SUM_10, ROWS_1, COLS_0);
        tile_multiply(SUM_11, ROWS_1, COLS_1);
    }
    tile_release();
    return (double)rounds * (double)(4 * SIDE * SIDE * K_STEP * 2);
}
