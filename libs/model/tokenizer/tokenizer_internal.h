/* What the files of the tokenizer share: the tokenizer itself, and the lists that encoding fills.
 *
 *     tokenizer.c        the public functions: added tokens, BOS, decoding
 *     tokenizer_bpe.c    byte-level BPE
 *     tokenizer_spm.c    SentencePiece BPE
 *     tokenizer_gguf.c   made from GGUF metadata
 *     tokenizer_json.c   made from tokenizer.json and the tokenizer_config.json beside it
 *     tokenizer_steps.c  its normalizer, pre_tokenizer and post_processor
 *     tokenizer_write.c  written as those two
 *
 * Text takes this way: added tokens are cut out; each stretch between them is normalized, cut into pieces by the
 * pre-tokenizer, turned into symbols (bytes or characters), and merged.
 */
#ifndef SAM_MODEL_TOKENIZER_INTERNAL_H
#define SAM_MODEL_TOKENIZER_INTERNAL_H

#include "model/tokenizer/merges.h"
#include "model/tokenizer/pretokenizer.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

#define SAM_LETTERS_END 324 /* the letters of the byte alphabet are below this code point */

typedef enum sam_tokenizer_family {
    SAM_BYTE_LEVEL,
    SAM_SENTENCEPIECE,
} sam_tokenizer_family;

/* Whether a stretch of text gets a space before it. */
typedef enum sam_space_prefix {
    SAM_PREFIX_NEVER,
    SAM_PREFIX_EVERY,        /* every stretch between added tokens */
    SAM_PREFIX_EVERY_UNLESS, /* the same, unless it begins with a space */
    SAM_PREFIX_FIRST_UNLESS, /* only where the text begins, unless with a space */
} sam_space_prefix;

struct sam_tokenizer {
    sam_tokenizer_family family;
    sam_vocabulary vocabulary;
    sam_merges merges;
    sam_pretokenizer pretokenizer; /* byte-level only */
    sam_space_prefix space_prefix;
    bool alphabet_set;                       /* while reading steps: ByteLevel, or U+2581 for spaces, was there */
    bool nfc;                                /* text is put in Normalization Form C first */
    bool add_bos;                            /* SAM_TOKENS_BOS puts one */
    bool ignore_merges;                      /* a piece that is a token is that token, however its merges go */
    bool byte_fallback;                      /* a character without a token becomes its <0xNN> tokens */
    bool fuse_unknown;                       /* neighbours without a token become one unknown token */
    uint32_t bos, eos, unknown, padding;     /* or SAM_NO_TOKEN */
    uint32_t symbol_unknown;                 /* for what no token covers; SAM_NO_TOKEN drops it */
    uint32_t byte_tokens[256];               /* or SAM_NO_TOKEN */
    int16_t byte_of_letter[SAM_LETTERS_END]; /* of the byte alphabet, or -1 */
    uint32_t *added;                         /* the added tokens, by first byte, then the longest first */
    size_t added_count, added_from[257];     /* those whose first byte is b are [added_from[b], added_from[b + 1]) */
    char *chat_template;
    size_t chat_template_length;
};

typedef struct sam_token_list {
    uint32_t *items;
    size_t count, capacity;
    bool failed; /* out of memory */
} sam_token_list;

void sam_token_list_put(sam_token_list *list, uint32_t token);

/* What one call of encode works with. */
typedef struct sam_encoding {
    const sam_tokenizer *tokenizer;
    sam_symbols symbols;
    sam_buffer normal, letters;
    sam_token_list out;
} sam_encoding;

/* A stretch of text without added tokens. `first`: it is where the text begins. */
sam_status sam_bpe_encode(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err);
sam_status sam_spm_encode(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err);

void sam_bpe_decode(const sam_tokenizer *tokenizer, const sam_token *token, sam_buffer *text);
void sam_spm_decode(const sam_token *token, sam_buffer *text);

bool sam_wants_space_prefix(const sam_tokenizer *tokenizer, const char *text, size_t length, bool first);

/* An empty tokenizer to fill, and the last step of making one: the tables that follow from the vocabulary. */
sam_tokenizer *sam_tokenizer_empty(sam_tokenizer_family family);
sam_status sam_tokenizer_finish(sam_tokenizer *tokenizer, sam_error *err);
sam_status sam_tokenizer_keep_template(sam_tokenizer *tokenizer, const char *text, size_t length, sam_error *err);

/* The alphabet of GPT-2: each byte as a printable letter. */
uint32_t sam_byte_letter(uint8_t byte);

/* One merge from its two texts; CORRUPT where either or their union is no token. `index` counts from 0. */
sam_status sam_tokenizer_add_merge(sam_tokenizer *tokenizer, size_t index, const char *left, size_t left_length,
                                   const char *right, size_t right_length, sam_error *err);

/* The same from "left right": the one space stands after the first byte, since a side may not be empty. */
sam_status sam_tokenizer_add_merge_line(sam_tokenizer *tokenizer, size_t index, const char *text, size_t length,
                                        sam_error *err);

/* Merges in the order of the scores of what they make; equal scores have equal rank. scores[token]. */
sam_status sam_spm_derive_merges(sam_tokenizer *tokenizer, const float *scores, sam_error *err);

/* The normalizer, pre_tokenizer and post_processor of a tokenizer.json, into the tokenizer. */
struct json_t;
sam_status sam_tokenizer_read_steps(sam_tokenizer *tokenizer, const struct json_t *root, sam_error *err);
bool sam_tokenizer_is_byte_level(const struct json_t *root); /* whether a step of the pre_tokenizer is ByteLevel */

/* <0xNN> as a byte, or -1. */
int sam_spm_byte(const char *text, size_t length);

#endif
