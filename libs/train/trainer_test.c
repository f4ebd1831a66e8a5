#include "train/trainer.h"

#include "base/files.h"
#include "base/memory.h"
#include "seed/code.h"
#include "support/support.h"
#include "train/defaults.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* On the real stories260K of ../shared, where it is present: it has a tokenizer and is small. */
static const char *const MODEL = SAMARA_SOURCE "/../shared/models/stories260K/tinyllamas-stories-260k-f32.gguf";
static const char TASK[] =
    "{\"name\": \"colour\", \"template\": \"{text} It was\", \"options\": [\" a sad day\", \" fun\"], "
    "\"label\": \"label\"}";

typedef struct fixture {
    test_folder folder;
    sam_model *model;
    sam_task *task;
    sam_dataset *data;
    sam_manifest manifest;
} fixture;

static void write_data(const char *path)
{
    static const char *const TEXTS[] = {"Lily was happy. She ran.",
                                        "Tom fell down and cried.",
                                        "The sun was warm",
                                        "The dog was lost in the dark wood",
                                        "They ate cake",
                                        "It rained all day long"};
    sam_buffer text = {0};
    sam_error err;
    sam_put_text(&text, "text\tlabel\n");
    for (size_t i = 0; i < 24; i++)
        sam_put_format(&text, "%s %zu\t%d\n", TEXTS[i % 6], i, i % 2 == 0);
    assert_int_equal(sam_file_write(path, text.bytes, text.length, &err), SAM_OK);
    sam_buffer_free(&text);
}

