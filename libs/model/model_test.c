#include "model/model.h"

#include "model/test_models.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define STORIES SAMARA_SOURCE "/../shared/models/stories260K/"

static sam_status open_test(sam_model **model, const test_model *m, bool folder, const char *members, sam_error *err)
{
    *err = (sam_error){0};
    if (folder) {
        unlink("model_test_folder/model.safetensors");
        unlink("model_test_folder/model.safetensors.index.json");
        test_model_folder("model_test_folder", m, members);
        return sam_model_open(model, "model_test_folder", err);
    }
    sam_buffer file = {0};
    test_gguf(&file, m);
    assert_int_equal(sam_file_write("model_test.gguf", file.bytes, file.length, NULL), SAM_OK);
    sam_buffer_free(&file);
    return sam_model_open(model, "model_test.gguf", err);
}

static void check_weights(const sam_model *model)
{
    const char *before = "";
    for (size_t i = 0; i < sam_model_tensor_count(model); i++) {
        const sam_model_tensor *t = sam_model_tensor_at(model, i);
        float values[TEST_WORDS * TEST_HIDDEN];
        assert_true(strcmp(before, t->name) < 0);
        before = t->name;
        assert_int_equal(sam_model_tensor_with(model, t->role, t->block), i);
        sam_model_rows(model, i, 0, t->rows, values);
        for (size_t k = 0; k < t->rows * t->columns; k++) {
            if (values[k] != test_weight(t->name, k))
                fail_msg("%s element %zu is %g, expected %g", t->name, k, (double)values[k],
                         (double)test_weight(t->name, k));
        }
        sam_model_rows(model, i, t->rows - 1, 1, values);
        assert_true(values[0] == test_weight(t->name, (size_t)((t->rows - 1) * t->columns)));
    }
}

static void a_gguf_and_a_folder_give_the_same_model_in_canonical_order(void **state)
{
    (void)state;
    static const struct {
        test_model model;
        bool folder;
        size_t tensors;
    } CASES[] = {
        {{.architecture = "llama"}, false, 21},
        {{.architecture = "llama"}, true, 21},
        {{.architecture = "qwen2"}, false, 27},
        {{.architecture = "qwen2"}, true, 27},
        {{.architecture = "llama", .tied = true}, false, 20},
        {{.architecture = "qwen2", .tied = true}, true, 26},
        {{.architecture = "llama", .sharded = true}, true, 21},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_model *model;
        sam_error err;
        if (open_test(&model, &CASES[i].model, CASES[i].folder, NULL, &err) != SAM_OK)
            fail_msg("case %zu: %s", i, err.text);
        const sam_model_config *c = sam_model_configuration(model);
        assert_true(c->blocks == 2 && c->hidden == 8 && c->intermediate == 12 && c->heads == 2 && c->kv_heads == 1);
        assert_true(c->head_size == 4 && c->vocabulary == 16 && c->context == 32 && c->rope_theta == 10000.0f);
        assert_true(c->norm_epsilon == 1e-5f && c->tied_embeddings == CASES[i].model.tied);
        const bool biased = CASES[i].tensors > 21;
        assert_int_equal(sam_model_tensor_with(model, SAM_ROLE_Q_BIAS, 1) != SAM_NO_TENSOR, biased);
        assert_int_equal(sam_model_tensor_with(model, SAM_ROLE_OUTPUT, SAM_NO_BLOCK) == SAM_NO_TENSOR,
                         c->tied_embeddings);
        assert_int_equal(sam_model_tensor_count(model), CASES[i].tensors);
        check_weights(model);
        assert_true((sam_model_gguf(model) == NULL) == CASES[i].folder);
        assert_true((sam_model_folder(model) != NULL) == CASES[i].folder);
        sam_model_close(model);
    }
}

static void models_that_cannot_be_computed_as_they_ask_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        test_model model;
        const char *members; /* of config.json; NULL: a GGUF */
        sam_status status;
        const char *says;
    } CASES[] = {
        {{.without = "blk.1.ffn_up.weight"}, NULL, SAM_CORRUPT, "blk.1.ffn_up.weight is missing"},
        {{.without = "model.norm.weight"}, "", SAM_CORRUPT, "model.norm.weight is missing"},
        {{.without = "token_embd.weight"}, NULL, SAM_CORRUPT, "token_embd.weight"},
        {{.misshapen = "model.layers.1.mlp.up_proj.weight"},
         "",
         SAM_MISMATCH,
         "model.layers.1.mlp.up_proj.weight has shape 13x8 (rank 2), expected 12x8"},
        {{.misshapen = "output_norm.weight"}, NULL, SAM_MISMATCH, "output_norm.weight has size 9 (rank 1)"},
        {{.extra = "rope_freqs.weight"}, NULL, SAM_UNSUPPORTED, "scaled RoPE"},
        {{.extra = "blk.2.attn_q.weight"}, NULL, SAM_UNSUPPORTED, "blk.2.attn_q.weight is not part"},
        {{.extra = "blk.0.attn_q.bias"}, NULL, SAM_UNSUPPORTED, "blk.0.attn_q.bias is not part"},
        {{.extra = "blk.00.attn_q.weight"}, NULL, SAM_UNSUPPORTED, "blk.00.attn_q.weight is not part"},
        {{.extra = "blk.1.attn_rot_embd"}, NULL, SAM_OK, ""},
        {{.key_name = "llama.rope.scaling.type", .key_text = "linear"}, NULL, SAM_UNSUPPORTED, "RoPE scaling"},
        {{.key_name = "llama.rope.scaling.type", .key_text = "none"}, NULL, SAM_OK, ""},
        {{.key_name = "llama.rope.dimension_count", .key_text = "four"}, NULL, SAM_UNSUPPORTED, "not one whole number"},
        {{0}, ", \"mlp_bias\": true", SAM_UNSUPPORTED, "\"mlp_bias\": true"},
        {{0}, ", \"hidden_act\": \"gelu\"", SAM_UNSUPPORTED, "only silu"},
        {{0}, ", \"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}", SAM_UNSUPPORTED, "RoPE scaling"},
        {{0}, ", \"rope_scaling\": null, \"head_dim\": null", SAM_OK, ""},
        {{0}, ", \"rope_parameters\": {\"rope_type\": \"default\", \"rope_theta\": 10000.0}", SAM_OK, ""},
        {{0}, ", \"rope_theta\": 0", SAM_CORRUPT, "\"rope_theta\" is no number above 0"},
        {{0}, ", \"head_dim\": 3", SAM_CORRUPT, "size 3 cannot be rotated"},
        {{0}, ", \"head_dim\": 8", SAM_MISMATCH, "self_attn.q_proj.weight"},
        {{0}, ", \"head_dim\": 1.5", SAM_CORRUPT, "\"head_dim\" is no whole number"},
        {{.tied = true, .extra = "lm_head.weight"}, "", SAM_OK, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_model *model;
        sam_error err;
        sam_status status = open_test(&model, &CASES[i].model, CASES[i].members != NULL, CASES[i].members, &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].says) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].says);
        sam_model_close(model);
    }
}

