#include "seed/directions/directions.h"

#include "seed/directions/family.h"

#include <stdlib.h>
#include <string.h>

/* Rows longer than this are formed in pieces, with room on the stack. */
#define PIECE 1024

/* Far beyond any model; keeps products of sizes within 64 bits. */
#define LARGEST_PARAMETERS ((uint64_t)1 << 48)

#define FAMILY(constant, name) [SAM_##constant] = &sam_family_##name,
static const sam_direction_family *const FAMILIES[] = {SAM_FAMILIES(FAMILY)};

#define NAME(constant, name) #name,
const char *const sam_family_names[] = {SAM_FAMILIES(NAME) NULL};

static const sam_direction_family *family_of(const sam_directions_spec *spec)
{
    return (unsigned)spec->choice.family < sizeof FAMILIES / sizeof FAMILIES[0] ? FAMILIES[spec->choice.family] : NULL;
}

static float power_of_two(int log2)
{
    uint32_t bits = (uint32_t)(log2 + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* ---- made and freed ---- */

/* How many parameters the tensors have; 0 where they are none, too many, or not one after the other. */
static uint64_t parameters_of(const sam_directions_tensor *tensors, size_t count)
{
    uint64_t parameters = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t size;
        if (tensors[i].start != parameters || __builtin_mul_overflow(tensors[i].rows, tensors[i].columns, &size) ||
            size == 0 || size > LARGEST_PARAMETERS - parameters)
            return 0;
        parameters += size;
    }
    return parameters;
}

static bool copy_spec(sam_directions *directions, const sam_directions_spec *spec)
{
    sam_directions_tensor *tensors = calloc(spec->tensor_count, sizeof *tensors);
    directions->spec = *spec;
    directions->spec.tensors = tensors;
    directions->parameters = parameters_of(spec->tensors, spec->tensor_count);
    if (tensors != NULL)
        memcpy(tensors, spec->tensors, spec->tensor_count * sizeof *tensors);
    return tensors != NULL;
}

sam_directions *sam_directions_new_of(const sam_direction_family *family, const sam_directions_spec *spec)
{
    if (spec->eta_log2 < -100 || spec->eta_log2 > 0 || parameters_of(spec->tensors, spec->tensor_count) == 0 ||
        !family->spec_holds(spec))
        return NULL;
    sam_directions *directions = calloc(1, sizeof *directions);
    if (directions == NULL)
        return NULL;
    directions->family = family;
    directions->eta = power_of_two(spec->eta_log2);
    if (!copy_spec(directions, spec) || !sam_directions_set_epochs(directions, 1)) {
        sam_directions_free(directions);
        return NULL;
    }
    return directions;
}

sam_directions *sam_directions_new(const sam_directions_spec *spec)
{
    const sam_direction_family *family = family_of(spec);
    return family == NULL ? NULL : sam_directions_new_of(family, spec);
}

static uint32_t states_for(const sam_directions *directions, uint32_t epochs)
{
    return directions->family->one_state && epochs > 1 ? 1 : epochs;
}

static uint32_t state_count(const sam_directions *directions)
{
    return states_for(directions, directions->epochs);
}

static void *state_of(const sam_directions *directions, uint32_t epoch)
{
    return directions->states[directions->family->one_state ? 0 : epoch];
}

static void close_states(sam_directions *directions, uint32_t from, uint32_t to)
{
    for (uint32_t s = from; s < to; s++)
        directions->family->close(directions->states[s]);
}

void sam_directions_free(sam_directions *directions)
{
    if (directions == NULL)
        return;
    close_states(directions, 0, state_count(directions));
    free(directions->states);
    free((void *)directions->spec.tensors);
    free(directions);
}

const sam_directions_spec *sam_directions_get_spec(const sam_directions *directions)
{
    return &directions->spec;
}

/* ---- epochs ---- */

uint32_t sam_directions_epochs(const sam_directions *directions)
{
    return directions->epochs;
}

/* States [from, to), all zero; all of them or none. */
static bool open_states(sam_directions *directions, uint32_t from, uint32_t to)
{
    void **states = realloc(directions->states, to * sizeof *states);
    if (states == NULL)
        return false;
    directions->states = states;
    for (uint32_t s = from; s < to; s++) {
        states[s] = directions->family->open(directions, s);
        if (states[s] == NULL) {
            close_states(directions, from, s);
            return false;
        }
    }
    return true;
}

bool sam_directions_set_epochs(sam_directions *directions, uint32_t count)
{
    if (count == 0 || count > SAM_EPOCHS_MAX)
        return false;
    uint32_t before = state_count(directions), after = states_for(directions, count);
    if (after > before && !open_states(directions, before, after))
        return false;
    close_states(directions, after, before);
    directions->epochs = count;
    return true;
}

void sam_directions_reset(sam_directions *directions)
{
    sam_directions_set_epochs(directions, 1);
    directions->family->set(directions, directions->states[0], NULL);
}

/* ---- moves ---- */

static uint32_t epochs_named(const sam_move *moves, size_t count)
{
    uint32_t last = 0;
    for (size_t m = 0; m < count; m++)
        last = moves[m].direction.epoch > last ? moves[m].direction.epoch : last;
    return last < SAM_EPOCHS_MAX ? last + 1 : SAM_EPOCHS_MAX + 1;
}

static int by_epoch(const void *a, const void *b)
{
    uint32_t left = ((const sam_move *)a)->direction.epoch, right = ((const sam_move *)b)->direction.epoch;
    return (left > right) - (left < right);
}

static bool are_in_order(const sam_move *moves, size_t count)
{
    for (size_t m = 1; m < count; m++)
        if (by_epoch(&moves[m - 1], &moves[m]) > 0)
            return false;
    return true;
}

static sam_move *sorted(const sam_move *moves, size_t count)
{
    sam_move *copy = calloc(count, sizeof *copy);
    if (copy == NULL)
        return NULL;
    memcpy(copy, moves, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, by_epoch);
    return copy;
}

static size_t run_of_one_state(const sam_directions *directions, const sam_move *moves, size_t count)
{
    size_t size = 1;
    while (size < count && (directions->family->one_state || by_epoch(&moves[0], &moves[size]) == 0))
        size++;
    return size;
}

static bool move_in_order(sam_directions *directions, const sam_move *moves, size_t count)
{
    const sam_direction_family *family = directions->family;
    size_t bytes = family->scratch == NULL ? 0 : family->scratch(directions, count);
    void *scratch = bytes == 0 ? NULL : malloc(bytes);
    if (bytes > 0 && scratch == NULL)
        return false;
    for (size_t at = 0, size; at < count; at += size) {
        size = run_of_one_state(directions, moves + at, count - at);
        family->move(directions, state_of(directions, moves[at].direction.epoch), moves + at, size, scratch);
    }
    free(scratch);
    return true;
}

bool sam_directions_move(sam_directions *directions, const sam_move *moves, size_t count)
{
    uint32_t begun = directions->epochs, named = epochs_named(moves, count);
    if (named > begun && !sam_directions_set_epochs(directions, named))
        return false;
    sam_move *copy = NULL;
    if (!directions->family->one_state && !are_in_order(moves, count))
        moves = copy = sorted(moves, count);
    bool good = moves != NULL && move_in_order(directions, moves, count);
    if (!good)
        sam_directions_set_epochs(directions, begun);
    free(copy);
    return good;
}

/* ---- read ---- */

void sam_directions_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                        uint64_t first, size_t count, sam_direction_row *row)
{
    directions->family->row(directions, probes, probe_count, first, count, row);
}

