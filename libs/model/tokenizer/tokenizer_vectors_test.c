/* Published vocabularies against the vectors that llama.cpp publishes with them, and against themselves. They lie in
 * shared/, beside the tree; without it these tests are skipped. */
#include "model/tokenizer/tokenizer.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SHARED    SAMARA_SOURCE "/../shared/tokenizers/"
#define SEPARATOR "\n__ggml_vocab_test__\n"

typedef struct vectors {
    sam_file_map texts, tokens;
} vectors;

static void open_vectors(vectors *v, const char *name)
{
    char path[400];
    snprintf(path, sizeof path, SHARED "llamacpp/ggml-vocab-%s.gguf.inp", name);
    if (!sam_file_exists(path))
        skip();
    assert_int_equal(sam_file_map_open(&v->texts, path, NULL), SAM_OK);
    snprintf(path, sizeof path, SHARED "llamacpp/ggml-vocab-%s.gguf.out", name);
    assert_int_equal(sam_file_map_open(&v->tokens, path, NULL), SAM_OK);
}

static void close_vectors(vectors *v)
{
    sam_file_map_close(&v->texts);
    sam_file_map_close(&v->tokens);
}

/* The tokens of a text against a line of numbers; the line must be used up. */
static void check_line(const sam_tokenizer *tokenizer, const char *text, size_t length, char *line)
{
    uint32_t *tokens;
    size_t count;
    assert_int_equal(sam_tokenizer_encode(tokenizer, text, length, SAM_TOKENS_PLAIN, &tokens, &count, NULL), SAM_OK);
    char *rest = line;
    for (size_t i = 0; i < count; i++) {
        char *number = strtok_r(rest, " ", &rest);
        if (number == NULL || strtoul(number, NULL, 10) != tokens[i])
            fail_msg("\"%.*s\": token %zu is %u, not %s", (int)length, text, i, tokens[i], number);
    }
    if (strtok_r(rest, " ", &rest) != NULL)
        fail_msg("\"%.*s\": %zu tokens are too few", (int)length, text, count);
    sam_free(tokens);
}

static void check_vectors(const sam_tokenizer *tokenizer, const vectors *v)
{
    const char *text = (const char *)v->texts.bytes, *end = text + v->texts.length, *next;
    char *lines = sam_strndup((const char *)v->tokens.bytes, v->tokens.length), *rest = lines, *line;
    size_t checked = 0;
    while ((next = memmem(text, (size_t)(end - text), SEPARATOR, strlen(SEPARATOR))) != NULL) {
        line = strsep(&rest, "\n");
        assert_non_null(line);
        check_line(tokenizer, text, (size_t)(next - text), line);
        text = next + strlen(SEPARATOR);
        checked++;
    }
    assert_int_equal(checked, 46);
    sam_free(lines);
}

static void write_files(const sam_tokenizer *tokenizer, const test_folder *folder, char *path, size_t size)
{
    sam_buffer json = {0}, config = {0};
    assert_int_equal(sam_tokenizer_write_json(tokenizer, &json, &config, NULL), SAM_OK);
    test_path(path, size, folder, "tokenizer_config.json");
    assert_int_equal(sam_file_write(path, config.bytes, config.length, NULL), SAM_OK);
    test_path(path, size, folder, "tokenizer.json");
    assert_int_equal(sam_file_write(path, json.bytes, json.length, NULL), SAM_OK);
    sam_buffer_free(&json);
    sam_buffer_free(&config);
}

/* The vectors must hold for the tokenizer, and for the one read from the files that it writes. */
static void check_and_check_written(const sam_tokenizer *tokenizer, const vectors *v)
{
    check_vectors(tokenizer, v);
    test_folder folder;
    char path[400];
    sam_tokenizer *again;
    sam_error err;
    uint32_t eos, eos_again;
    assert_true(test_folder_make(&folder));
    write_files(tokenizer, &folder, path, sizeof path);
    if (sam_tokenizer_from_json(&again, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    check_vectors(again, v);
    assert_int_equal(sam_tokenizer_size(again), sam_tokenizer_size(tokenizer));
    assert_int_equal(sam_tokenizer_eos(again, &eos_again), sam_tokenizer_eos(tokenizer, &eos));
    assert_int_equal(eos, eos_again);
    sam_tokenizer_free(again);
    test_folder_remove(&folder);
}

static void gguf_vocabularies_give_the_tokens_of_llama_cpp(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"gpt-2", "llama-spm", "phi-3", "falcon", "mpt", "starcoder", "refact"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        vectors v;
        char path[400];
        sam_gguf *gguf;
        sam_tokenizer *tokenizer;
        sam_error err;
        open_vectors(&v, NAMES[i]);
        snprintf(path, sizeof path, SHARED "llamacpp/ggml-vocab-%s.gguf", NAMES[i]);
        assert_int_equal(sam_gguf_open(&gguf, path, NULL), SAM_OK);
        if (sam_tokenizer_from_gguf(&tokenizer, gguf, &err) != SAM_OK)
            fail_msg("%s: %s", NAMES[i], err.text);
        sam_gguf_close(gguf); /* the tokenizer lives on without it */
        check_and_check_written(tokenizer, &v);
        sam_tokenizer_free(tokenizer);
        close_vectors(&v);
    }
}

static void put_quoted(sam_buffer *json, const char *text, size_t length)
{
    sam_put_text(json, "\"");
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\')
            sam_put_text(json, "\\");
        sam_put_u8(json, (uint8_t)text[i]);
    }
    sam_put_text(json, "\"");
}

