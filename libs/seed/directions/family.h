/* The inside of libs/seed/directions: what a family implements.
 *
 * A family fills one table, and has a row in directions.h. The state of an epoch is the family's own; directions.c
 * keeps one for each epoch that has begun, or one alone where a single state serves them all, and decides what is
 * allocated before anything moves, so that a move that has begun cannot fail.
 */
#ifndef SAM_SEED_FAMILY_H
#define SAM_SEED_FAMILY_H

#include "seed/directions/directions.h"
#include "seed/numbering.h"

typedef struct sam_direction_family {
    size_t width;   /* of an integer of the state, in bytes: 4 or 8 */
    bool sized;     /* |z| is not always 1 */
    bool one_state; /* of all epochs */
    bool sums_fit;  /* sam_directions_sums_fit */

    bool (*spec_holds)(const sam_directions_spec *spec);             /* is what is the family's alone within range? */
    unsigned (*log2_size)(const sam_directions_spec *spec);          /* of directions in an epoch, for the walk */
    uint64_t (*count)(const sam_directions *directions);             /* integers of one state */
    void *(*open)(const sam_directions *directions, uint32_t epoch); /* a state, all zero; NULL: memory is out */
    void (*close)(void *state);                                      /* NULL is fine */
    void (*get)(const sam_directions *directions, const void *state, uint64_t first, size_t count, int64_t *values);
    void (*set)(const sam_directions *directions, void *state, const int64_t *values); /* NULL: all zero */

    /* Moves of one epoch, or of any where there is one state. `scratch` has as many bytes as the other function says
     * for at least as many moves; NULL: none is needed. */
    size_t (*scratch)(const sam_directions *directions, size_t moves);
    void (*move)(const sam_directions *directions, void *state, const sam_move *moves, size_t count, void *scratch);

    /* As sam_directions_row. The offset is the sum of the epochs' parts in ascending order, each part and each sum
     * rounded to float32; of one epoch alone it is the part itself. */
    void (*row)(const sam_directions *directions, const sam_direction *probes, size_t probe_count, uint64_t first,
                size_t count, sam_direction_row *row);

    /* As sam_directions_low_rank and sam_directions_probe_core; both NULL in a family without the form. */
    const sam_low_rank_form *(*low_rank)(const sam_directions *directions, const void *state, size_t tensor);
    void (*probe_core)(const sam_directions *directions, const void *state, size_t tensor, sam_direction probe,
                       float *core);
} sam_direction_family;

struct sam_directions {
    sam_directions_spec spec; /* its tensors are a copy of ours */
    uint64_t parameters;
    const sam_direction_family *family;
    float eta;
    uint32_t epochs; /* that have begun */
    void **states;   /* [epochs], or [1] */
};

#define SAM_FAMILY_DECLARED(constant, name) extern const sam_direction_family sam_family_##name;
SAM_FAMILIES(SAM_FAMILY_DECLARED)
#undef SAM_FAMILY_DECLARED

/* As sam_directions_new, for a family that is not in the product's table; for tests. */
sam_directions *sam_directions_new_of(const sam_direction_family *family, const sam_directions_spec *spec);

/* Which of the epoch's directions a number is. Keeps the walk of the last epoch it was asked for: for many directions,
 * start with a zeroed one and pass it again. */
typedef struct sam_direction_walk {
    bool known;
    uint32_t epoch;
    sam_walk walk;
} sam_direction_walk;

uint64_t sam_direction_index(sam_direction_walk *walk, const sam_directions *directions, sam_direction direction);

#endif
