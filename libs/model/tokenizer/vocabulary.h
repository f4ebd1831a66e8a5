/* A vocabulary: the texts and kinds of a model's tokens, by number and by text.
 *
 *     sam_vocabulary vocabulary = {0};
 *     sam_vocabulary_reserve(&vocabulary, 49152, err);
 *     sam_vocabulary_set(&vocabulary, 0, "<|endoftext|>", 13, SAM_TOKEN_CONTROL, err);
 *     uint32_t zero = sam_vocabulary_find(&vocabulary, "<|endoftext|>", 13);   // or SAM_NO_TOKEN
 *     sam_vocabulary_free(&vocabulary);
 *
 * Texts are copied. A text may be empty or absent (a number that no token has), but two tokens never share one.
 * Thread safety: immutable once filled.
 */
#ifndef SAM_MODEL_VOCABULARY_H
#define SAM_MODEL_VOCABULARY_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_NO_TOKEN        UINT32_MAX
#define SAM_VOCABULARY_MOST ((size_t)1 << 21) /* eight times the largest vocabulary published */
#define SAM_TOKEN_LONGEST   ((size_t)1024)    /* bytes: cutting a text in two at every place costs its square */

/* The numbers that GGUF files use in tokenizer.ggml.token_type; 0 is a number without a token. */
typedef enum sam_token_kind {
    SAM_TOKEN_NONE = 0,
    SAM_TOKEN_NORMAL = 1,
    SAM_TOKEN_UNKNOWN = 2,
    SAM_TOKEN_CONTROL = 3, /* special: found in text only when asked for */
    SAM_TOKEN_USER = 4,    /* added: found in any text, before all else */
    SAM_TOKEN_UNUSED = 5,
    SAM_TOKEN_BYTE = 6, /* <0x00> to <0xFF> */
} sam_token_kind;

typedef struct sam_token {
    const char *text;
    uint32_t length;
    uint8_t kind;
    bool strip_left, strip_right; /* an added token that swallows the spaces around it */
} sam_token;

typedef struct sam_vocabulary {
    sam_arena texts;
    sam_token *tokens;
    size_t count;
    uint32_t *slots; /* open addressing: token + 1, or 0 */
    size_t slot_count;
} sam_vocabulary;

/* Room for tokens 0 to count - 1, all SAM_TOKEN_NONE. Once, first. */
sam_status sam_vocabulary_reserve(sam_vocabulary *vocabulary, size_t count, sam_error *err);
void sam_vocabulary_free(sam_vocabulary *vocabulary);

/* CORRUPT where the number is out of range or taken, the text is too long, not UTF-8, or another token's. */
sam_status sam_vocabulary_set(sam_vocabulary *vocabulary, size_t token, const char *text, size_t length,
                              sam_token_kind kind, sam_error *err);

uint32_t sam_vocabulary_find(const sam_vocabulary *vocabulary, const char *text, size_t length);

#endif
