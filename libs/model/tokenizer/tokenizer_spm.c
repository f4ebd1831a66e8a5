/* SentencePiece BPE, as in Llama: the symbols are characters, a space is U+2581, and what has no token becomes bytes.
 */
#include "model/tokenizer/tokenizer_internal.h"

#include "model/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

#define SPACE_MARK        "\xe2\x96\x81"
#define SPACE_MARK_LENGTH 3

/* -1: not one of the digits that such vocabularies use, which are upper case. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int sam_spm_byte(const char *text, size_t length)
{
    if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>')
        return -1;
    int high = hex_digit(text[3]), low = hex_digit(text[4]);
    return high < 0 || low < 0 ? -1 : 16 * high + low;
}

static sam_status normalize(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err)
{
    sam_buffer *normal = &encoding->normal;
    sam_buffer_clear(normal);
    if (sam_wants_space_prefix(encoding->tokenizer, text, length, first))
        sam_put_text(normal, SPACE_MARK);
    while (length > 0) {
        const char *space = memchr(text, ' ', length);
        size_t plain = space == NULL ? length : (size_t)(space - text);
        sam_put_bytes(normal, text, plain);
        if (space != NULL)
            sam_put_text(normal, SPACE_MARK);
        text += plain + (space != NULL);
        length -= plain + (space != NULL);
    }
    if (normal->failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to normalize a text of %zu bytes", length);
    return SAM_OK;
}

/* Only ordinary tokens are made of characters: a "<s>" in plain text is three characters. */
static uint32_t ordinary_token(const sam_vocabulary *vocabulary, const char *text, size_t length)
{
    uint32_t token = sam_vocabulary_find(vocabulary, text, length);
    if (token == SAM_NO_TOKEN)
        return SAM_NO_TOKEN;
    uint8_t kind = vocabulary->tokens[token].kind;
    return kind == SAM_TOKEN_NORMAL || kind == SAM_TOKEN_UNUSED ? token : SAM_NO_TOKEN;
}

static bool has_byte_tokens(const sam_tokenizer *tokenizer, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (tokenizer->byte_tokens[(uint8_t)text[i]] == SAM_NO_TOKEN)
            return false;
    }
    return tokenizer->byte_fallback;
}

/* A character without a token: its bytes, or the unknown token. */
static void emit_unknown(sam_encoding *encoding, const char *text, size_t length, bool after_unknown)
{
    const sam_tokenizer *tokenizer = encoding->tokenizer;
    if (has_byte_tokens(tokenizer, text, length)) {
        for (size_t i = 0; i < length; i++)
            sam_token_list_put(&encoding->out, tokenizer->byte_tokens[(uint8_t)text[i]]);
    } else if (tokenizer->symbol_unknown != SAM_NO_TOKEN && !(after_unknown && tokenizer->fuse_unknown)) {
        sam_token_list_put(&encoding->out, tokenizer->symbol_unknown);
    }
}

static void emit(sam_encoding *encoding, const char *text, size_t length)
{
    const sam_symbols *symbols = &encoding->symbols;
    bool after_unknown = false;
    for (uint32_t i = 0; i != SAM_NO_SYMBOL; i = symbols->items[i].next) {
        const sam_symbol *symbol = &symbols->items[i];
        size_t end = symbol->next == SAM_NO_SYMBOL ? length : symbols->items[symbol->next].start;
        if (symbol->token != SAM_NO_TOKEN)
            sam_token_list_put(&encoding->out, symbol->token);
        else
            emit_unknown(encoding, text + symbol->start, end - symbol->start, after_unknown);
        after_unknown = symbol->token == SAM_NO_TOKEN;
    }
}

sam_status sam_spm_encode(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err)
{
    const sam_tokenizer *tokenizer = encoding->tokenizer;
    sam_status status = normalize(encoding, text, length, first, err);
    if (status != SAM_OK || encoding->normal.length == 0)
        return status;
    const char *normal = (const char *)encoding->normal.bytes;
    size_t size, normal_length = encoding->normal.length;
    status = sam_symbols_begin(&encoding->symbols, normal_length, err);
    if (status != SAM_OK)
        return status;
    for (size_t at = 0; at < normal_length; at += size) {
        uint32_t point;
        size = sam_unicode_next(normal + at, normal_length - at, &point);
        sam_symbols_add(&encoding->symbols, ordinary_token(&tokenizer->vocabulary, normal + at, size), at);
    }
    sam_merges_apply(&tokenizer->merges, &encoding->symbols);
    emit(encoding, normal, normal_length);
    return SAM_OK;
}

