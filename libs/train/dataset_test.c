#include "train/dataset.h"

#include "base/files.h"
#include "base/memory.h"
#include "model/files/gguf_write.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Numbers of the byte-level tokenizer below: a character is its ASCII code, and these are merged. */
enum { WORD_IT = 128, WORD_NO = 130, WORD_Y = 131, BYTE_LEVEL_SIZE = 132 };

/* Numbers of the SentencePiece tokenizer: 3 special ones, 256 bytes, then pieces. */
enum { SPM_BOS = 1, SPM_BYTES = 3, SPM_PIECES = 259 };

static test_folder folder;
static sam_tokenizer *byte_level, *sentencepiece;

static sam_tokenizer *tokenizer_of(sam_gguf_writer *writer)
{
    sam_buffer file = {0};
    sam_gguf *gguf = NULL;
    sam_tokenizer *tokenizer = NULL;
    sam_error err = {0};
    sam_gguf_write_text(writer, "general.architecture", "llama");
    sam_status status = sam_gguf_write_head(writer, &file, &err);
    if (status == SAM_OK)
        status = sam_gguf_open_bytes(&gguf, file.bytes, file.length, "test.gguf", &err);
    if (status == SAM_OK)
        status = sam_tokenizer_from_gguf(&tokenizer, gguf, &err);
    if (status != SAM_OK)
        fail_msg("the test's own tokenizer: %s", err.text);
    sam_gguf_close(gguf);
    sam_gguf_writer_free(writer);
    sam_buffer_free(&file);
    return tokenizer;
}

static sam_tokenizer *make_byte_level(void)
{
    static char characters[128][8];
    const char *tokens[BYTE_LEVEL_SIZE];
    static const char *const WORDS[] = {"It", "\u0120N", "\u0120No", "\u0120Y"};
    static const char *const MERGES[] = {"I t", "\u0120 N", "\u0120N o", "\u0120 Y"};
    for (int c = 0; c < 128; c++) {
        /* GPT-2 shows the bytes up to the space, and DEL, as letters from U+0100 on */
        if (c <= 32 || c == 127)
            snprintf(characters[c], sizeof *characters, "%c%c", 0xc4, c == 127 ? 0xa1 : 0x80 + c);
        else
            snprintf(characters[c], sizeof *characters, "%c", c);
        tokens[c] = characters[c];
    }
    memcpy(tokens + 128, WORDS, sizeof WORDS);
    sam_gguf_writer writer = {0};
    sam_gguf_write_text(&writer, "tokenizer.ggml.model", "gpt2");
    sam_gguf_write_text(&writer, "tokenizer.ggml.pre", "gpt-2");
    sam_gguf_write_texts(&writer, "tokenizer.ggml.tokens", tokens, NULL, BYTE_LEVEL_SIZE);
    sam_gguf_write_texts(&writer, "tokenizer.ggml.merges", MERGES, NULL, sizeof MERGES / sizeof *MERGES);
    return tokenizer_of(&writer);
}

/* As Llama 2 has it: BOS first, a space before every text. */
static sam_tokenizer *make_sentencepiece(void)
{
    static const char *const PIECES[] = {"\u2581", "a", "b", "c", "\u2581a", "\u2581b", "\u2581\u2581"};
    enum { COUNT = SPM_PIECES + sizeof PIECES / sizeof *PIECES };
    static char bytes[256][8];
    const char *tokens[COUNT] = {"<unk>", "<s>", "</s>"};
    int32_t kinds[COUNT] = {2, 3, 3};
    float scores[COUNT] = {0};
    for (size_t i = 0; i < 256; i++) {
        snprintf(bytes[i], sizeof *bytes, "<0x%02X>", (unsigned)i);
        tokens[SPM_BYTES + i] = bytes[i];
        kinds[SPM_BYTES + i] = 6;
    }
    for (size_t i = SPM_PIECES; i < COUNT; i++) {
        tokens[i] = PIECES[i - SPM_PIECES];
        kinds[i] = 1;
        scores[i] = -(float)i;
    }
    sam_gguf_writer writer = {0};
    sam_gguf_write_text(&writer, "tokenizer.ggml.model", "llama");
    sam_gguf_write_texts(&writer, "tokenizer.ggml.tokens", tokens, NULL, COUNT);
    sam_gguf_write_i32s(&writer, "tokenizer.ggml.token_type", kinds, COUNT);
    sam_gguf_write_f32s(&writer, "tokenizer.ggml.scores", scores, COUNT);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.unknown_token_id", 0);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.bos_token_id", SPM_BOS);
    return tokenizer_of(&writer);
}

