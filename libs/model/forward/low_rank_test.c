#include "model/forward/engine.h"

#include "model/test_models.h"
#include "support/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Weights of several variants given as thin factors, held against the same weights formed in full. */

enum { VARIANTS = 5, EPOCHS = 3, RANK_MOST = 32, SCORES = 256 };
static const size_t RANKS[EPOCHS] = {4, 32, 9};

typedef struct epoch {
    float *u, *v, *core[VARIANTS];
} epoch;

typedef struct family {
    sam_model *model;
    test_folder folder;
    epoch *epochs;  /* [tensors][EPOCHS] */
    size_t terms;   /* of each matrix */
    float **formed; /* [tensors][VARIANTS] of [rows][columns] */
} family;

static uint64_t random_state = 1;

static float *random_floats(size_t count, float size)
{
    float *values = sam_alloc(count, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        values[i] = size * ((float)(random_state >> 40) / (float)(1 << 23) - 1.0f);
    }
    return values;
}

/* Adds U C V^T, in doubles. */
static void add_term(const sam_model_tensor *t, const epoch *one, size_t rank, size_t variant, float *weights)
{
    for (size_t r = 0; r < t->rows; r++) {
        double mixed[RANK_MOST] = {0}; /* row r of U C */
        for (size_t i = 0; i < rank; i++)
            for (size_t j = 0; j < rank; j++)
                mixed[j] += (double)one->u[r * rank + i] * (double)one->core[variant][i * rank + j];
        for (size_t c = 0; c < t->columns; c++) {
            double sum = (double)weights[r * t->columns + c];
            for (size_t j = 0; j < rank; j++)
                sum += mixed[j] * (double)one->v[c * rank + j];
            weights[r * t->columns + c] = (float)sum;
        }
    }
}

/* Vectors have no low-rank form: variant v of them is (1 + v / 100) times the base. */
static float *form(const family *f, size_t tensor, size_t variant)
{
    const sam_model_tensor *t = sam_model_tensor_at(f->model, tensor);
    const size_t count = (size_t)(t->rows * t->columns);
    float *weights = sam_alloc(count, sizeof *weights);
    assert_non_null(weights);
    sam_model_rows(f->model, tensor, 0, t->rows, weights);
    for (size_t i = 0; i < count && t->rank == 1; i++)
        weights[i] *= 1 + (float)variant / 100;
    for (size_t e = 0; e < f->terms && t->rank == 2; e++)
        add_term(t, &f->epochs[tensor * EPOCHS + e], RANKS[e], variant, weights);
    return weights;
}

static void open_family(family *f, const test_model *shape, size_t terms)
{
    sam_error err = {0};
    sam_buffer file = {0};
    char path[256];
    assert_true(test_folder_make(&f->folder));
    test_path(path, sizeof path, &f->folder, "model.gguf");
    test_gguf(&file, shape);
    assert_int_equal(sam_file_write(path, file.bytes, file.length, &err), SAM_OK);
    sam_buffer_free(&file);
    if (sam_model_open(&f->model, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    f->terms = terms;
    f->epochs = sam_alloc(sam_model_tensor_count(f->model) * EPOCHS, sizeof *f->epochs);
    for (size_t i = 0; i < sam_model_tensor_count(f->model) * EPOCHS; i++) {
        const sam_model_tensor *t = sam_model_tensor_at(f->model, i / EPOCHS);
        const size_t rank = RANKS[i % EPOCHS];
        f->epochs[i].u = random_floats((size_t)t->rows * rank, 1);
        f->epochs[i].v = random_floats((size_t)t->columns * rank, 1);
        for (size_t v = 0; v < VARIANTS; v++)
            f->epochs[i].core[v] = random_floats(rank * rank, 0.01f);
    }
    f->formed = sam_alloc(sam_model_tensor_count(f->model) * VARIANTS, sizeof *f->formed);
    for (size_t i = 0; i < sam_model_tensor_count(f->model) * VARIANTS; i++)
        f->formed[i] = form(f, i / VARIANTS, i % VARIANTS);
}

static void close_family(family *f)
{
    for (size_t i = 0; i < sam_model_tensor_count(f->model) * EPOCHS; i++) {
        sam_free(f->epochs[i].u);
        sam_free(f->epochs[i].v);
        for (size_t v = 0; v < VARIANTS; v++)
            sam_free(f->epochs[i].core[v]);
    }
    for (size_t i = 0; i < sam_model_tensor_count(f->model) * VARIANTS; i++)
        sam_free(f->formed[i]);
    sam_free(f->formed);
    sam_free(f->epochs);
    sam_model_close(f->model);
    test_folder_remove(&f->folder);
}

static size_t terms_of(const void *context, size_t tensor, sam_low_rank_term *terms, size_t most)
{
    const family *f = context;
    if (sam_model_tensor_at(f->model, tensor)->rank == 1)
        return 0;
    for (size_t e = 0; e < f->terms && e < most; e++) {
        const epoch *one = &f->epochs[tensor * EPOCHS + e];
        terms[e] = (sam_low_rank_term){one->u, one->v, (const float *const *)one->core, RANKS[e]};
    }
    return f->terms;
}

static void copy_rows(const family *f, size_t tensor, uint64_t row, uint64_t rows, size_t variant, float *out)
{
    const size_t columns = (size_t)sam_model_tensor_at(f->model, tensor)->columns;
    memcpy(out, f->formed[tensor * VARIANTS + variant] + row * columns, (size_t)rows * columns * sizeof *out);
}

static void five_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    for (unsigned v = 0; v < VARIANTS; v++)
        copy_rows(context, tensor, row, rows, v, out[v]);
}

static void one_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    copy_rows(context, tensor, row, rows, 0, out[0]);
}

