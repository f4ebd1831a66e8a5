#include "train/replica.h"

#include "model/test_models.h"
#include "seed/code.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SLOTS = 3, PROBES = 2, ROUNDS = 40 };

typedef struct fixture {
    test_folder folder;
    sam_model *model;
    sam_manifest manifest;
} fixture;

static void begin(fixture *f, sam_family family)
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
    f->manifest = (sam_manifest){
        .mode = &sam_mode_sync,
        .base = *sam_model_digest(f->model),
        .seed = 5,
        .rounds = 1000,
        .slots = SLOTS,
        .probes = PROBES,
        .batch = 4,
        .epsilon_log2 = -9,
        .epsilon_units = 1,
        .directions = {.family = family, .log2_k = 7},
        .eta_log2 = -20,
        .trainable = {.first_block = 1, .end_block = 2, .norms = true},
        .size = {.rate = 3000,
                 .schedule = {.kind = SAM_SCHEDULE_LINEAR, .horizon = 100},
                 .scale = {.kind = SAM_SCALE_RUNNING, .shift = 3},
                 .clip = 1024},
    };
}

static void end(fixture *f)
{
    sam_model_close(f->model);
    test_folder_remove(&f->folder);
}

static sam_replica *new_replica(const fixture *f)
{
    sam_error err = {0};
    sam_replica *replica;
    if (sam_replica_new(&replica, f->model, &f->manifest, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return replica;
}

/* In every seventh round nobody fills slot 1. */
static void fill_round(sam_round *round, uint64_t number)
{
    *round = (sam_round){.number = number};
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        uint8_t codes[PROBES];
        for (uint32_t p = 0; p < PROBES; p++)
            codes[p] = (uint8_t)((number * 31 + (slot * PROBES + p) * 77) * 2654435761u >> 7);
        const sam_record record = {.round = number,
                                   .place = slot,
                                   .author = (uint32_t)((number + slot) % 4 + 1),
                                   .weight = 1,
                                   .loss = SAM_LOSS_NONE,
                                   .codes = codes,
                                   .code_count = PROBES};
        if (slot != 1 || number % 7 != 6)
            assert_int_equal(sam_round_add(round, &record, NULL), SAM_OK);
    }
}

static sam_status put_round(sam_replica *replica, const sam_round *round, sam_error *err)
{
    return sam_replica_put(replica, round->number, round->records, round->record_count, err);
}

/* The state moves along where it stands at the last round. */
static void apply_rounds(sam_replica *replica, uint64_t count)
{
    sam_error err = {0};
    for (uint64_t r = sam_replica_rounds(replica); r < count; r++) {
        sam_round round = {0};
        fill_round(&round, r);
        bool follows = sam_replica_round(replica) == r;
        if (put_round(replica, &round, &err) != SAM_OK || (follows && sam_replica_seek(replica, r + 1, &err) != SAM_OK))
            fail_msg("%s", err.text);
        sam_round_free(&round);
    }
}

static sam_digest digest_of(const sam_replica *replica)
{
    sam_digest digest;
    sam_replica_digest(replica, &digest);
    return digest;
}

static void expect_equal(const sam_digest *a, const sam_digest *b)
{
    assert_memory_equal(a->bytes, b->bytes, SAM_DIGEST_BYTES);
}

static void every_moment_can_be_sought_forth_and_back(void **state)
{
    (void)state;
    static const sam_family FAMILIES[] = {SAM_SKETCH, SAM_DENSE_RADEMACHER, SAM_DENSE_GAUSSIAN};
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        begin(&f, FAMILIES[i]);
        sam_replica *replica = new_replica(&f);
        sam_digest moments[ROUNDS + 1];
        sam_error err;
        for (uint64_t r = 0; r <= ROUNDS; r++) {
            apply_rounds(replica, r);
            moments[r] = digest_of(replica);
        }
        static const uint64_t JUMPS[] = {0, 40, 13, 14, 39, 1, 0, 27, 40};
        for (size_t j = 0; j < sizeof JUMPS / sizeof JUMPS[0]; j++) {
            assert_int_equal(sam_replica_seek(replica, JUMPS[j], &err), SAM_OK);
            assert_int_equal(sam_replica_round(replica), JUMPS[j]);
            sam_digest digest = digest_of(replica);
            expect_equal(&digest, &moments[JUMPS[j]]);
        }
        assert_int_equal(sam_replica_seek(replica, ROUNDS + 1, &err), SAM_NOT_FOUND);
        sam_replica_free(replica);
        end(&f);
    }
}

