#include "model/export.h"

#include "model/files/json.h"
#include "model/test_models.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void check_equal(const sam_model *a, const sam_model *b)
{
    assert_int_equal(sam_model_tensor_count(a), sam_model_tensor_count(b));
    for (size_t i = 0; i < sam_model_tensor_count(a); i++) {
        const sam_model_tensor *t = sam_model_tensor_at(a, i);
        float left[256], right[256];
        assert_string_equal(t->name, sam_model_tensor_at(b, i)->name);
        sam_model_rows(a, i, 0, t->rows, left);
        sam_model_rows(b, i, 0, t->rows, right);
        assert_memory_equal(left, right, (size_t)(t->rows * t->columns) * sizeof *left);
    }
}

static sam_model *open_model(const char *path)
{
    sam_model *model;
    sam_error err = {0};
    if (sam_model_open(&model, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return model;
}

static void write_small_gguf(const char *path, const test_model *m)
{
    sam_buffer file = {0};
    test_gguf(&file, m);
    assert_int_equal(sam_file_write(path, file.bytes, file.length, NULL), SAM_OK);
    sam_buffer_free(&file);
}

static void an_exported_folder_opens_as_the_same_model(void **state)
{
    (void)state;
    static const test_model MODELS[] = {{.architecture = "llama"}, {.architecture = "qwen2", .tied = true}};
    for (size_t i = 0; i < 2; i++) {
        sam_error err = {0};
        write_small_gguf("export_test.gguf", &MODELS[i]);
        sam_model *model = open_model("export_test.gguf");
        const sam_weight_source source = sam_model_source(model);
        if (sam_export_folder(model, &source, SAM_SNAPSHOT_SAFETENSORS_F32, "export_test_out", &err) != SAM_OK)
            fail_msg("%s", err.text);
        sam_model *folder = open_model("export_test_out");
        check_equal(model, folder);
        const sam_model_config *a = sam_model_configuration(model), *b = sam_model_configuration(folder);
        assert_true(a->architecture == b->architecture && a->norm_epsilon == b->norm_epsilon);
        assert_true(a->rope_theta == b->rope_theta && a->context == b->context && a->head_size == b->head_size);
        assert_true(a->tied_embeddings == b->tied_embeddings);
        assert_false(sam_file_exists("export_test_out/tokenizer.json")); /* the base has none */
        sam_model_close(folder);
        sam_model_close(model);
    }
}

static void an_exported_gguf_opens_as_the_same_model(void **state)
{
    (void)state;
    write_small_gguf("export_test.gguf", &(test_model){0});
    sam_model *model = open_model("export_test.gguf");
    const sam_weight_source source = sam_model_source(model);
    assert_int_equal(sam_export_gguf(model, &source, "export_test_out.gguf", NULL), SAM_OK);
    sam_model *again = open_model("export_test_out.gguf");
    check_equal(model, again);
    sam_model_close(again);
    sam_model_close(model);
}

static void a_folder_keeps_its_own_files_and_members(void **state)
{
    (void)state;
    test_model_folder("export_test_base", &(test_model){0}, ", \"bos_token_id\": 1, \"rope_theta\": 50000.0");
    assert_int_equal(sam_file_write("export_test_base/merges.txt", "a b\n", 4, NULL), SAM_OK);
    sam_model *model = open_model("export_test_base");
    const sam_weight_source source = sam_model_source(model);
    assert_int_equal(sam_export_folder(model, &source, SAM_SNAPSHOT_SAFETENSORS_F16, "export_test_kept", NULL), SAM_OK);
    json_t *config;
    assert_int_equal(sam_json_file(&config, "export_test_kept/config.json", NULL), SAM_OK);
    assert_int_equal(json_integer_value(json_object_get(config, "bos_token_id")), 1);
    assert_string_equal(json_string_value(json_object_get(config, "torch_dtype")), "float16");
    json_decref(config);
    sam_file_map merges;
    assert_int_equal(sam_file_map_open(&merges, "export_test_kept/merges.txt", NULL), SAM_OK);
    assert_memory_equal(merges.bytes, "a b\n", 4);
    sam_file_map_close(&merges);
    sam_model *again = open_model("export_test_kept");
    check_equal(model, again);
    assert_true(sam_model_configuration(again)->rope_theta == 50000.0f);
    sam_model_close(again);
    sam_model_close(model);
}

static void names_outside_the_list_are_not_served(void **state)
{
    (void)state;
    write_small_gguf("export_test.gguf", &(test_model){0});
    sam_model *model = open_model("export_test.gguf");
    const sam_weight_source source = sam_model_source(model);
    static const char *const NAMES[] = {"../export_test.gguf", "merges.txt", "", "tokenizer.json"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        sam_buffer out = {0};
        assert_int_equal(sam_export_companion(model, SAM_SNAPSHOT_SAFETENSORS_F32, NAMES[i], &out, NULL),
                         SAM_NOT_FOUND);
        sam_buffer_free(&out);
    }
    assert_int_equal(sam_export_folder(model, &source, SAM_SNAPSHOT_GGUF_F16, "export_test_no", NULL), SAM_INVALID);
    sam_model_close(model);
}

static void a_failed_export_leaves_no_weights_behind(void **state)
{
    (void)state;
    write_small_gguf("export_test.gguf", &(test_model){0});
    sam_model *model = open_model("export_test.gguf");
    const sam_weight_source source = sam_model_source(model);
    sam_status status = SAM_INTERNAL;
    for (long n = 1; status != SAM_OK; n++) {
        remove("export_test_walk.gguf");
        sam_memory_fail_at(n);
        status = sam_export_gguf(model, &source, "export_test_walk.gguf", NULL);
        sam_memory_fail_at(0);
        assert_true(status == SAM_OK || status == SAM_NO_MEMORY);
        assert_int_equal(sam_file_exists("export_test_walk.gguf"), status == SAM_OK);
    }
    sam_model_close(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exported_folder_opens_as_the_same_model),
        cmocka_unit_test(an_exported_gguf_opens_as_the_same_model),
        cmocka_unit_test(a_folder_keeps_its_own_files_and_members),
        cmocka_unit_test(names_outside_the_list_are_not_served),
        cmocka_unit_test(a_failed_export_leaves_no_weights_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
