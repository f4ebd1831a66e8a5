/* Tokenizers: text to token numbers and back, read from GGUF metadata or from a Hugging Face tokenizer.json.
 *
 *     sam_tokenizer *tokenizer;
 *     sam_tokenizer_from_gguf(&tokenizer, gguf, err);
 *     uint32_t *tokens; size_t count;
 *     sam_tokenizer_encode(tokenizer, "It was great", 12, SAM_TOKENS_PLAIN, &tokens, &count, err);
 *     sam_free(tokens);
 *     sam_tokenizer_free(tokenizer);
 *
 * Byte-level BPE with the pre-tokenizers of GPT-2, SmolLM, Llama-3 and Qwen2, and SentencePiece BPE with byte fallback.
 * Thread safety: immutable once made; any thread may encode.
 */
#ifndef SAM_MODEL_TOKENIZER_H
#define SAM_MODEL_TOKENIZER_H

#include "base/bytes.h"
#include "base/status.h"
#include "model/files/gguf.h"

typedef struct sam_tokenizer sam_tokenizer;

typedef enum sam_tokens_mode {
    SAM_TOKENS_PLAIN = 0,   /* text only: neither BOS nor special tokens are recognised */
    SAM_TOKENS_BOS = 1,     /* put BOS first where the model wants one */
    SAM_TOKENS_SPECIAL = 2, /* "<|im_start|>" and its like in the text become their token */
} sam_tokens_mode;          /* flags, may be or-ed */

sam_status sam_tokenizer_from_gguf(sam_tokenizer **tokenizer, const sam_gguf *gguf, sam_error *err);

/* A tokenizer.json, and what tokenizer_config.json and chat_template.jinja beside it add, where they are. What it asks
 * for and this build does not know is UNSUPPORTED, by name. */
sam_status sam_tokenizer_from_json(sam_tokenizer **tokenizer, const char *path, sam_error *err);

/* A tokenizer.json in memory, which need not live on. `name` is what errors call it. */
sam_status sam_tokenizer_from_json_bytes(sam_tokenizer **tokenizer, const uint8_t *bytes, size_t length,
                                         const char *name, sam_error *err);
void sam_tokenizer_free(sam_tokenizer *tokenizer); /* NULL is fine */

/* The array is new memory for the caller (sam_free). Bytes that are not UTF-8 are encoded as bytes, never refused. */
sam_status sam_tokenizer_encode(const sam_tokenizer *tokenizer, const char *text, size_t length, unsigned mode,
                                uint32_t **tokens, size_t *count, sam_error *err);

/* Appends the text of the tokens. Numbers beyond the vocabulary are INVALID. Special tokens are written as their name.
 */
sam_status sam_tokenizer_decode(const sam_tokenizer *tokenizer, const uint32_t *tokens, size_t count, sam_buffer *text,
                                sam_error *err);

size_t sam_tokenizer_size(const sam_tokenizer *tokenizer);
bool sam_tokenizer_bos(const sam_tokenizer *tokenizer, uint32_t *token); /* false: the model has none */
bool sam_tokenizer_eos(const sam_tokenizer *tokenizer, uint32_t *token);

/* The files that transformers.AutoTokenizer.from_pretrained reads, as JSON text. */
sam_status sam_tokenizer_write_json(const sam_tokenizer *tokenizer, sam_buffer *tokenizer_json,
                                    sam_buffer *tokenizer_config_json, sam_error *err);

#endif
