/* A tokenizer from the keys tokenizer.* of a GGUF file. */
#include "model/tokenizer/tokenizer_internal.h"

#include <math.h>
#include <string.h>

#define TOKENS "tokenizer.ggml.tokens"
#define KINDS  "tokenizer.ggml.token_type"
#define MERGES "tokenizer.ggml.merges"
#define SCORES "tokenizer.ggml.scores"

static sam_status read_kind(const sam_gguf *gguf, size_t token, sam_token_kind *kind, sam_error *err)
{
    int64_t number = SAM_TOKEN_NORMAL;
    if (sam_gguf_has(gguf, KINDS) && !sam_gguf_array_i64(gguf, KINDS, token, &number))
        return sam_fail(err, SAM_CORRUPT, KINDS " has no number for token %zu", token);
    if (number < SAM_TOKEN_NORMAL || number > SAM_TOKEN_BYTE)
        return sam_fail(err, SAM_CORRUPT, KINDS " gives token %zu the kind %lld; kinds are 1 to 6", token,
                        (long long)number);
    *kind = (sam_token_kind)number;
    return SAM_OK;
}

static sam_status read_tokens(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    size_t count = sam_gguf_array_length(gguf, TOKENS);
    sam_status status = sam_vocabulary_reserve(&tokenizer->vocabulary, count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++) {
        const char *text;
        size_t length;
        sam_token_kind kind = SAM_TOKEN_NORMAL;
        if (!sam_gguf_array_text(gguf, TOKENS, i, &text, &length))
            return sam_fail(err, SAM_CORRUPT, TOKENS " is no list of strings");
        status = read_kind(gguf, i, &kind, err);
        if (status == SAM_OK)
            status = sam_vocabulary_set(&tokenizer->vocabulary, i, text, length, kind, err);
    }
    return status;
}

static sam_status read_merges(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    size_t count = sam_gguf_array_length(gguf, MERGES);
    if (!sam_gguf_has(gguf, MERGES))
        return sam_fail(err, SAM_CORRUPT, "the key " MERGES " is missing, which tokenizers of this kind need");
    sam_status status = sam_merges_reserve(&tokenizer->merges, count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++) {
        const char *text;
        size_t length;
        if (!sam_gguf_array_text(gguf, MERGES, i, &text, &length))
            return sam_fail(err, SAM_CORRUPT, MERGES " is no list of strings");
        status = sam_tokenizer_add_merge_line(tokenizer, i, text, length, err);
    }
    return status;
}

