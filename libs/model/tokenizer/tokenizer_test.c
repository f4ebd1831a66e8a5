/* Small tokenizers that the test makes itself: behaviour, broken vocabularies, failing memory. */
#include "model/tokenizer/tokenizer.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"
#include "model/files/gguf_write.h"
#include "model/tokenizer/tokenizer_internal.h"
#include "support/support.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MARK "\xe2\x96\x81"

enum { MOST_TOKENS = 300 };

/* A vocabulary in the making: the keys of a GGUF file. Zero fields are left out of it. */
typedef struct toy {
    char texts[MOST_TOKENS][24];
    int32_t kinds[MOST_TOKENS];
    float scores[MOST_TOKENS];
    size_t count, kind_count, score_count, merge_count;
    const char *merges[20];
    const char *model, *pre;
    uint32_t bos, eos;
    bool add_bos;
} toy;

static uint32_t add(toy *t, const char *text, int32_t kind, float score)
{
    snprintf(t->texts[t->count], sizeof t->texts[0], "%s", text);
    t->kinds[t->count] = kind;
    t->scores[t->count] = score;
    t->kind_count = t->score_count = t->count + 1;
    return (uint32_t)t->count++;
}

/* The 256 letters, then: */
enum { BPE_HELLO = 259, BPE_BOS = 261, BPE_EOS, BPE_ADDED };

static toy byte_level_toy(void)
{
    toy t = {.model = "gpt2", .pre = "gpt-2", .bos = BPE_BOS, .eos = BPE_EOS, .add_bos = true};
    for (unsigned byte = 0; byte < 256; byte++) {
        char letter[5] = {0};
        sam_utf8_encode(sam_byte_letter((uint8_t)byte), letter);
        add(&t, letter, SAM_TOKEN_NORMAL, 0);
    }
    static const char *const WORDS[] = {"he", "ll", "hell", "hello", "\xc4\xa0hello"};
    for (size_t i = 0; i < 5; i++)
        add(&t, WORDS[i], SAM_TOKEN_NORMAL, 0);
    add(&t, "<s>", SAM_TOKEN_CONTROL, 0);
    add(&t, "</s>", SAM_TOKEN_CONTROL, 0);
    add(&t, "@@", SAM_TOKEN_USER, 0);
    static const char *const MERGES[] = {"h e", "l l", "he ll", "hell o", "\xc4\xa0 hello"};
    memcpy(t.merges, MERGES, sizeof MERGES);
    t.merge_count = 5;
    return t;
}

/* <unk> <s> </s> and the 256 bytes, then: */
enum { SPM_BYTE = 3, SPM_MARK = 259, SPM_H, SPM_E, SPM_L, SPM_O, SPM_HE, SPM_LL, SPM_HELL, SPM_HELLO, SPM_MARK_HELLO };

static toy spm_toy(void)
{
    toy t = {.model = "llama", .bos = 1, .eos = 2, .add_bos = true};
    add(&t, "<unk>", SAM_TOKEN_UNKNOWN, 0);
    add(&t, "<s>", SAM_TOKEN_CONTROL, 0);
    add(&t, "</s>", SAM_TOKEN_CONTROL, 0);
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", byte);
        add(&t, text, SAM_TOKEN_BYTE, 0);
    }
    static const char *const PIECES[] = {MARK, "h", "e", "l", "o", "he", "ll", "hell", "hello", MARK "hello"};
    for (size_t i = 0; i < sizeof PIECES / sizeof *PIECES; i++)
        add(&t, PIECES[i], SAM_TOKEN_NORMAL, i < 5 ? -100.0f : -(float)i);
    return t;
}

static void write_toy(const toy *t, sam_buffer *file)
{
    const char *texts[MOST_TOKENS];
    for (size_t i = 0; i < t->count; i++)
        texts[i] = t->texts[i];
    sam_gguf_writer writer = {0};
    if (t->model != NULL)
        sam_gguf_write_text(&writer, "tokenizer.ggml.model", t->model);
    if (t->pre != NULL)
        sam_gguf_write_text(&writer, "tokenizer.ggml.pre", t->pre);
    sam_gguf_write_texts(&writer, "tokenizer.ggml.tokens", texts, NULL, t->count);
    sam_gguf_write_i32s(&writer, "tokenizer.ggml.token_type", t->kinds, t->kind_count);
    sam_gguf_write_f32s(&writer, "tokenizer.ggml.scores", t->scores, t->score_count);
    if (t->merge_count > 0)
        sam_gguf_write_texts(&writer, "tokenizer.ggml.merges", t->merges, NULL, t->merge_count);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.bos_token_id", t->bos);
    sam_gguf_write_u32(&writer, "tokenizer.ggml.eos_token_id", t->eos);
    sam_gguf_write_bool(&writer, "tokenizer.ggml.add_bos_token", t->add_bos);
    sam_gguf_write_text(&writer, "tokenizer.chat_template", "{{ \"hi\"\n }}");
    assert_int_equal(sam_gguf_write_head(&writer, file, NULL), SAM_OK);
    sam_gguf_writer_free(&writer);
}

