#include "model/tokenizer/tokenizer_internal.h"

#include "base/text.h"
#include "model/tokenizer/unicode.h"

#include <stdlib.h>
#include <string.h>

void sam_token_list_put(sam_token_list *list, uint32_t token)
{
    if (list->count == list->capacity && !list->failed) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        uint32_t *items = sam_realloc(list->items, capacity, sizeof *items);
        list->failed = items == NULL;
        if (items != NULL) {
            list->items = items;
            list->capacity = capacity;
        }
    }
    if (!list->failed)
        list->items[list->count++] = token;
}

sam_tokenizer *sam_tokenizer_empty(sam_tokenizer_family family)
{
    sam_tokenizer *tokenizer = sam_alloc(1, sizeof *tokenizer);
    if (tokenizer == NULL)
        return NULL;
    tokenizer->family = family;
    tokenizer->bos = tokenizer->eos = tokenizer->unknown = tokenizer->padding = SAM_NO_TOKEN;
    tokenizer->symbol_unknown = SAM_NO_TOKEN;
    return tokenizer;
}

void sam_tokenizer_free(sam_tokenizer *tokenizer)
{
    if (tokenizer == NULL)
        return;
    sam_vocabulary_free(&tokenizer->vocabulary);
    sam_merges_free(&tokenizer->merges);
    sam_free(tokenizer->added);
    sam_free(tokenizer->chat_template);
    sam_free(tokenizer);
}

