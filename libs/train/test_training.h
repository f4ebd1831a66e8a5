/* A run small enough to be trained in a test: a model of two blocks that reads letters, a task, 24 rows of data and a
 * manifest. Nothing of it comes from elsewhere, so such tests run in a fresh clone.
 *
 *     test_training t;
 *     test_training_make(&t, SAM_OBJECTIVE_CHOICE);
 *     t.manifest.estimator = SAM_ONE_SIDED;                       // before anything is made from it
 *     test_training_free(&t);
 *
 * The model is that of model/test_models.h; a letter from a to l is a token, and so is a space. The upper block trains.
 * For tests only: failures end the test. */
#ifndef SAM_TRAIN_TEST_TRAINING_H
#define SAM_TRAIN_TEST_TRAINING_H

#include "model/test_models.h"
#include "support/support.h"
#include "train/dataset.h"
#include "train/defaults.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TEST_EXAMPLES = 24 };

typedef struct test_training {
    test_folder folder;
    sam_model *model;
    sam_task *task;
    sam_dataset *data; /* TEST_EXAMPLES rows, half of them of each label */
    sam_manifest manifest;
} test_training;

/* A SentencePiece vocabulary of TEST_WORDS: three special tokens, the space, twelve letters. */
static inline void test_put_letters(sam_gguf_writer *writer)
{
    static const char *const TOKENS[TEST_WORDS] = {"<unk>", "<s>", "</s>", "\u2581", "a", "b", "c", "d",
                                                   "e",     "f",   "g",    "h",      "i", "j", "k", "l"};
    static const int32_t KINDS[TEST_WORDS] = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const float SCORES[TEST_WORDS] = {0};
    sam_gguf_write_text(writer, "tokenizer.ggml.model", "llama");
    sam_gguf_write_texts(writer, "tokenizer.ggml.tokens", TOKENS, NULL, TEST_WORDS);
    sam_gguf_write_i32s(writer, "tokenizer.ggml.token_type", KINDS, TEST_WORDS);
    sam_gguf_write_f32s(writer, "tokenizer.ggml.scores", SCORES, TEST_WORDS);
    sam_gguf_write_u32(writer, "tokenizer.ggml.unknown_token_id", 0);
    sam_gguf_write_u32(writer, "tokenizer.ggml.bos_token_id", 1);
    sam_gguf_write_bool(writer, "tokenizer.ggml.add_space_prefix", false);
}

static inline void test_write_model(const char *path)
{
    sam_buffer file = {0};
    sam_error err = {0};
    test_gguf(&file, &(test_model){.more_keys = test_put_letters});
    assert_int_equal(sam_file_write(path, file.bytes, file.length, &err), SAM_OK);
    sam_buffer_free(&file);
}

/* Rows of three to six letters; what they are about is whether they begin with one of the first six. */
static inline void test_write_rows(const char *path)
{
    sam_buffer text = {0};
    sam_error err = {0};
    sam_put_text(&text, "text\tlabel\n");
    for (unsigned i = 0; i < TEST_EXAMPLES; i++) {
        unsigned label = i % 2;
        sam_put_format(&text, "%c", 'a' + label * 6 + i / 2 % 6);
        for (unsigned c = 0; c < 2 + i % 4; c++)
            sam_put_format(&text, "%c", 'a' + (i * 5 + c * 7) % 12);
        sam_put_format(&text, "\t%u\n", label);
    }
    assert_int_equal(sam_file_write(path, text.bytes, text.length, &err), SAM_OK);
    sam_buffer_free(&text);
}

static inline void test_training_make(test_training *t, sam_objective objective)
{
    static const char TASK[] = "{\"name\": \"letters\", \"template\": \"{text} \", \"options\": [\"ik\", \"j\"], "
                               "\"label\": \"label\"}";
    char model[256], rows[256];
    sam_error err = {0};
    assert_true(test_folder_make(&t->folder));
    test_path(model, sizeof model, &t->folder, "model.gguf");
    test_path(rows, sizeof rows, &t->folder, "data.tsv");
    test_write_model(model);
    test_write_rows(rows);
    if (sam_model_open(&t->model, model, &err) != SAM_OK ||
        sam_task_parse(&t->task, TASK, strlen(TASK), "the test", &err) != SAM_OK ||
        sam_dataset_load(&t->data, t->task, sam_model_tokenizer(t->model), 32, rows, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_default_manifest(&t->manifest, t->model, objective);
    t->manifest.slots = 2;
    t->manifest.probes = 3;
    t->manifest.batch = 6;
    t->manifest.directions.log2_k = 12;
    t->manifest.trainable.first_block = TEST_BLOCKS - 1;
}

static inline void test_training_free(test_training *t)
{
    sam_dataset_free(t->data);
    sam_task_free(t->task);
    sam_model_close(t->model);
    test_folder_remove(&t->folder);
}

#endif