void sam_spm_decode(const sam_token *token, sam_buffer *text)
{
    int byte = token->kind == SAM_TOKEN_BYTE ? sam_spm_byte(token->text, token->length) : -1;
    if (byte >= 0) {
        sam_put_u8(text, (uint8_t)byte);
        return;
    }
    const char *from = token->text, *end = token->text + token->length, *mark;
    while ((mark = memmem(from, (size_t)(end - from), SPACE_MARK, SPACE_MARK_LENGTH)) != NULL) {
        sam_put_bytes(text, from, (size_t)(mark - from));
        sam_put_text(text, " ");
        from = mark + SPACE_MARK_LENGTH;
    }
    sam_put_bytes(text, from, (size_t)(end - from));
}

/* Merges from scores. sentencepiece itself looks up the union of two neighbours; a table of pairs does the same as
 * long as both sides are tokens, which is how its trainer makes vocabularies. */

typedef struct scored_merge {
    float score;
    uint32_t left, right, result;
    uint32_t left_length, right_length; /* in characters */
    uint32_t order;
} scored_merge;

typedef struct scored_merges {
    scored_merge *items;
    size_t count, capacity;
} scored_merges;

static sam_status put_scored(scored_merges *list, scored_merge merge, sam_error *err)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 4096 : 2 * list->capacity;
        scored_merge *items = sam_realloc(list->items, capacity, sizeof *items);
        if (items == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "no memory for the merges of the vocabulary");
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = merge;
    return SAM_OK;
}

static uint32_t character_count(const char *text, size_t length)
{
    uint32_t count = 0;
    for (size_t i = 0; i < length; i++)
        count += ((uint8_t)text[i] & 0xc0) != 0x80;
    return count;
}

/* Every way to cut the token in two tokens. */
static sam_status split_token(const sam_vocabulary *vocabulary, uint32_t result, float score, scored_merges *list,
                              sam_error *err)
{
    const sam_token *token = &vocabulary->tokens[result];
    uint32_t characters = character_count(token->text, token->length), before = 1;
    for (size_t cut = 1; cut < token->length; cut++) {
        if (((uint8_t)token->text[cut] & 0xc0) == 0x80)
            continue;
        uint32_t left = ordinary_token(vocabulary, token->text, cut);
        uint32_t right = ordinary_token(vocabulary, token->text + cut, token->length - cut);
        if (left != SAM_NO_TOKEN && right != SAM_NO_TOKEN) {
            scored_merge merge = {score, left, right, result, before, characters - before, 0};
            sam_status status = put_scored(list, merge, err);
            if (status != SAM_OK)
                return status;
        }
        before++;
    }
    return SAM_OK;
}

/* As transformers' generate_merges sorts: by score and the lengths of both sides, descending; then by token. */
static int compare_scored(const void *a_pointer, const void *b_pointer)
{
    const scored_merge *a = a_pointer, *b = b_pointer;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    if (a->left_length != b->left_length)
        return a->left_length > b->left_length ? -1 : 1;
    if (a->right_length != b->right_length)
        return a->right_length > b->right_length ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static sam_status add_scored(sam_tokenizer *tokenizer, scored_merges *list, sam_error *err)
{
    for (size_t i = 0; i < list->count; i++)
        list->items[i].order = (uint32_t)i;
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, compare_scored);
    sam_status status = sam_merges_reserve(&tokenizer->merges, list->count, err);
    if (status != SAM_OK)
        return status;
    uint32_t rank = 0;
    for (size_t i = 0; i < list->count; i++) {
        const scored_merge *merge = &list->items[i];
        rank += i > 0 && merge->score != list->items[i - 1].score;
        sam_merges_add(&tokenizer->merges, (sam_merge){merge->left, merge->right, rank, merge->result});
    }
    return SAM_OK;
}

sam_status sam_spm_derive_merges(sam_tokenizer *tokenizer, const float *scores, sam_error *err)
{
    const sam_vocabulary *vocabulary = &tokenizer->vocabulary;
    scored_merges list = {0};
    sam_status status = SAM_OK;
    for (uint32_t i = 0; i < vocabulary->count && status == SAM_OK; i++) {
        uint8_t kind = vocabulary->tokens[i].kind;
        if (kind == SAM_TOKEN_NORMAL || kind == SAM_TOKEN_UNUSED)
            status = split_token(vocabulary, i, scores[i], &list, err);
    }
    if (status == SAM_OK)
        status = add_scored(tokenizer, &list, err);
    sam_free(list.items);
    return status;
}
