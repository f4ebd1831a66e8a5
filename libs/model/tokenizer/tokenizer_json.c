/* A tokenizer from the files of Hugging Face: tokenizer.json, and tokenizer_config.json and chat_template.jinja beside
 * it where they are. */
#include "model/tokenizer/tokenizer_internal.h"

#include "base/files.h"

#include <jansson.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static sam_status parse_json(json_t **root, const uint8_t *bytes, size_t length, const char *name, sam_error *err)
{
    json_error_t where;
    *root = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &where);
    if (*root == NULL)
        return sam_fail(err, SAM_CORRUPT, "%s: line %d, column %d: %s", name, where.line, where.column, where.text);
    return SAM_OK;
}

/* The number of a token, or an error; numbers decide how much memory is taken, so they are checked first. */
static sam_status read_number(const json_t *value, const char *text, size_t *number, sam_error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) >= (json_int_t)SAM_VOCABULARY_MOST)
        return sam_fail(err, SAM_CORRUPT, "the number of the token \"%.100s\" is not between 0 and %zu", text,
                        SAM_VOCABULARY_MOST - 1);
    *number = (size_t)json_integer_value(value);
    return SAM_OK;
}

/* Raises `count` so that it covers the number. */
static sam_status count_token(const json_t *number, const char *text, size_t *count, sam_error *err)
{
    size_t value = 0;
    sam_status status = read_number(number, text, &value, err);
    if (status == SAM_OK && value >= *count)
        *count = value + 1;
    return status;
}

static sam_status count_tokens(json_t *vocab, const json_t *added, size_t *count, sam_error *err)
{
    const char *text;
    json_t *value;
    sam_status status = SAM_OK;
    *count = 0;
    json_object_foreach(vocab, text, value)
    {
        status = count_token(value, text, count, err);
        if (status != SAM_OK)
            return status;
    }
    for (size_t i = 0; i < json_array_size(added) && status == SAM_OK; i++) {
        const json_t *token = json_array_get(added, i);
        text = text_of(token, "content");
        if (text == NULL)
            return sam_fail(err, SAM_CORRUPT, "added token %zu has no content", i);
        status = count_token(json_object_get(token, "id"), text, count, err);
    }
    return status;
}

