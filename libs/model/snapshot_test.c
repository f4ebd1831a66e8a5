#include "model/snapshot.h"

#include "model/test_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static sam_model *open_small(const test_model *m)
{
    sam_model *model;
    sam_buffer file = {0};
    sam_error err = {0};
    test_gguf(&file, m);
    assert_int_equal(sam_file_write("snapshot_test.gguf", file.bytes, file.length, NULL), SAM_OK);
    sam_buffer_free(&file);
    if (sam_model_open(&model, "snapshot_test.gguf", &err) != SAM_OK)
        fail_msg("%s", err.text);
    return model;
}

/* Doubles every weight, as a stand-in for a replica. */
static void doubled_rows(const void *context, size_t tensor, uint64_t row, uint64_t rows, float *const out[])
{
    const sam_model *model = context;
    sam_model_rows(model, tensor, row, rows, out[0]);
    for (size_t i = 0; i < rows * sam_model_tensor_at(model, tensor)->columns; i++)
        out[0][i] *= 2;
}

static uint8_t *read_all(const sam_snapshot *snapshot, size_t *length)
{
    *length = (size_t)sam_snapshot_size(snapshot);
    uint8_t *bytes = malloc(*length);
    assert_non_null(bytes);
    assert_int_equal(sam_snapshot_read(snapshot, 0, *length, bytes, NULL), SAM_OK);
    return bytes;
}

static void any_range_is_that_part_of_the_whole(void **state)
{
    (void)state;
    sam_model *model = open_small(&(test_model){0});
    const sam_weight_source source = sam_model_source(model);
    for (unsigned kind = SAM_SNAPSHOT_SAFETENSORS_F32; kind <= SAM_SNAPSHOT_GGUF_F16; kind++) {
        sam_snapshot *snapshot;
        size_t length;
        assert_int_equal(sam_snapshot_open(&snapshot, model, &source, (sam_snapshot_kind)kind, NULL), SAM_OK);
        uint8_t *whole = read_all(snapshot, &length), *piece = malloc(length);
        uint64_t random = kind + 1;
        for (int i = 0; i < 3000; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            const size_t from = (size_t)(random >> 33) % (length + 1);
            const size_t size = i % 3 == 0 ? length - from : (size_t)(random >> 40) % 97;
            const size_t count = size > length - from ? length - from : size;
            memset(piece, 0xaa, length);
            assert_int_equal(sam_snapshot_read(snapshot, from, count, piece, NULL), SAM_OK);
            assert_memory_equal(piece, whole + from, count);
            assert_true(count == length || piece[count] == 0xaa);
        }
        sam_error err;
        assert_int_equal(sam_snapshot_read(snapshot, length - 3, 4, piece, &err), SAM_INVALID);
        assert_int_equal(sam_snapshot_read(snapshot, UINT64_MAX, 4, piece, &err), SAM_INVALID);
        free(whole);
        free(piece);
        sam_snapshot_close(snapshot);
    }
    sam_model_close(model);
}

static void safetensors_hold_every_weight_of_the_source_rounded(void **state)
{
    (void)state;
    sam_model *model = open_small(&(test_model){.architecture = "qwen2"});
    const sam_weight_source source = {.context = model, .variants = 1, .rows = doubled_rows};
    for (unsigned kind = SAM_SNAPSHOT_SAFETENSORS_F32; kind <= SAM_SNAPSHOT_SAFETENSORS_F16; kind++) {
        sam_snapshot *snapshot;
        sam_safetensors *files;
        size_t length;
        assert_int_equal(sam_snapshot_open(&snapshot, model, &source, (sam_snapshot_kind)kind, NULL), SAM_OK);
        uint8_t *whole = read_all(snapshot, &length);
        assert_int_equal(sam_safetensors_open_bytes(&files, whole, length, "snapshot", NULL), SAM_OK);
        assert_int_equal(sam_safetensors_count(files), sam_model_tensor_count(model));
        for (size_t i = 0; i < sam_safetensors_count(files); i++) {
            const sam_tensor *t = sam_safetensors_at(files, i);
            const size_t count = t->length / sam_dtype_block_bytes(t->dtype);
            float values[256];
            assert_int_equal(t->dtype, sam_snapshot_kind_dtype((sam_snapshot_kind)kind));
            assert_int_equal(t->rank, sam_model_tensor_at(model, i)->rank);
            sam_dtype_read(t->dtype, t->bytes, count, values);
            for (size_t k = 0; k < count; k++) {
                const float exact = 2 * test_weight(t->name, k);
                const float rounded = t->dtype == SAM_BF16 ? sam_bf16_to_f32(sam_f32_to_bf16(exact)) : exact;
                assert_true(values[k] == rounded);
            }
        }
        sam_safetensors_close(files);
        free(whole);
        sam_snapshot_close(snapshot);
    }
    sam_model_close(model);
}

