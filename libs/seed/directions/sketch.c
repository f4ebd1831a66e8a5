/* sketch: K integers F stand for all parameters, theta[i] = base[i] + eta * D(i) * F[i mod K].
 *
 * Probe n moves along z[i] = D(i) * u_k[i mod K] with u_k a Walsh function, so a move is K additions however many
 * parameters there are, and any number of moves is one table of K amounts and one fast transform of it.
 *
 *     parameters i    0 ........ K-1 | K ........ 2K-1 | 2K ...      D(i): one fixed random sign for each
 *     F[i mod K]      0 ........ K-1 | 0 ........  K-1 | 0 ...       what has been learnt
 *     u_k[i mod K]    0 ........ K-1 | 0 ........  K-1 | 0 ...       what a probe tries
 *
 * Kept for the fast path: F * eta as floats (refreshed after each move) and D as bits.
 */
#include "seed/directions/family.h"
#include "seed/philox.h"
#include "seed/walsh.h"

#include <stdlib.h>
#include <string.h>

/* From this many moves on, one transform is cheaper than adding each. */
#define TRANSFORM_FROM 16

typedef struct sketch_state {
    int64_t *f;      /* [K] */
    float *scaled;   /* [K], float32(f) * eta */
    uint64_t *signs; /* bit i: D(i) is -1; a spare word at the end */
} sketch_state;

static size_t size_of(const sam_directions *directions)
{
    return (size_t)1 << directions->spec.log2_k;
}

static void draw_signs(const sam_directions *directions, uint64_t *signs)
{
    for (uint64_t block = 0; block < (directions->parameters + 127) / 128; block++) {
        uint32_t words[4];
        sam_philox(words, directions->spec.seed, sam_counter(block, SAM_STREAM_SIGNS, directions->spec.epoch));
        signs[2 * block] = words[0] | (uint64_t)words[1] << 32;
        signs[2 * block + 1] = words[2] | (uint64_t)words[3] << 32;
    }
}

static bool sketch_open(sam_directions *directions)
{
    sketch_state *state = calloc(1, sizeof *state);
    directions->state = state;
    if (state == NULL)
        return false;
    state->f = calloc(size_of(directions), sizeof *state->f);
    state->scaled = calloc(size_of(directions), sizeof *state->scaled);
    state->signs = calloc((size_t)((directions->parameters + 127) / 128) * 2 + 1, sizeof *state->signs);
    if (state->f == NULL || state->scaled == NULL || state->signs == NULL)
        return false;
    draw_signs(directions, state->signs);
    return true;
}

static void sketch_close(sam_directions *directions)
{
    sketch_state *state = directions->state;
    if (state == NULL)
        return;
    free(state->f);
    free(state->scaled);
    free(state->signs);
    free(state);
}

static void sketch_reset(sam_directions *directions)
{
    sketch_state *state = directions->state;
    memset(state->f, 0, size_of(directions) * sizeof *state->f);
    memset(state->scaled, 0, size_of(directions) * sizeof *state->scaled);
}

static void refresh_scaled(sam_directions *directions)
{
    sketch_state *state = directions->state;
    for (size_t j = 0; j < size_of(directions); j++)
        state->scaled[j] = (float)state->f[j] * directions->eta;
}

static int64_t negated(int64_t amount)
{
    return (int64_t)(0 - (uint64_t)amount);
}

static bool move_many(sam_directions *directions, const sam_move *moves, size_t count)
{
    sketch_state *state = directions->state;
    int64_t *sum = calloc(size_of(directions), sizeof *sum);
    if (sum == NULL)
        return false;
    for (size_t m = 0; m < count; m++) {
        uint64_t k = sam_directions_walk(directions, moves[m].probe);
        sum[k] = (int64_t)((uint64_t)sum[k] - (uint64_t)moves[m].amount);
    }
    sam_walsh_transform(sum, directions->spec.log2_k);
    for (size_t j = 0; j < size_of(directions); j++)
        state->f[j] = (int64_t)((uint64_t)state->f[j] + (uint64_t)sum[j]);
    free(sum);
    return true;
}

