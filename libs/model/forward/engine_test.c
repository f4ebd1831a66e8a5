#include "model/forward/engine.h"

#include "model/test_models.h"
#include "support/support.h"

#include <jansson.h>
#include <malloc.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

typedef struct fixture {
    test_folder folder;
    sam_model *model;
} fixture;

static void open_model(fixture *f, const test_model *shape)
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
}

static void close_model(fixture *f)
{
    sam_model_close(f->model);
    test_folder_remove(&f->folder);
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

static void run(sam_engine *engine, const sam_pass *pass)
{
    sam_error err = {0};
    if (sam_engine_run(engine, pass, &err) != SAM_OK)
        fail_msg("%s", err.text);
}

/* Log probabilities of every next token of the sequences, each with a branch of two tokens after it. */
static void pack_sequence(sam_batch *batch, const uint32_t *tokens, size_t count)
{
    sam_error err;
    size_t segment, branch;
    static const uint32_t AFTER[] = {3, 9};
    assert_int_equal(sam_batch_add(batch, SAM_NO_PREFIX, tokens, count, &segment, &err), SAM_OK);
    for (size_t i = 0; i + 1 < count; i++)
        assert_int_equal(sam_batch_score(batch, segment, i, tokens[i + 1], true, &err), SAM_OK);
    assert_int_equal(sam_batch_add(batch, segment, AFTER, 2, &branch, &err), SAM_OK);
    assert_int_equal(sam_batch_score(batch, branch, 1, 7, true, &err), SAM_OK);
    assert_int_equal(sam_batch_score(batch, branch, 0, 5, false, &err), SAM_OK);
}

static const uint32_t FIRST[] = {1, 4, 2, 8, 5, 7, 1}, SECOND[] = {11, 3}, THIRD[20] = {6, 6, 1, 15, 0, 2, 9, 14, 3};
#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static void pack_all(sam_batch *batch)
{
    pack_sequence(batch, FIRST, COUNT_OF(FIRST));
    pack_sequence(batch, SECOND, COUNT_OF(SECOND));
    pack_sequence(batch, THIRD, COUNT_OF(THIRD));
}

static void scores_of(sam_engine *engine, const sam_batch *batch, float *scores)
{
    const sam_weight_source base = sam_model_source(sam_engine_model(engine));
    float *const all[] = {scores};
    run(engine, &(sam_pass){.batch = batch, .weights = &base, .end_block = TEST_BLOCKS, .scores = all});
}

static void a_sequence_gives_the_same_bits_alone_and_packed_and_with_any_number_of_threads(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){0});
    sam_batch packed = {0}, alone = {0};
    pack_all(&packed);
    pack_sequence(&alone, THIRD, COUNT_OF(THIRD));
    float one[64], three[64], single[64];
    sam_engine *engine = new_engine(f.model, 1, NULL), *threaded = new_engine(f.model, 3, NULL);
    scores_of(engine, &packed, one);
    scores_of(threaded, &packed, three);
    scores_of(threaded, &alone, single);
    assert_memory_equal(one, three, packed.score_count * sizeof *one);
    assert_memory_equal(one + packed.score_count - alone.score_count, single, alone.score_count * sizeof *one);
    sam_engine_free(engine);
    sam_engine_free(threaded);
    sam_batch_free(&packed);
    sam_batch_free(&alone);
    close_model(&f);
}

