/* What a seed means: the family of directions of a run, and the integer state that a log adds up to.
 *
 *     sam_directions_tensor tensors[] = {{.start = 0, .rows = 1, .columns = 576}, {576, 1536, 576}};
 *     sam_directions_spec spec = {
 *         .choice = {SAM_SKETCH, .log2_k = 20}, .seed = 7, .eta_log2 = -30, .tensors = tensors, .tensor_count = 2};
 *     sam_directions *directions = sam_directions_new(&spec);            // NULL: memory is out
 *     sam_move moves[] = {{.direction = {0, 12}, .amount = 1200}, {.direction = {0, 13}, .amount = -700}};
 *     sam_directions_move(directions, moves, 2);                         // theta -= eta * amount * z
 *     sam_directions_weights(directions, first, count, base, theta);     // theta = base + state, exact
 *     sam_directions_free(directions);
 *
 * A direction is a number within an epoch, and an epoch is a basis of its own. Families that need a basis keep one
 * state for each epoch that has begun, and what they add to a weight is the sum over epochs; others keep one state for
 * all epochs, since their integers add up. A new run has begun epoch 0.
 *
 * A family is one table of functions (family.h): a new one is a row below and a file (docs/extending.md). `sketch`
 * keeps K integers for each epoch, for any number of parameters and probes; `dense` keeps one integer for each
 * parameter. State and weights: exact-zone.md sections 2 and 5. Integers wrap, so moves commute and can be taken out
 * again. Thread safety: reading is safe from many threads while nobody moves, resets or sets.
 */
#ifndef SAM_SEED_DIRECTIONS_H
#define SAM_SEED_DIRECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A row for each family: it makes the constant SAM_SKETCH, the manifest's word "sketch", and a place in the table for
 * sam_family_sketch, which says what the family does. */
#define SAM_FAMILIES(ROW)                                                                                              \
    ROW(SKETCH, sketch)                                                                                                \
    ROW(DENSE_RADEMACHER, rademacher)                                                                                  \
    ROW(DENSE_GAUSSIAN, gaussian)

#define SAM_FAMILY_CONSTANT(constant, name) SAM_##constant,
typedef enum sam_family { SAM_FAMILIES(SAM_FAMILY_CONSTANT) } sam_family;
#undef SAM_FAMILY_CONSTANT

extern const char *const sam_family_names[]; /* by constant; NULL at the end */

#define SAM_SKETCH_LOG2_K_MIN 6u
#define SAM_SKETCH_LOG2_K_MAX 26u
#define SAM_EPOCHS_MAX        4096u

/* One tensor that trains. A vector is one row. */
typedef struct sam_directions_tensor {
    uint64_t start; /* number of its first parameter among those that train; row-major from there */
    uint64_t rows, columns;
} sam_directions_tensor;

/* What a manifest says of its directions: the family, and what that asks for. What another family asks for is 0. */
typedef struct sam_directions_choice {
    sam_family family;
    uint32_t log2_k;    /* sketch: K = 2^log2_k coordinates */
    uint32_t log2_pool; /* dense: 0, or a pool of 2^log2_pool seeds */
} sam_directions_choice;

typedef struct sam_directions_spec {
    sam_directions_choice choice;
    uint64_t seed;                        /* of the run */
    int eta_log2;                         /* eta = 2^eta_log2 */
    const sam_directions_tensor *tensors; /* in canonical order: each starts where the one before it ends */
    size_t tensor_count;
} sam_directions_spec;

typedef struct sam_direction {
    uint32_t epoch;
    uint64_t number;
} sam_direction;

typedef struct sam_move {
    sam_direction direction;
    int64_t amount; /* theta -= eta * amount * z */
} sam_move;

#define SAM_SIGN_WORDS(count) (((count) + 63) / 64)

/* One stretch of parameters as the fast path wants it: everything about parameter first + i in column i, signs as bits
 * (1: minus; bit i mod 64 of word i / 64). The caller gives the room. */