static void rounds_that_arrive_while_the_state_is_elsewhere_are_kept(void **state)
{
    (void)state;
    fixture f;
    begin(&f, SAM_SKETCH);
    sam_replica *straight = new_replica(&f), *wandering = new_replica(&f);
    sam_error err;
    apply_rounds(straight, 20);
    apply_rounds(wandering, 10);
    assert_int_equal(sam_replica_seek(wandering, 3, &err), SAM_OK);
    apply_rounds(wandering, 20);
    assert_int_equal(sam_replica_round(wandering), 3);
    assert_int_equal(sam_replica_seek(wandering, 20, &err), SAM_OK);
    sam_digest a = digest_of(straight), b = digest_of(wandering);
    expect_equal(&a, &b);
    sam_replica_free(straight);
    sam_replica_free(wandering);
    end(&f);
}

static void encoded_rounds_move_the_state_at_once(void **state)
{
    (void)state;
    fixture f;
    begin(&f, SAM_SKETCH);
    sam_replica *one_by_one = new_replica(&f), *at_once = new_replica(&f), *in_pages = new_replica(&f);
    const sam_round_shape shape = sam_manifest_shape(&f.manifest);
    sam_buffer encoded[ROUNDS] = {0};
    const uint8_t *bytes[ROUNDS];
    size_t lengths[ROUNDS];
    sam_error err;
    sam_digest chain = f.manifest.id;
    for (uint64_t r = 0; r < ROUNDS; r++) {
        sam_round round = {0};
        fill_round(&round, r);
        assert_int_equal(sam_round_encode(&encoded[r], &round, &shape, &chain, &err), SAM_OK);
        chain = round.chain;
        bytes[r] = encoded[r].bytes;
        lengths[r] = encoded[r].length;
        sam_round_free(&round);
    }
    apply_rounds(one_by_one, ROUNDS);
    assert_int_equal(sam_replica_put_encoded(at_once, bytes, lengths, ROUNDS, &err), SAM_OK);
    assert_int_equal(sam_replica_seek(at_once, ROUNDS, &err), SAM_OK);
    sam_digest a = digest_of(one_by_one), b = digest_of(at_once);
    expect_equal(&a, &b);
    assert_int_equal(sam_replica_put_encoded(at_once, bytes, lengths, 1, &err), SAM_CONFLICT);
    assert_int_equal(sam_replica_put_encoded(in_pages, bytes, lengths, 3, &err), SAM_OK);
    assert_int_equal(sam_replica_put_encoded(in_pages, bytes + 3, lengths + 3, ROUNDS - 3, &err), SAM_OK);
    assert_int_equal(sam_replica_rounds(in_pages), ROUNDS);
    assert_int_equal(sam_replica_round(in_pages), 0);
    assert_int_equal(sam_replica_seek(in_pages, ROUNDS, &err), SAM_OK);
    b = digest_of(in_pages);
    expect_equal(&a, &b);
    for (size_t r = 0; r < ROUNDS; r++)
        sam_buffer_free(&encoded[r]);
    sam_replica_free(one_by_one);
    sam_replica_free(at_once);
    sam_replica_free(in_pages);
    end(&f);
}

static size_t index_of(const sam_model *model, const char *name)
{
    for (size_t i = 0; i < sam_model_tensor_count(model); i++)
        if (strcmp(sam_model_tensor_at(model, i)->name, name) == 0)
            return i;
    fail_msg("the model has no tensor %s", name);
    return SAM_NO_TENSOR;
}