static void a_gguf_opens_again_as_the_same_model_with_its_keys(void **state)
{
    (void)state;
    static const char *const ARCHITECTURES[] = {"llama", "qwen2"};
    for (size_t a = 0; a < 2; a++) {
        sam_model *model = open_small(&(test_model){
            .architecture = ARCHITECTURES[a], .tied = a == 1, .key_name = "general.name", .key_text = "small"});
        const sam_weight_source source = sam_model_source(model);
        sam_snapshot *snapshot;
        sam_model *again;
        size_t length, text_length;
        const char *text;
        uint64_t file_type;
        assert_int_equal(sam_snapshot_open(&snapshot, model, &source, SAM_SNAPSHOT_GGUF_F16, NULL), SAM_OK);
        uint8_t *whole = read_all(snapshot, &length);
        assert_int_equal(sam_file_write("snapshot_test_again.gguf", whole, length, NULL), SAM_OK);
        assert_int_equal(sam_model_open(&again, "snapshot_test_again.gguf", NULL), SAM_OK);
        assert_int_equal(sam_model_tensor_count(again), sam_model_tensor_count(model));
        for (size_t i = 0; i < sam_model_tensor_count(again); i++) {
            const sam_model_tensor *t = sam_model_tensor_at(again, i);
            float values[256];
            assert_int_equal(t->dtype, t->rank == 1 ? SAM_F32 : SAM_F16);
            sam_model_rows(again, i, 0, t->rows, values);
            for (size_t k = 0; k < t->rows * t->columns; k++)
                assert_true(values[k] == test_weight(t->name, k));
        }
        assert_true(sam_gguf_text(sam_model_gguf(again), "general.name", &text, &text_length) && text_length == 5);
        assert_true(sam_gguf_u64(sam_model_gguf(again), "general.file_type", &file_type) && file_type == 1);
        sam_model_close(again);
        free(whole);
        sam_snapshot_close(snapshot);
        sam_model_close(model);
    }
}

static void a_folder_as_base_gives_no_gguf_and_says_what_to_do(void **state)
{
    (void)state;
    sam_model *model;
    sam_snapshot *snapshot;
    sam_error err = {0};
    test_model_folder("snapshot_test_folder", &(test_model){0}, NULL);
    assert_int_equal(sam_model_open(&model, "snapshot_test_folder", &err), SAM_OK);
    const sam_weight_source source = sam_model_source(model);
    assert_int_equal(sam_snapshot_open(&snapshot, model, &source, SAM_SNAPSHOT_GGUF_F16, &err), SAM_UNSUPPORTED);
    assert_null(snapshot);
    assert_non_null(strstr(err.text, "convert_hf_to_gguf.py"));
    sam_model_close(model);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    sam_model *model = open_small(&(test_model){0});
    const sam_weight_source source = sam_model_source(model);
    for (unsigned kind = SAM_SNAPSHOT_SAFETENSORS_F32; kind <= SAM_SNAPSHOT_GGUF_F16; kind++) {
        sam_status status = SAM_INTERNAL;
        for (long n = 1; status != SAM_OK; n++) {
            sam_snapshot *snapshot;
            uint8_t *whole = malloc(65536);
            sam_memory_fail_at(n);
            status = sam_snapshot_open(&snapshot, model, &source, (sam_snapshot_kind)kind, NULL);
            if (status == SAM_OK)
                status = sam_snapshot_read(snapshot, 0, (size_t)sam_snapshot_size(snapshot), whole, NULL);
            sam_memory_fail_at(0);
            assert_true(status == SAM_OK || status == SAM_NO_MEMORY);
            sam_snapshot_close(snapshot);
            free(whole);
        }
    }
    sam_model_close(model);
}

static void kinds_have_names(void **state)
{
    (void)state;
    sam_snapshot_kind kind;
    assert_true(sam_snapshot_kind_of("gguf-f16", &kind) && kind == SAM_SNAPSHOT_GGUF_F16);
    assert_false(sam_snapshot_kind_of("gguf-q4", &kind));
    assert_string_equal(sam_snapshot_kind_name(SAM_SNAPSHOT_SAFETENSORS_BF16), "safetensors-bf16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_range_is_that_part_of_the_whole),
        cmocka_unit_test(safetensors_hold_every_weight_of_the_source_rounded),
        cmocka_unit_test(a_gguf_opens_again_as_the_same_model_with_its_keys),
        cmocka_unit_test(a_folder_as_base_gives_no_gguf_and_says_what_to_do),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