static sam_status read_vocab(sam_tokenizer *tokenizer, json_t *vocab, sam_error *err)
{
    const char *text;
    json_t *value;
    json_object_foreach(vocab, text, value)
    {
        size_t length = strlen(text);
        bool byte = tokenizer->byte_fallback && sam_spm_byte(text, length) >= 0;
        sam_status status = sam_vocabulary_set(&tokenizer->vocabulary, (size_t)json_integer_value(value), text, length,
                                               byte ? SAM_TOKEN_BYTE : SAM_TOKEN_NORMAL, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

/* An added token may be in the model's vocabulary as well, under the same number. */
static sam_status read_added_token(sam_tokenizer *tokenizer, const json_t *token, sam_error *err)
{
    const json_t *content = json_object_get(token, "content");
    const char *text = json_string_value(content);
    size_t length = json_string_length(content), number = (size_t)json_integer_value(json_object_get(token, "id"));
    sam_token_kind kind = json_is_true(json_object_get(token, "special")) ? SAM_TOKEN_CONTROL : SAM_TOKEN_USER;
    if (json_is_true(json_object_get(token, "single_word")))
        return sam_fail(err, SAM_UNSUPPORTED, "the added token \"%.100s\" has single_word, which is not supported",
                        text);
    uint32_t known = sam_vocabulary_find(&tokenizer->vocabulary, text, length);
    if (known != number) {
        sam_status status = sam_vocabulary_set(&tokenizer->vocabulary, number, text, length, kind, err);
        if (status != SAM_OK)
            return status;
    }
    sam_token *at = &tokenizer->vocabulary.tokens[number];
    at->kind = (uint8_t)kind;
    at->strip_left = json_is_true(json_object_get(token, "lstrip"));
    at->strip_right = json_is_true(json_object_get(token, "rstrip"));
    return SAM_OK;
}

static sam_status read_tokens(sam_tokenizer *tokenizer, const json_t *root, const json_t *model, sam_error *err)
{
    json_t *vocab = json_object_get(model, "vocab");
    const json_t *added = json_object_get(root, "added_tokens");
    size_t count;
    if (!json_is_object(vocab))
        return sam_fail(err, SAM_CORRUPT, "the model has no vocab");
    sam_status status = count_tokens(vocab, added, &count, err);
    if (status == SAM_OK)
        status = sam_vocabulary_reserve(&tokenizer->vocabulary, count, err);
    if (status == SAM_OK)
        status = read_vocab(tokenizer, vocab, err);
    for (size_t i = 0; i < json_array_size(added) && status == SAM_OK; i++)
        status = read_added_token(tokenizer, json_array_get(added, i), err);
    return status;
}

/* "a b", or ["a", "b"] as tokenizers writes since 0.20. */
static sam_status read_merge(sam_tokenizer *tokenizer, const json_t *merge, size_t index, sam_error *err)
{
    if (json_is_string(merge))
        return sam_tokenizer_add_merge_line(tokenizer, index, json_string_value(merge), json_string_length(merge), err);
    const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
    if (json_array_size(merge) != 2 || !json_is_string(left) || !json_is_string(right))
        return sam_fail(err, SAM_CORRUPT, "merge %zu is not two texts", index);
    return sam_tokenizer_add_merge(tokenizer, index, json_string_value(left), json_string_length(left),
                                   json_string_value(right), json_string_length(right), err);
}

static sam_status read_merges(sam_tokenizer *tokenizer, const json_t *model, sam_error *err)
{
    const json_t *merges = json_object_get(model, "merges");
    if (!json_is_array(merges))
        return sam_fail(err, SAM_CORRUPT, "the model has no merges");
    sam_status status = sam_merges_reserve(&tokenizer->merges, json_array_size(merges), err);
    for (size_t i = 0; i < json_array_size(merges) && status == SAM_OK; i++)
        status = read_merge(tokenizer, json_array_get(merges, i), i, err);
    return status;
}

/* Settings of the BPE model that change tokens, and that published models leave off. */
static sam_status check_model(const json_t *model, sam_error *err)
{
    const char *type = text_of(model, "type");
    if (type != NULL && strcmp(type, "BPE") != 0)
        return sam_fail(err, SAM_UNSUPPORTED, "the tokenizer model \"%s\" is not supported; BPE is", type);
    if (json_number_value(json_object_get(model, "dropout")) != 0)
        return sam_fail(err, SAM_UNSUPPORTED, "a BPE model with dropout is not supported");
    static const char *const AFFIXES[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++) {
        const char *affix = text_of(model, AFFIXES[i]);
        if (affix != NULL && *affix != 0)
            return sam_fail(err, SAM_UNSUPPORTED, "a BPE model with %s \"%.100s\" is not supported", AFFIXES[i], affix);
    }
    return SAM_OK;
}

static sam_status read_unknown(sam_tokenizer *tokenizer, const char *text, sam_error *err)
{
    if (text == NULL)
        return SAM_OK;
    uint32_t token = sam_vocabulary_find(&tokenizer->vocabulary, text, strlen(text));
    if (token == SAM_NO_TOKEN)
        return sam_fail(err, SAM_CORRUPT, "the unk_token \"%.100s\" is not in the vocabulary", text);
    tokenizer->unknown = tokenizer->symbol_unknown = token;
    return SAM_OK;
}

static sam_status read_model(sam_tokenizer *tokenizer, const json_t *root, sam_error *err)
{
    const json_t *model = json_object_get(root, "model");
    sam_status status = check_model(model, err);
    if (status != SAM_OK)
        return status;
    tokenizer->ignore_merges = json_is_true(json_object_get(model, "ignore_merges"));
    tokenizer->byte_fallback =
        tokenizer->family == SAM_SENTENCEPIECE && json_is_true(json_object_get(model, "byte_fallback"));
    tokenizer->fuse_unknown = json_is_true(json_object_get(model, "fuse_unk"));
    status = read_tokens(tokenizer, root, model, err);
    if (status == SAM_OK)
        status = read_unknown(tokenizer, text_of(model, "unk_token"), err);
    return status == SAM_OK ? read_merges(tokenizer, model, err) : status;
}

/* tokenizer_config.json writes a token as its text or as an object with `content`; null and absent are none. */
static sam_status read_named_token(const sam_tokenizer *tokenizer, const json_t *config, const char *key,
                                   uint32_t *token, sam_error *err)
{
    const json_t *value = json_object_get(config, key);
    if (json_is_object(value))
        value = json_object_get(value, "content");
    if (!json_is_string(value))
        return SAM_OK;
    *token = sam_vocabulary_find(&tokenizer->vocabulary, json_string_value(value), json_string_length(value));
    if (*token == SAM_NO_TOKEN)
        return sam_fail(err, SAM_CORRUPT, "the %s \"%.100s\" is not in the vocabulary", key, json_string_value(value));
    return SAM_OK;
}

/* The chat template: a text, or a list of named ones, of which "default" counts. */
static const json_t *template_of(const json_t *config)
{
    const json_t *value = json_object_get(config, "chat_template");
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        const char *name = text_of(item, "name");
        if (name != NULL && strcmp(name, "default") == 0)
            return json_object_get(item, "template");
    }
    return value;
}

static sam_status read_config(sam_tokenizer *tokenizer, const json_t *config, sam_error *err)
{
    const struct {
        const char *key;
        uint32_t *token;
    } named[] = {{"bos_token", &tokenizer->bos},
                 {"eos_token", &tokenizer->eos},
                 {"unk_token", &tokenizer->unknown},
                 {"pad_token", &tokenizer->padding}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        sam_status status = read_named_token(tokenizer, config, named[i].key, named[i].token, err);
        if (status != SAM_OK)
            return status;
    }
    const json_t *add_bos = json_object_get(config, "add_bos_token"), *chat = template_of(config);
    if (json_is_boolean(add_bos))
        tokenizer->add_bos = json_is_true(add_bos);
    if (json_is_string(chat))
        return sam_tokenizer_keep_template(tokenizer, json_string_value(chat), json_string_length(chat), err);
    return SAM_OK;
}

/* `name` in the folder of `path`, or NULL when memory is out. */
static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - path);
    return sam_format("%.*s%s", folder, path, name);
}