static int make(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    byte_level = make_byte_level();
    sentencepiece = make_sentencepiece();
    return 0;
}

static int clean(void **state)
{
    (void)state;
    sam_tokenizer_free(byte_level);
    sam_tokenizer_free(sentencepiece);
    test_folder_remove(&folder);
    return 0;
}

static sam_status load(sam_dataset **data, const sam_tokenizer *tokenizer, const char *json, uint32_t context,
                       const char *rows, sam_error *err)
{
    char path[256];
    sam_task *task;
    test_path(path, sizeof path, &folder, "rows.tsv");
    assert_int_equal(sam_file_write(path, rows, strlen(rows), err), SAM_OK);
    if (sam_task_parse(&task, json, strlen(json), "task.json", err) != SAM_OK)
        fail_msg("%s", err->text);
    sam_status status = sam_dataset_load(data, task, tokenizer, context, path, err);
    sam_task_free(task);
    return status;
}

static void expect_tokens(const char *what, const sam_tokens *got, const uint32_t *expected, size_t count)
{
    if (got->count != count)
        fail_msg("%s: %zu tokens, expected %zu", what, got->count, count);
    for (size_t i = 0; i < count; i++) {
        if (got->token[i] != expected[i])
            fail_msg("%s: token %zu is %u, expected %u", what, i, got->token[i], expected[i]);
    }
}