/* theta, and theta +- eps z, against the plain definitions of libs/seed over the canonical order. */
static void check_rows(const fixture *f, sam_replica *replica, const char *name, uint64_t first_parameter)
{
    size_t index = index_of(f->model, name);
    const sam_model_tensor *tensor = sam_model_tensor_at(f->model, index);
    size_t count = (size_t)(tensor->rows * tensor->columns);
    const sam_directions_tensor all = {0, 1, sam_replica_parameters(replica)};
    const sam_directions_spec spec = {
        .choice = f->manifest.directions, .seed = 5, .eta_log2 = -20, .tensors = &all, .tensor_count = 1};
    sam_directions *plain = sam_directions_new(&spec);
    float base[256], theta[256], z[256], got[4][256];
    float *const out[] = {got[0], got[1], got[2], got[3]};
    sam_model_rows(f->model, index, 0, tensor->rows, base);
    const sam_direction probes[] = {{0, 12}, {0, 13}, {0, 14}};
    const sam_perturbation both = {sam_replica_tuned(replica), probes, 2, SAM_TWO_POINT, 0.01f, NULL};
    const sam_perturbation one = {sam_replica_tuned(replica), probes, 3, SAM_ONE_SIDED, 0.01f, NULL};
    sam_weight_source source = sam_perturbed_weights(&both);
    assert_int_equal(source.variants, 4);
    source.rows(source.context, index, 0, tensor->rows, out);
    sam_directions_weights(plain, first_parameter, count, base, theta);
    for (uint32_t p = 0; p < 2; p++) {
        sam_directions_probe(plain, probes[p], first_parameter, count, z);
        for (size_t i = 0; i < count; i++) {
            assert_true(__builtin_fabsf(got[2 * p][i] - (theta[i] + 0.01f * z[i])) < 1e-6f);
            assert_true(__builtin_fabsf(got[2 * p + 1][i] - (theta[i] - 0.01f * z[i])) < 1e-6f);
        }
    }
    source = sam_perturbed_weights(&one);
    assert_int_equal(source.variants, 3);
    source.rows(source.context, index, 0, tensor->rows, out);
    sam_directions_probe(plain, probes[2], first_parameter, count, z);
    for (size_t i = 0; i < count; i++)
        assert_true(__builtin_fabsf(got[2][i] - (theta[i] + 0.01f * z[i])) < 1e-6f);
    sam_directions_free(plain);
}

static void weights_follow_the_canonical_order_of_the_trained_tensors(void **state)
{
    (void)state;
    static const sam_family FAMILIES[] = {SAM_SKETCH, SAM_DENSE_RADEMACHER, SAM_DENSE_GAUSSIAN};
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        begin(&f, FAMILIES[i]);
        sam_replica *replica = new_replica(&f);
        /* sorted by name: input_layernorm, mlp.down_proj, mlp.gate_proj, mlp.up_proj, post_attention_layernorm, ... */
        check_rows(&f, replica, "model.layers.1.input_layernorm.weight", 0);
        check_rows(&f, replica, "model.layers.1.mlp.down_proj.weight", TEST_HIDDEN);
        check_rows(&f, replica, "model.layers.1.post_attention_layernorm.weight",
                   TEST_HIDDEN + 3 * TEST_HIDDEN * TEST_MLP);
        sam_replica_free(replica);
        end(&f);
    }
}

static void tensors_that_do_not_train_stay_the_base_in_every_variant(void **state)
{
    (void)state;
    fixture f;
    begin(&f, SAM_SKETCH);
    sam_replica *replica = new_replica(&f);
    apply_rounds(replica, 5);
    size_t index = index_of(f.model, "model.layers.0.mlp.up_proj.weight");
    float base[256], got[2][256];
    float *const out[] = {got[0], got[1]};
    sam_model_rows(f.model, index, 0, TEST_MLP, base);
    const sam_direction probe = {0, 0};
    const sam_perturbation both = {sam_replica_tuned(replica), &probe, 1, SAM_TWO_POINT, 0.01f, NULL};
    sam_weight_source source = sam_perturbed_weights(&both);
    source.rows(source.context, index, 0, TEST_MLP, out);
    assert_memory_equal(got[0], base, TEST_MLP * TEST_HIDDEN * sizeof(float));
    assert_memory_equal(got[1], base, TEST_MLP * TEST_HIDDEN * sizeof(float));
    source = sam_replica_weights(replica);
    source.rows(source.context, index_of(f.model, "model.layers.1.mlp.up_proj.weight"), 0, TEST_MLP, out);
    sam_model_rows(f.model, index_of(f.model, "model.layers.1.mlp.up_proj.weight"), 0, TEST_MLP, base);
    assert_memory_not_equal(got[0], base, TEST_MLP * TEST_HIDDEN * sizeof(float));
    sam_replica_free(replica);
    end(&f);
}