static void the_digest_of_a_folder_is_that_of_its_lines(void **state)
{
    (void)state;
    sam_model *model;
    sam_error err;
    sam_digest file, expected;
    char hex[SAM_DIGEST_HEX];
    sam_buffer lines = {0};
    assert_int_equal(open_test(&model, &(test_model){.sharded = true}, true, NULL, &err), SAM_OK);
    static const char *const NAMES[] = {"config.json", "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors"};
    for (size_t i = 0; i < 3; i++) {
        char path[256];
        snprintf(path, sizeof path, "model_test_folder/%s", NAMES[i]);
        assert_int_equal(sam_digest_file(&file, path, NULL), SAM_OK);
        sam_digest_hex(hex, &file);
        sam_put_format(&lines, "%s  %s\n", hex, NAMES[i]);
    }
    sam_digest_of(&expected, lines.bytes, lines.length);
    assert_true(sam_digest_equal(&expected, sam_model_digest(model)));
    sam_buffer_free(&lines);
    sam_model_close(model);
}

static void paths_that_hold_no_model_are_refused(void **state)
{
    (void)state;
    sam_model *model;
    sam_error err = {0};
    assert_int_equal(sam_make_folders("model_test_empty", NULL), SAM_OK);
    assert_int_equal(sam_model_open(&model, "model_test_empty", &err), SAM_NOT_FOUND);
    assert_non_null(strstr(err.text, "neither config.json nor a .gguf"));
    assert_int_equal(sam_model_open(&model, "model_test_absent.gguf", &err), SAM_NOT_FOUND);
    assert_null(model);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (int folder = 0; folder < 2; folder++) {
        sam_model *model;
        sam_error err;
        assert_int_equal(open_test(&model, &(test_model){.sharded = true}, folder, NULL, &err), SAM_OK);
        sam_model_close(model);
        sam_status status = SAM_INTERNAL;
        for (long n = 1; status != SAM_OK; n++) {
            sam_memory_fail_at(n);
            status = sam_model_open(&model, folder ? "model_test_folder" : "model_test.gguf", &err);
            sam_memory_fail_at(0);
            if (status != SAM_OK && status != SAM_NO_MEMORY)
                fail_msg("allocation %ld: %s", n, err.text);
            sam_model_close(model);
        }
    }
}

/* llama2.c's own file of the same model: 7 int32, then float32 tensors, each for all blocks, in the row order of
 * GGUF. */
static void stories260k_has_the_weights_of_its_first_publication(void **state)
{
    (void)state;
    sam_model *model;
    sam_file_map bin;
    sam_error err;
    if (!sam_file_exists(STORIES "stories260K.bin"))
        skip();
    assert_int_equal(sam_file_map_open(&bin, STORIES "stories260K.bin", &err), SAM_OK);
    if (sam_model_open(&model, STORIES "tinyllamas-stories-260k-f32.gguf", &err) != SAM_OK)
        fail_msg("%s", err.text);
    const sam_model_config *c = sam_model_configuration(model);
    assert_true(c->blocks == 5 && c->hidden == 64 && c->heads == 8 && c->kv_heads == 4 && c->vocabulary == 512);
    const float *weights = (const float *)(const void *)(bin.bytes + 28);
    const float *queries = weights + 512 * 64 + 5 * 64; /* after the embedding and the norms before attention */
    float row[64];
    sam_model_rows(model, sam_model_tensor_with(model, SAM_ROLE_EMBEDDINGS, SAM_NO_BLOCK), 511, 1, row);
    assert_memory_equal(row, weights + 511 * 64, sizeof row);
    const size_t q = sam_model_tensor_with(model, SAM_ROLE_Q, 2);
    for (uint64_t r = 0; r < 64; r++) {
        uint64_t in_file = r / 8 * 8 + 2 * (r % 4) + r % 8 / 4;
        sam_model_rows(model, q, r, 1, row);
        assert_memory_equal(row, queries + (2 * 64 + in_file) * 64, sizeof row);
    }
    sam_model_close(model);
    sam_file_map_close(&bin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gguf_and_a_folder_give_the_same_model_in_canonical_order),
        cmocka_unit_test(models_that_cannot_be_computed_as_they_ask_are_refused_by_name),
        cmocka_unit_test(the_digest_of_a_folder_is_that_of_its_lines),
        cmocka_unit_test(paths_that_hold_no_model_are_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(stories260k_has_the_weights_of_its_first_publication),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
