#include "train/trainer.h"

#include "base/memory.h"
#include "seed/code.h"
#include "seed/sampler.h"
#include "train/activations.h"
#include "train/private.h"
#include "train/trainable.h"

#include <math.h>
#include <string.h>

#define DATASETS 4
/* Examples that an evaluation packs into one batch. */
#define EVALUATION_BATCH 16

typedef struct known_data {
    const sam_dataset *data;
    sam_activations *activations;
} known_data;

struct sam_trainer {
    sam_trainer_parts parts;
    uint32_t first_block; /* where a slot's run begins */
    sam_sampler *sampler;
    known_data known[DATASETS];
    sam_batch batch;
    float *scores; /* [variants][score_count] of the last run */
    size_t score_room;
    sam_noise noise; /* of a private run */
    struct {
        uint32_t *indices;            /* [batch] of a step */
        const sam_example **examples; /* [batch] */
        double *losses;               /* [variants] of a step */
        sam_outcome *outcomes;        /* [variants][batch] of a step; NULL: the run is not private */
        uint8_t *codes;               /* [steps][probes] of a record */
    } room;
};

static bool is_private(const sam_manifest *manifest)
{
    return manifest->privacy.clip > 0;
}

/* Perturbed copies of the weights for one probe, and for a step. */
static uint32_t copies_of(const sam_manifest *manifest)
{
    return manifest->estimator == SAM_TWO_POINT ? 2 : 1;
}

static size_t variants_of(const sam_manifest *manifest)
{
    return (size_t)manifest->probes * copies_of(manifest);
}

static sam_status make_room(sam_trainer *trainer, sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    size_t variants = variants_of(manifest), batch = manifest->batch;
    if (trainer->parts.train == NULL)
        return SAM_OK;
    trainer->room.indices = sam_alloc(batch, sizeof *trainer->room.indices);
    trainer->room.examples = sam_alloc(batch, sizeof *trainer->room.examples);
    trainer->room.losses = sam_alloc(variants, sizeof *trainer->room.losses);
    trainer->room.codes = sam_alloc(sam_mode_codes(manifest), 1);
    if (is_private(manifest))
        trainer->room.outcomes = sam_alloc(variants * batch, sizeof *trainer->room.outcomes);
    if (trainer->room.indices == NULL || trainer->room.examples == NULL || trainer->room.losses == NULL ||
        trainer->room.codes == NULL || (is_private(manifest) && trainer->room.outcomes == NULL))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a minibatch of %u", manifest->batch);
    return SAM_OK;
}

