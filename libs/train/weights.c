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
            .choice = manifest->directions,
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

/* A tensor's number among those that the directions see; false where it does not train. */
static bool find_trained(const sam_tuned *tuned, size_t tensor, size_t *number)
{
    uint64_t start = tuned->trained.start[tensor];
    const sam_directions_spec *spec = sam_directions_get_spec(tuned->directions);
    size_t low = 0, high = spec->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spec->tensors[middle].start < start)
            low = middle + 1;
        else
            high = middle;
    }
    *number = low;
    return low < spec->tensor_count;
}

/* How many terms a tensor has: one for each epoch, or none. */
static size_t terms_of(const sam_tuned *tuned, size_t tensor, size_t *number)
{
    if (!find_trained(tuned, tensor, number) || sam_directions_low_rank(tuned->directions, *number, 0) == NULL)
        return 0;
    return sam_directions_epochs(tuned->directions);
}

static size_t theta_terms(const void *context, size_t tensor, sam_low_rank_term *terms, size_t most)
{
    const sam_tuned *tuned = context;
    size_t number, count = terms_of(tuned, tensor, &number);
    for (uint32_t epoch = 0; epoch < count && count <= most; epoch++) {
        const sam_low_rank_form *form = sam_directions_low_rank(tuned->directions, number, epoch);
        terms[epoch] = (sam_low_rank_term){form->u, form->v, &form->core, form->rank};
    }
    return count;
}

sam_weight_source sam_tuned_weights(const sam_tuned *tuned)
{
    bool offers = sam_directions_has_low_rank(tuned->directions);
    return (sam_weight_source){
        .context = tuned, .variants = 1, .rows = theta_rows, .low_rank = offers ? theta_terms : NULL};
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

/* ---- the low-rank form of the copies ---- */

typedef struct sam_copied_cores {
    uint32_t epochs;
    const float ***of; /* [tensors of the directions][epochs][variants]; NULL of a tensor without the form */
    sam_arena arena;
} sam_copied_cores;

/* The core of one copy: the state's own in another epoch than the probe's. */
static const float *copied_core(const sam_perturbation *p, sam_arena *arena, size_t tensor, uint32_t epoch,
                                unsigned variant)
{
    const sam_low_rank_form *form = sam_directions_low_rank(p->tuned->directions, tensor, epoch);
    unsigned each = p->estimator == SAM_TWO_POINT ? 2 : 1;
    sam_direction probe = p->probes[variant / each];
    if (probe.epoch != epoch)
        return form->core;
    float *core = sam_arena_array(arena, form->rank * form->rank, sizeof *core);
    if (core == NULL)
        return NULL;
    float epsilon = variant % each == 0 ? p->epsilon : -p->epsilon;
    sam_directions_probe_core(p->tuned->directions, tensor, probe, core);
    for (size_t i = 0; i < form->rank * form->rank; i++)
        core[i] = form->core[i] + epsilon * core[i];
    return core;
}

static bool copy_cores_of(const sam_perturbation *p, sam_copied_cores *cores, size_t tensor)
{
    if (sam_directions_low_rank(p->tuned->directions, tensor, 0) == NULL)
        return true;
    unsigned variants = variants_of(p);
    const float **of = sam_arena_array(&cores->arena, (size_t)cores->epochs * variants, sizeof *of);
    bool good = of != NULL;
    for (uint32_t i = 0; good && i < cores->epochs * variants; i++)
        good = (of[i] = copied_core(p, &cores->arena, tensor, i / variants, i % variants)) != NULL;
    cores->of[tensor] = of;
    return good;
}

sam_status sam_perturbation_open(sam_perturbation *perturbation, sam_error *err)
{
    const sam_directions *directions = perturbation->tuned->directions;
    perturbation->cores = NULL;
    if (!sam_directions_has_low_rank(directions))
        return SAM_OK;
    size_t tensors = sam_directions_get_spec(directions)->tensor_count;
    sam_copied_cores *cores = perturbation->cores = sam_alloc(1, sizeof *cores);
    bool good = cores != NULL;
    if (good) {
        cores->epochs = sam_directions_epochs(directions);
        cores->of = sam_arena_array(&cores->arena, tensors, sizeof *cores->of);
        good = cores->of != NULL;
    }
    for (size_t t = 0; good && t < tensors; t++)
        good = copy_cores_of(perturbation, cores, t);
    if (good)
        return SAM_OK;
    sam_perturbation_close(perturbation);
    return sam_fail(err, SAM_NO_MEMORY, "out of memory perturbing %zu tensors", tensors);
}

void sam_perturbation_close(sam_perturbation *perturbation)
{
    if (perturbation->cores != NULL)
        sam_arena_free(&perturbation->cores->arena);
    sam_free(perturbation->cores);
    perturbation->cores = NULL;
}

static size_t perturbed_terms(const void *context, size_t tensor, sam_low_rank_term *terms, size_t most)
{
    const sam_perturbation *p = context;
    size_t number, count = terms_of(p->tuned, tensor, &number);
    for (uint32_t epoch = 0; epoch < count && count <= most; epoch++) {
        const sam_low_rank_form *form = sam_directions_low_rank(p->tuned->directions, number, epoch);
        const float *const *core = p->cores->of[number] + (size_t)epoch * variants_of(p);
        terms[epoch] = (sam_low_rank_term){form->u, form->v, core, form->rank};
    }
    return count;
}

sam_weight_source sam_perturbed_weights(const sam_perturbation *perturbation)
{
    return (sam_weight_source){.context = perturbation,
                               .variants = variants_of(perturbation),
                               .rows = perturbed_rows,
                               .low_rank = perturbation->cores != NULL ? perturbed_terms : NULL};
}
