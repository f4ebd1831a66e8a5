#include "train/weights.h"

#include "base/memory.h"

#include <string.h>

/* Rows are formed in pieces of this many parameters, with room on the stack. A multiple of 128. */
#define PIECE 2048

/* Of a piece, the signs of this many probes are formed together. */
#define PROBES_AT_ONCE 4

/* What trains, as the directions see it; their order is the model's. */
static size_t list_tensors(const sam_tuned *tuned, sam_directions_tensor *tensors)
{
    size_t count = 0;
    for (size_t i = 0; i < sam_model_tensor_count(tuned->model); i++) {
        const sam_model_tensor *tensor = sam_model_tensor_at(tuned->model, i);
        if (tuned->trained.start[i] != SAM_NOT_TRAINED)
            tensors[count++] = (sam_directions_tensor){tuned->trained.start[i], tensor->rows, tensor->columns};
    }
    return count;
}

static sam_status open_directions(sam_tuned *tuned, const sam_manifest *manifest, sam_error *err)
{
    sam_directions_tensor *tensors = sam_alloc(sam_model_tensor_count(tuned->model), sizeof *tensors);
    if (tensors != NULL) {
        const sam_directions_spec spec = {
            .family = manifest->family,
            .log2_k = manifest->log2_k,
            .log2_pool = manifest->log2_pool,
            .seed = manifest->seed,
            .eta_log2 = manifest->eta_log2,
            .tensors = tensors,
            .tensor_count = list_tensors(tuned, tensors),
        };
        tuned->directions = sam_directions_new(&spec);
    }
    sam_free(tensors);
    return tuned->directions != NULL
               ? SAM_OK
               : sam_fail(err, SAM_NO_MEMORY, "out of memory for the state of %llu trained parameters",
                          (unsigned long long)tuned->trained.parameters);
}

sam_status sam_tuned_open(sam_tuned *tuned, const sam_model *model, const sam_manifest *manifest, sam_error *err)
{
    *tuned = (sam_tuned){.model = model};
    sam_status status = sam_trained_tensors_find(&tuned->trained, model, &manifest->trainable, err);
    if (status == SAM_OK)
        status = sam_kernels_choose(&tuned->kernels, SAM_PRECISION_BF16, NULL, err);
    return status == SAM_OK ? open_directions(tuned, manifest, err) : status;
}

void sam_tuned_close(sam_tuned *tuned)
{
    sam_trained_tensors_free(&tuned->trained);
    sam_directions_free(tuned->directions);
    *tuned = (sam_tuned){0};
}

/* Pieces end at multiples of their size, where signs are drawn in whole blocks and a sketch's coordinates do not wrap.
 */
static uint64_t piece_at(uint64_t first, uint64_t left)
{
    uint64_t size = PIECE - first % PIECE;
    return size < left ? size : left;
}

static void add_state(const sam_tuned *tuned, uint64_t first, size_t count, float *theta)
{
    float room[PIECE];
    uint64_t signs[SAM_SIGN_WORDS(PIECE)];
    sam_direction_row row = {.room = room, .offset_signs = signs};
    sam_directions_row(tuned->directions, NULL, 0, first, count, &row);
    tuned->kernels->add_signed(theta, row.offset, signs, count);
}

static void theta_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const sam_tuned *tuned = context;
    sam_model_rows(tuned->model, tensor, row, rows, out[0]);
    uint64_t start = tuned->trained.start[tensor];
    if (start == SAM_NOT_TRAINED)
        return;
    uint64_t columns = sam_model_tensor_at(tuned->model, tensor)->columns, total = rows * columns;
    uint64_t first = start + row * columns;
    for (uint64_t at = 0, size; at < total; at += size) {
        size = piece_at(first + at, total - at);
        add_state(tuned, first + at, (size_t)size, out[0] + at);
    }
}

sam_weight_source sam_tuned_weights(const sam_tuned *tuned)
{
    return (sam_weight_source){.context = tuned, .variants = 1, .rows = theta_rows};
}

static unsigned variants_of(const sam_perturbation *perturbation)
{
    return perturbation->estimator == SAM_TWO_POINT ? 2 * perturbation->probe_count : perturbation->probe_count;
}

/* One piece of some probes' variants, out[0], out[1], ... */
static void perturb_piece(const sam_perturbation *p, const sam_direction *probes, size_t probe_count, const float *base,
                          uint64_t first, size_t count, size_t at, float *const out[])
{
    float room[PIECE], sizes[PROBES_AT_ONCE * PIECE];
    uint64_t offset_signs[SAM_SIGN_WORDS(PIECE)], signs[PROBES_AT_ONCE * SAM_SIGN_WORDS(PIECE)];
    sam_direction_row row = {NULL, room, offset_signs, signs, sizes};
    bool sized = sam_directions_sized(p->tuned->directions), both = p->estimator == SAM_TWO_POINT;
    sam_directions_row(p->tuned->directions, probes, probe_count, first, count, &row);
    for (size_t i = 0; i < probe_count; i++) {
        const sam_weight_shift shift = {row.offset, offset_signs, sized ? sizes + i * count : NULL,
                                        signs + i * SAM_SIGN_WORDS(count), p->epsilon};
        p->tuned->kernels->perturb(base, &shift, count, out[both ? 2 * i : i] + at, both ? out[2 * i + 1] + at : NULL);
    }
}

/* A piece of every variant, from base in the last one's place, which is used up last. */
static void perturb_all(const sam_perturbation *p, uint64_t first, size_t count, size_t at, float *const out[])
{
    const float *base = out[variants_of(p) - 1] + at;
    size_t each = p->estimator == SAM_TWO_POINT ? 2 : 1;
    for (size_t done = 0; done < p->probe_count; done += PROBES_AT_ONCE) {
        size_t size = p->probe_count - done < PROBES_AT_ONCE ? p->probe_count - done : PROBES_AT_ONCE;
        perturb_piece(p, p->probes + done, size, base, first, count, at, out + each * done);
    }
}

static void perturbed_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const sam_perturbation *p = context;
    const sam_tuned *tuned = p->tuned;
    unsigned variants = variants_of(p);
    uint64_t columns = sam_model_tensor_at(tuned->model, tensor)->columns, total = rows * columns;
    sam_model_rows(tuned->model, tensor, row, rows, out[variants - 1]);
    uint64_t start = tuned->trained.start[tensor];
    if (start == SAM_NOT_TRAINED) {
        for (unsigned v = 0; v + 1 < variants; v++)
            memcpy(out[v], out[variants - 1], (size_t)total * sizeof(float));
        return;
    }
    uint64_t first = start + row * columns;
    for (uint64_t at = 0, size; at < total; at += size) {
        size = piece_at(first + at, total - at);
        perturb_all(p, first + at, (size_t)size, (size_t)at, out);
    }
}

sam_weight_source sam_perturbed_weights(const sam_perturbation *perturbation)
{
    return (sam_weight_source){.context = perturbation, .variants = variants_of(perturbation), .rows = perturbed_rows};
}