static void every_kernel_agrees_with_the_reference(void **state)
{
    (void)state;
    static const char *const MODELS[] = {"llama", "qwen2"};
    sam_cpu cpu;
    sam_cpu_detect(&cpu);
    for (size_t m = 0; m < 2; m++) {
        fixture f;
        open_model(&f, &(test_model){.architecture = MODELS[m], .tied = m == 1});
        sam_batch batch = {0};
        pack_all(&batch);
        float expected[64], got[64];
        sam_engine *reference = new_engine(f.model, 1, "reference");
        scores_of(reference, &batch, expected);
        for (const sam_kernels *const *set = sam_kernels_all(); *set != NULL; set++) {
            if (!(*set)->runs_on(&cpu) || (*set)->precision != SAM_PRECISION_F32)
                continue;
            sam_engine *engine = new_engine(f.model, 2, (*set)->name);
            scores_of(engine, &batch, got);
            for (size_t i = 0; i < batch.score_count; i++)
                if (!(fabsf(got[i] - expected[i]) <= 1e-3f * (1 + fabsf(expected[i]))))
                    fail_msg("%s, %s: score %zu is %g, the reference %g", MODELS[m], (*set)->name, i, (double)got[i],
                             (double)expected[i]);
            sam_engine_free(engine);
        }
        sam_engine_free(reference);
        sam_batch_free(&batch);
        close_model(&f);
    }
}

static void a_branch_scores_as_the_whole_sequence_would(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){0});
    sam_error err;
    sam_batch branched = {0}, whole = {0};
    size_t segment;
    pack_sequence(&branched, FIRST, COUNT_OF(FIRST));
    uint32_t tokens[COUNT_OF(FIRST) + 2];
    memcpy(tokens, FIRST, sizeof FIRST);
    tokens[COUNT_OF(FIRST)] = 3;
    tokens[COUNT_OF(FIRST) + 1] = 9;
    sam_batch_add(&whole, SAM_NO_PREFIX, tokens, COUNT_OF(tokens), &segment, &err);
    sam_batch_score(&whole, segment, COUNT_OF(tokens) - 1, 7, true, &err);
    sam_batch_score(&whole, segment, COUNT_OF(tokens) - 2, 5, false, &err);
    float branch[16], plain[2];
    sam_engine *engine = new_engine(f.model, 1, NULL);
    scores_of(engine, &branched, branch);
    scores_of(engine, &whole, plain);
    size_t at = branched.score_count - 2;
    assert_true(fabsf(branch[at] - plain[0]) < 1e-4f);
    assert_true(fabsf(branch[at + 1] - plain[1]) < 1e-4f);
    sam_engine_free(engine);
    sam_batch_free(&branched);
    sam_batch_free(&whole);
    close_model(&f);
}

static void going_on_from_a_stored_stream_equals_the_whole_pass(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){0});
    sam_batch batch = {0};
    pack_all(&batch);
    sam_engine *engine = new_engine(f.model, 2, NULL);
    float whole[64], from_middle[64];
    scores_of(engine, &batch, whole);
    float *stream = sam_alloc_aligned(TEST_HIDDEN * sam_engine_stride(batch.columns), sizeof *stream);
    const sam_weight_source base = sam_model_source(f.model);
    for (uint32_t block = 0; block <= TEST_BLOCKS; block++) {
        float *const scores[] = {from_middle};
        run(engine, &(sam_pass){.batch = &batch, .weights = &base, .end_block = block, .output = stream});
        run(engine, &(sam_pass){.batch = &batch,
                                .weights = &base,
                                .first_block = block,
                                .end_block = TEST_BLOCKS,
                                .input = stream,
                                .scores = scores});
        assert_memory_equal(whole, from_middle, batch.score_count * sizeof *whole);
    }
    sam_free(stream);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_model(&f);
}

/* Variant v is the base times (1 + v / 10). */
static void scaled_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const sam_model *model = context;
    size_t count = (size_t)(rows * sam_model_tensor_at(model, tensor)->columns);
    for (unsigned v = 0; v < 3; v++) {
        sam_model_rows(model, tensor, row, rows, out[v]);
        for (size_t i = 0; i < count; i++)
            out[v][i] *= 1 + (float)v / 10;
    }
}