sam_status sam_tokenizer_keep_template(sam_tokenizer *tokenizer, const char *text, size_t length, sam_error *err)
{
    if (!sam_utf8_valid(text, length))
        return sam_fail(err, SAM_CORRUPT, "the chat template is not UTF-8");
    sam_free(tokenizer->chat_template);
    tokenizer->chat_template = sam_strndup(text, length);
    tokenizer->chat_template_length = length;
    if (tokenizer->chat_template == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a chat template of %zu bytes", length);
    return SAM_OK;
}

sam_status sam_tokenizer_add_merge(sam_tokenizer *tokenizer, size_t index, const char *left, size_t left_length,
                                   const char *right, size_t right_length, sam_error *err)
{
    char joined[2 * SAM_TOKEN_LONGEST];
    if (left_length > SAM_TOKEN_LONGEST || right_length > SAM_TOKEN_LONGEST)
        return sam_fail(err, SAM_CORRUPT, "merge %zu has a side longer than %zu bytes", index, SAM_TOKEN_LONGEST);
    memcpy(joined, left, left_length);
    memcpy(joined + left_length, right, right_length);
    sam_merge merge = {
        .left = sam_vocabulary_find(&tokenizer->vocabulary, left, left_length),
        .right = sam_vocabulary_find(&tokenizer->vocabulary, right, right_length),
        .rank = (uint32_t)index,
        .result = sam_vocabulary_find(&tokenizer->vocabulary, joined, left_length + right_length),
    };
    if (merge.left == SAM_NO_TOKEN || merge.right == SAM_NO_TOKEN || merge.result == SAM_NO_TOKEN)
        return sam_fail(err, SAM_CORRUPT, "merge %zu joins \"%.*s\" and \"%.*s\", but %s is no token", index,
                        (int)(left_length < 80 ? left_length : 80), left, (int)(right_length < 80 ? right_length : 80),
                        right,
                        merge.left == SAM_NO_TOKEN    ? "the first"
                        : merge.right == SAM_NO_TOKEN ? "the second"
                                                      : "what they make");
    sam_merges_add(&tokenizer->merges, merge);
    return SAM_OK;
}

sam_status sam_tokenizer_add_merge_line(sam_tokenizer *tokenizer, size_t index, const char *text, size_t length,
                                        sam_error *err)
{
    const char *space = length < 3 ? NULL : memchr(text + 1, ' ', length - 2);
    if (space == NULL)
        return sam_fail(err, SAM_CORRUPT, "merge %zu is not two texts with a space between", index);
    size_t left = (size_t)(space - text);
    return sam_tokenizer_add_merge(tokenizer, index, text, left, space + 1, length - left - 1, err);
}

static uint32_t byte_token(const sam_tokenizer *tokenizer, uint8_t byte)
{
    char text[8];
    size_t length;
    sam_token_kind kind = tokenizer->family == SAM_BYTE_LEVEL ? SAM_TOKEN_NORMAL : SAM_TOKEN_BYTE;
    if (tokenizer->family == SAM_BYTE_LEVEL) {
        length = sam_utf8_encode(sam_byte_letter(byte), text);
    } else {
        static const char DIGITS[] = "0123456789ABCDEF";
        memcpy(text, (char[6]){'<', '0', 'x', DIGITS[byte >> 4], DIGITS[byte & 15], '>'}, 6);
        length = 6;
    }
    uint32_t token = sam_vocabulary_find(&tokenizer->vocabulary, text, length);
    return token != SAM_NO_TOKEN && tokenizer->vocabulary.tokens[token].kind == kind ? token : SAM_NO_TOKEN;
}

static bool is_added(const sam_token *token)
{
    return token->length > 0 &&
           (token->kind == SAM_TOKEN_CONTROL || token->kind == SAM_TOKEN_USER || token->kind == SAM_TOKEN_UNKNOWN);
}

static int compare_added(const void *a_pointer, const void *b_pointer, void *vocabulary_pointer)
{
    const sam_vocabulary *vocabulary = vocabulary_pointer;
    uint32_t a_token = *(const uint32_t *)a_pointer, b_token = *(const uint32_t *)b_pointer;
    const sam_token *a = &vocabulary->tokens[a_token], *b = &vocabulary->tokens[b_token];
    if (a->text[0] != b->text[0])
        return (uint8_t)a->text[0] < (uint8_t)b->text[0] ? -1 : 1;
    if (a->length != b->length)
        return a->length > b->length ? -1 : 1;
    return a_token < b_token ? -1 : a_token > b_token;
}

static sam_status index_added(sam_tokenizer *tokenizer, sam_error *err)
{
    sam_vocabulary *vocabulary = &tokenizer->vocabulary;
    size_t count = 0;
    for (size_t i = 0; i < vocabulary->count; i++)
        count += is_added(&vocabulary->tokens[i]);
    tokenizer->added = sam_alloc(count, sizeof *tokenizer->added);
    if (tokenizer->added == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for %zu added tokens", count);
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        if (is_added(&vocabulary->tokens[i]))
            tokenizer->added[tokenizer->added_count++] = i;
    }
    qsort_r(tokenizer->added, count, sizeof *tokenizer->added, compare_added, vocabulary);
    for (size_t byte = 0, at = 0; byte < 256; byte++) {
        while (at < count && (uint8_t)vocabulary->tokens[tokenizer->added[at]].text[0] <= byte)
            at++;
        tokenizer->added_from[byte + 1] = at;
    }
    return SAM_OK;
}

static sam_status check_named_tokens(const sam_tokenizer *tokenizer, sam_error *err)
{
    const struct {
        const char *name;
        uint32_t token;
    } named[] = {{"BOS", tokenizer->bos},
                 {"EOS", tokenizer->eos},
                 {"unknown", tokenizer->unknown},
                 {"padding", tokenizer->padding}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        uint32_t token = named[i].token;
        if (token != SAM_NO_TOKEN &&
            (token >= tokenizer->vocabulary.count || tokenizer->vocabulary.tokens[token].kind == SAM_TOKEN_NONE))
            return sam_fail(err, SAM_CORRUPT, "the %s token is number %u, which the vocabulary of %zu does not have",
                            named[i].name, token, tokenizer->vocabulary.count);
    }
    return SAM_OK;
}

sam_status sam_tokenizer_finish(sam_tokenizer *tokenizer, sam_error *err)
{
    memset(tokenizer->byte_of_letter, 0xff, sizeof tokenizer->byte_of_letter);
    for (unsigned byte = 0; byte < 256; byte++) {
        tokenizer->byte_of_letter[sam_byte_letter((uint8_t)byte)] = (int16_t)byte;
        tokenizer->byte_tokens[byte] = byte_token(tokenizer, (uint8_t)byte);
    }
    sam_status status = check_named_tokens(tokenizer, err);
    return status == SAM_OK ? index_added(tokenizer, err) : status;
}

bool sam_wants_space_prefix(const sam_tokenizer *tokenizer, const char *text, size_t length, bool first)
{
    if (length == 0 || tokenizer->space_prefix == SAM_PREFIX_NEVER)
        return false;
    if (tokenizer->space_prefix == SAM_PREFIX_FIRST_UNLESS && !first)
        return false;
    return tokenizer->space_prefix == SAM_PREFIX_EVERY || text[0] != ' ';
}

/* The longest added token at the head of the text, or SAM_NO_TOKEN. */
static uint32_t added_token_at(const sam_tokenizer *tokenizer, const char *text, size_t length, bool special)
{
    uint8_t first = (uint8_t)text[0];
    for (size_t i = tokenizer->added_from[first]; i < tokenizer->added_from[first + 1]; i++) {
        const sam_token *token = &tokenizer->vocabulary.tokens[tokenizer->added[i]];
        if ((special || token->kind == SAM_TOKEN_USER) && token->length <= length &&
            memcmp(token->text, text, token->length) == 0)
            return tokenizer->added[i];
    }
    return SAM_NO_TOKEN;
}

static size_t leading_spaces(const char *text, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint32_t point;
        size_t size = sam_unicode_next(text + at, length - at, &point);
        if (!sam_unicode_is_space(point))
            break;
        at += size;
    }
    return at;
}

/* The length without the spaces at the end. */
static size_t without_trailing_spaces(const char *text, size_t length)
{
    size_t kept = 0;
    for (size_t at = 0; at < length;) {
        uint32_t point;
        at += sam_unicode_next(text + at, length - at, &point);
        if (!sam_unicode_is_space(point))
            kept = at;
    }
    return kept;
}

