/* Pre-tokenizers: how a byte-level BPE model cuts text into pieces before it merges inside each.
 *
 *     sam_pretokenizer pretokenizer;
 *     sam_pretokenizer_named(&pretokenizer, "smollm");
 *     sam_pieces pieces = sam_pieces_of(&pretokenizer, "It cost 42", 10);
 *     size_t start, length;
 *     while (sam_pieces_next(&pieces, &start, &length))
 *         printf("%zu bytes from %zu\n", length, start);         // "It", " cost", " ", "4", "2"
 *
 * A pre-tokenizer is a few splits, each applied to the pieces that the one before it left. A split is one of the
 * regular expressions that published models use, coded by hand: a match is a piece, and so is what lies between two
 * matches. Every byte of the text is in exactly one piece, and the whole walk is linear in the text.
 * Bytes that are not UTF-8 count as characters that are neither letter, number nor space.
 * Thread safety: immutable; a walk belongs to one thread.
 */
#ifndef SAM_MODEL_PRETOKENIZER_H
#define SAM_MODEL_PRETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum sam_split {
    SAM_SPLIT_GPT2,
    SAM_SPLIT_LLAMA3,
    SAM_SPLIT_QWEN2,
    SAM_SPLIT_DIGIT,              /* each number on its own */
    SAM_SPLIT_DIGITS,             /* runs of numbers */
    SAM_SPLIT_PUNCTUATION,        /* llama.cpp's default */
    SAM_SPLIT_PUNCTUATION_FALCON, /* the same and the backtick */
    SAM_SPLIT_THREE_DIGITS,       /* ASCII, by threes from the left */
    SAM_SPLIT_COUNT
} sam_split;

#define SAM_PRETOKENIZER_SPLITS 6

typedef struct sam_pretokenizer {
    sam_split splits[SAM_PRETOKENIZER_SPLITS];
    size_t count; /* 0: the whole text is one piece */
} sam_pretokenizer;

/* By the name that GGUF files give in tokenizer.ggml.pre; false where the name is not known. */
bool sam_pretokenizer_named(sam_pretokenizer *pretokenizer, const char *name);

/* The regular expression of a split, as tokenizer.json files spell it, and the split of an expression. */
const char *sam_split_pattern(sam_split split);
bool sam_split_of_pattern(sam_split *split, const char *pattern);

typedef struct sam_pieces {
    const sam_pretokenizer *pretokenizer;
    const char *text;
    size_t length, at;
    size_t ends[SAM_PRETOKENIZER_SPLITS]; /* where the piece in progress of each split ends */
} sam_pieces;

sam_pieces sam_pieces_of(const sam_pretokenizer *pretokenizer, const char *text, size_t length);
bool sam_pieces_next(sam_pieces *pieces, size_t *start, size_t *length); /* false at the end of the text */

#endif
