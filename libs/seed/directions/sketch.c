/* sketch: K integers F stand for all parameters, theta[i] = base[i] + eta * D(i) * F[i mod K].
 *
 * Probe n moves along z[i] = D(i) * u_k[i mod K] with u_k a Walsh function, so a move is K additions however many
 * parameters there are, and any number of moves is one table of K amounts and one fast transform of it.
 *
 *     parameters i    0 ........ K-1 | K ........ 2K-1 | 2K ...      D(i): one fixed random sign for each
 *     F[i mod K]      0 ........ K-1 | 0 ........  K-1 | 0 ...       what has been learnt
 *     u_k[i mod K]    0 ........ K-1 | 0 ........  K-1 | 0 ...       what a probe tries
 *
 * Each epoch has a D and an F of its own; their parts add up.
 * For the fast path F * eta stands there as floats, refreshed after each move. D is drawn where it is needed: a bit for
 * each parameter would be 1 GB for a model of 8B.
 */
#include "seed/directions/family.h"
#include "seed/directions/signs.h"
#include "seed/walsh.h"

#include <stdlib.h>
#include <string.h>

/* From this many moves on, one transform is cheaper than adding each. */
#define TRANSFORM_FROM 16

typedef struct sketch_state {
    int64_t *f;    /* [K] */
    float *scaled; /* [K], float32(f) * eta */
} sketch_state;

static size_t size_of(const sam_directions *directions)
{
    return (size_t)1 << directions->spec.choice.log2_k;
}

static bool sketch_spec_holds(const sam_directions_spec *spec)
{
    return spec->choice.log2_k >= SAM_SKETCH_LOG2_K_MIN && spec->choice.log2_k <= SAM_SKETCH_LOG2_K_MAX;
}

static unsigned sketch_log2_size(const sam_directions_spec *spec)
{
    return spec->choice.log2_k;
}

static uint64_t sketch_count(const sam_directions *directions)
{
    return size_of(directions);
}

static void sketch_close(void *opened)
{
    sketch_state *state = opened;
    if (state == NULL)
        return;
    free(state->f);
    free(state->scaled);
    free(state);
}

static void *sketch_open(const sam_directions *directions, uint32_t epoch)
{
    (void)epoch;
    sketch_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        return NULL;
    state->f = calloc(size_of(directions), sizeof *state->f);
    state->scaled = calloc(size_of(directions), sizeof *state->scaled);
    if (state->f == NULL || state->scaled == NULL) {
        sketch_close(state);
        return NULL;
    }
    return state;
}

static void refresh_scaled(const sam_directions *directions, sketch_state *state)
{
    for (size_t j = 0; j < size_of(directions); j++)
        state->scaled[j] = (float)state->f[j] * directions->eta;
}

static void sketch_get(const sam_directions *directions, const void *state, uint64_t first, size_t count,
                       int64_t *values)
{
    (void)directions;
    memcpy(values, ((const sketch_state *)state)->f + first, count * sizeof *values);
}

static void sketch_set(const sam_directions *directions, void *opened, const int64_t *values)
{
    sketch_state *state = opened;
    if (values == NULL)
        memset(state->f, 0, size_of(directions) * sizeof *state->f);
    else
        memcpy(state->f, values, size_of(directions) * sizeof *state->f);
    refresh_scaled(directions, state);
}

/* ---- moves ---- */

static int64_t negated(int64_t amount)
{
    return (int64_t)(0 - (uint64_t)amount);
}

static void move_each(const sam_directions *directions, sketch_state *state, const sam_move *moves, size_t count)
{
    sam_direction_walk walk = {0};
    for (size_t m = 0; m < count; m++)
        sam_walsh_add(state->f, directions->spec.choice.log2_k,
                      sam_direction_index(&walk, directions, moves[m].direction), negated(moves[m].amount));
}

static void move_by_transform(const sam_directions *directions, sketch_state *state, const sam_move *moves,
                              size_t count, int64_t *sum)
{
    sam_direction_walk walk = {0};
    memset(sum, 0, size_of(directions) * sizeof *sum);
    for (size_t m = 0; m < count; m++) {
        uint64_t k = sam_direction_index(&walk, directions, moves[m].direction);
        sum[k] = (int64_t)((uint64_t)sum[k] - (uint64_t)moves[m].amount);
    }
    sam_walsh_transform(sum, directions->spec.choice.log2_k);
    for (size_t j = 0; j < size_of(directions); j++)
        state->f[j] = (int64_t)((uint64_t)state->f[j] + (uint64_t)sum[j]);
}

static size_t sketch_scratch(const sam_directions *directions, size_t moves)
{
    return moves >= TRANSFORM_FROM ? size_of(directions) * sizeof(int64_t) : 0;
}

static void sketch_move(const sam_directions *directions, void *state, const sam_move *moves, size_t count,
                        void *scratch)
{
    if (count >= TRANSFORM_FROM)
        move_by_transform(directions, state, moves, count, scratch);
    else
        move_each(directions, state, moves, count);
    refresh_scaled(directions, state);
}