static void variants_in_lockstep_do_not_touch_each_other(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){.architecture = "qwen2"});
    sam_batch batch = {0};
    pack_all(&batch);
    sam_engine *engine = new_engine(f.model, 2, NULL);
    float scores[3][64], plain[64];
    float *const all[] = {scores[0], scores[1], scores[2]};
    const sam_weight_source scaled = {.context = f.model, .variants = 3, .rows = scaled_rows};
    scores_of(engine, &batch, plain);
    run(engine, &(sam_pass){.batch = &batch, .weights = &scaled, .end_block = TEST_BLOCKS, .scores = all});
    assert_memory_equal(scores[0], plain, batch.score_count * sizeof *plain);
    assert_memory_not_equal(scores[1], plain, batch.score_count * sizeof *plain);
    assert_memory_not_equal(scores[2], scores[1], batch.score_count * sizeof *plain);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_model(&f);
}

typedef struct copies {
    const sam_model *model;
    unsigned variants;
} copies;

static void copied_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const copies *c = context;
    for (unsigned v = 0; v < c->variants; v++)
        sam_model_rows(c->model, tensor, row, rows, out[v]);
}

static size_t allocated(void)
{
    const struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void a_group_of_variants_is_as_large_as_memory_allows(void **state)
{
    (void)state;
    enum { LIMIT = 12 << 20 };
    fixture f;
    open_model(&f, &(test_model){.wide = true});
    sam_engine *engine = new_engine(f.model, 2, NULL);
    sam_batch batch = {0};
    for (size_t i = 0; i < 20; i++)
        pack_sequence(&batch, THIRD, COUNT_OF(THIRD));
    const unsigned fit = sam_engine_variants_that_fit(engine, batch.columns, LIMIT);
    assert_true(fit > 2 && fit < SAM_VARIANTS_MAX);
    assert_true(sam_engine_variants_that_fit(engine, 2 * batch.columns, LIMIT) < fit);
    assert_int_equal(sam_engine_variants_that_fit(engine, batch.columns, 1), 2);
    assert_int_equal(sam_engine_variants_that_fit(engine, batch.columns, SIZE_MAX), SAM_VARIANTS_MAX);

    const copies c = {f.model, fit};
    const sam_weight_source source = {.context = &c, .variants = fit, .rows = copied_rows};
    float *scores[SAM_VARIANTS_MAX];
    for (unsigned v = 0; v < fit; v++)
        scores[v] = sam_alloc(batch.score_count, sizeof(float));
    const size_t before = allocated();
    run(engine, &(sam_pass){.batch = &batch, .weights = &source, .end_block = TEST_BLOCKS, .scores = scores});
    assert_true(allocated() - before <= LIMIT);
    for (unsigned v = 0; v < fit; v++)
        sam_free(scores[v]);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_model(&f);
}

static void an_engine_has_a_memory_limit_of_its_own(void **state)
{
    (void)state;
    fixture f;
    sam_error err;
    sam_engine *engine;
    open_model(&f, &(test_model){.wide = true});
    const sam_engine_options options = {.threads = 2, .memory_limit = 12 << 20};
    assert_int_equal(sam_engine_new(&engine, f.model, &options, &err), SAM_OK);
    assert_int_equal(sam_engine_variants_that_fit(engine, 400, 0), sam_engine_variants_that_fit(engine, 400, 12 << 20));
    sam_engine_free(engine);
    engine = new_engine(f.model, 2, NULL);
    assert_int_equal(sam_engine_variants_that_fit(engine, 400, 0), SAM_VARIANTS_MAX);
    sam_engine_free(engine);
    close_model(&f);
}

static void what_cannot_be_run_is_refused_with_a_sentence(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){0});
    sam_engine *engine = new_engine(f.model, 1, NULL);
    const sam_weight_source base = sam_model_source(f.model);
    static const uint32_t BEYOND[] = {1, TEST_WORDS}, LONG[40] = {1};
    const struct {
        const uint32_t *tokens;
        size_t count;
        uint32_t target;
        const char *says;
    } cases[] = {{BEYOND, 2, 1, "vocabulary"}, {LONG, 40, 1, "context"}, {LONG, 3, 99, "vocabulary"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        sam_batch batch = {0};
        sam_error err = {0};
        size_t segment;
        float score, *const scores[] = {&score};
        sam_batch_add(&batch, SAM_NO_PREFIX, cases[i].tokens, cases[i].count, &segment, &err);
        sam_batch_score(&batch, segment, 0, cases[i].target, false, &err);
        const sam_pass pass = {.batch = &batch, .weights = &base, .end_block = TEST_BLOCKS, .scores = scores};
        assert_int_equal(sam_engine_run(engine, &pass, &err), SAM_INVALID);
        assert_non_null(strstr(err.text, cases[i].says));
        sam_batch_free(&batch);
    }
    sam_engine_free(engine);
    close_model(&f);
}

