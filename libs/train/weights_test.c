/* Weights in their low-rank form, by a family for tests: the terms say what the formed rows say. */
#include "train/weights.h"

#include "model/forward/engine.h"
#include "model/test_models.h"
#include "seed/directions/test_low_rank.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { EPOCHS = 3, VARIANTS_MOST = 6, ELEMENTS_MOST = TEST_MLP * TEST_WORDS };

typedef struct fixture {
    test_folder folder;
    sam_model *model;
    sam_tuned tuned;
} fixture;

static void open_model(fixture *f)
{
    sam_error err = {0};
    sam_buffer file = {0};
    char path[256];
    assert_true(test_folder_make(&f->folder));
    test_path(path, sizeof path, &f->folder, "model.gguf");
    test_gguf(&file, &(test_model){0});
    assert_int_equal(sam_file_write(path, file.bytes, file.length, &err), SAM_OK);
    sam_buffer_free(&file);
    if (sam_model_open(&f->model, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

static void open_tuned(fixture *f)
{
    sam_error err = {0};
    const sam_manifest manifest = {.seed = 5,
                                   .directions = {SAM_SKETCH, .log2_k = 7},
                                   .eta_log2 = -8,
                                   .trainable = {.first_block = 1, .end_block = 2, .norms = true}};
    open_model(f);
    if (sam_tuned_open(&f->tuned, f->model, &manifest, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

/* The same, but with the family for tests, moved in every epoch. */
static void open_low_rank(fixture *f)
{
    open_tuned(f);
    sam_directions *directions =
        sam_directions_new_of(&test_low_rank_family, sam_directions_get_spec(f->tuned.directions));
    assert_non_null(directions);
    sam_directions_free(f->tuned.directions);
    f->tuned.directions = directions;
    for (uint32_t m = 0; m < 20; m++) {
        const sam_move move = {{m % EPOCHS, 13 * m}, (int64_t)(m * 7 % 9) - 4};
        assert_true(sam_directions_move(directions, &move, 1));
    }
}

static void end(fixture *f)
{
    sam_tuned_close(&f->tuned);
    sam_model_close(f->model);
    test_folder_remove(&f->folder);
}

static float term_at(const sam_low_rank_term *term, unsigned variant, uint64_t row, uint64_t column)
{
    float sum = 0;
    for (size_t a = 0; a < term->rank; a++)
        for (size_t b = 0; b < term->rank; b++)
            sum += term->u[row * term->rank + a] * term->core[variant][a * term->rank + b] *
                   term->v[column * term->rank + b];
    return sum;
}

/* Whether a tensor has terms; where it has, they and the base make its rows. */
static bool check_terms(const fixture *f, const sam_weight_source *source, size_t index)
{
    sam_low_rank_term terms[EPOCHS];
    size_t count = source->low_rank(source->context, index, terms, EPOCHS);
    if (count == 0)
        return false;
    assert_int_equal(count, EPOCHS);
    const sam_model_tensor *tensor = sam_model_tensor_at(f->model, index);
    static float base[ELEMENTS_MOST], formed[VARIANTS_MOST][ELEMENTS_MOST];
    float *out[VARIANTS_MOST];
    for (unsigned v = 0; v < source->variants; v++)
        out[v] = formed[v];
    sam_model_rows(f->model, index, 0, tensor->rows, base);
    source->rows(source->context, index, 0, tensor->rows, out);
    for (unsigned v = 0; v < source->variants; v++)
        for (uint64_t i = 0; i < tensor->rows * tensor->columns; i++) {
            float sum = base[i];
            for (size_t t = 0; t < count; t++)
                sum += term_at(&terms[t], v, i / tensor->columns, i % tensor->columns);
            if (fabsf(sum - formed[v][i]) > 1e-5f)
                fail_msg("%s, variant %u, element %llu: %g for %g", tensor->name, v, (unsigned long long)i, (double)sum,
                         (double)formed[v][i]);
        }
    return true;
}

/* Every matrix that trains, and no other tensor. */
static void check_source(const fixture *f, const sam_weight_source *source)
{
    assert_non_null(source->low_rank);
    for (size_t i = 0; i < sam_model_tensor_count(f->model); i++) {
        bool matrix = sam_model_tensor_at(f->model, i)->rows > 1;
        bool trains = f->tuned.trained.start[i] != SAM_NOT_TRAINED;
        assert_int_equal(check_terms(f, source, i), matrix && trains);
    }
}

static void the_terms_of_theta_and_the_base_are_the_formed_matrix(void **state)
{
    (void)state;
    fixture f;
    open_low_rank(&f);
    const sam_weight_source source = sam_tuned_weights(&f.tuned);
    check_source(&f, &source);
    end(&f);
}

static void the_terms_of_copies_hold_each_probe_in_its_epoch(void **state)
{
    (void)state;
    fixture f;
    open_low_rank(&f);
    sam_error err = {0};
    const sam_direction probes[] = {{2, 500}, {0, 501}, {2, 502}};
    for (int both = 0; both < 2; both++) {
        sam_perturbation copies = {.tuned = &f.tuned,
                                   .probes = probes,
                                   .probe_count = 3,
                                   .estimator = both ? SAM_TWO_POINT : SAM_ONE_SIDED,
                                   .epsilon = 1.0f / 64};
        assert_int_equal(sam_perturbation_open(&copies, &err), SAM_OK);
        const sam_weight_source source = sam_perturbed_weights(&copies);
        assert_int_equal(source.variants, both ? 6 : 3);
        check_source(&f, &source);
        sam_perturbation_close(&copies);
        assert_null(sam_perturbed_weights(&copies).low_rank); /* closed: every matrix is formed */
    }
    end(&f);
}

static void pack(sam_batch *batch)
{
    static const uint32_t TOKENS[] = {1, 4, 2, 8, 5, 7, 1, 11, 3};
    size_t count = sizeof TOKENS / sizeof TOKENS[0], segment;
    sam_error err;
    assert_int_equal(sam_batch_add(batch, SAM_NO_PREFIX, TOKENS, count, &segment, &err), SAM_OK);
    for (size_t i = 0; i + 1 < count; i++)
        assert_int_equal(sam_batch_score(batch, segment, i, TOKENS[i + 1], true, &err), SAM_OK);
}

static void run(sam_engine *engine, const sam_batch *batch, const sam_weight_source *source, float scores[][16])
{
    sam_error err = {0};
    float *out[VARIANTS_MOST];
    for (unsigned v = 0; v < VARIANTS_MOST; v++)
        out[v] = scores[v];
    const sam_pass pass = {.batch = batch, .weights = source, .end_block = TEST_BLOCKS, .scores = out};
    if (sam_engine_run(engine, &pass, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

static void a_forward_by_terms_gives_what_one_by_formed_matrices_gives(void **state)
{
    (void)state;
    fixture f;
    open_low_rank(&f);
    sam_error err = {0};
    sam_engine *engine;
    sam_batch batch = {0};
    const sam_engine_options options = {.threads = 2, .precision = SAM_PRECISION_F32};
    const sam_direction probes[] = {{2, 500}, {0, 501}, {2, 502}};
    sam_perturbation copies = {.tuned = &f.tuned, .probes = probes, .probe_count = 3, .epsilon = 1.0f / 64};
    float by_terms[VARIANTS_MOST][16] = {{0}}, formed[VARIANTS_MOST][16] = {{0}};
    assert_int_equal(sam_engine_new(&engine, f.model, &options, &err), SAM_OK);
    pack(&batch);
    assert_true(batch.score_count <= 16);
    assert_int_equal(sam_perturbation_open(&copies, &err), SAM_OK);
    sam_weight_source source = sam_perturbed_weights(&copies);
    run(engine, &batch, &source, by_terms);
    source.low_rank = NULL;
    run(engine, &batch, &source, formed);
    for (unsigned v = 0; v < VARIANTS_MOST; v++) {
        assert_memory_not_equal(by_terms[v], by_terms[(v + 1) % VARIANTS_MOST], sizeof by_terms[v]);
        for (size_t i = 0; i < batch.score_count; i++)
            if (fabsf(by_terms[v][i] - formed[v][i]) > 1e-5f * (1 + fabsf(formed[v][i])))
                fail_msg("variant %u, score %zu: %g by terms, %g formed", v, i, (double)by_terms[v][i],
                         (double)formed[v][i]);
    }
    sam_perturbation_close(&copies);
    sam_batch_free(&batch);
    sam_engine_free(engine);
    end(&f);
}

static void more_terms_than_there_is_room_for_are_counted_only(void **state)
{
    (void)state;
    fixture f;
    open_low_rank(&f);
    const sam_weight_source source = sam_tuned_weights(&f.tuned);
    size_t index = sam_model_tensor_with(f.model, SAM_ROLE_DOWN, 1);
    sam_low_rank_term term = {.rank = 4711};
    assert_int_equal(source.low_rank(source.context, index, &term, 1), EPOCHS);
    assert_int_equal(term.rank, 4711);
    end(&f);
}

static void families_without_the_form_offer_none(void **state)
{
    (void)state;
    fixture f;
    open_tuned(&f);
    sam_error err = {0};
    const sam_direction probe = {0, 3};
    sam_perturbation copies = {.tuned = &f.tuned, .probes = &probe, .probe_count = 1, .epsilon = 0.5f};
    assert_int_equal(sam_perturbation_open(&copies, &err), SAM_OK);
    assert_null(sam_tuned_weights(&f.tuned).low_rank);
    assert_null(sam_perturbed_weights(&copies).low_rank);
    sam_perturbation_close(&copies);
    end(&f);
}

static void memory_that_runs_out_leaves_a_perturbation_closed(void **state)
{
    (void)state;
    fixture f;
    open_low_rank(&f);
    sam_error err = {0};
    const sam_direction probes[] = {{1, 3}, {2, 4}};
    sam_perturbation copies = {.tuned = &f.tuned, .probes = probes, .probe_count = 2, .epsilon = 0.5f};
    for (long nth = 1;; nth++) {
        sam_memory_fail_at(nth);
        sam_status status = sam_perturbation_open(&copies, &err);
        sam_memory_fail_at(0);
        if (status == SAM_OK) {
            assert_true(nth > 2);
            break;
        }
        assert_int_equal(status, SAM_NO_MEMORY);
        assert_null(copies.cores);
    }
    sam_perturbation_close(&copies);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_terms_of_theta_and_the_base_are_the_formed_matrix),
        cmocka_unit_test(the_terms_of_copies_hold_each_probe_in_its_epoch),
        cmocka_unit_test(a_forward_by_terms_gives_what_one_by_formed_matrices_gives),
        cmocka_unit_test(more_terms_than_there_is_room_for_are_counted_only),
        cmocka_unit_test(families_without_the_form_offer_none),
        cmocka_unit_test(memory_that_runs_out_leaves_a_perturbation_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
