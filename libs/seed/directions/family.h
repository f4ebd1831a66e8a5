/* The inside of libs/seed/directions: what a family implements. */
#ifndef SAM_SEED_FAMILY_H
#define SAM_SEED_FAMILY_H

#include "seed/directions/directions.h"

typedef struct sam_direction_family {
    const char *name;
    bool (*open)(sam_directions *directions); /* allocates `state`; the rest is zeroed */
    void (*close)(sam_directions *directions);
    void (*reset)(sam_directions *directions);
    bool (*move)(sam_directions *directions, const sam_move *moves, size_t count);
    void (*row)(const sam_directions *directions, const uint64_t *probe, uint64_t first, size_t count,
                sam_direction_row *row);
    uint64_t (*state_bytes)(const sam_directions *directions);
    void (*state_read)(const sam_directions *directions, uint64_t offset, size_t length, uint8_t *out);
    size_t width; /* of an integer of the state, in bytes */
    void (*state_get)(const sam_directions *directions, int64_t *values);
    void (*state_set)(sam_directions *directions, const int64_t *values);
    bool sized;
} sam_direction_family;

struct sam_directions {
    sam_directions_spec spec; /* its tensors are a copy of ours */
    uint64_t parameters;
    const sam_direction_family *family;
    uint64_t walk_a, walk_c; /* before reduction mod K */
    float eta;
    void *state; /* of the family */
};

extern const sam_direction_family sam_family_sketch, sam_family_rademacher, sam_family_gaussian;

/* Copies `count` bits that start at bit `first` of `bits` to the front of `out`. Reads whole words, up to the one that
 * holds the last bit. */
void sam_copy_bits(const uint64_t *bits, uint64_t first, size_t count, uint64_t *out);

#endif
