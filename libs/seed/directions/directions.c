#include "seed/directions/directions.h"

#include "seed/directions/family.h"
#include "seed/philox.h"

#include <stdlib.h>
#include <string.h>

/* Rows longer than this are formed in pieces, with room on the stack. */
#define PIECE 1024

/* Far beyond any model; keeps products of sizes within 64 bits. */
#define LARGEST_PARAMETERS ((uint64_t)1 << 48)

static const sam_direction_family *const FAMILIES[] = {
    [SAM_SKETCH] = &sam_family_sketch,
    [SAM_DENSE_RADEMACHER] = &sam_family_rademacher,
    [SAM_DENSE_GAUSSIAN] = &sam_family_gaussian,
};

static float power_of_two(int log2)
{
    uint32_t bits = (uint32_t)(log2 + 127) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

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

static bool spec_holds(const sam_directions_spec *spec)
{
    if ((unsigned)spec->family >= sizeof FAMILIES / sizeof FAMILIES[0] ||
        parameters_of(spec->tensors, spec->tensor_count) == 0)
        return false;
    if (spec->eta_log2 < -100 || spec->eta_log2 > 0 || spec->log2_pool > 62)
        return false;
    return spec->family != SAM_SKETCH ||
           (spec->log2_k >= SAM_SKETCH_LOG2_K_MIN && spec->log2_k <= SAM_SKETCH_LOG2_K_MAX);
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

sam_directions *sam_directions_new(const sam_directions_spec *spec)
{
    sam_directions *directions = spec_holds(spec) ? calloc(1, sizeof *directions) : NULL;
    if (directions == NULL)
        return NULL;
    bool good = copy_spec(directions, spec);
    directions->family = FAMILIES[spec->family];
    directions->eta = power_of_two(spec->eta_log2);
    uint32_t words[4];
    sam_philox(words, spec->seed, sam_counter(0, SAM_STREAM_WALK, spec->epoch));
    directions->walk_a = (words[0] | (uint64_t)words[1] << 32) | 1;
    directions->walk_c = words[2] | (uint64_t)words[3] << 32;
    if (!good || !directions->family->open(directions)) {
        sam_directions_free(directions);
        return NULL;
    }
    return directions;
}

void sam_directions_free(sam_directions *directions)
{
    if (directions == NULL)
        return;
    directions->family->close(directions);
    free((void *)directions->spec.tensors);
    free(directions);
}

const sam_directions_spec *sam_directions_get_spec(const sam_directions *directions)
{
    return &directions->spec;
}

uint64_t sam_directions_parameters(const sam_directions *directions)
{
    return directions->parameters;
}

void sam_directions_reset(sam_directions *directions)
{
    directions->family->reset(directions);
}

bool sam_directions_move(sam_directions *directions, const sam_move *moves, size_t count)
{
    return count == 0 || directions->family->move(directions, moves, count);
}

void sam_directions_row(const sam_directions *directions, const uint64_t *probe, uint64_t first, size_t count,
                        sam_direction_row *row)
{
    directions->family->row(directions, probe, first, count, row);
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
    uint64_t signs[PIECE / 64];
    sam_direction_row row = {.room = room, .offset_signs = signs};
    for (size_t at = 0; at < count; at += PIECE) {
        size_t size = count - at < PIECE ? count - at : PIECE;
        sam_directions_row(directions, NULL, first + at, size, &row);
        for (size_t i = 0; i < size; i++)
            theta[at + i] = base[at + i] + (bit_at(signs, i) ? -row.offset[i] : row.offset[i]);
    }
}

void sam_directions_probe(const sam_directions *directions, uint64_t probe, uint64_t first, size_t count, float *z)
{
    float room[PIECE], sizes[PIECE];
    uint64_t offset_signs[PIECE / 64], signs[PIECE / 64];
    sam_direction_row row = {NULL, room, offset_signs, signs, sizes};
    for (size_t at = 0; at < count; at += PIECE) {
        size_t size = count - at < PIECE ? count - at : PIECE;
        sam_directions_row(directions, &probe, first + at, size, &row);
        for (size_t i = 0; i < size; i++) {
            float length = directions->family->sized ? sizes[i] : 1.0f;
            z[at + i] = bit_at(signs, i) ? -length : length;
        }
    }
}

uint64_t sam_directions_state_bytes(const sam_directions *directions)
{
    return directions->family->state_bytes(directions);
}

void sam_directions_state_read(const sam_directions *directions, uint64_t offset, size_t length, uint8_t *out)
{
    directions->family->state_read(directions, offset, length, out);
}

uint64_t sam_directions_state_count(const sam_directions *directions)
{
    return directions->family->state_bytes(directions) / directions->family->width;
}

void sam_directions_state_get(const sam_directions *directions, int64_t *values)
{
    directions->family->state_get(directions, values);
}

void sam_directions_state_set(sam_directions *directions, const int64_t *values)
{
    directions->family->state_set(directions, values);
}

uint64_t sam_directions_walk(const sam_directions *directions, uint64_t probe)
{
    unsigned log2 = directions->spec.family == SAM_SKETCH ? directions->spec.log2_k : directions->spec.log2_pool;
    uint64_t mask = ((uint64_t)1 << log2) - 1;
    return (directions->walk_a * probe + directions->walk_c) & mask;
}

void sam_copy_bits(const uint64_t *bits, uint64_t first, size_t count, uint64_t *out)
{
    const uint64_t *from = bits + first / 64;
    unsigned shift = (unsigned)(first % 64);
    size_t words = (count + 63) / 64;
    size_t last = (size_t)((shift + count - 1) / 64); /* the word that holds the last bit */
    for (size_t w = 0; w < words; w++) {
        out[w] = from[w] >> shift;
        if (shift != 0 && w + 1 <= last)
            out[w] |= from[w + 1] << (64 - shift);
    }
}