static void another_base_and_blocks_that_are_not_there_are_refused(void **state)
{
    (void)state;
    fixture f;
    sam_error err;
    sam_replica *replica;
    begin(&f, SAM_SKETCH);
    f.manifest.base.bytes[0] ^= 1;
    assert_int_equal(sam_replica_new(&replica, f.model, &f.manifest, &err), SAM_MISMATCH);
    f.manifest.base.bytes[0] ^= 1;
    f.manifest.trainable.end_block = 3;
    assert_int_equal(sam_replica_new(&replica, f.model, &f.manifest, &err), SAM_INVALID);
    f.manifest.trainable = (sam_trainable){.first_block = 1, .end_block = 1};
    assert_int_equal(sam_replica_new(&replica, f.model, &f.manifest, &err), SAM_INVALID);
    end(&f);
}

static void a_failed_allocation_leaves_the_state_where_it_was(void **state)
{
    (void)state;
    fixture f;
    begin(&f, SAM_SKETCH);
    sam_replica *replica = new_replica(&f);
    apply_rounds(replica, 7);
    sam_digest before = digest_of(replica);
    sam_round round = {0};
    sam_error err;
    fill_round(&round, 7);
    long failures = 0;
    for (;; failures++) {
        sam_memory_fail_at(failures + 1);
        sam_status status = put_round(replica, &round, &err);
        if (status == SAM_OK)
            status = sam_replica_seek(replica, 8, &err);
        sam_memory_fail_at(0);
        if (status == SAM_OK)
            break;
        assert_int_equal(status, SAM_NO_MEMORY);
        sam_digest now = digest_of(replica);
        expect_equal(&now, &before);
        if (sam_replica_rounds(replica) == 8) {
            failures++; /* put, and not moved: a seek does that when there is memory again */
            break;
        }
    }
    assert_true(failures > 0);
    assert_int_equal(sam_replica_seek(replica, 8, &err), SAM_OK);
    sam_replica *fresh = new_replica(&f);
    apply_rounds(fresh, 8);
    sam_digest a = digest_of(replica), b = digest_of(fresh);
    expect_equal(&a, &b);
    sam_round_free(&round);
    sam_replica_free(replica);
    sam_replica_free(fresh);
    end(&f);
}

/* ---- records taken out ---- */

static const sam_family ALL_FAMILIES[] = {SAM_SKETCH, SAM_DENSE_RADEMACHER, SAM_DENSE_GAUSSIAN};

/* The amounts of a record of the sync mode with the guard `clip`, from the scale before its state round. */
static void amounts_of(const sam_manifest *manifest, const sam_scale *before, const sam_record *record,
                       int64_t amounts[PROBES], sam_u128 *squares, uint64_t *values)
{
    const sam_price price = sam_price_of(&manifest->size, before, record->round);
    for (uint32_t p = 0; p < PROBES; p++) {
        uint64_t size = (uint64_t)sam_price_size(&price, record->codes[p]);
        amounts[p] = sam_price_amount(&price, record->codes[p]);
        *squares += size * size;
        *values += sam_code_has_value(record->codes[p]);
    }
}

/* Takes from `directions` what the removed records moved in the run that has them all. */
static void subtract_removed(sam_directions *directions, const sam_manifest *manifest, const sam_parent *parent)
{
    sam_scale scales[ROUNDS + 1] = {0};
    for (uint64_t r = 0; r < ROUNDS; r++) {
        sam_round round;
        sam_u128 squares = 0;
        uint64_t values = 0;
        fill_round(&round, r);
        for (size_t i = 0; i < round.record_count; i++) {
            int64_t amounts[PROBES];
            const sam_record *record = &round.records[i];
            const sam_scale *before = &scales[r > manifest->lag ? r - manifest->lag : 0];
            amounts_of(manifest, before, record, amounts, &squares, &values);
            for (uint32_t p = 0; p < PROBES && sam_parent_removes(parent, r, record->author); p++) {
                const sam_move back = {{0, (r * SLOTS + record->place) * PROBES + p}, -amounts[p]};
                assert_true(sam_directions_move(directions, &back, 1));
            }
        }
        scales[r + 1] = scales[r];
        sam_scale_learn(&manifest->size.scale, &scales[r + 1], squares, values);
        sam_round_free(&round);
    }
}