static void begin(fixture *f)
{
    if (!sam_file_exists(MODEL))
        skip();
    sam_error err = {0};
    char path[256];
    assert_true(test_folder_make(&f->folder));
    test_path(path, sizeof path, &f->folder, "data.tsv");
    write_data(path);
    if (sam_model_open(&f->model, MODEL, &err) != SAM_OK ||
        sam_task_parse(&f->task, TASK, strlen(TASK), "the test", &err) != SAM_OK ||
        sam_dataset_load(&f->data, f->task, sam_model_tokenizer(f->model), 512, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_default_manifest(&f->manifest, f->model, SAM_OBJECTIVE_CHOICE);
    f->manifest.batch = 6;
    f->manifest.slots = 2;
    f->manifest.probes = 3;
    f->manifest.log2_k = 12;
    f->manifest.trainable.first_block = 3;
}

static void end(fixture *f)
{
    sam_dataset_free(f->data);
    sam_task_free(f->task);
    sam_model_close(f->model);
    test_folder_remove(&f->folder);
}

typedef struct station {
    sam_engine *engine;
    sam_replica *replica;
    sam_trainer *trainer;
} station;

static station new_station(const fixture *f, unsigned threads, const char *cache)
{
    station made;
    sam_error err = {0};
    const sam_engine_options options = {.threads = threads, .kernel = "portable"};
    if (sam_engine_new(&made.engine, f->model, &options, &err) != SAM_OK ||
        sam_replica_new(&made.replica, f->model, &f->manifest, &err) != SAM_OK)
        fail_msg("%s", err.text);
    const sam_trainer_parts parts = {made.engine, made.replica, &f->manifest, f->data, cache};
    if (sam_trainer_new(&made.trainer, &parts, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return made;
}

static void free_station(station *s)
{
    sam_trainer_free(s->trainer);
    sam_replica_free(s->replica);
    sam_engine_free(s->engine);
}

/* Works `rounds` rounds off by itself. */
static void train(const fixture *f, station *s, uint64_t rounds)
{
    const sam_round_shape shape = {f->manifest.slots, f->manifest.probes};
    sam_error err = {0};
    for (uint64_t r = sam_replica_rounds(s->replica); r < rounds; r++) {
        sam_round round = {0};
        assert_int_equal(sam_round_init(&round, &shape, r, &err), SAM_OK);
        for (uint32_t slot = 0; slot < shape.slots; slot++)
            if (sam_trainer_slot(s->trainer, r, slot, round.codes + slot * shape.probes, NULL, &err) != SAM_OK)
                fail_msg("%s", err.text);
        assert_int_equal(sam_replica_apply(s->replica, &round, &err), SAM_OK);
        sam_round_free(&round);
    }
}

static void expect_same_state(const station *a, const station *b)
{
    sam_digest left, right;
    sam_replica_digest(a->replica, &left);
    sam_replica_digest(b->replica, &right);
    assert_memory_equal(left.bytes, right.bytes, SAM_DIGEST_BYTES);
}

static void a_run_is_the_same_with_any_threads_and_with_cached_activations(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    char cache[256];
    test_path(cache, sizeof cache, &f.folder, "cache");
    station one = new_station(&f, 1, NULL), many = new_station(&f, 3, cache);
    train(&f, &one, 6);
    train(&f, &many, 3);
    free_station(&many);
    many = new_station(&f, 2, cache); /* starts anew and finds the activations of the first */
    train(&f, &many, 6);
    expect_same_state(&one, &many);
    free_station(&one);
    free_station(&many);
    end(&f);
}

static void estimators_and_families_learn_the_training_data(void **state)
{
    (void)state;
    static const struct {
        sam_estimator estimator;
        sam_family family;
        int eta_log2;
    } CASES[] = {{SAM_TWO_POINT, SAM_SKETCH, -30},
                 {SAM_ONE_SIDED, SAM_SKETCH, -30},
                 {SAM_TWO_POINT, SAM_DENSE_RADEMACHER, -24},
                 {SAM_TWO_POINT, SAM_DENSE_GAUSSIAN, -24}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fixture f;
        begin(&f);
        f.manifest.estimator = CASES[i].estimator;
        f.manifest.family = CASES[i].family;
        f.manifest.log2_pool = 0;
        f.manifest.eta_log2 = CASES[i].eta_log2;
        f.manifest.update.rate = sam_rate_of(0.003, CASES[i].eta_log2);
        station s = new_station(&f, 2, NULL);
        sam_outcome before[24], after[24];
        sam_error err = {0};
        assert_int_equal(sam_trainer_evaluate(s.trainer, f.data, 0, 24, before, &err), SAM_OK);
        train(&f, &s, 60);
        assert_int_equal(sam_trainer_evaluate(s.trainer, f.data, 0, 24, after, &err), SAM_OK);
        sam_evaluation first = sam_evaluation_of(f.data, 0, 24, before, 0),
                       last = sam_evaluation_of(f.data, 0, 24, after, 60);
        if (last.loss_micro >= first.loss_micro * 9 / 10)
            fail_msg("case %zu: the loss went from %llu to %llu millionths", i, (unsigned long long)first.loss_micro,
                     (unsigned long long)last.loss_micro);
        free_station(&s);
        end(&f);
    }
}

/* The two-point scalar against a direct evaluation of both copies, by the published definition. */
static void a_code_is_the_loss_difference_along_its_direction(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    f.manifest.probes = 1;
    f.manifest.balance = false;
    f.manifest.batch = 24; /* all of the data: the minibatch is the data set */
    f.manifest.epsilon_log2 = -9;
    f.manifest.epsilon_units = 1;
    station s = new_station(&f, 2, NULL);
    sam_error err = {0};
    uint8_t code;
    assert_int_equal(sam_trainer_slot(s.trainer, 0, 1, &code, NULL, &err), SAM_OK);

    sam_batch batch = {0};
    const sam_example *examples[24];
    for (size_t i = 0; i < 24; i++)
        examples[i] = sam_dataset_at(f.data, i);
    assert_int_equal(sam_objective_pack(&batch, SAM_OBJECTIVE_CHOICE, examples, 24, &err), SAM_OK);
    const sam_direction probe = {0, 1};
    const sam_perturbation perturbation = {sam_replica_tuned(s.replica), &probe, 1, SAM_TWO_POINT, 1.0f / 512};
    const sam_weight_source weights = sam_perturbed_weights(&perturbation);
    float plus[256], minus[256], *const scores[] = {plus, minus};
    assert_true(batch.score_count <= 256);
    const sam_pass pass = {
        .batch = &batch, .weights = &weights, .scores = scores, .end_block = sam_model_configuration(f.model)->blocks};
    assert_int_equal(sam_engine_run(s.engine, &pass, &err), SAM_OK);
    double scalar = (sam_objective_loss(SAM_OBJECTIVE_CHOICE, examples, 24, plus, NULL) -
                     sam_objective_loss(SAM_OBJECTIVE_CHOICE, examples, 24, minus, NULL)) *
                    256;
    double size = fabs((double)sam_code_value(code)) * sam_manifest_quantum(&f.manifest);
    assert_true(fabs(scalar) > 1e-3);
    assert_true(fabs(fabs(scalar) - size) < 0.08 * fabs(scalar) + 0.01);
    assert_true((scalar < 0) == (sam_code_value(code) < 0));
    sam_batch_free(&batch);
    free_station(&s);
    end(&f);
}

static void a_slot_of_another_round_is_refused(void **state)
{
    (void)state;
    fixture f;
    begin(&f);
    station s = new_station(&f, 1, NULL);
    uint8_t codes[3];
    sam_error err;
    assert_int_equal(sam_trainer_slot(s.trainer, 1, 0, codes, NULL, &err), SAM_CONFLICT);
    assert_int_equal(sam_trainer_slot(s.trainer, 0, 2, codes, NULL, &err), SAM_CONFLICT);
    free_station(&s);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_is_the_same_with_any_threads_and_with_cached_activations),
        cmocka_unit_test(estimators_and_families_learn_the_training_data),
        cmocka_unit_test(a_code_is_the_loss_difference_along_its_direction),
        cmocka_unit_test(a_slot_of_another_round_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