bool sam_directions_sized(const sam_directions *directions)
{
    return directions->family->sized;
}

static bool bit_at(const uint64_t *bits, size_t i)
{
    return (bits[i / 64] >> (i % 64) & 1) != 0;
}

void sam_directions_weights(const sam_directions *directions, uint64_t first, size_t count, const float *base,
                            float *theta)
{
    float room[PIECE];
    uint64_t signs[SAM_SIGN_WORDS(PIECE)];
    sam_direction_row row = {.room = room, .offset_signs = signs};
    for (size_t at = 0; at < count; at += PIECE) {
        size_t size = count - at < PIECE ? count - at : PIECE;
        sam_directions_row(directions, NULL, 0, first + at, size, &row);
        for (size_t i = 0; i < size; i++)
            theta[at + i] = base[at + i] + (bit_at(signs, i) ? -row.offset[i] : row.offset[i]);
    }
}

void sam_directions_probe(const sam_directions *directions, sam_direction probe, uint64_t first, size_t count, float *z)
{
    float room[PIECE], sizes[PIECE];
    uint64_t offset_signs[SAM_SIGN_WORDS(PIECE)], signs[SAM_SIGN_WORDS(PIECE)];
    sam_direction_row row = {NULL, room, offset_signs, signs, sizes};
    for (size_t at = 0; at < count; at += PIECE) {
        size_t size = count - at < PIECE ? count - at : PIECE;
        sam_directions_row(directions, &probe, 1, first + at, size, &row);
        for (size_t i = 0; i < size; i++) {
            float length = directions->family->sized ? sizes[i] : 1.0f;
            z[at + i] = bit_at(signs, i) ? -length : length;
        }
    }
}