static sam_status load_toy(sam_tokenizer **tokenizer, const toy *t, sam_error *err)
{
    sam_buffer file = {0};
    sam_gguf *gguf;
    write_toy(t, &file);
    assert_int_equal(sam_gguf_open_bytes(&gguf, file.bytes, file.length, "toy.gguf", err), SAM_OK);
    sam_status status = sam_tokenizer_from_gguf(tokenizer, gguf, err);
    sam_gguf_close(gguf);
    sam_buffer_free(&file);
    return status;
}

static sam_tokenizer *loaded(toy t)
{
    sam_tokenizer *tokenizer;
    sam_error err;
    if (load_toy(&tokenizer, &t, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return tokenizer;
}

static void check_tokens(const sam_tokenizer *tokenizer, const char *text, unsigned mode, size_t expected_count,
                         const uint32_t *expected)
{
    uint32_t *tokens;
    size_t count;
    assert_int_equal(sam_tokenizer_encode(tokenizer, text, strlen(text), mode, &tokens, &count, NULL), SAM_OK);
    if (count != expected_count)
        fail_msg("\"%s\" is %zu tokens, not %zu", text, count, expected_count);
    assert_memory_equal(tokens, expected, count * sizeof *tokens);
    sam_free(tokens);
}

#define CHECK_TOKENS(tokenizer, text, mode, ...)                                                                       \
    check_tokens(tokenizer, text, mode, sizeof((uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), (uint32_t[]){__VA_ARGS__})

static void check_decoded(const sam_tokenizer *tokenizer, const uint32_t *tokens, size_t count, const char *expected)
{
    sam_buffer text = {0};
    assert_int_equal(sam_tokenizer_decode(tokenizer, tokens, count, &text, NULL), SAM_OK);
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.bytes, expected, text.length);
    sam_buffer_free(&text);
}

static void byte_level_text_becomes_bytes_and_merges(void **state)
{
    (void)state;
    sam_tokenizer *tokenizer = loaded(byte_level_toy());
    CHECK_TOKENS(tokenizer, "hello", SAM_TOKENS_PLAIN, BPE_HELLO);
    CHECK_TOKENS(tokenizer, "hello hello", SAM_TOKENS_PLAIN, BPE_HELLO, BPE_HELLO + 1);
    CHECK_TOKENS(tokenizer, "hel", SAM_TOKENS_PLAIN, 256, 'l');
    CHECK_TOKENS(tokenizer, "\xff\xc3", SAM_TOKENS_PLAIN, 0xff, 0xc3);
    check_tokens(tokenizer, "", SAM_TOKENS_PLAIN, 0, NULL);
    check_decoded(tokenizer, (uint32_t[]){BPE_HELLO, BPE_HELLO + 1, '!', BPE_EOS}, 4, "hello hello!</s>");
    sam_tokenizer_free(tokenizer);
}

static void special_tokens_are_found_only_when_asked_for(void **state)
{
    (void)state;
    sam_tokenizer *tokenizer = loaded(byte_level_toy());
    uint32_t token;
    CHECK_TOKENS(tokenizer, "<s>", SAM_TOKENS_PLAIN, '<', 's', '>');
    CHECK_TOKENS(tokenizer, "<s>hello</s>", SAM_TOKENS_SPECIAL, BPE_BOS, BPE_HELLO, BPE_EOS);
    CHECK_TOKENS(tokenizer, "hello@@hello", SAM_TOKENS_PLAIN, BPE_HELLO, BPE_ADDED, BPE_HELLO);
    CHECK_TOKENS(tokenizer, "hello", SAM_TOKENS_BOS, BPE_BOS, BPE_HELLO);
    CHECK_TOKENS(tokenizer, "</s>", SAM_TOKENS_BOS | SAM_TOKENS_SPECIAL, BPE_BOS, BPE_EOS);
    assert_true(sam_tokenizer_bos(tokenizer, &token));
    assert_int_equal(token, BPE_BOS);
    assert_true(sam_tokenizer_eos(tokenizer, &token));
    assert_int_equal(token, BPE_EOS);
    sam_tokenizer_free(tokenizer);
}

static void a_model_that_wants_no_bos_gets_none(void **state)
{
    (void)state;
    toy t = byte_level_toy();
    t.add_bos = false;
    sam_tokenizer *tokenizer = loaded(t);
    CHECK_TOKENS(tokenizer, "hello", SAM_TOKENS_BOS, BPE_HELLO);
    sam_tokenizer_free(tokenizer);
}

static void sentencepiece_text_gets_a_space_and_falls_back_to_bytes(void **state)
{
    (void)state;
    sam_tokenizer *tokenizer = loaded(spm_toy());
    CHECK_TOKENS(tokenizer, "hello", SAM_TOKENS_PLAIN, SPM_MARK_HELLO);
    CHECK_TOKENS(tokenizer, "hello hello", SAM_TOKENS_BOS, 1, SPM_MARK_HELLO, SPM_MARK_HELLO);
    CHECK_TOKENS(tokenizer, "lle", SAM_TOKENS_PLAIN, SPM_MARK, SPM_LL, SPM_E);
    CHECK_TOKENS(tokenizer, "\xc3\xa9o", SAM_TOKENS_PLAIN, SPM_MARK, SPM_BYTE + 0xc3, SPM_BYTE + 0xa9, SPM_O);
    CHECK_TOKENS(tokenizer, "\xff", SAM_TOKENS_PLAIN, SPM_MARK, SPM_BYTE + 0xff);
    CHECK_TOKENS(tokenizer, "<s>hello", SAM_TOKENS_SPECIAL, 1, SPM_MARK_HELLO);
    check_tokens(tokenizer, "", SAM_TOKENS_PLAIN, 0, NULL);
    check_decoded(tokenizer, (uint32_t[]){SPM_MARK_HELLO, SPM_BYTE + 0xc3, SPM_BYTE + 0xa9, SPM_MARK}, 4,
                  "hello\xc3\xa9 ");
    check_decoded(tokenizer, (uint32_t[]){1, SPM_MARK_HELLO}, 2, "<s> hello");
    sam_tokenizer_free(tokenizer);
}

static void a_token_beyond_the_vocabulary_is_named(void **state)
{
    (void)state;
    sam_tokenizer *tokenizer = loaded(byte_level_toy());
    sam_buffer text = {0};
    sam_error err;
    sam_put_text(&text, "kept");
    const uint32_t tokens[] = {'a', 264, 'b'};
    assert_int_equal(sam_tokenizer_decode(tokenizer, tokens, 3, &text, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "token 1 is number 264"));
    assert_int_equal(text.length, 4); /* what was there stays, and nothing is added */
    sam_buffer_free(&text);
    sam_tokenizer_free(tokenizer);
}

static void a_word_of_a_megabyte_is_encoded_at_once(void **state)
{
    (void)state;
    const size_t length = (size_t)1 << 20;
    char *text = malloc(length);
    memset(text, 'l', length);
    toy toys[] = {byte_level_toy(), spm_toy()};
    for (size_t i = 0; i < 2; i++) {
        sam_tokenizer *tokenizer = loaded(toys[i]);
        uint32_t *tokens;
        size_t count;
        assert_int_equal(sam_tokenizer_encode(tokenizer, text, length, SAM_TOKENS_PLAIN, &tokens, &count, NULL),
                         SAM_OK);
        assert_int_equal(count, length / 2 + i);
        sam_free(tokens);
        sam_tokenizer_free(tokenizer);
    }
    free(text);
}

/* One thing wrong with a vocabulary that was right, and a part of the sentence that must name it. */
typedef struct broken {
    bool spm;
    void (*damage)(toy *t);
    sam_status status;
    const char *says;
} broken;

static void repeat_a_token(toy *t)
{
    strcpy(t->texts[17], t->texts[4]);
}
static void spoil_utf8(toy *t)
{
    strcpy(t->texts[17], "\xff");
}
static void merge_an_unknown(toy *t)
{
    t->merges[2] = "he xx";
}
static void merge_into_nothing(toy *t)
{
    t->merges[2] = "h l";
}
static void join_a_merge(toy *t)
{
    t->merges[2] = "hell";
}
static void drop_merges(toy *t)
{
    t->merge_count = 0;
}
static void drop_tokens(toy *t)
{
    t->count = t->kind_count = t->score_count = 0;
}
static void drop_kinds(toy *t)
{
    t->kind_count = 10;
}
static void invent_a_kind(toy *t)
{
    t->kinds[5] = 9;
}
static void move_bos(toy *t)
{
    t->bos = 5000;
}
static void move_eos_far(toy *t)
{
    t->eos = UINT32_MAX;
}
static void rename_pre(toy *t)
{
    t->pre = "tekken";
}
static void rename_model(toy *t)
{
    t->model = "bert";
}
static void drop_model(toy *t)
{
    t->model = NULL;
}
static void drop_scores(toy *t)
{
    t->score_count = 7;
}
static void spoil_a_score(toy *t)
{
    t->scores[5] = NAN;
}

static void broken_vocabularies_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const broken CASES[] = {
        {false, repeat_a_token, SAM_CORRUPT, "tokens 4 and 17"},
        {false, spoil_utf8, SAM_CORRUPT, "token 17 is not UTF-8"},
        {false, merge_an_unknown, SAM_CORRUPT, "merge 2 joins \"he\" and \"xx\", but the second is no token"},
        {false, merge_into_nothing, SAM_CORRUPT, "what they make is no token"},
        {false, join_a_merge, SAM_CORRUPT, "merge 2 is not two texts"},
        {false, drop_merges, SAM_CORRUPT, "tokenizer.ggml.merges is missing"},
        {false, drop_tokens, SAM_CORRUPT, "no tokens"},
        {false, drop_kinds, SAM_CORRUPT, "no number for token 10"},
        {false, invent_a_kind, SAM_CORRUPT, "token 5 the kind 9"},
        {false, move_bos, SAM_CORRUPT, "BOS token is number 5000"},
        {false, move_eos_far, SAM_CORRUPT, "tokenizer.ggml.eos_token_id is 4294967295"},
        {false, rename_pre, SAM_UNSUPPORTED, "\"tekken\""},
        {false, rename_model, SAM_UNSUPPORTED, "\"bert\""},
        {false, drop_model, SAM_CORRUPT, "no tokenizer"},
        {true, drop_scores, SAM_CORRUPT, "no finite number for token 7"},
        {true, spoil_a_score, SAM_CORRUPT, "no finite number for token 5"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        toy t = CASES[i].spm ? spm_toy() : byte_level_toy();
        CASES[i].damage(&t);
        sam_tokenizer *tokenizer;
        sam_error err = {0};
        assert_int_equal(load_toy(&tokenizer, &t, &err), CASES[i].status);
        assert_null(tokenizer);
        if (strstr(err.text, CASES[i].says) == NULL)
            fail_msg("case %zu says \"%s\", not \"%s\"", i, err.text, CASES[i].says);
    }
}

#define BYTE_LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define VOCAB      "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}"
#define MODEL      "\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\"]}"

static void json_that_asks_for_what_is_not_there_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        sam_status status;
        const char *says;
    } CASES[] = {
        {"{" BYTE_LEVEL "," MODEL "}", SAM_OK, ""},
        {"", SAM_CORRUPT, "t.json: line 1"},
        {"[1]", SAM_CORRUPT, "no model"},
        {"{\"model\":[]}", SAM_CORRUPT, "no model"},
        {"{" MODEL "," MODEL "}", SAM_CORRUPT, "duplicate object key"},
        {"{" MODEL "}", SAM_UNSUPPORTED, "neither is byte-level"},
        {"{" BYTE_LEVEL ",\"model\":{\"type\":\"Unigram\"}}", SAM_UNSUPPORTED, "\"Unigram\""},
        {"{" BYTE_LEVEL ",\"model\":{\"merges\":[]}}", SAM_CORRUPT, "no vocab"},
        {"{" BYTE_LEVEL ",\"model\":{" VOCAB "}}", SAM_CORRUPT, "no merges"},
        {"{" BYTE_LEVEL ",\"model\":{" VOCAB ",\"merges\":[[\"a\"]]}}", SAM_CORRUPT, "merge 0 is not two texts"},
        {"{" BYTE_LEVEL ",\"model\":{" VOCAB ",\"merges\":[7]}}", SAM_CORRUPT, "merge 0 is not two texts"},
        {"{" BYTE_LEVEL ",\"model\":{" VOCAB ",\"merges\":[[\"b\",\"a\"]]}}", SAM_CORRUPT, "what they make"},
        {"{" BYTE_LEVEL ",\"model\":{\"vocab\":{},\"merges\":[]}}", SAM_CORRUPT, "no tokens"},
        {"{" BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":-1},\"merges\":[]}}", SAM_CORRUPT, "\"a\" is not between"},
        {"{" BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":4e9},\"merges\":[]}}", SAM_CORRUPT, "\"a\" is not between"},
        {"{" BYTE_LEVEL ",\"model\":{\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]}}", SAM_CORRUPT, "two tokens"},
        {"{" BYTE_LEVEL ",\"model\":{\"dropout\":0.1," VOCAB ",\"merges\":[]}}", SAM_UNSUPPORTED, "dropout"},
        {"{" BYTE_LEVEL ",\"model\":{\"end_of_word_suffix\":\"</w>\"," VOCAB ",\"merges\":[]}}", SAM_UNSUPPORTED,
         "end_of_word_suffix \"</w>\""},
        {"{" BYTE_LEVEL ",\"model\":{\"unk_token\":\"x\"," VOCAB ",\"merges\":[]}}", SAM_CORRUPT, "unk_token \"x\""},
        {"{" BYTE_LEVEL "," MODEL ",\"added_tokens\":[{\"id\":3}]}", SAM_CORRUPT, "no content"},
        {"{" BYTE_LEVEL "," MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"a\"}]}", SAM_CORRUPT, "same text"},
        {"{" BYTE_LEVEL "," MODEL ",\"added_tokens\":[{\"id\":3,\"content\":\"x\",\"single_word\":true}]}",
         SAM_UNSUPPORTED, "single_word"},
        {"{" BYTE_LEVEL "," MODEL ",\"normalizer\":{\"type\":\"NFKC\"}}", SAM_UNSUPPORTED, "\"NFKC\""},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Whitespace\"}}", SAM_UNSUPPORTED, "\"Whitespace\""},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\"}}", SAM_CORRUPT, "no list \"pretokenizers\""},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
         "{\"Regex\":\"x+\"}},{\"type\":\"ByteLevel\"}]}}",
         SAM_UNSUPPORTED, "the split by \"x+\""},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
         "{\"type\":\"Digits\"}]}}",
         SAM_UNSUPPORTED, "\"Digits\" after ByteLevel"},
        {"{" MODEL ",\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" MARK "\"}}", SAM_UNSUPPORTED,
         "without split"},
        {"{" BYTE_LEVEL "," MODEL ",\"post_processor\":{\"type\":\"BertProcessing\"}}", SAM_UNSUPPORTED,
         "\"BertProcessing\""},
        {"{" BYTE_LEVEL "," MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
         "{\"SpecialToken\":{\"id\":\"x\"}},{\"Sequence\":{\"id\":\"A\"}}]}}",
         SAM_CORRUPT, "puts \"x\" first"},
        {"{" BYTE_LEVEL "," MODEL ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":["
         "{\"Sequence\":{\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"a\"}}]}}",
         SAM_UNSUPPORTED, "post_processor"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_tokenizer *tokenizer;
        sam_error err = {0};
        sam_status status = sam_tokenizer_from_json_bytes(&tokenizer, (const uint8_t *)CASES[i].json,
                                                          strlen(CASES[i].json), "t.json", &err);
        if (status != CASES[i].status || strstr(err.text, CASES[i].says) == NULL)
            fail_msg("case %zu: %s, \"%s\", not \"%s\"", i, sam_status_name(status), err.text, CASES[i].says);
        sam_tokenizer_free(tokenizer);
    }
}