static bool sketch_move(sam_directions *directions, const sam_move *moves, size_t count)
{
    sketch_state *state = directions->state;
    if (count >= TRANSFORM_FROM) {
        if (!move_many(directions, moves, count))
            return false;
    } else {
        for (size_t m = 0; m < count; m++)
            sam_walsh_add(state->f, directions->spec.log2_k, sam_directions_walk(directions, moves[m].probe),
                          negated(moves[m].amount));
    }
    refresh_scaled(directions);
    return true;
}

/* The Walsh signs of coordinates at, at + 1, ... without wrap-around, put into `out` from bit `to` on. */
static void put_walsh_signs(uint64_t k, uint64_t at, size_t count, uint64_t *out, size_t to)
{
    while (count > 0) {
        unsigned from = (unsigned)(at % 64), room = (unsigned)(64 - to % 64);
        size_t size = 64 - from < room ? 64 - from : room;
        size = size < count ? size : count;
        uint64_t bits = sam_walsh_signs(k, at - from) >> from;
        if (size < 64)
            bits &= ((uint64_t)1 << size) - 1;
        out[to / 64] |= bits << (to % 64);
        at += size;
        to += size;
        count -= size;
    }
}

/* A stretch that wraps around the end of F is put together in the caller's room; every other one lies there already. */
static void sketch_row(const sam_directions *directions, const uint64_t *probe, uint64_t first, size_t count,
                       sam_direction_row *row)
{
    const sketch_state *state = directions->state;
    uint64_t mask = size_of(directions) - 1, k = probe == NULL ? 0 : sam_directions_walk(directions, *probe);
    bool wraps = (first & mask) + count > mask + 1;
    row->offset = wraps ? row->room : state->scaled + (first & mask);
    sam_copy_bits(state->signs, first, count, row->offset_signs);
    if (probe != NULL)
        memset(row->probe_signs, 0, (count + 63) / 64 * sizeof *row->probe_signs);
    for (size_t done = 0; done < count;) {
        uint64_t at = (first + done) & mask;
        size_t size = mask + 1 - at < count - done ? (size_t)(mask + 1 - at) : count - done;
        if (wraps)
            memcpy(row->room + done, state->scaled + at, size * sizeof *row->room);
        if (probe != NULL)
            put_walsh_signs(k, at, size, row->probe_signs, done);
        done += size;
    }
    for (size_t w = 0; probe != NULL && w < (count + 63) / 64; w++)
        row->probe_signs[w] ^= row->offset_signs[w];
}

static uint64_t sketch_state_bytes(const sam_directions *directions)
{
    return (uint64_t)size_of(directions) * sizeof(int64_t);
}

static void sketch_state_read(const sam_directions *directions, uint64_t offset, size_t length, uint8_t *out)
{
    const sketch_state *state = directions->state;
    for (size_t i = 0; i < length; i++) {
        uint64_t at = offset + i;
        out[i] = (uint8_t)((uint64_t)state->f[at / 8] >> (8 * (at % 8)));
    }
}

static void sketch_state_get(const sam_directions *directions, int64_t *values)
{
    const sketch_state *state = directions->state;
    memcpy(values, state->f, size_of(directions) * sizeof *values);
}

static void sketch_state_set(sam_directions *directions, const int64_t *values)
{
    sketch_state *state = directions->state;
    memcpy(state->f, values, size_of(directions) * sizeof *values);
    refresh_scaled(directions);
}

const sam_direction_family sam_family_sketch = {
    .name = "sketch",
    .open = sketch_open,
    .close = sketch_close,
    .reset = sketch_reset,
    .move = sketch_move,
    .row = sketch_row,
    .state_bytes = sketch_state_bytes,
    .state_read = sketch_state_read,
    .width = sizeof(int64_t),
    .state_get = sketch_state_get,
    .state_set = sketch_state_set,
};