typedef struct sam_direction_row {
    const float *offset;    /* set by the call: what the state adds, before offset_signs. In `room`, or in the state
                               itself: valid until the next move */
    float *room;            /* [count] */
    uint64_t *offset_signs; /* [SAM_SIGN_WORDS(count)] */
    uint64_t *probe_signs;  /* [probes][SAM_SIGN_WORDS(count)], of each z; not written when there are no probes */
    float *probe_sizes; /* [probes][count], |z|; written only by families whose sizes differ (sam_directions_sized) */
} sam_direction_row;

typedef struct sam_directions sam_directions;

/* Copies the spec. NULL: memory is out, or the spec is out of range. */
sam_directions *sam_directions_new(const sam_directions_spec *spec);
void sam_directions_free(sam_directions *directions); /* NULL is fine */
const sam_directions_spec *sam_directions_get_spec(const sam_directions *directions);
void sam_directions_reset(sam_directions *directions); /* the state of a run's start */

/* Epochs [0, count) have begun. Setting opens the states of those that had not, at zero, and drops the states of those
 * from `count` on, whose moves the caller has taken back. False when memory is out or there are more than
 * SAM_EPOCHS_MAX: nothing has changed then. Fewer than before, but at least 1, never fails. */
uint32_t sam_directions_epochs(const sam_directions *directions);
bool sam_directions_set_epochs(sam_directions *directions, uint32_t count);

/* Applies moves of any epochs, any number at once; takes the cheapest way. Begins the epochs they name and all before.
 * False when memory is out: nothing has changed then. */
bool sam_directions_move(sam_directions *directions, const sam_move *moves, size_t count);

/* Parameters [first, first + count) of the state, and of probes, whose epochs have begun. */
void sam_directions_row(const sam_directions *directions, const sam_direction *probes, size_t probe_count,
                        uint64_t first, size_t count, sam_direction_row *row);
bool sam_directions_sized(const sam_directions *directions); /* are there sizes other than 1 */

/* theta[i] = base[i] + what the state adds to parameter first + i: the published definition, the plain way. */
void sam_directions_weights(const sam_directions *directions, uint64_t first, size_t count, const float *base,
                            float *theta);

/* z[first..first + count) of a probe, the plain way. */
void sam_directions_probe(const sam_directions *directions, sam_direction probe, uint64_t first, size_t count,
                          float *z);

/* What an epoch adds to a matrix, in a family that has it as a product of thin ones: U core V^T. The published
 * definition of the weights includes it, rows too: this is another form of the same, for products that need not form
 * the matrix. */
typedef struct sam_low_rank_form {
    const float *u;    /* [rows][rank] */
    const float *v;    /* [columns][rank] */
    const float *core; /* [rank][rank], row-major; of the state, eta and all */
    size_t rank;
} sam_low_rank_form;

bool sam_directions_has_low_rank(const sam_directions *directions); /* of any tensor */

/* Of a tensor by its number in the spec, and of an epoch that has begun; NULL: this tensor has no such form. It stays
 * where it is, and follows the state, until its epoch is dropped. */
const sam_low_rank_form *sam_directions_low_rank(const sam_directions *directions, size_t tensor, uint32_t epoch);

/* The core of a probe, [rank][rank], for a tensor that has the form: its z is U core V^T there. */
void sam_directions_probe_core(const sam_directions *directions, size_t tensor, sam_direction probe, float *core);

/* The state as little-endian integers, for digests and files: epoch after epoch. */
uint64_t sam_directions_state_bytes(const sam_directions *directions);
void sam_directions_state_read(const sam_directions *directions, uint64_t offset, size_t length, uint8_t *out);

/* The same integers as numbers, all of them: values[sam_directions_state_count]. Set cuts them to the family's width.
 */
uint64_t sam_directions_state_count(const sam_directions *directions);
void sam_directions_state_get(const sam_directions *directions, int64_t *values);
void sam_directions_state_set(sam_directions *directions, const int64_t *values);

/* May a sum of many states of a run be formed in the state's own integers, by moving the sums of their amounts? */
bool sam_directions_sums_fit(const sam_directions *directions);

#endif