static sam_status make_sampler(sam_trainer *trainer, sam_error *err)
{
    const sam_dataset *train = trainer->parts.train;
    const sam_manifest *manifest = trainer->parts.manifest;
    if (train == NULL)
        return SAM_OK;
    size_t count = sam_dataset_count(train);
    uint32_t *labels = sam_dataset_labels(train);
    if (labels == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu labels", count);
    trainer->sampler =
        sam_sampler_new(manifest->seed, manifest->balance ? labels : NULL, count, sam_dataset_classes(train));
    sam_status status = sam_private_check(manifest, labels, count, sam_dataset_classes(train), err);
    sam_free(labels);
    if (trainer->sampler == NULL)
        return sam_fail(err, SAM_INVALID,
                        "minibatches with equal labels need at least one example of each of the %u "
                        "labels in the training data",
                        sam_dataset_classes(train));
    return status;
}

sam_status sam_trainer_new(sam_trainer **trainer, const sam_trainer_parts *parts, sam_error *err)
{
    sam_trainer *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory making a trainer");
    made->parts = *parts;
    made->noise = sam_noise_secure();
    made->first_block = sam_first_live_block(sam_engine_model(parts->engine), &parts->manifest->trainable);
    sam_status status = make_room(made, err);
    if (status == SAM_OK)
        status = make_sampler(made, err);
    if (status != SAM_OK) {
        sam_trainer_free(made);
        return status;
    }
    *trainer = made;
    return SAM_OK;
}

void sam_trainer_free(sam_trainer *trainer)
{
    if (trainer == NULL)
        return;
    for (size_t i = 0; i < DATASETS; i++)
        sam_activations_close(trainer->known[i].activations);
    sam_sampler_free(trainer->sampler);
    sam_batch_free(&trainer->batch);
    sam_free(trainer->scores);
    sam_free(trainer->room.indices);
    sam_free(trainer->room.examples);
    sam_free(trainer->room.losses);
    sam_free(trainer->room.outcomes);
    sam_free(trainer->room.codes);
    sam_free(trainer);
}

static sam_status activations_of(sam_trainer *trainer, const sam_dataset *data, sam_activations **activations,
                                 sam_error *err)
{
    for (size_t i = 0; i < DATASETS; i++) {
        known_data *known = &trainer->known[i];
        if (known->data == data) {
            *activations = known->activations;
            return SAM_OK;
        }
        if (known->data != NULL)
            continue;
        sam_status status =
            sam_activations_open(&known->activations, trainer->parts.cache_folder, trainer->parts.engine, data,
                                 trainer->parts.manifest->objective, trainer->first_block, err);
        if (status != SAM_OK)
            return status;
        known->data = data;
        *activations = known->activations;
        return SAM_OK;
    }
    return sam_fail(err, SAM_INTERNAL, "a trainer keeps activations of at most %d data sets", DATASETS);
}

static bool make_scores(sam_trainer *trainer, size_t count)
{
    if (count <= trainer->score_room)
        return true;
    float *scores = sam_realloc(trainer->scores, count, sizeof *scores);
    if (scores == NULL)
        return false;
    trainer->scores = scores;
    trainer->score_room = count;
    return true;
}

/* Runs these examples of `data` through the live blocks; trainer->scores are [variants][batch.score_count] then. */
static sam_status run(sam_trainer *trainer, const sam_dataset *data, const uint32_t *indices,
                      const sam_example *const *examples, size_t count, const sam_weight_source *weights,
                      sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    sam_batch *batch = &trainer->batch;
    sam_batch_clear(batch);
    sam_status status = sam_objective_pack(batch, manifest->objective, examples, count, err);
    const float *input = NULL;
    if (status == SAM_OK && trainer->first_block > 0) {
        sam_activations *activations = NULL;
        status = activations_of(trainer, data, &activations, err);
        if (status == SAM_OK)
            status = sam_activations_input(activations, indices, count, sam_engine_stride(batch->columns), &input, err);
    }
    if (status != SAM_OK)
        return status;
    if (!make_scores(trainer, weights->variants * batch->score_count))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for scores");
    float *scores[SAM_VARIANTS_MAX];
    for (unsigned v = 0; v < weights->variants && v < SAM_VARIANTS_MAX; v++)
        scores[v] = trainer->scores + v * batch->score_count;
    const sam_pass pass = {
        .batch = batch,
        .weights = weights,
        .first_block = trainer->first_block,
        .end_block = sam_model_configuration(sam_engine_model(trainer->parts.engine))->blocks,
        .input = input,
        .scores = scores,
    };
    return sam_engine_run(trainer->parts.engine, &pass, err);
}

/* ---- slots ---- */

/* Two-point: losses are L+, L- of each probe. One-sided: L of each probe, against their mean. */
static void codes_of(const sam_manifest *manifest, const double *losses, uint8_t *codes)
{
    double epsilon = sam_manifest_epsilon(manifest), quantum = sam_manifest_quantum(manifest), mean = 0;
    for (uint32_t p = 0; p < manifest->probes; p++)
        mean += losses[p] / manifest->probes;
    for (uint32_t p = 0; p < manifest->probes; p++) {
        double scalar = manifest->estimator == SAM_TWO_POINT
                            ? (losses[2 * (size_t)p] - losses[2 * (size_t)p + 1]) / (2 * epsilon)
                            : (losses[p] - mean) / epsilon;
        codes[p] = sam_code_encode(scalar / quantum);
    }
}

static sam_outcome *outcomes_at(sam_outcome *outcomes, size_t i)
{
    return outcomes == NULL ? NULL : outcomes + i;
}

static sam_status run_perturbed(sam_trainer *trainer, sam_perturbation *perturbation, sam_error *err)
{
    sam_status status = sam_perturbation_open(perturbation, err);
    if (status != SAM_OK)
        return status;
    const sam_weight_source weights = sam_perturbed_weights(perturbation);
    status = run(trainer, trainer->parts.train, trainer->room.indices, trainer->room.examples,
                 trainer->parts.manifest->batch, &weights, err);
    sam_perturbation_close(perturbation);
    return status;
}

/* How many probes of the minibatch at hand run in lockstep: as many as there is memory for. */
static uint32_t probes_at_once(const sam_trainer *trainer)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    size_t columns = 0;
    for (uint32_t b = 0; b < manifest->batch; b++)
        columns += sam_objective_columns(manifest->objective, trainer->room.examples[b]);
    return sam_engine_variants_that_fit(trainer->parts.engine, columns, 0) / copies_of(manifest);
}

