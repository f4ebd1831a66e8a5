/* dense: the papers' full-space directions, one 32-bit integer G[i] for each parameter, whatever the epoch.
 *
 * A probe, by its epoch and number, has a seed of its own; its elements come from Philox under that key: +-1 from one
 * bit each (rademacher), or Q[byte] / 32 through a table of normal quantiles (gaussian). theta[i] = base[i] + eta *
 * G[i] (gaussian: eta / 32).
 */
#include "seed/directions/family.h"
#include "seed/directions/signs.h"
#include "seed/philox.h"

#include <stdlib.h>
#include <string.h>

#define GAUSSIAN_UNIT 32.0f

/* 32 PhiInverse((v + 1/2) / 256) to the nearest integer, for v = 128..255; Q[v] = -Q[255 - v] below. */
static const int8_t QUANTILE[128] = {
    0,  0,  1,  1,  1,  2,  2,  2,  3,  3,  3,  4,  4,  4,  5,  5,  5,  6,  6,  6,  6,  7,  7,  7,  8,  8,
    8,  9,  9,  9,  10, 10, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15, 16, 16, 17, 17,
    17, 18, 18, 18, 19, 19, 19, 20, 20, 21, 21, 21, 22, 22, 23, 23, 23, 24, 24, 25, 25, 25, 26, 26, 27, 27,
    28, 28, 29, 29, 30, 30, 31, 31, 32, 32, 33, 33, 34, 34, 35, 35, 36, 37, 37, 38, 38, 39, 40, 40, 41, 42,
    43, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 56, 57, 59, 61, 63, 65, 67, 71, 75, 81, 92};

static int32_t quantile(unsigned byte)
{
    return byte >= 128 ? QUANTILE[byte - 128] : -QUANTILE[127 - byte];
}

static bool dense_spec_holds(const sam_directions_spec *spec)
{
    return spec->choice.log2_pool <= 62;
}

static unsigned dense_log2_size(const sam_directions_spec *spec)
{
    return spec->choice.log2_pool;
}

static uint64_t dense_count(const sam_directions *directions)
{
    return directions->parameters;
}

static void *dense_open(const sam_directions *directions, uint32_t epoch)
{
    (void)epoch;
    return calloc((size_t)directions->parameters, sizeof(int32_t));
}

static void dense_get(const sam_directions *directions, const void *state, uint64_t first, size_t count,
                      int64_t *values)
{
    (void)directions;
    const int32_t *g = (const int32_t *)state + first;
    for (size_t i = 0; i < count; i++)
        values[i] = g[i];
}

static void dense_set(const sam_directions *directions, void *state, const int64_t *values)
{
    int32_t *g = state;
    for (uint64_t i = 0; i < directions->parameters; i++)
        g[i] = values == NULL ? 0 : (int32_t)(uint32_t)(uint64_t)values[i];
}

/* ---- probes ---- */

static uint64_t probe_seed(const sam_directions *directions, sam_direction_walk *walk, sam_direction probe)
{
    uint64_t number =
        directions->spec.choice.log2_pool == 0 ? probe.number : sam_direction_index(walk, directions, probe);
    uint32_t words[4];
    sam_philox(words, directions->spec.seed, sam_counter(number, SAM_STREAM_PROBE_SEEDS, probe.epoch));
    return words[0] | (uint64_t)words[1] << 32;
}

/* The block of 16 gaussian elements. */
static void quantile_block(uint64_t seed, uint64_t block, int32_t values[16])
{
    uint32_t words[4];
    sam_philox(words, seed, sam_counter(block, SAM_STREAM_DIRECTION, 0));
    for (unsigned j = 0; j < 16; j++)
        values[j] = quantile(words[j / 4] >> (8 * (j % 4)) & 0xff);
}

/* ---- moves ---- */

static void subtract(int32_t *g, int64_t amount, int32_t z)
{
    *g = (int32_t)((uint32_t)*g - (uint32_t)((uint64_t)amount * (uint64_t)(int64_t)z));
}

static void move_gaussian_block(int32_t *g, uint64_t count, uint64_t seed, uint64_t block, int64_t amount)
{
    int32_t z[16];
    quantile_block(seed, block, z);
    for (uint64_t j = 0; j < count; j++)
        subtract(&g[j], amount, z[j]);
}

static size_t gaussian_scratch(const sam_directions *directions, size_t moves)
{
    (void)directions;
    return moves * sizeof(uint64_t);
}

