#include "model/tokenizer/vocabulary.h"

#include "base/text.h"

#include <string.h>

/* Twice as many slots as tokens, a power of two. */
static size_t slots_for(size_t count)
{
    size_t slots = 16;
    while (slots < 2 * count)
        slots *= 2;
    return slots;
}

/* FNV-1a; the multiplication at the end spreads it over the low bits. */
static size_t hash_of(const char *text, size_t length)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3u;
    return (size_t)((hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u >> 20);
}

sam_status sam_vocabulary_reserve(sam_vocabulary *vocabulary, size_t count, sam_error *err)
{
    if (count == 0)
        return sam_fail(err, SAM_CORRUPT, "the vocabulary has no tokens");
    if (count > SAM_VOCABULARY_MOST)
        return sam_fail(err, SAM_TOO_LARGE, "the vocabulary has %zu tokens or numbers that high; %zu is the limit",
                        count, SAM_VOCABULARY_MOST);
    vocabulary->tokens = sam_alloc(count, sizeof *vocabulary->tokens);
    vocabulary->slots = sam_alloc(slots_for(count), sizeof *vocabulary->slots);
    if (vocabulary->tokens == NULL || vocabulary->slots == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a vocabulary of %zu tokens", count);
    vocabulary->count = count;
    vocabulary->slot_count = slots_for(count);
    return SAM_OK;
}

void sam_vocabulary_free(sam_vocabulary *vocabulary)
{
    sam_arena_free(&vocabulary->texts);
    sam_free(vocabulary->tokens);
    sam_free(vocabulary->slots);
    *vocabulary = (sam_vocabulary){0};
}

/* The slot of the text, or the free one where it belongs. */
static uint32_t *slot_of(const sam_vocabulary *vocabulary, const char *text, size_t length)
{
    size_t mask = vocabulary->slot_count - 1;
    for (size_t i = hash_of(text, length) & mask;; i = (i + 1) & mask) {
        uint32_t *slot = &vocabulary->slots[i];
        if (*slot == 0)
            return slot;
        const sam_token *token = &vocabulary->tokens[*slot - 1];
        if (token->length == length && memcmp(token->text, text, length) == 0)
            return slot;
    }
}

uint32_t sam_vocabulary_find(const sam_vocabulary *vocabulary, const char *text, size_t length)
{
    return vocabulary->slot_count == 0 ? SAM_NO_TOKEN : *slot_of(vocabulary, text, length) - 1;
}

sam_status sam_vocabulary_set(sam_vocabulary *vocabulary, size_t token, const char *text, size_t length,
                              sam_token_kind kind, sam_error *err)
{
    if (token >= vocabulary->count)
        return sam_fail(err, SAM_CORRUPT, "token number %zu is beyond the vocabulary of %zu", token, vocabulary->count);
    if (length > SAM_TOKEN_LONGEST)
        return sam_fail(err, SAM_CORRUPT, "the text of token %zu has %zu bytes; %zu is the limit", token, length,
                        SAM_TOKEN_LONGEST);
    if (!sam_utf8_valid(text, length))
        return sam_fail(err, SAM_CORRUPT, "the text of token %zu is not UTF-8", token);
    sam_token *at = &vocabulary->tokens[token];
    if (at->kind != SAM_TOKEN_NONE)
        return sam_fail(err, SAM_CORRUPT, "number %zu is given to two tokens, \"%s\" and \"%.*s\"", token, at->text,
                        (int)(length < 100 ? length : 100), text);
    uint32_t *slot = slot_of(vocabulary, text, length);
    if (*slot != 0)
        return sam_fail(err, SAM_CORRUPT, "tokens %u and %zu have the same text, \"%.*s\"", *slot - 1, token,
                        (int)(length < 100 ? length : 100), text);
    at->text = sam_arena_strndup(&vocabulary->texts, text, length);
    if (at->text == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the text of token %zu", token);
    at->length = (uint32_t)length;
    at->kind = (uint8_t)kind;
    *slot = (uint32_t)token + 1;
    return SAM_OK;
}