static sam_status read_config_file(sam_tokenizer *tokenizer, const char *path, sam_error *err)
{
    if (!sam_file_exists(path))
        return SAM_OK;
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    json_t *config;
    status = parse_json(&config, file.bytes, file.length, path, err);
    sam_file_map_close(&file);
    if (status != SAM_OK)
        return status;
    status = read_config(tokenizer, config, err);
    json_decref(config);
    if (status != SAM_OK)
        sam_fail_context(err, "%s", path);
    return status;
}

static sam_status read_template_file(sam_tokenizer *tokenizer, const char *path, sam_error *err)
{
    if (tokenizer->chat_template != NULL || !sam_file_exists(path))
        return SAM_OK;
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status == SAM_OK) {
        status = sam_tokenizer_keep_template(tokenizer, (const char *)file.bytes, file.length, err);
        sam_file_map_close(&file);
    }
    return status;
}

static sam_status read_files_beside(sam_tokenizer *tokenizer, const char *path, sam_error *err)
{
    char *config = beside(path, "tokenizer_config.json"), *chat = beside(path, "chat_template.jinja");
    sam_status status = SAM_OK;
    if (config == NULL || chat == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "no memory for the path of tokenizer_config.json");
    if (status == SAM_OK)
        status = read_config_file(tokenizer, config, err);
    if (status == SAM_OK)
        status = read_template_file(tokenizer, chat, err);
    sam_free(config);
    sam_free(chat);
    return status;
}

static sam_status read_tokenizer(sam_tokenizer **tokenizer, const json_t *root, sam_error *err)
{
    if (!json_is_object(root) || !json_is_object(json_object_get(root, "model")))
        return sam_fail(err, SAM_CORRUPT, "there is no model in it");
    *tokenizer = sam_tokenizer_empty(sam_tokenizer_is_byte_level(root) ? SAM_BYTE_LEVEL : SAM_SENTENCEPIECE);
    if (*tokenizer == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a tokenizer");
    sam_status status = read_model(*tokenizer, root, err);
    return status == SAM_OK ? sam_tokenizer_read_steps(*tokenizer, root, err) : status;
}

/* Without the last step, sam_tokenizer_finish. NULL where it fails. */
static sam_status make(sam_tokenizer **tokenizer, const uint8_t *bytes, size_t length, const char *name, sam_error *err)
{
    json_t *root;
    *tokenizer = NULL;
    sam_status status = parse_json(&root, bytes, length, name, err);
    if (status != SAM_OK)
        return status;
    status = read_tokenizer(tokenizer, root, err);
    json_decref(root);
    if (status != SAM_OK) {
        sam_tokenizer_free(*tokenizer);
        *tokenizer = NULL;
        sam_fail_context(err, "%s", name);
    }
    return status;
}

static sam_status finish_or_free(sam_tokenizer **tokenizer, sam_status status, sam_error *err)
{
    if (status == SAM_OK)
        status = sam_tokenizer_finish(*tokenizer, err);
    if (status != SAM_OK) {
        sam_tokenizer_free(*tokenizer);
        *tokenizer = NULL;
    }
    return status;
}

sam_status sam_tokenizer_from_json_bytes(sam_tokenizer **tokenizer, const uint8_t *bytes, size_t length,
                                         const char *name, sam_error *err)
{
    return finish_or_free(tokenizer, make(tokenizer, bytes, length, name, err), err);
}

sam_status sam_tokenizer_from_json(sam_tokenizer **tokenizer, const char *path, sam_error *err)
{
    *tokenizer = NULL;
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = make(tokenizer, file.bytes, file.length, path, err);
    sam_file_map_close(&file);
    if (status == SAM_OK)
        status = read_files_beside(*tokenizer, path, err);
    return finish_or_free(tokenizer, status, err);
}
