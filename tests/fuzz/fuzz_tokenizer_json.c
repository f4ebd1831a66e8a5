/* libFuzzer target: whatever the bytes are, reading them as a tokenizer.json and tokenizing with it does no harm, and
 * what a tokenizer writes can be read again and gives the same tokens. The input is the JSON, a zero byte, and a text.
 *
 *     fuzz_tokenizer_json -max_total_time=60 -dict=tests/fuzz/tokenizer_json.dict CORPUS */
#include "base/memory.h"
#include "model/tokenizer/tokenizer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

typedef struct encoded {
    uint32_t *tokens;
    size_t count;
} encoded;

static encoded encode(const sam_tokenizer *tokenizer, const uint8_t *text, size_t length, unsigned mode)
{
    encoded e;
    sam_buffer decoded = {0};
    if (sam_tokenizer_encode(tokenizer, (const char *)text, length, mode, &e.tokens, &e.count, NULL) != SAM_OK ||
        sam_tokenizer_decode(tokenizer, e.tokens, e.count, &decoded, NULL) != SAM_OK)
        __builtin_trap();
    sam_buffer_free(&decoded);
    return e;
}

static void compare_with_written(const sam_tokenizer *tokenizer, const uint8_t *text, size_t length)
{
    sam_buffer json = {0}, config = {0};
    sam_tokenizer *again;
    if (sam_tokenizer_write_json(tokenizer, &json, &config, NULL) != SAM_OK ||
        sam_tokenizer_from_json_bytes(&again, json.bytes, json.length, "again", NULL) != SAM_OK)
        __builtin_trap();
    encoded a = encode(tokenizer, text, length, SAM_TOKENS_SPECIAL),
            b = encode(again, text, length, SAM_TOKENS_SPECIAL);
    if (a.count != b.count || memcmp(a.tokens, b.tokens, a.count * sizeof *a.tokens) != 0)
        __builtin_trap();
    sam_free(a.tokens);
    sam_free(b.tokens);
    sam_tokenizer_free(again);
    sam_buffer_free(&json);
    sam_buffer_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const uint8_t *end = length == 0 ? NULL : memchr(bytes, 0, length);
    size_t json = end == NULL ? length : (size_t)(end - bytes);
    const uint8_t *text = end == NULL ? bytes : end + 1;
    size_t text_length = end == NULL ? length : length - json - 1;
    sam_tokenizer *tokenizer;
    sam_error err;
    if (sam_tokenizer_from_json_bytes(&tokenizer, bytes, json, "fuzz.json", &err) != SAM_OK)
        return 0;
    sam_free(encode(tokenizer, text, text_length, SAM_TOKENS_PLAIN | SAM_TOKENS_BOS).tokens);
    compare_with_written(tokenizer, text, text_length);
    sam_tokenizer_free(tokenizer);
    return 0;
}