static void added_tokens_swallow_the_spaces_they_say(void **state)
{
    (void)state;
    static const char JSON[] = "{" BYTE_LEVEL "," MODEL ",\"added_tokens\":["
                               "{\"id\":3,\"content\":\"<l>\",\"lstrip\":true,\"special\":true},"
                               "{\"id\":4,\"content\":\"<r>\",\"rstrip\":true},{\"id\":5,\"content\":\"<r>>\"}]}";
    sam_tokenizer *tokenizer;
    assert_int_equal(sam_tokenizer_from_json_bytes(&tokenizer, (const uint8_t *)JSON, strlen(JSON), "t.json", NULL),
                     SAM_OK);
    CHECK_TOKENS(tokenizer, "ab  <l>ab", SAM_TOKENS_SPECIAL, 2, 3, 2);
    CHECK_TOKENS(tokenizer, "ab<r> \n ab", SAM_TOKENS_PLAIN, 2, 4, 2);
    CHECK_TOKENS(tokenizer, "<r>>ab", SAM_TOKENS_PLAIN, 5, 2); /* the longest wins */
    CHECK_TOKENS(tokenizer, "xay", SAM_TOKENS_PLAIN, 0);       /* bytes without a token and no unknown token */
    sam_tokenizer_free(tokenizer);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    toy toys[] = {byte_level_toy(), spm_toy()};
    for (size_t i = 0; i < 2; i++) {
        sam_tokenizer *tokenizer = loaded(toys[i]), *again;
        sam_buffer json[2] = {0}, config[2] = {0};
        test_folder folder;
        char path[400];
        assert_true(test_folder_make(&folder));
        assert_int_equal(sam_tokenizer_write_json(tokenizer, &json[0], &config[0], NULL), SAM_OK);
        test_path(path, sizeof path, &folder, "tokenizer_config.json");
        assert_int_equal(sam_file_write(path, config[0].bytes, config[0].length, NULL), SAM_OK);
        test_path(path, sizeof path, &folder, "tokenizer.json");
        assert_int_equal(sam_file_write(path, json[0].bytes, json[0].length, NULL), SAM_OK);
        assert_int_equal(sam_tokenizer_from_json(&again, path, NULL), SAM_OK);
        assert_int_equal(sam_tokenizer_write_json(again, &json[1], &config[1], NULL), SAM_OK);
        assert_int_equal(json[0].length, json[1].length);
        assert_memory_equal(json[0].bytes, json[1].bytes, json[0].length);
        assert_int_equal(config[0].length, config[1].length); /* the chat template is in it */
        assert_memory_equal(config[0].bytes, config[1].bytes, config[0].length);
        for (size_t j = 0; j < 2; j++) {
            sam_buffer_free(&json[j]);
            sam_buffer_free(&config[j]);
        }
        sam_tokenizer_free(tokenizer);
        sam_tokenizer_free(again);
        test_folder_remove(&folder);
    }
}