/* merges.txt: a line a merge, after an optional "#version". `pairs`: as ["a","b"], else as "a b". */
static void put_merges(sam_buffer *json, const sam_file_map *file, bool pairs)
{
    const char *line = (const char *)file->bytes, *end = line + file->length, *comma = "";
    for (const char *stop; line < end; line = stop + 1) {
        stop = memchr(line, '\n', (size_t)(end - line));
        stop = stop == NULL ? end : stop;
        const char *space = memchr(line, ' ', (size_t)(stop - line));
        if (space == NULL || (stop - line > 8 && memcmp(line, "#version", 8) == 0))
            continue;
        sam_put_text(json, comma);
        comma = ",";
        if (pairs) {
            sam_put_text(json, "[");
            put_quoted(json, line, (size_t)(space - line));
            sam_put_text(json, ",");
            put_quoted(json, space + 1, (size_t)(stop - space - 1));
            sam_put_text(json, "]");
        } else {
            put_quoted(json, line, (size_t)(stop - line));
        }
    }
}

/* A tokenizer.json from vocab.json and merges.txt. */
static void make_json(sam_buffer *json, const char *folder, const char *steps, bool pairs)
{
    char path[400];
    sam_file_map vocab, merges;
    snprintf(path, sizeof path, SHARED "%s/vocab.json", folder);
    if (!sam_file_exists(path))
        skip();
    assert_int_equal(sam_file_map_open(&vocab, path, NULL), SAM_OK);
    snprintf(path, sizeof path, SHARED "%s/merges.txt", folder);
    assert_int_equal(sam_file_map_open(&merges, path, NULL), SAM_OK);
    sam_put_format(json, "{%s,\"model\":{\"type\":\"BPE\",\"vocab\":", steps);
    sam_put_bytes(json, vocab.bytes, vocab.length);
    sam_put_text(json, ",\"merges\":[");
    put_merges(json, &merges, pairs);
    sam_put_text(json, "]}}");
    assert_false(json->failed);
    sam_file_map_close(&vocab);
    sam_file_map_close(&merges);
}

#define QWEN2_PATTERN                                                                                                  \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+"        \
    "[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static void json_vocabularies_give_the_tokens_of_llama_cpp(void **state)
{
    (void)state;
    static const struct {
        const char *name, *folder, *steps;
    } CASES[] = {
        {"gpt-2", "gpt2", "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"},
        {"qwen2", "qwen2.5",
         "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":["
         "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" QWEN2_PATTERN "\"},\"behavior\":\"Isolated\"},"
         "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":false}]}"},
    };
    for (size_t i = 0; i < 4; i++) {
        vectors v;
        sam_buffer json = {0};
        sam_tokenizer *tokenizer;
        sam_error err;
        open_vectors(&v, CASES[i / 2].name);
        make_json(&json, CASES[i / 2].folder, CASES[i / 2].steps, i % 2 == 1);
        if (sam_tokenizer_from_json_bytes(&tokenizer, json.bytes, json.length, CASES[i / 2].name, &err) != SAM_OK)
            fail_msg("%s", err.text);
        check_and_check_written(tokenizer, &v);
        sam_tokenizer_free(tokenizer);
        sam_buffer_free(&json);
        close_vectors(&v);
    }
}

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* Any code points: half ASCII, the rest from all planes. */
static size_t some_text(uint64_t *seed, char *text, size_t points)
{
    size_t length = 0;
    for (size_t i = 0; i < points; i++) {
        uint64_t kind = next_random(seed) % 8, value = next_random(seed);
        uint32_t point = (uint32_t)(kind < 4 ? value % 0x80 : kind < 6 ? value % 0x3000 : value % 0x110000);
        length += sam_utf8_encode(point, text + length);
    }
    return length;
}

static void decoding_gives_back_every_text(void **state)
{
    (void)state;
    sam_gguf *gguf;
    sam_tokenizer *tokenizer;
    sam_buffer decoded = {0};
    uint64_t seed = 11;
    if (!sam_file_exists(SHARED "llamacpp/ggml-vocab-gpt-2.gguf"))
        skip();
    assert_int_equal(sam_gguf_open(&gguf, SHARED "llamacpp/ggml-vocab-gpt-2.gguf", NULL), SAM_OK);
    assert_int_equal(sam_tokenizer_from_gguf(&tokenizer, gguf, NULL), SAM_OK);
    for (int i = 0; i < 20000; i++) {
        char text[4 * 40];
        uint32_t *tokens;
        size_t count, length = some_text(&seed, text, next_random(&seed) % 40);
        unsigned mode = i % 2 == 0 ? SAM_TOKENS_PLAIN : SAM_TOKENS_SPECIAL;
        assert_int_equal(sam_tokenizer_encode(tokenizer, text, length, mode, &tokens, &count, NULL), SAM_OK);
        sam_buffer_clear(&decoded);
        assert_int_equal(sam_tokenizer_decode(tokenizer, tokens, count, &decoded, NULL), SAM_OK);
        assert_int_equal(decoded.length, length);
        if (length > 0)
            assert_memory_equal(decoded.bytes, text, length);
        sam_free(tokens);
    }
    sam_buffer_free(&decoded);
    sam_tokenizer_free(tokenizer);
    sam_gguf_close(gguf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gguf_vocabularies_give_the_tokens_of_llama_cpp),
        cmocka_unit_test(json_vocabularies_give_the_tokens_of_llama_cpp),
        cmocka_unit_test(decoding_gives_back_every_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