/* ---- rows ---- */

static void put_signs(const sam_directions *directions, uint32_t epoch, uint64_t first, size_t count, uint64_t *out)
{
    const sam_sign_stream stream = {directions->spec.seed, SAM_STREAM_SIGNS, epoch};
    sam_signs_draw(&stream, first, count, out);
}

/* A stretch that wraps around the end of F is put together in the caller's room; every other one lies there already. */
static void put_offset(const sam_directions *directions, const sketch_state *state, uint64_t first, size_t count,
                       sam_direction_row *row)
{
    uint64_t mask = size_of(directions) - 1;
    if ((first & mask) + count <= mask + 1) {
        row->offset = state->scaled + (first & mask);
        return;
    }
    for (size_t done = 0; done < count;) {
        uint64_t at = (first + done) & mask;
        size_t size = mask + 1 - at < count - done ? (size_t)(mask + 1 - at) : count - done;
        memcpy(row->room + done, state->scaled + at, size * sizeof *row->room);
        done += size;
    }
    row->offset = row->room;
}

/* Every epoch has signs of its own, so their sum is formed with its sign in it. */
static void put_sum_of_epochs(const sam_directions *directions, uint64_t first, size_t count, sam_direction_row *row)
{
    uint64_t mask = size_of(directions) - 1;
    for (uint32_t epoch = 0; epoch < directions->epochs; epoch++) {
        const sketch_state *state = directions->states[epoch];
        put_signs(directions, epoch, first, count, row->offset_signs);
        for (size_t i = 0; i < count; i++) {
            float part = state->scaled[(first + i) & mask];
            part = (row->offset_signs[i / 64] >> (i % 64) & 1) != 0 ? -part : part;
            row->room[i] = epoch == 0 ? part : row->room[i] + part;
        }
    }
    memset(row->offset_signs, 0, SAM_SIGN_WORDS(count) * sizeof *row->offset_signs);
    row->offset = row->room;
}

/* Turns the signs of coordinates at, at + 1, ... without wrap-around, which stand in `out` from bit `to` on, where u_k
 * is -1. */
static void turn_by_walsh(uint64_t k, uint64_t at, size_t count, uint64_t *out, size_t to)
{
    while (count > 0) {
        unsigned from = (unsigned)(at % 64), room = (unsigned)(64 - to % 64);
        size_t size = 64 - from < room ? 64 - from : room;
        size = size < count ? size : count;
        uint64_t bits = sam_walsh_signs(k, at - from) >> from;
        if (size < 64)
            bits &= ((uint64_t)1 << size) - 1;
        out[to / 64] ^= bits << (to % 64);
        at += size;
        to += size;
        count -= size;
    }
}

static void turn_by_probe(const sam_directions *directions, uint64_t k, uint64_t first, size_t count, uint64_t *signs)
{
    uint64_t mask = size_of(directions) - 1;
    for (size_t done = 0; done < count;) {
        uint64_t at = (first + done) & mask;
        size_t size = mask + 1 - at < count - done ? (size_t)(mask + 1 - at) : count - done;
        turn_by_walsh(k, at, size, signs, done);
        done += size;
    }
}

/* D of each probe's epoch, drawn once where the probe before has the same. */
static void put_probes_signs(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                             uint64_t first, size_t count, const sam_direction_row *row)
{
    const uint64_t *drawn = directions->epochs > 1 ? NULL : row->offset_signs;
    uint32_t epoch = 0;
    for (size_t p = 0; p < probe_count; p++) {
        uint64_t *signs = row->probe_signs + p * SAM_SIGN_WORDS(count);
        if (drawn != NULL && probes[p].epoch == epoch)
            memcpy(signs, drawn, SAM_SIGN_WORDS(count) * sizeof *signs);
        else
            put_signs(directions, probes[p].epoch, first, count, signs);
        drawn = signs;
        epoch = probes[p].epoch;
    }
}

static void sketch_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                       uint64_t first, size_t count, sam_direction_row *row)
{
    if (directions->epochs > 1) {
        put_sum_of_epochs(directions, first, count, row);
    } else {
        put_offset(directions, directions->states[0], first, count, row);
        put_signs(directions, 0, first, count, row->offset_signs);
    }
    put_probes_signs(directions, probes, probe_count, first, count, row);
    sam_direction_walk walk = {0};
    for (size_t p = 0; p < probe_count; p++)
        turn_by_probe(directions, sam_direction_index(&walk, directions, probes[p]), first, count,
                      row->probe_signs + p * SAM_SIGN_WORDS(count));
}

const sam_direction_family sam_family_sketch = {
    .width = sizeof(int64_t),
    .sums_fit = true,
    .spec_holds = sketch_spec_holds,
    .log2_size = sketch_log2_size,
    .count = sketch_count,
    .open = sketch_open,
    .close = sketch_close,
    .get = sketch_get,
    .set = sketch_set,
    .scratch = sketch_scratch,
    .move = sketch_move,
    .row = sketch_row,
};