/* The probes of a step, group after group: fills the losses and, of a private run, the outcomes. */
static sam_status losses_of(sam_trainer *trainer, const sam_step *step, sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    const sam_example *const *examples = trainer->room.examples;
    uint32_t each = copies_of(manifest), group = probes_at_once(trainer);
    for (uint32_t done = 0; done < manifest->probes; done += group) {
        uint32_t probes = manifest->probes - done < group ? manifest->probes - done : group;
        sam_direction directions[SAM_VARIANTS_MAX];
        for (uint32_t p = 0; p < probes; p++)
            directions[p] = (sam_direction){step->epoch, step->direction + done + p};
        sam_perturbation perturbation = {.tuned = sam_replica_tuned(trainer->parts.replica),
                                         .probes = directions,
                                         .probe_count = probes,
                                         .estimator = manifest->estimator,
                                         .epsilon = (float)sam_manifest_epsilon(manifest)};
        sam_status status = run_perturbed(trainer, &perturbation, err);
        if (status != SAM_OK)
            return status;
        for (uint32_t v = 0; v < probes * each; v++)
            trainer->room.losses[done * each + v] = sam_objective_loss(
                manifest->objective, examples, manifest->batch, trainer->scores + v * trainer->batch.score_count,
                outcomes_at(trainer->room.outcomes, (done * each + v) * manifest->batch));
    }
    return SAM_OK;
}

/* Codes of one step at the present state, and the mean loss of its perturbed copies. */
static sam_status take_step(sam_trainer *trainer, const sam_step *step, uint8_t *codes, double *loss, sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    const sam_example **examples = trainer->room.examples;
    sam_sampler_batch(trainer->sampler, step->minibatch, manifest->batch, trainer->room.indices);
    for (uint32_t b = 0; b < manifest->batch; b++)
        examples[b] = sam_dataset_at(trainer->parts.train, trainer->room.indices[b]);
    sam_status status = sam_replica_begin_epoch(trainer->parts.replica, step->epoch, err);
    if (status == SAM_OK)
        status = losses_of(trainer, step, err);
    if (status != SAM_OK)
        return status;
    if (is_private(manifest))
        sam_private_codes(manifest, trainer->room.outcomes, trainer->room.indices, &trainer->noise, codes);
    else
        codes_of(manifest, trainer->room.losses, codes);
    size_t variants = variants_of(manifest);
    *loss = 0;
    for (size_t v = 0; v < variants; v++)
        *loss += trainer->room.losses[v] / (double)variants;
    return SAM_OK;
}