/* Load, encode, decode, write; `at` is the allocation that fails, 0 for none. */
static sam_status use_all(const sam_gguf *gguf, long at)
{
    sam_tokenizer *tokenizer = NULL;
    sam_buffer text = {0}, json = {0}, config = {0};
    uint32_t *tokens = NULL;
    size_t count;
    sam_error err = {0};
    sam_memory_fail_at(at);
    sam_status status = sam_tokenizer_from_gguf(&tokenizer, gguf, &err);
    if (status == SAM_OK)
        status = sam_tokenizer_encode(tokenizer, "<s>hello \xc3\xa9", 11, 3, &tokens, &count, &err);
    if (status == SAM_OK)
        status = sam_tokenizer_decode(tokenizer, tokens, count, &text, &err);
    if (status == SAM_OK)
        status = sam_tokenizer_write_json(tokenizer, &json, &config, &err);
    sam_memory_fail_at(0);
    assert_true(status == SAM_OK || *err.text != 0);
    sam_free(tokens);
    sam_buffer_free(&text);
    sam_buffer_free(&json);
    sam_buffer_free(&config);
    sam_tokenizer_free(tokenizer);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    toy toys[] = {byte_level_toy(), spm_toy()};
    toys[0].pre = "qwen2"; /* normalizes, so it needs one buffer more */
    for (size_t i = 0; i < 2; i++) {
        sam_buffer file = {0};
        sam_gguf *gguf;
        write_toy(&toys[i], &file);
        assert_int_equal(sam_gguf_open_bytes(&gguf, file.bytes, file.length, "toy.gguf", NULL), SAM_OK);
        long at = 1;
        sam_status status;
        while ((status = use_all(gguf, at)) == SAM_NO_MEMORY)
            at++;
        assert_int_equal(status, SAM_OK);
        assert_true(at > 10);
        sam_gguf_close(gguf);
        sam_buffer_free(&file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_text_becomes_bytes_and_merges),
        cmocka_unit_test(special_tokens_are_found_only_when_asked_for),
        cmocka_unit_test(a_model_that_wants_no_bos_gets_none),
        cmocka_unit_test(sentencepiece_text_gets_a_space_and_falls_back_to_bytes),
        cmocka_unit_test(a_token_beyond_the_vocabulary_is_named),
        cmocka_unit_test(a_word_of_a_megabyte_is_encoded_at_once),
        cmocka_unit_test(broken_vocabularies_are_refused_with_a_reason),
        cmocka_unit_test(json_that_asks_for_what_is_not_there_is_refused_by_name),
        cmocka_unit_test(added_tokens_swallow_the_spaces_they_say),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
