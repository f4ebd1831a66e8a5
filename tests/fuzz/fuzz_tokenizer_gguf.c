/* libFuzzer target: whatever a GGUF says, a configuration and a tokenizer read from it are whole or refused, and a
 * tokenizer that was read encodes and decodes a text. */
#include "base/memory.h"
#include "model/model_config.h"
#include "model/tokenizer/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void tokenize(const sam_gguf *gguf)
{
    static const char TEXT[] = "Was it 12 o'clock? \xc3\xa9t\xc3\xa9 \xff <s>";
    sam_tokenizer *tokenizer;
    sam_error err;
    uint32_t *tokens;
    size_t count;
    sam_buffer text = {0};
    if (sam_tokenizer_from_gguf(&tokenizer, gguf, &err) != SAM_OK)
        return;
    if (sam_tokenizer_encode(tokenizer, TEXT, sizeof TEXT - 1, SAM_TOKENS_BOS | SAM_TOKENS_SPECIAL, &tokens, &count,
                             &err) == SAM_OK) {
        if (sam_tokenizer_decode(tokenizer, tokens, count, &text, &err) != SAM_OK)
            __builtin_trap();
        sam_free(tokens);
    }
    sam_buffer_free(&text);
    sam_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_gguf *gguf;
    sam_model_config config;
    sam_error err;
    if (sam_gguf_open_bytes(&gguf, bytes, length, "fuzz.gguf", &err) != SAM_OK)
        return 0;
    (void)sam_config_from_gguf(&config, gguf, "fuzz.gguf", &err);
    tokenize(gguf);
    sam_gguf_close(gguf);
    return 0;
}
