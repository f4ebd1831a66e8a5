/* A family of directions for tests: every matrix moves within U V^T of rank 2, so that the seam for such families has
 * one that uses it. Not in the product's table.
 *
 *     const sam_directions_tensor matrix = {.start = 0, .rows = 4, .columns = 6};
 *     const sam_directions_spec spec = {.seed = 7, .tensors = &matrix, .tensor_count = 1};
 *     sam_directions *directions = sam_directions_new_of(&test_low_rank_family, &spec);
 *
 * An epoch draws U and V, of small integers, from its seed; its state is, tensor after tensor, the four integers of a
 * matrix' core, or one integer for each element of a vector. A direction adds to a core four small integers, and to a
 * vector's element 1 or -1. */
#ifndef SAM_SEED_TEST_LOW_RANK_H
#define SAM_SEED_TEST_LOW_RANK_H

#include "seed/directions/family.h"
#include "seed/philox.h"

#include <stdlib.h>
#include <string.h>

enum { TEST_RANK = 2, TEST_CORE = TEST_RANK * TEST_RANK };

static long test_low_rank_opens = -1; /* so many states can be opened yet; -1: any number */

typedef struct test_low_rank_state {
    int64_t *values;
    sam_low_rank_form *forms; /* [tensors]; u is NULL of a vector */
    float *floats;            /* U, V and core of each matrix */
} test_low_rank_state;

static inline bool test_is_matrix(const sam_directions_tensor *tensor)
{
    return tensor->rows > 1;
}

static inline uint64_t test_integers_of(const sam_directions_tensor *tensor)
{
    return test_is_matrix(tensor) ? TEST_CORE : tensor->columns;
}

/* Where a tensor's integers begin; of the one after the last: how many there are. */
static inline uint64_t test_integers_before(const sam_directions *directions, size_t tensor)
{
    uint64_t count = 0;
    for (size_t t = 0; t < tensor; t++)
        count += test_integers_of(&directions->spec.tensors[t]);
    return count;
}

/* One of -2 .. 2, by what it is for and its number. */
static inline int64_t test_small(uint64_t seed, uint32_t epoch, size_t tensor, uint64_t number, uint32_t part)
{
    uint32_t words[4];
    const sam_philox_counter counter = {{(uint32_t)number, part, 1000 + (uint32_t)tensor, epoch}};
    sam_philox(words, seed, counter);
    return (int64_t)(words[0] % 5) - 2;
}

/* What a direction adds to one integer of the state. */
static inline int64_t test_element(const sam_directions *directions, size_t tensor, sam_direction direction, uint64_t i)
{
    int64_t small = test_small(directions->spec.seed, direction.epoch, tensor, direction.number, 2 + (uint32_t)i);
    return test_is_matrix(&directions->spec.tensors[tensor]) ? small : (small > 0 ? 1 : -1);
}

static inline bool test_low_rank_spec_holds(const sam_directions_spec *spec)
{
    (void)spec;
    return true;
}

static inline unsigned test_low_rank_log2_size(const sam_directions_spec *spec)
{
    (void)spec;
    return 0;
}

static inline uint64_t test_low_rank_count(const sam_directions *directions)
{
    return test_integers_before(directions, directions->spec.tensor_count);
}

static inline void test_low_rank_close(void *opened)
{
    test_low_rank_state *state = opened;
    if (state == NULL)
        return;
    free(state->values);
    free(state->forms);
    free(state->floats);
    free(state);
}

static inline void test_refresh(const sam_directions *directions, test_low_rank_state *state)
{
    for (size_t t = 0; t < directions->spec.tensor_count; t++) {
        float *core = (float *)state->forms[t].core;
        const int64_t *values = state->values + test_integers_before(directions, t);
        for (size_t i = 0; core != NULL && i < TEST_CORE; i++)
            core[i] = (float)values[i] * directions->eta;
    }
}

static inline float *test_draw(const sam_directions *directions, uint32_t epoch, size_t tensor, uint32_t part,
                               uint64_t count, float *out)
{
    for (uint64_t i = 0; i < count; i++)
        out[i] = (float)test_small(directions->spec.seed, epoch, tensor, i, part);
    return out + count;
}

static inline void test_draw_forms(const sam_directions *directions, test_low_rank_state *state, uint32_t epoch)
{
    float *at = state->floats;
    for (size_t t = 0; t < directions->spec.tensor_count; t++) {
        const sam_directions_tensor *tensor = &directions->spec.tensors[t];
        if (!test_is_matrix(tensor))
            continue;
        float *v = test_draw(directions, epoch, t, 0, tensor->rows * TEST_RANK, at);
        float *core = test_draw(directions, epoch, t, 1, tensor->columns * TEST_RANK, v);
        state->forms[t] = (sam_low_rank_form){at, v, core, TEST_RANK};
        at = core + TEST_CORE;
    }
}

static inline void *test_low_rank_open(const sam_directions *directions, uint32_t epoch)
{
    if (test_low_rank_opens == 0)
        return NULL;
    test_low_rank_opens -= test_low_rank_opens > 0;
    size_t floats = 1;
    for (size_t t = 0; t < directions->spec.tensor_count; t++)
        floats += (directions->spec.tensors[t].rows + directions->spec.tensors[t].columns) * TEST_RANK + TEST_CORE;
    test_low_rank_state *state = calloc(1, sizeof *state);
    if (state == NULL)
        abort();
    state->values = calloc(test_low_rank_count(directions), sizeof *state->values);
    state->forms = calloc(directions->spec.tensor_count, sizeof *state->forms);
    state->floats = calloc(floats, sizeof *state->floats);
    if (state->values == NULL || state->forms == NULL || state->floats == NULL)
        abort();
    test_draw_forms(directions, state, epoch);
    test_refresh(directions, state);
    return state;
}