bool sam_directions_has_low_rank(const sam_directions *directions)
{
    return directions->family->low_rank != NULL;
}

const sam_low_rank_form *sam_directions_low_rank(const sam_directions *directions, size_t tensor, uint32_t epoch)
{
    const sam_direction_family *family = directions->family;
    return family->low_rank == NULL ? NULL : family->low_rank(directions, state_of(directions, epoch), tensor);
}

void sam_directions_probe_core(const sam_directions *directions, size_t tensor, sam_direction probe, float *core)
{
    directions->family->probe_core(directions, state_of(directions, probe.epoch), tensor, probe, core);
}

/* ---- the state as integers ---- */

uint64_t sam_directions_state_count(const sam_directions *directions)
{
    return state_count(directions) * directions->family->count(directions);
}

uint64_t sam_directions_state_bytes(const sam_directions *directions)
{
    return sam_directions_state_count(directions) * directions->family->width;
}

static void get(const sam_directions *directions, uint64_t first, size_t count, int64_t *values)
{
    uint64_t each = directions->family->count(directions);
    while (count > 0) {
        uint64_t at = first % each, left = each - at;
        size_t size = left < count ? (size_t)left : count;
        directions->family->get(directions, directions->states[first / each], at, size, values);
        first += size;
        values += size;
        count -= size;
    }
}

void sam_directions_state_read(const sam_directions *directions, uint64_t offset, size_t length, uint8_t *out)
{
    int64_t values[256];
    size_t width = directions->family->width;
    while (length > 0) {
        size_t skip = (size_t)(offset % width), most = sizeof values / sizeof *values;
        size_t size = length < most * width - skip ? length : most * width - skip;
        get(directions, offset / width, (skip + size + width - 1) / width, values);
        for (size_t i = 0; i < size; i++)
            out[i] = (uint8_t)((uint64_t)values[(skip + i) / width] >> (8 * ((skip + i) % width)));
        offset += size;
        out += size;
        length -= size;
    }
}

void sam_directions_state_get(const sam_directions *directions, int64_t *values)
{
    get(directions, 0, (size_t)sam_directions_state_count(directions), values);
}

void sam_directions_state_set(sam_directions *directions, const int64_t *values)
{
    for (uint32_t s = 0; s < state_count(directions); s++)
        directions->family->set(directions, directions->states[s], values + s * directions->family->count(directions));
}

bool sam_directions_sums_fit(const sam_directions *directions)
{
    return directions->family->sums_fit;
}

/* ---- for families ---- */

uint64_t sam_direction_index(sam_direction_walk *walk, const sam_directions *directions, sam_direction direction)
{
    if (!walk->known || walk->epoch != direction.epoch)
        *walk = (sam_direction_walk){true, direction.epoch, sam_walk_of(directions->spec.seed, direction.epoch)};
    return sam_walk_at(&walk->walk, direction.number, directions->family->log2_size(&directions->spec));
}