static sam_weight_source source_of(const family *f, unsigned variants, bool low_rank)
{
    return (sam_weight_source){.context = f,
                               .variants = variants,
                               .rows = variants == 1 ? one_rows : five_rows,
                               .low_rank = low_rank ? terms_of : NULL};
}

/* Sequences of different lengths, some with branches; of every token some logits and a log probability: more columns
 * than one share has, and in the last block fewer than all. */
static void pack(sam_batch *batch)
{
    sam_error err;
    for (size_t s = 0; s < 9; s++) {
        uint32_t tokens[32];
        size_t count = 3 + 13 * s % 20, segment, branch;
        for (size_t i = 0; i < count; i++)
            tokens[i] = (uint32_t)((s * 31 + i * 17) % (TEST_WORDS * 13));
        assert_int_equal(sam_batch_add(batch, SAM_NO_PREFIX, tokens, count, &segment, &err), SAM_OK);
        for (size_t i = 0; i < count; i += 2)
            assert_int_equal(sam_batch_score(batch, segment, i, tokens[i] + 1, i % 4 == 0, &err), SAM_OK);
        assert_int_equal(sam_batch_add(batch, segment, tokens, 2, &branch, &err), SAM_OK);
        assert_int_equal(sam_batch_score(batch, branch, 1, 7, false, &err), SAM_OK);
    }
    assert_true(batch->columns > 64 && batch->score_count <= SCORES);
}