static void running_out_of_memory_is_an_error_and_the_engine_goes_on(void **state)
{
    (void)state;
    fixture f;
    open_model(&f, &(test_model){0});
    sam_engine *engine = new_engine(f.model, 1, NULL);
    sam_batch batch = {0};
    pack_all(&batch);
    const sam_weight_source base = sam_model_source(f.model);
    float expected[64], got[64], *const scores[] = {got};
    const sam_pass pass = {.batch = &batch, .weights = &base, .end_block = TEST_BLOCKS, .scores = scores};
    sam_error err;
    long failures = 0;
    for (;; failures++) {
        sam_memory_fail_at(failures + 1);
        sam_status status = sam_engine_run(engine, &pass, &err);
        sam_memory_fail_at(0);
        if (status == SAM_OK)
            break;
        assert_int_equal(status, SAM_NO_MEMORY);
    }
    assert_true(failures > 10);
    scores_of(engine, &batch, expected);
    assert_memory_equal(got, expected, batch.score_count * sizeof *got);
    sam_engine_free(engine);
    sam_batch_free(&batch);
    close_model(&f);
}

/* ---- real models ---- */

static void stories260k_has_its_published_loss(void **state)
{
    (void)state;
    static const char *const MODEL = SAMARA_SOURCE "/../shared/models/stories260K/tinyllamas-stories-260k-f32.gguf";
    static const char *const STORIES = SAMARA_SOURCE "/../shared/data/text/tinystories_1000.json";
    if (!sam_file_exists(MODEL) || !sam_file_exists(STORIES))
        skip();
    sam_error err = {0};
    sam_model *model;
    if (sam_model_open(&model, MODEL, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_engine *engine = new_engine(model, 2, NULL);
    json_t *stories = json_load_file(STORIES, 0, NULL);
    double sum = 0;
    size_t count = 0;
    for (size_t s = 0; s < 50; s++) {
        const char *text = json_string_value(json_array_get(stories, s));
        uint32_t *tokens;
        size_t length, segment;
        sam_batch batch = {0};
        assert_int_equal(sam_tokenizer_encode(sam_model_tokenizer(model), text, strlen(text), SAM_TOKENS_BOS, &tokens,
                                              &length, &err),
                         SAM_OK);
        length = length > 512 ? 512 : length;
        sam_batch_add(&batch, SAM_NO_PREFIX, tokens, length, &segment, &err);
        for (size_t i = 0; i + 1 < length; i++)
            sam_batch_score(&batch, segment, i, tokens[i + 1], true, &err);
        float scores[512], *const all[] = {scores};
        const sam_weight_source base = sam_model_source(model);
        run(engine,
            &(sam_pass){
                .batch = &batch, .weights = &base, .end_block = sam_model_configuration(model)->blocks, .scores = all});
        for (size_t i = 0; i < batch.score_count; i++)
            sum -= (double)scores[i];
        count += batch.score_count;
        sam_batch_free(&batch);
        sam_free(tokens);
    }
    json_decref(stories);
    sam_engine_free(engine);
    sam_model_close(model);
    assert_true(fabs(sum / (double)count - 1.318012) < 1e-5);
}

/* $SAMARA_SMOLLM2 names SmolLM2-135M-Instruct.Q4_1.gguf (`samara fetch`); the numbers are transformers'. */
static void smollm2_logits_equal_transformers(void **state)
{
    (void)state;
    const char *path = getenv("SAMARA_SMOLLM2");
    if (path == NULL || !sam_file_exists(path))
        skip();
    sam_error err = {0};
    sam_model *model;
    if (sam_model_open(&model, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_engine *engine = new_engine(model, 2, NULL);
    json_t *golden = json_load_file(SAMARA_SOURCE "/tests/golden/smollm2_logits.json", 0, NULL);
    size_t index, place;
    json_t *one, *position;
    json_array_foreach(json_object_get(golden, "cases"), index, one)
    {
        const json_t *listed = json_object_get(one, "tokens");
        const char *text = json_string_value(json_object_get(one, "text"));
        uint32_t *tokens;
        size_t count, segment;
        sam_tokenizer_encode(sam_model_tokenizer(model), text, strlen(text), SAM_TOKENS_PLAIN, &tokens, &count, &err);
        assert_int_equal(count, json_array_size(listed));
        for (size_t i = 0; i < count; i++)
            assert_int_equal(tokens[i], json_integer_value(json_array_get(listed, i)));
        json_array_foreach(json_object_get(one, "positions"), place, position)
        {
            const json_t *ids = json_object_get(position, "ids"), *logits = json_object_get(position, "logits");
            double total = json_number_value(json_object_get(position, "log_total"));
            size_t at = (size_t)json_integer_value(json_object_get(position, "at"));
            sam_batch batch = {0};
            sam_batch_add(&batch, SAM_NO_PREFIX, tokens, count, &segment, &err);
            for (size_t i = 0; i < json_array_size(ids); i++)
                sam_batch_score(&batch, segment, at, (uint32_t)json_integer_value(json_array_get(ids, i)), i == 0,
                                &err);
            float scores[256], *const all[] = {scores};
            assert_true(batch.score_count <= COUNT_OF(scores));
            const sam_weight_source base = sam_model_source(model);
            run(engine, &(sam_pass){.batch = &batch,
                                    .weights = &base,
                                    .end_block = sam_model_configuration(model)->blocks,
                                    .scores = all});
            for (size_t i = 0; i < batch.score_count; i++) {
                double expected = json_number_value(json_array_get(logits, i)) - (i == 0 ? total : 0);
                if (!(fabs((double)scores[i] - expected) <= 2e-4))
                    fail_msg("text %zu, position %zu, score %zu: %.6f, transformers %.6f", index, at, i,
                             (double)scores[i], expected);
            }
            sam_batch_free(&batch);
        }
        sam_free(tokens);
    }
    json_decref(golden);
    sam_engine_free(engine);
    sam_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequence_gives_the_same_bits_alone_and_packed_and_with_any_number_of_threads),
        cmocka_unit_test(every_kernel_agrees_with_the_reference),
        cmocka_unit_test(a_branch_scores_as_the_whole_sequence_would),
        cmocka_unit_test(going_on_from_a_stored_stream_equals_the_whole_pass),
        cmocka_unit_test(variants_in_lockstep_do_not_touch_each_other),
        cmocka_unit_test(a_group_of_variants_is_as_large_as_memory_allows),
        cmocka_unit_test(an_engine_has_a_memory_limit_of_its_own),
        cmocka_unit_test(what_cannot_be_run_is_refused_with_a_sentence),
        cmocka_unit_test(running_out_of_memory_is_an_error_and_the_engine_goes_on),
        cmocka_unit_test(stories260k_has_its_published_loss),
        cmocka_unit_test(smollm2_logits_equal_transformers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