/* Blocks outside, moves inside: a block stays in cache while every move passes over it. */
static void gaussian_move(const sam_directions *directions, void *state, const sam_move *moves, size_t count,
                          void *scratch)
{
    uint64_t *seeds = scratch;
    sam_direction_walk walk = {0};
    for (size_t m = 0; m < count; m++)
        seeds[m] = probe_seed(directions, &walk, moves[m].direction);
    uint64_t parameters = directions->parameters;
    for (uint64_t first = 0; first < parameters; first += 16) {
        int32_t *g = (int32_t *)state + first;
        uint64_t size = parameters - first < 16 ? parameters - first : 16;
        for (size_t m = 0; m < count; m++)
            move_gaussian_block(g, size, seeds[m], first / 16, moves[m].amount);
    }
}

static void rademacher_move(const sam_directions *directions, void *state, const sam_move *moves, size_t count,
                            void *scratch)
{
    (void)scratch;
    const sam_sign_kernel *kernel = sam_sign_kernel_best();
    sam_direction_walk walk = {0};
    uint64_t seeds[SAM_SIGN_BATCH];
    uint32_t amounts[SAM_SIGN_BATCH];
    for (size_t at = 0; at < count; at += SAM_SIGN_BATCH) {
        size_t size = count - at < SAM_SIGN_BATCH ? count - at : SAM_SIGN_BATCH;
        for (size_t m = 0; m < size; m++) {
            seeds[m] = probe_seed(directions, &walk, moves[at + m].direction);
            amounts[m] = (uint32_t)moves[at + m].amount;
        }
        kernel->subtract(state, directions->parameters, seeds, amounts, size);
    }
}

/* ---- rows ---- */

static void put_offsets(const sam_directions *directions, uint64_t first, size_t count, float unit,
                        sam_direction_row *row)
{
    const int32_t *g = (const int32_t *)directions->states[0] + first;
    for (size_t i = 0; i < count; i++)
        row->room[i] = (float)g[i] * unit;
    row->offset = row->room;
    memset(row->offset_signs, 0, SAM_SIGN_WORDS(count) * sizeof *row->offset_signs);
}

static void rademacher_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                           uint64_t first, size_t count, sam_direction_row *row)
{
    sam_direction_walk walk = {0};
    put_offsets(directions, first, count, directions->eta, row);
    for (size_t p = 0; p < probe_count; p++) {
        const sam_sign_stream stream = {probe_seed(directions, &walk, probes[p]), SAM_STREAM_DIRECTION, 0};
        sam_signs_draw(&stream, first, count, row->probe_signs + p * SAM_SIGN_WORDS(count));
    }
}

static void put_quantiles(uint64_t seed, uint64_t first, size_t count, uint64_t *signs, float *sizes)
{
    memset(signs, 0, SAM_SIGN_WORDS(count) * sizeof *signs);
    int32_t z[16] = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t at = first + i;
        if (i == 0 || at % 16 == 0)
            quantile_block(seed, at / 16, z);
        int32_t value = z[at % 16];
        signs[i / 64] |= (uint64_t)(value < 0) << (i % 64);
        sizes[i] = (float)(value < 0 ? -value : value) / GAUSSIAN_UNIT;
    }
}

static void gaussian_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                         uint64_t first, size_t count, sam_direction_row *row)
{
    sam_direction_walk walk = {0};
    put_offsets(directions, first, count, directions->eta / GAUSSIAN_UNIT, row);
    for (size_t p = 0; p < probe_count; p++)
        put_quantiles(probe_seed(directions, &walk, probes[p]), first, count,
                      row->probe_signs + p * SAM_SIGN_WORDS(count), row->probe_sizes + p * count);
}

const sam_direction_family sam_family_rademacher = {
    .width = sizeof(int32_t),
    .one_state = true,
    .spec_holds = dense_spec_holds,
    .log2_size = dense_log2_size,
    .count = dense_count,
    .open = dense_open,
    .close = free,
    .get = dense_get,
    .set = dense_set,
    .move = rademacher_move,
    .row = rademacher_row,
};

const sam_direction_family sam_family_gaussian = {
    .sized = true,
    .width = sizeof(int32_t),
    .one_state = true,
    .spec_holds = dense_spec_holds,
    .log2_size = dense_log2_size,
    .count = dense_count,
    .open = dense_open,
    .close = free,
    .get = dense_get,
    .set = dense_set,
    .scratch = gaussian_scratch,
    .move = gaussian_move,
    .row = gaussian_row,
};