static sam_engine *new_engine(const sam_model *model, unsigned threads, const char *kernel)
{
    sam_error err = {0};
    sam_engine *engine;
    const sam_engine_options options = {.threads = threads, .kernel = kernel};
    if (sam_engine_new(&engine, model, &options, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return engine;
}

typedef float all_scores[VARIANTS][SCORES];

static void run(sam_engine *engine, const sam_batch *batch, const sam_weight_source *weights, all_scores scores)
{
    sam_error err = {0};
    float *const each[] = {scores[0], scores[1], scores[2], scores[3], scores[4]};
    const sam_pass pass = {.batch = batch, .weights = weights, .end_block = TEST_BLOCKS, .scores = each};
    if (sam_engine_run(engine, &pass, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

static float furthest(all_scores a, all_scores b, unsigned variants, size_t count)
{
    float most = 0;
    for (unsigned v = 0; v < variants; v++)
        for (size_t i = 0; i < count; i++)
            most = fmaxf(most, isfinite(a[v][i]) ? fabsf(a[v][i] - b[v][i]) : INFINITY);
    return most;
}

/* Against weights formed in full and multiplied in float32 by the plainest loops. Kernels of bf16 may be off as far as
 * they are with formed weights. */
static void check_kernel(const family *f, const sam_batch *batch, const sam_kernels *set, unsigned variants,
                         all_scores expected)
{
    static all_scores formed, low;
    const sam_weight_source in_full = source_of(f, variants, false), thin = source_of(f, variants, true);
    sam_engine *engine = new_engine(f->model, 2, set->name);
    run(engine, batch, &in_full, formed);
    run(engine, batch, &thin, low);
    const bool f32 = set->precision == SAM_PRECISION_F32;
    const float tolerance = f32 ? 1e-5f : 2.0f * furthest(formed, expected, variants, batch->score_count);
    const float off = furthest(low, expected, variants, batch->score_count);
    if (!(off <= tolerance))
        fail_msg("%s, %u variants, %zu terms: a score is off by %g, more than %g", set->name, variants, f->terms,
                 (double)off, (double)tolerance);
    sam_engine_free(engine);
}

static void check_kernels(const family *f, const sam_batch *batch, unsigned variants)
{
    static all_scores expected;
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    sam_engine *reference = new_engine(f->model, 2, "reference");
    const sam_weight_source in_full = source_of(f, variants, false);
    run(reference, batch, &in_full, expected);
    for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++)
        if ((*set)->runs_on(&cpu) && *set != &sam_kernels_reference)
            check_kernel(f, batch, *set, variants, expected);
    sam_engine_free(reference);
}

/* Otherwise the other tests would show nothing. */
static void low_rank_terms_change_what_the_model_computes(void **state)
{
    (void)state;
    family f;
    sam_batch batch = {0};
    static all_scores base, changed;
    open_family(&f, &(test_model){.wide = true}, 1);
    pack(&batch);
    sam_engine *engine = new_engine(f.model, 2, NULL);
    const sam_weight_source unchanged = sam_model_source(f.model), thin = source_of(&f, VARIANTS, true);
    run(engine, &batch, &unchanged, base);
    run(engine, &batch, &thin, changed);
    assert_true(furthest(changed, base, 1, batch.score_count) > 0.01f);
    memcpy(base[0], changed[0], sizeof base[0]);
    memcpy(changed[0], changed[1], sizeof changed[0]);
    assert_true(furthest(changed, base, 1, batch.score_count) > 0.01f);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_family(&f);
}

static void low_rank_products_equal_products_of_the_formed_weights(void **state)
{
    (void)state;
    for (size_t terms = 1; terms <= EPOCHS; terms++)
        for (int qwen = 0; qwen < 2; qwen++) {
            family f;
            sam_batch batch = {0};
            open_family(&f, &(test_model){.architecture = qwen ? "qwen2" : "llama", .tied = qwen, .wide = true}, terms);
            pack(&batch);
            check_kernels(&f, &batch, 1);
            check_kernels(&f, &batch, VARIANTS);
            sam_batch_free(&batch);
            close_family(&f);
        }
}

static void low_rank_products_do_not_depend_on_the_number_of_threads(void **state)
{
    (void)state;
    family f;
    sam_batch batch = {0};
    static all_scores one, three;
    open_family(&f, &(test_model){.wide = true}, EPOCHS);
    pack(&batch);
    sam_engine *alone = new_engine(f.model, 1, NULL), *threaded = new_engine(f.model, 3, NULL);
    const sam_weight_source thin = source_of(&f, VARIANTS, true);
    run(alone, &batch, &thin, one);
    run(threaded, &batch, &thin, three);
    assert_memory_equal(one, three, sizeof one);
    sam_engine_free(alone);
    sam_engine_free(threaded);
    sam_batch_free(&batch);
    close_family(&f);
}

static size_t too_many(const void *context, size_t tensor, sam_low_rank_term *terms, size_t most)
{
    (void)context, (void)tensor, (void)terms;
    return most + 1;
}

static void a_matrix_of_too_many_terms_is_formed(void **state)
{
    (void)state;
    family f;
    sam_batch batch = {0};
    static all_scores formed, got;
    open_family(&f, &(test_model){.wide = true}, 1);
    pack(&batch);
    sam_engine *engine = new_engine(f.model, 2, NULL);
    sam_weight_source source = source_of(&f, VARIANTS, false);
    run(engine, &batch, &source, formed);
    source.low_rank = too_many;
    run(engine, &batch, &source, got);
    assert_memory_equal(got, formed, sizeof got);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_family(&f);
}

static void running_out_of_memory_is_an_error_and_the_engine_goes_on(void **state)
{
    (void)state;
    family f;
    sam_batch batch = {0};
    static all_scores expected, got;
    open_family(&f, &(test_model){.wide = true}, 2);
    pack(&batch);
    sam_engine *engine = new_engine(f.model, 1, NULL);
    const sam_weight_source thin = source_of(&f, VARIANTS, true);
    float *const each[] = {got[0], got[1], got[2], got[3], got[4]};
    const sam_pass pass = {.batch = &batch, .weights = &thin, .end_block = TEST_BLOCKS, .scores = each};
    sam_status status = SAM_NO_MEMORY;
    for (long failure = 1; status == SAM_NO_MEMORY; failure++) {
        sam_error err;
        sam_memory_fail_at(failure);
        status = sam_engine_run(engine, &pass, &err);
        sam_memory_fail_at(0);
    }
    assert_int_equal(status, SAM_OK);
    run(engine, &batch, &thin, expected);
    assert_memory_equal(got, expected, sizeof got);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_family(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(low_rank_terms_change_what_the_model_computes),
        cmocka_unit_test(low_rank_products_equal_products_of_the_formed_weights),
        cmocka_unit_test(low_rank_products_do_not_depend_on_the_number_of_threads),
        cmocka_unit_test(a_matrix_of_too_many_terms_is_formed),
        cmocka_unit_test(running_out_of_memory_is_an_error_and_the_engine_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