#define EXPECT_TOKENS(got, ...)                                                                                        \
    expect_tokens(#got, got, (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4)

#define YES_NO                                                                                                         \
    "{\"name\":\"t\",\"template\":\"{text} It\",\"options\":[\" No\",\" Y\"],\"label\":\"label\",\"max_tokens\":1000}"

static void prefix_and_options_are_tokenised_each_by_itself(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    if (load(&data, byte_level, YES_NO, 64, "text\tlabel\nab\t1\n!\t0\n", &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(sam_dataset_count(data), 2);
    assert_int_equal(sam_dataset_classes(data), 2);
    const sam_example *first = sam_dataset_at(data, 0), *second = sam_dataset_at(data, 1);
    EXPECT_TOKENS(&first->prefix, 'a', 'b', ' ', WORD_IT);
    EXPECT_TOKENS(&second->prefix, '!', ' ', WORD_IT);
    EXPECT_TOKENS(&first->options[0], WORD_NO);
    EXPECT_TOKENS(&first->options[1], WORD_Y);
    assert_int_equal(first->label, 1);
    assert_int_equal(second->label, 0);
    sam_dataset_free(data);
}

static void options_that_never_change_are_kept_once(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    const char *json = "{\"name\":\"t\",\"template\":\"It\",\"options\":[\" No\",\"{text}\"],\"label\":\"label\"}";
    assert_int_equal(load(&data, byte_level, json, 64, "text\tlabel\nab\t1\nc\t0\n", &err), SAM_OK);
    const sam_example *first = sam_dataset_at(data, 0), *second = sam_dataset_at(data, 1);
    assert_ptr_equal(first->options[0].token, second->options[0].token);
    EXPECT_TOKENS(&first->options[1], 'a', 'b');
    EXPECT_TOKENS(&second->options[1], 'c');
    sam_dataset_free(data);
}

static void the_digest_is_that_of_the_file(void **state)
{
    (void)state;
    static const char ROWS[] = "text\tlabel\r\nab\t1\r\n\r\n";
    sam_error err = {0};
    sam_dataset *data;
    sam_digest expected;
    sam_digest_of(&expected, ROWS, strlen(ROWS));
    assert_int_equal(load(&data, byte_level, YES_NO, 64, ROWS, &err), SAM_OK);
    assert_true(sam_digest_equal(sam_dataset_digest(data), &expected));
    sam_dataset_free(data);
}

static void a_model_that_wants_bos_gets_it_before_the_prefix_only(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    const char *json = "{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\" a\",\"b\"],\"label\":\"label\"}";
    if (load(&data, sentencepiece, json, 64, "text\tlabel\nac\t1\n", &err) != SAM_OK)
        fail_msg("%s", err.text);
    const sam_example *example = sam_dataset_at(data, 0);
    EXPECT_TOKENS(&example->prefix, SPM_BOS, SPM_PIECES + 4, SPM_PIECES + 3);
    EXPECT_TOKENS(&example->options[0], SPM_PIECES + 4); /* one space, not two */
    EXPECT_TOKENS(&example->options[1], SPM_PIECES + 5); /* this tokenizer knows no way without a space */
    sam_dataset_free(data);
}

static void a_row_may_fill_the_context_to_the_last_token(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    const char *json = "{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\"x\",\"yz\"],\"label\":\"label\"}";
    assert_int_equal(load(&data, byte_level, json, 5, "text\tlabel\nabc\t1\n", &err), SAM_OK);
    sam_dataset_free(data);
    assert_int_equal(load(&data, byte_level, json, 4, "text\tlabel\nabc\t1\n", &err), SAM_INVALID);
}

static void max_tokens_cuts_the_beginning_of_a_prefix(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    const char *json =
        "{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\"x\",\"yz\"],\"label\":\"label\",\"max_tokens\":5}";
    assert_int_equal(load(&data, byte_level, json, 64, "text\tlabel\nabcdef\t1\nabc\t0\n", &err), SAM_OK);
    EXPECT_TOKENS(&sam_dataset_at(data, 0)->prefix, 'd', 'e', 'f');
    EXPECT_TOKENS(&sam_dataset_at(data, 1)->prefix, 'a', 'b', 'c');
    sam_dataset_free(data);
    assert_int_equal(load(&data, byte_level, json, 4, "text\tlabel\nabcdef\t1\n", &err), SAM_OK);
    EXPECT_TOKENS(&sam_dataset_at(data, 0)->prefix, 'e', 'f');
    sam_dataset_free(data);
}

static void a_cut_prefix_keeps_its_bos(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data;
    const char *json =
        "{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\" a\",\" b\"],\"label\":\"label\",\"max_tokens\":4}";
    assert_int_equal(load(&data, sentencepiece, json, 64, "text\tlabel\naabcab\t1\n", &err), SAM_OK);
    EXPECT_TOKENS(&sam_dataset_at(data, 0)->prefix, SPM_BOS, SPM_PIECES + 1, SPM_PIECES + 2);
    sam_dataset_free(data);
}

static void what_does_not_fit_is_refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *json, *rows, *expected;
        uint32_t context;
    } CASES[] = {
        {"{\"name\":\"t\",\"template\":\"{text} It\",\"options\":[\" No\",\" Y\"],\"label\":\"label\"}",
         "text\tlabel\na\t0\nabcdefgh\t1\n",
         "rows.tsv:3: the row has 11 tokens with its longest option of 1, and at most 8 fit; \"max_tokens\" in the "
         "task",
         8},
        {"{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\"abcd\",\"b\"],\"label\":\"label\",\"max_tokens\":4}",
         "text\tlabel\nx\t1\n", "rows.tsv:2: the row has 5 tokens with its longest option of 4, and at most 4 fit", 64},
        {"{\"name\":\"t\",\"template\":\"{text}\",\"options\":[\"a\",\"b\"],\"label\":\"label\"}",
         "text\tlabel\nx\t1\n\t1\n", "rows.tsv:3: the text before the options is empty", 64},
        {"{\"name\":\"t\",\"template\":\"It\",\"options\":[\"a\",\"{text}\"],\"label\":\"label\"}",
         "text\tlabel\nx\t1\n\t1\n", "rows.tsv:3: option 1 is empty", 64},
        {YES_NO, "text\tlabel\nx\t1\ny\t2\n", "rows.tsv:3: the label '2' in column 'label'", 64},
        {YES_NO, "text\tlabel\nx\t1\ny\n", "rows.tsv:3: the line has 1 column", 64},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_error err = {0};
        sam_dataset *data = (sam_dataset *)&err;
        sam_status status = load(&data, byte_level, CASES[i].json, CASES[i].context, CASES[i].rows, &err);
        if (status != SAM_INVALID || data != NULL || strstr(err.text, CASES[i].expected) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].expected);
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_dataset *data = NULL;
    sam_task *task;
    char path[256];
    test_path(path, sizeof path, &folder, "memory.tsv");
    static const char ROWS[] = "text\tlabel\nab\t1\nab\t0\n";
    assert_int_equal(sam_file_write(path, ROWS, strlen(ROWS), &err), SAM_OK);
    assert_int_equal(sam_task_parse(&task, YES_NO, strlen(YES_NO), "task.json", &err), SAM_OK);
    long nth = 1;
    for (sam_status status = SAM_NO_MEMORY; status != SAM_OK; nth++) {
        sam_memory_fail_at(nth);
        status = sam_dataset_load(&data, task, byte_level, 64, path, &err);
        sam_memory_fail_at(0);
        if (status != SAM_OK && (status != SAM_NO_MEMORY || data != NULL || nth > 1000))
            fail_msg("allocation %ld: %s \"%s\"", nth, sam_status_name(status), err.text);
    }
    assert_true(nth > 10);
    sam_dataset_free(data);
    sam_task_free(task);
}

/* Example tasks against the public data they are for, where this machine has it. */
static void the_example_tasks_fit_their_data(void **state)
{
    (void)state;
    static const struct {
        const char *task, *data;
        size_t rows, of_label_0;
    } CASES[] = {
        {"sst2", "sst2/train.tsv", 6920, 3310},   {"sst2", "sst2/dev.tsv", 872, 428},
        {"sst2", "sst2/test.tsv", 1821, 912},     {"rte", "rte/train.jsonl", 2490, 1249},
        {"rte", "rte/val.jsonl", 277, 146},       {"cb", "cb/train.jsonl", 250, 115},
        {"cb", "cb/val.jsonl", 56, 23},           {"boolq", "boolq/train.jsonl", 32, 14},
        {"boolq", "boolq/val.jsonl", 3270, 1237},
    };
    if (!sam_file_exists(SAMARA_SOURCE "/../shared/data/sst2/train.tsv"))
        skip();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char path[512];
        sam_error err = {0};
        sam_task *task;
        sam_table *table;
        size_t of_label_0 = 0;
        snprintf(path, sizeof path, "%s/examples/%s/task.json", SAMARA_SOURCE, CASES[i].task);
        if (sam_task_load(&task, path, &err) != SAM_OK)
            fail_msg("%s", err.text);
        snprintf(path, sizeof path, "%s/../shared/data/%s", SAMARA_SOURCE, CASES[i].data);
        if (sam_task_open_table(task, &table, path, &err) != SAM_OK)
            fail_msg("%s", err.text);
        assert_int_equal(sam_table_rows(table), CASES[i].rows);
        for (size_t row = 0; row < CASES[i].rows; row++) {
            sam_task_row rendered;
            if (sam_task_render(task, table, row, &rendered, &err) != SAM_OK)
                fail_msg("%s", err.text);
            of_label_0 += rendered.label == 0;
            sam_task_row_free(&rendered);
        }
        if (of_label_0 != CASES[i].of_label_0)
            fail_msg("%s: %zu rows of label 0, expected %zu", CASES[i].data, of_label_0, CASES[i].of_label_0);
        sam_table_close(table);
        sam_task_free(task);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_and_options_are_tokenised_each_by_itself),
        cmocka_unit_test(options_that_never_change_are_kept_once),
        cmocka_unit_test(the_digest_is_that_of_the_file),
        cmocka_unit_test(a_model_that_wants_bos_gets_it_before_the_prefix_only),
        cmocka_unit_test(a_row_may_fill_the_context_to_the_last_token),
        cmocka_unit_test(max_tokens_cuts_the_beginning_of_a_prefix),
        cmocka_unit_test(a_cut_prefix_keeps_its_bos),
        cmocka_unit_test(what_does_not_fit_is_refused_with_file_and_line),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_example_tasks_fit_their_data),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