static inline void test_low_rank_get(const sam_directions *directions, const void *state, uint64_t first, size_t count,
                                     int64_t *values)
{
    (void)directions;
    memcpy(values, ((const test_low_rank_state *)state)->values + first, count * sizeof *values);
}

static inline void test_low_rank_set(const sam_directions *directions, void *opened, const int64_t *values)
{
    test_low_rank_state *state = opened;
    for (uint64_t i = 0; i < test_low_rank_count(directions); i++)
        state->values[i] = values == NULL ? 0 : values[i];
    test_refresh(directions, state);
}

static inline void test_low_rank_move(const sam_directions *directions, void *opened, const sam_move *moves,
                                      size_t count, void *scratch)
{
    (void)scratch;
    test_low_rank_state *state = opened;
    int64_t *values = state->values;
    for (size_t t = 0; t < directions->spec.tensor_count; t++)
        for (uint64_t i = 0; i < test_integers_of(&directions->spec.tensors[t]); i++, values++)
            for (size_t m = 0; m < count; m++)
                *values -= moves[m].amount * test_element(directions, t, moves[m].direction, i);
    test_refresh(directions, state);
}

/* u core v^T of one element, or the vector's element: `values` are the tensor's integers. */
static inline double test_value(const sam_low_rank_form *form, const sam_directions_tensor *tensor, uint64_t i,
                                const int64_t *values)
{
    if (!test_is_matrix(tensor))
        return (double)values[i];
    const float *u = form->u + i / tensor->columns * TEST_RANK, *v = form->v + i % tensor->columns * TEST_RANK;
    double sum = 0;
    for (size_t a = 0; a < TEST_RANK; a++)
        for (size_t b = 0; b < TEST_RANK; b++)
            sum += (double)(u[a] * v[b]) * (double)values[a * TEST_RANK + b];
    return sum;
}

static inline size_t test_tensor_at(const sam_directions *directions, uint64_t parameter)
{
    size_t t = directions->spec.tensor_count - 1;
    while (directions->spec.tensors[t].start > parameter)
        t--;
    return t;
}

static inline float test_offset_at(const sam_directions *directions, uint64_t parameter)
{
    size_t t = test_tensor_at(directions, parameter);
    const sam_directions_tensor *tensor = &directions->spec.tensors[t];
    float sum = 0;
    for (uint32_t epoch = 0; epoch < directions->epochs; epoch++) {
        const test_low_rank_state *state = directions->states[epoch];
        const int64_t *values = state->values + test_integers_before(directions, t);
        sum += (float)test_value(&state->forms[t], tensor, parameter - tensor->start, values) * directions->eta;
    }
    return sum;
}

static inline float test_probe_at(const sam_directions *directions, sam_direction probe, uint64_t parameter)
{
    size_t t = test_tensor_at(directions, parameter);
    const sam_directions_tensor *tensor = &directions->spec.tensors[t];
    const test_low_rank_state *state = directions->states[probe.epoch];
    int64_t core[TEST_CORE];
    if (!test_is_matrix(tensor))
        return (float)test_element(directions, t, probe, parameter - tensor->start);
    for (size_t i = 0; i < TEST_CORE; i++)
        core[i] = test_element(directions, t, probe, i);
    return (float)test_value(&state->forms[t], tensor, parameter - tensor->start, core);
}

static inline void test_low_rank_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                                     uint64_t first, size_t count, sam_direction_row *row)
{
    size_t words = SAM_SIGN_WORDS(count);
    memset(row->offset_signs, 0, words * sizeof *row->offset_signs);
    if (probe_count > 0)
        memset(row->probe_signs, 0, probe_count * words * sizeof *row->probe_signs);
    for (size_t i = 0; i < count; i++) {
        row->room[i] = test_offset_at(directions, first + i);
        for (size_t p = 0; p < probe_count; p++) {
            float z = test_probe_at(directions, probes[p], first + i);
            row->probe_signs[p * words + i / 64] |= (uint64_t)(z < 0) << (i % 64);
            row->probe_sizes[p * count + i] = z < 0 ? -z : z;
        }
    }
    row->offset = row->room;
}

static inline const sam_low_rank_form *test_low_rank_form(const sam_directions *directions, const void *state,
                                                          size_t tensor)
{
    const sam_low_rank_form *form = &((const test_low_rank_state *)state)->forms[tensor];
    return test_is_matrix(&directions->spec.tensors[tensor]) ? form : NULL;
}

static inline void test_low_rank_probe_core(const sam_directions *directions, const void *state, size_t tensor,
                                            sam_direction probe, float *core)
{
    (void)state;
    for (size_t i = 0; i < TEST_CORE; i++)
        core[i] = (float)test_element(directions, tensor, probe, i);
}

static const sam_direction_family test_low_rank_family = {
    .width = sizeof(int64_t),
    .sized = true,
    .spec_holds = test_low_rank_spec_holds,
    .log2_size = test_low_rank_log2_size,
    .count = test_low_rank_count,
    .open = test_low_rank_open,
    .close = test_low_rank_close,
    .get = test_low_rank_get,
    .set = test_low_rank_set,
    .move = test_low_rank_move,
    .row = test_low_rank_row,
    .low_rank = test_low_rank_form,
    .probe_core = test_low_rank_probe_core,
};

#endif