static void a_reverted_state_is_the_old_one_less_what_the_records_moved(void **state)
{
    (void)state;
    sam_removal removals[] = {{5, 30, 2}, {33, 36, 0}};
    for (size_t i = 0; i < 6; i++) {
        fixture f;
        begin(&f, ALL_FAMILIES[i % 3]);
        f.manifest.lag = i < 3 ? 0 : 2;
        sam_replica *old = new_replica(&f);
        apply_rounds(old, ROUNDS);
        f.manifest.parent = (sam_parent){.round = ROUNDS, .removals = removals, .removal_count = 2};
        sam_replica *reverted = new_replica(&f);
        apply_rounds(reverted, ROUNDS);
        const sam_directions_tensor all = {0, 1, sam_replica_parameters(old)};
        const sam_directions_spec spec = {.choice = {ALL_FAMILIES[i % 3], .log2_k = 7},
                                          .seed = 5,
                                          .eta_log2 = -20,
                                          .tensors = &all,
                                          .tensor_count = 1};
        sam_directions *directions = sam_directions_new(&spec);
        uint64_t count = sam_replica_state_count(old);
        int64_t *expected = sam_alloc(count, sizeof *expected), *found = sam_alloc(count, sizeof *found);
        sam_replica_state_get(old, expected);
        sam_directions_state_set(directions, expected);
        subtract_removed(directions, &f.manifest, &f.manifest.parent);
        sam_directions_state_get(directions, expected);
        sam_replica_state_get(reverted, found);
        assert_memory_equal(found, expected, count * sizeof *found);
        sam_digest before = digest_of(old), after = digest_of(reverted);
        assert_memory_not_equal(before.bytes, after.bytes, SAM_DIGEST_BYTES);
        sam_free(expected);
        sam_free(found);
        sam_directions_free(directions);
        sam_replica_free(reverted);
        sam_replica_free(old);
        end(&f);
    }
}

static void a_reverted_run_can_be_sought_like_any_other(void **state)
{
    (void)state;
    sam_removal removal = {5, 30, 2};
    fixture f;
    sam_error err;
    begin(&f, SAM_SKETCH);
    f.manifest.parent = (sam_parent){.round = ROUNDS, .removals = &removal, .removal_count = 1};
    sam_replica *straight = new_replica(&f), *wandering = new_replica(&f);
    apply_rounds(straight, 20);
    apply_rounds(wandering, ROUNDS);
    assert_int_equal(sam_replica_seek(wandering, 20, &err), SAM_OK);
    sam_digest expected = digest_of(straight), found = digest_of(wandering);
    expect_equal(&expected, &found);
    sam_replica_free(straight);
    sam_replica_free(wandering);
    end(&f);
}

/* ---- what an author does on its way ---- */

static void steps_that_are_tried_and_taken_back_leave_the_state_as_it_was(void **state)
{
    static const uint8_t CODES[PROBES] = {0x35, 0xb1};
    const sam_record record = {.round = 9, .place = 2, .codes = CODES, .code_count = PROBES};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        sam_error err;
        begin(&f, ALL_FAMILIES[i]);
        sam_replica *replica = new_replica(&f);
        apply_rounds(replica, 9);
        sam_digest before = digest_of(replica);
        assert_int_equal(sam_replica_try_step(replica, &record, 0, 1, &err), SAM_OK);
        sam_digest moved = digest_of(replica);
        assert_memory_not_equal(before.bytes, moved.bytes, SAM_DIGEST_BYTES);
        assert_int_equal(sam_replica_try_step(replica, &record, 0, -1, &err), SAM_OK);
        sam_digest after = digest_of(replica);
        expect_equal(&before, &after);
        sam_replica_free(replica);
        end(&f);
    }
}