/* Takes back the steps that were applied on the way, the last one first. */
static sam_status take_back(sam_trainer *trainer, const sam_record *record, uint32_t applied, sam_error *err)
{
    sam_status status = SAM_OK;
    while (applied > 0 && status == SAM_OK)
        status = sam_replica_try_step(trainer->parts.replica, record, --applied, -1, err);
    return status;
}

static sam_status take_steps(sam_trainer *trainer, sam_record *record, double *loss, sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    uint32_t steps = manifest->mode->steps(manifest), applied = 0;
    sam_status status = SAM_OK;
    *loss = 0;
    for (uint32_t s = 0; s < steps && status == SAM_OK; s++) {
        const sam_step step = manifest->mode->number(manifest, record->round, record->place, s);
        double of_step = 0;
        status = take_step(trainer, &step, trainer->room.codes + (size_t)s * manifest->probes, &of_step, err);
        *loss += of_step / steps;
        if (status == SAM_OK && manifest->mode->local_steps && s + 1 < steps) {
            status = sam_replica_try_step(trainer->parts.replica, record, s, 1, err);
            applied += status == SAM_OK;
        }
    }
    sam_error later = {0};
    sam_status back = take_back(trainer, record, applied, status == SAM_OK ? err : &later);
    return status == SAM_OK ? back : status;
}

sam_status sam_trainer_record(sam_trainer *trainer, sam_record *record, sam_error *err)
{
    const sam_manifest *manifest = trainer->parts.manifest;
    if (trainer->parts.train == NULL || record->place >= sam_manifest_shape(manifest).places ||
        record->round >= manifest->rounds)
        return sam_fail(err, SAM_CONFLICT, "place %u of round %llu cannot be computed here: %s", record->place,
                        (unsigned long long)record->round,
                        trainer->parts.train == NULL ? "there is no training data" : "the run does not have it");
    sam_status status = sam_replica_seek(trainer->parts.replica, sam_mode_state_round(manifest, record->round), err);
    if (status != SAM_OK)
        return status;
    double loss;
    record->weight = 1;
    record->codes = trainer->room.codes;
    record->code_count = sam_mode_codes(manifest);
    status = take_steps(trainer, record, &loss, err);
    /* of a private run, only codes leave: the loss would tell of examples without noise */
    record->loss = is_private(manifest) ? SAM_LOSS_NONE : sam_loss_of(loss);
    return status;
}

/* ---- evaluation ---- */

sam_status sam_trainer_evaluate(sam_trainer *trainer, const sam_dataset *data, size_t first, size_t count,
                                sam_outcome *outcomes, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(trainer->parts.replica);
    sam_objective objective = trainer->parts.manifest->objective;
    for (size_t done = 0; done < count; done += EVALUATION_BATCH) {
        uint32_t indices[EVALUATION_BATCH];
        const sam_example *examples[EVALUATION_BATCH];
        size_t size = count - done < EVALUATION_BATCH ? count - done : EVALUATION_BATCH;
        for (size_t i = 0; i < size; i++) {
            indices[i] = (uint32_t)(first + done + i);
            examples[i] = sam_dataset_at(data, first + done + i);
        }
        sam_status status = run(trainer, data, indices, examples, size, &weights, err);
        if (status != SAM_OK)
            return status;
        sam_objective_loss(objective, examples, size, trainer->scores, outcomes + done);
    }
    return SAM_OK;
}

sam_evaluation sam_evaluation_of(const sam_dataset *data, size_t first, size_t count, const sam_outcome *outcomes,
                                 uint64_t round)
{
    double loss = 0;
    sam_evaluation evaluation = {.at = round, .examples = (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        loss += outcomes[i].loss;
        evaluation.correct += outcomes[i].answer == sam_dataset_at(data, first + i)->label;
    }
    evaluation.loss_micro = isfinite(loss) && loss > 0 ? (uint64_t)(loss * 1e6 + 0.5) : 0;
    return evaluation;
}