static sam_status encode_stretch(sam_encoding *encoding, const char *text, size_t length, bool first, sam_error *err)
{
    if (length == 0)
        return SAM_OK;
    return encoding->tokenizer->family == SAM_BYTE_LEVEL ? sam_bpe_encode(encoding, text, length, first, err)
                                                         : sam_spm_encode(encoding, text, length, first, err);
}

static sam_status encode_text(sam_encoding *encoding, const char *text, size_t length, bool special, sam_error *err)
{
    const sam_tokenizer *tokenizer = encoding->tokenizer;
    size_t start = 0, at = 0;
    while (at < length) {
        uint32_t found = added_token_at(tokenizer, text + at, length - at, special);
        if (found == SAM_NO_TOKEN) {
            at++;
            continue;
        }
        const sam_token *token = &tokenizer->vocabulary.tokens[found];
        size_t stretch = token->strip_left ? without_trailing_spaces(text + start, at - start) : at - start;
        sam_status status = encode_stretch(encoding, text + start, stretch, start == 0, err);
        if (status != SAM_OK)
            return status;
        sam_token_list_put(&encoding->out, found);
        at += token->length;
        at += token->strip_right ? leading_spaces(text + at, length - at) : 0;
        start = at;
    }
    return encode_stretch(encoding, text + start, length - start, start == 0, err);
}

sam_status sam_tokenizer_encode(const sam_tokenizer *tokenizer, const char *text, size_t length, unsigned mode,
                                uint32_t **tokens, size_t *count, sam_error *err)
{
    sam_encoding encoding = {.tokenizer = tokenizer};
    if ((mode & SAM_TOKENS_BOS) != 0 && tokenizer->add_bos && tokenizer->bos != SAM_NO_TOKEN)
        sam_token_list_put(&encoding.out, tokenizer->bos);
    sam_status status = encode_text(&encoding, text, length, (mode & SAM_TOKENS_SPECIAL) != 0, err);
    if (status == SAM_OK && encoding.out.items == NULL && !encoding.out.failed)
        encoding.out.items = sam_alloc(1, sizeof *encoding.out.items); /* no tokens: still an array to free */
    if (status == SAM_OK && (encoding.out.failed || encoding.letters.failed || encoding.out.items == NULL))
        status = sam_fail(err, SAM_NO_MEMORY, "no memory for the tokens of a text of %zu bytes", length);
    sam_symbols_free(&encoding.symbols);
    sam_buffer_free(&encoding.normal);
    sam_buffer_free(&encoding.letters);
    if (status != SAM_OK) {
        sam_free(encoding.out.items);
        encoding.out = (sam_token_list){0};
    }
    *tokens = encoding.out.items;
    *count = encoding.out.count;
    return status;
}

static void decode_token(const sam_tokenizer *tokenizer, const sam_token *token, sam_buffer *text)
{
    bool named = token->kind == SAM_TOKEN_CONTROL || token->kind == SAM_TOKEN_UNKNOWN;
    if (named || (tokenizer->family == SAM_BYTE_LEVEL && token->kind == SAM_TOKEN_USER))
        sam_put_bytes(text, token->text, token->length);
    else if (tokenizer->family == SAM_BYTE_LEVEL)
        sam_bpe_decode(tokenizer, token, text);
    else
        sam_spm_decode(token, text);
}

/* The space that encoding put before the text is not part of it. */
static void drop_space_prefix(const sam_tokenizer *tokenizer, sam_buffer *text, size_t start)
{
    if (tokenizer->family != SAM_SENTENCEPIECE || tokenizer->space_prefix == SAM_PREFIX_NEVER ||
        text->length == start || text->bytes[start] != ' ')
        return;
    text->length--;
    memmove(text->bytes + start, text->bytes + start + 1, text->length - start);
}

sam_status sam_tokenizer_decode(const sam_tokenizer *tokenizer, const uint32_t *tokens, size_t count, sam_buffer *text,
                                sam_error *err)
{
    size_t start = text->length;
    for (size_t i = 0; i < count; i++) {
        if (tokens[i] >= tokenizer->vocabulary.count ||
            tokenizer->vocabulary.tokens[tokens[i]].kind == SAM_TOKEN_NONE) {
            text->length = start;
            return sam_fail(err, SAM_INVALID, "token %zu is number %u, which the vocabulary of %zu does not have", i,
                            tokens[i], tokenizer->vocabulary.count);
        }
        decode_token(tokenizer, &tokenizer->vocabulary.tokens[tokens[i]], text);
    }
    if (text->failed) {
        text->length = start;
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the text of %zu tokens", count);
    }
    drop_space_prefix(tokenizer, text, start);
    return SAM_OK;
}

size_t sam_tokenizer_size(const sam_tokenizer *tokenizer)
{
    return tokenizer->vocabulary.count;
}

bool sam_tokenizer_bos(const sam_tokenizer *tokenizer, uint32_t *token)
{
    *token = tokenizer->bos;
    return tokenizer->bos != SAM_NO_TOKEN;
}

bool sam_tokenizer_eos(const sam_tokenizer *tokenizer, uint32_t *token)
{
    *token = tokenizer->eos;
    return tokenizer->eos != SAM_NO_TOKEN;
}