/* What the log adds is what its author did, where no guard weighs it: prices were known before the step. */
static void a_record_moves_in_the_log_what_it_moved_on_its_authors_way(void **state)
{
    static const uint8_t CODES[PROBES] = {0x35, 0xb1};
    const sam_record record = {.round = 9, .place = 2, .author = 1, .weight = 1, .codes = CODES, .code_count = PROBES};
    (void)state;
    for (uint32_t lag = 0; lag < 3; lag++) {
        fixture f;
        sam_error err;
        begin(&f, SAM_SKETCH);
        f.manifest.lag = lag;
        sam_replica *author = new_replica(&f), *log = new_replica(&f);
        apply_rounds(author, 9);
        apply_rounds(log, 9);
        assert_int_equal(sam_replica_try_step(author, &record, 0, 1, &err), SAM_OK);
        assert_int_equal(sam_replica_put(log, 9, &record, 1, &err), SAM_OK);
        assert_int_equal(sam_replica_seek(log, 10, &err), SAM_OK);
        sam_digest own = digest_of(author), all = digest_of(log);
        expect_equal(&own, &all);
        sam_replica_free(author);
        sam_replica_free(log);
        end(&f);
    }
}

/* ---- means ---- */

/* floor((sum + n / 2) / n) over the states before rounds from..to, the plain way. */
static void plain_mean(sam_replica *replica, uint64_t from, uint64_t to, int64_t *mean, uint64_t count)
{
    int64_t *values = sam_alloc(count, sizeof *values), n = (int64_t)(to - from + 1);
    sam_error err;
    memset(mean, 0, count * sizeof *mean);
    for (uint64_t r = from; r <= to; r++) {
        assert_int_equal(sam_replica_seek(replica, r, &err), SAM_OK);
        sam_replica_state_get(replica, values);
        for (uint64_t i = 0; i < count; i++)
            mean[i] += values[i];
    }
    for (uint64_t i = 0; i < count; i++) {
        int64_t doubled = 2 * mean[i] + n; /* floor(doubled / 2n) */
        mean[i] = doubled >= 0 ? doubled / (2 * n) : -((-doubled + 2 * n - 1) / (2 * n));
    }
    sam_free(values);
}

static void an_average_is_the_mean_of_the_states_integer_by_integer(void **state)
{
    (void)state;
    static const uint64_t SPANS[][2] = {{0, ROUNDS}, {7, 19}, {11, 12}, {9, 9}};
    for (size_t i = 0; i < 3; i++) {
        fixture f;
        sam_error err;
        begin(&f, ALL_FAMILIES[i]);
        sam_replica *replica = new_replica(&f);
        apply_rounds(replica, ROUNDS);
        sam_digest head = digest_of(replica);
        uint64_t count = sam_replica_state_count(replica);
        int64_t *expected = sam_alloc(count, sizeof *expected), *found = sam_alloc(count, sizeof *found);
        for (size_t s = 0; s < sizeof SPANS / sizeof SPANS[0]; s++) {
            plain_mean(replica, SPANS[s][0], SPANS[s][1], expected, count);
            assert_int_equal(sam_replica_average(replica, SPANS[s][0], SPANS[s][1], &err), SAM_OK);
            sam_replica_state_get(replica, found);
            assert_memory_equal(found, expected, count * sizeof *found);
        }
        assert_int_equal(sam_replica_seek(replica, ROUNDS, &err), SAM_OK);
        sam_digest again = digest_of(replica);
        expect_equal(&head, &again);
        assert_int_equal(sam_replica_average(replica, 3, ROUNDS + 1, &err), SAM_NOT_FOUND);
        assert_int_equal(sam_replica_average(replica, 3, 2, &err), SAM_INVALID);
        sam_free(expected);
        sam_free(found);
        sam_replica_free(replica);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_moment_can_be_sought_forth_and_back),
        cmocka_unit_test(a_reverted_state_is_the_old_one_less_what_the_records_moved),
        cmocka_unit_test(a_reverted_run_can_be_sought_like_any_other),
        cmocka_unit_test(steps_that_are_tried_and_taken_back_leave_the_state_as_it_was),
        cmocka_unit_test(a_record_moves_in_the_log_what_it_moved_on_its_authors_way),
        cmocka_unit_test(an_average_is_the_mean_of_the_states_integer_by_integer),
        cmocka_unit_test(rounds_that_arrive_while_the_state_is_elsewhere_are_kept),
        cmocka_unit_test(encoded_rounds_move_the_state_at_once),
        cmocka_unit_test(weights_follow_the_canonical_order_of_the_trained_tensors),
        cmocka_unit_test(tensors_that_do_not_train_stay_the_base_in_every_variant),
        cmocka_unit_test(another_base_and_blocks_that_are_not_there_are_refused),
        cmocka_unit_test(a_failed_allocation_leaves_the_state_where_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