static sam_status read_scores(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    size_t count = tokenizer->vocabulary.count;
    float *scores = sam_alloc(count, sizeof *scores);
    if (scores == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for %zu scores", count);
    sam_status status = SAM_OK;
    for (size_t i = 0; i < count && status == SAM_OK; i++) {
        double score;
        if (!sam_gguf_array_f64(gguf, SCORES, i, &score) || !isfinite((float)score))
            status = sam_fail(err, SAM_CORRUPT, SCORES " has no finite number for token %zu", i);
        else
            scores[i] = (float)score;
    }
    if (status == SAM_OK)
        status = sam_spm_derive_merges(tokenizer, scores, err);
    sam_free(scores);
    return status;
}

static sam_status read_named_token(const sam_gguf *gguf, const char *key, uint32_t *token, sam_error *err)
{
    uint64_t number;
    if (!sam_gguf_u64(gguf, key, &number))
        return SAM_OK;
    if (number >= SAM_VOCABULARY_MOST)
        return sam_fail(err, SAM_CORRUPT, "%s is %llu, which no vocabulary has", key, (unsigned long long)number);
    *token = (uint32_t)number;
    return SAM_OK;
}

static sam_status read_named_tokens(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    const struct {
        const char *key;
        uint32_t *token;
    } named[] = {
        {"tokenizer.ggml.bos_token_id", &tokenizer->bos},
        {"tokenizer.ggml.eos_token_id", &tokenizer->eos},
        {"tokenizer.ggml.unknown_token_id", &tokenizer->unknown},
        {"tokenizer.ggml.padding_token_id", &tokenizer->padding},
    };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        sam_status status = read_named_token(gguf, named[i].key, named[i].token, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

/* llama.cpp takes a file without tokenizer.ggml.pre for "default", and Llama-3 for one that wants a BOS. */
static sam_status read_byte_level(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    const char *text = "default";
    size_t length = strlen(text);
    sam_gguf_text(gguf, "tokenizer.ggml.pre", &text, &length);
    char name[64] = {0};
    if (length < sizeof name)
        memcpy(name, text, length);
    if (!sam_pretokenizer_named(&tokenizer->pretokenizer, name))
        return sam_fail(err, SAM_UNSUPPORTED, "the pre-tokenizer \"%.*s\" is not supported",
                        (int)(length < 100 ? length : 100), text);
    tokenizer->add_bos = tokenizer->ignore_merges = strcmp(name, "llama-bpe") == 0;
    tokenizer->nfc = strcmp(name, "qwen2") == 0; /* GGUF does not say so; the model's own tokenizer does */
    return read_merges(tokenizer, gguf, err);
}

static sam_status read_sentencepiece(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    bool prefix = true;
    sam_gguf_bool(gguf, "tokenizer.ggml.add_space_prefix", &prefix);
    tokenizer->space_prefix = prefix ? SAM_PREFIX_EVERY : SAM_PREFIX_NEVER;
    tokenizer->add_bos = tokenizer->byte_fallback = tokenizer->fuse_unknown = true;
    tokenizer->symbol_unknown = tokenizer->unknown;
    return read_scores(tokenizer, gguf, err);
}

static sam_status read_all(sam_tokenizer *tokenizer, const sam_gguf *gguf, sam_error *err)
{
    sam_status status = read_tokens(tokenizer, gguf, err);
    if (status == SAM_OK)
        status = read_named_tokens(tokenizer, gguf, err);
    if (status == SAM_OK)
        status = tokenizer->family == SAM_BYTE_LEVEL ? read_byte_level(tokenizer, gguf, err)
                                                     : read_sentencepiece(tokenizer, gguf, err);
    const char *template_text;
    size_t length;
    if (status == SAM_OK && sam_gguf_text(gguf, "tokenizer.chat_template", &template_text, &length))
        status = sam_tokenizer_keep_template(tokenizer, template_text, length, err);
    if (status == SAM_OK) {
        sam_gguf_bool(gguf, "tokenizer.ggml.add_bos_token", &tokenizer->add_bos);
        status = sam_tokenizer_finish(tokenizer, err);
    }
    return status;
}

static sam_status read_family(const sam_gguf *gguf, sam_tokenizer_family *family, sam_error *err)
{
    const char *model;
    size_t length;
    if (!sam_gguf_text(gguf, "tokenizer.ggml.model", &model, &length))
        return sam_fail(err, SAM_CORRUPT, "the file has no tokenizer: tokenizer.ggml.model is missing");
    bool byte_level = length == 4 && memcmp(model, "gpt2", 4) == 0;
    if (!byte_level && !(length == 5 && memcmp(model, "llama", 5) == 0))
        return sam_fail(err, SAM_UNSUPPORTED, "the tokenizer model \"%.*s\" is not supported; gpt2 and llama are",
                        (int)(length < 100 ? length : 100), model);
    *family = byte_level ? SAM_BYTE_LEVEL : SAM_SENTENCEPIECE;
    return SAM_OK;
}

sam_status sam_tokenizer_from_gguf(sam_tokenizer **tokenizer, const sam_gguf *gguf, sam_error *err)
{
    *tokenizer = NULL;
    sam_tokenizer_family family = SAM_BYTE_LEVEL;
    sam_status status = read_family(gguf, &family, err);
    if (status != SAM_OK)
        return status;
    sam_tokenizer *made = sam_tokenizer_empty(family);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a tokenizer");
    status = read_all(made, gguf, err);
    if (status != SAM_OK) {
        sam_tokenizer_free(made);
        return status;
    }
    *tokenizer = made;
    return SAM_OK;
}
