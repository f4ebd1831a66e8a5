/* The steps that a tokenizer.json composes its tokenizer from. What is not known here is refused by its name: a step
 * that is skipped would give other tokens without a word. */
#include "model/tokenizer/tokenizer_internal.h"

#include <jansson.h>
#include <string.h>

#define SPACE_MARK "\xe2\x96\x81"

typedef sam_status step_reader(sam_tokenizer *tokenizer, const json_t *step, const char *type, sam_error *err);

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static bool bool_of(const json_t *object, const char *key, bool when_absent)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : when_absent;
}

/* Calls `read` for the step, or for each of the steps where it is a Sequence. A null is no step. */
static sam_status each_step(sam_tokenizer *tokenizer, const json_t *step, const char *list, step_reader *read,
                            sam_error *err)
{
    if (step == NULL || json_is_null(step))
        return SAM_OK;
    const char *type = text_of(step, "type");
    if (strcmp(type, "Sequence") != 0)
        return read(tokenizer, step, type, err);
    const json_t *steps = json_object_get(step, list);
    if (!json_is_array(steps))
        return sam_fail(err, SAM_CORRUPT, "a Sequence has no list \"%s\"", list);
    sam_status status = SAM_OK;
    for (size_t i = 0; i < json_array_size(steps) && status == SAM_OK; i++)
        status = each_step(tokenizer, json_array_get(steps, i), list, read, err);
    return status;
}

static sam_status read_normalizer(sam_tokenizer *tokenizer, const json_t *step, const char *type, sam_error *err)
{
    if (tokenizer->family == SAM_BYTE_LEVEL && strcmp(type, "NFC") == 0) {
        tokenizer->nfc = true;
        return SAM_OK;
    }
    bool spm = tokenizer->family == SAM_SENTENCEPIECE;
    if (spm && strcmp(type, "Prepend") == 0 && strcmp(text_of(step, "prepend"), SPACE_MARK) == 0) {
        tokenizer->space_prefix = SAM_PREFIX_EVERY;
        return SAM_OK;
    }
    if (spm && strcmp(type, "Replace") == 0 && strcmp(text_of(step, "content"), SPACE_MARK) == 0 &&
        strcmp(text_of(json_object_get(step, "pattern"), "String"), " ") == 0) {
        tokenizer->alphabet_set = true;
        return SAM_OK;
    }
    return sam_fail(err, SAM_UNSUPPORTED, "the normalizer \"%s\" is not supported in this place", type);
}

static sam_status add_split(sam_tokenizer *tokenizer, sam_split split, sam_error *err)
{
    sam_pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    if (pretokenizer->count == SAM_PRETOKENIZER_SPLITS)
        return sam_fail(err, SAM_UNSUPPORTED, "more than %d splits in the pre_tokenizer are not supported",
                        SAM_PRETOKENIZER_SPLITS);
    pretokenizer->splits[pretokenizer->count++] = split;
    return SAM_OK;
}

/* Removed with invert keeps the matches as pieces: the same as Isolated for a pattern that matches all text. */
static bool splits_apart(const json_t *step, sam_split split)
{
    bool invert = bool_of(step, "invert", false);
    if (strcmp(text_of(step, "behavior"), "Isolated") == 0)
        return true;
    bool matches_all = split == SAM_SPLIT_GPT2 || split == SAM_SPLIT_LLAMA3 || split == SAM_SPLIT_QWEN2;
    return invert && matches_all && strcmp(text_of(step, "behavior"), "Removed") == 0;
}

static sam_status read_split(sam_tokenizer *tokenizer, const json_t *step, sam_error *err)
{
    const char *pattern = text_of(json_object_get(step, "pattern"), "Regex");
    sam_split split;
    if (!sam_split_of_pattern(&split, pattern))
        return sam_fail(err, SAM_UNSUPPORTED, "the split by \"%s\" is not supported", pattern);
    if (!splits_apart(step, split))
        return sam_fail(err, SAM_UNSUPPORTED, "a split with behavior \"%s\" is not supported",
                        text_of(step, "behavior"));
    return add_split(tokenizer, split, err);
}

static sam_status read_byte_level(sam_tokenizer *tokenizer, const json_t *step, sam_error *err)
{
    if (bool_of(step, "add_prefix_space", true)) {
        if (tokenizer->pretokenizer.count > 0)
            return sam_fail(err, SAM_UNSUPPORTED, "ByteLevel with add_prefix_space after a split is not supported");
        tokenizer->space_prefix = SAM_PREFIX_EVERY_UNLESS;
    }
    tokenizer->alphabet_set = true;
    return bool_of(step, "use_regex", true) ? add_split(tokenizer, SAM_SPLIT_GPT2, err) : SAM_OK;
}

static sam_status read_byte_level_step(sam_tokenizer *tokenizer, const json_t *step, const char *type, sam_error *err)
{
    if (tokenizer->alphabet_set)
        return sam_fail(err, SAM_UNSUPPORTED, "the pre-tokenizer \"%s\" after ByteLevel is not supported", type);
    if (strcmp(type, "Split") == 0)
        return read_split(tokenizer, step, err);
    if (strcmp(type, "Digits") == 0)
        return add_split(tokenizer, bool_of(step, "individual_digits", false) ? SAM_SPLIT_DIGIT : SAM_SPLIT_DIGITS,
                         err);
    if (strcmp(type, "ByteLevel") == 0)
        return read_byte_level(tokenizer, step, err);
    return sam_fail(err, SAM_UNSUPPORTED, "the pre-tokenizer \"%s\" is not supported", type);
}

static sam_status read_metaspace(sam_tokenizer *tokenizer, const json_t *step, sam_error *err)
{
    static const struct {
        const char *scheme;
        sam_space_prefix prefix;
    } SCHEMES[] = {
        {"always", SAM_PREFIX_EVERY_UNLESS}, {"first", SAM_PREFIX_FIRST_UNLESS}, {"never", SAM_PREFIX_NEVER}};
    if (strcmp(text_of(step, "replacement"), SPACE_MARK) != 0 || bool_of(step, "split", true))
        return sam_fail(err, SAM_UNSUPPORTED, "Metaspace is supported without split, and with U+2581 only");
    const char *scheme = json_is_string(json_object_get(step, "prepend_scheme")) ? text_of(step, "prepend_scheme")
                         : bool_of(step, "add_prefix_space", true)               ? "always"
                                                                                 : "never";
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++) {
        if (strcmp(SCHEMES[i].scheme, scheme) == 0) {
            tokenizer->space_prefix = SCHEMES[i].prefix;
            tokenizer->alphabet_set = true;
            return SAM_OK;
        }
    }
    return sam_fail(err, SAM_UNSUPPORTED, "the Metaspace prepend_scheme \"%s\" is not supported", scheme);
}

static sam_status read_spm_step(sam_tokenizer *tokenizer, const json_t *step, const char *type, sam_error *err)
{
    if (strcmp(type, "Metaspace") == 0)
        return read_metaspace(tokenizer, step, err);
    return sam_fail(err, SAM_UNSUPPORTED, "the pre-tokenizer \"%s\" is not supported", type);
}

/* TemplateProcessing: one special token before the text is the BOS; tokens elsewhere are not supported. */
static sam_status read_template(sam_tokenizer *tokenizer, const json_t *step, sam_error *err)
{
    const json_t *single = json_object_get(step, "single");
    size_t count = json_array_size(single);
    if (count == 0 || count > 2 || json_object_get(json_array_get(single, count - 1), "Sequence") == NULL)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "a post_processor that adds more than one token before the text is not "
                        "supported");
    if (count == 1)
        return SAM_OK;
    const char *name = text_of(json_object_get(json_array_get(single, 0), "SpecialToken"), "id");
    tokenizer->bos = sam_vocabulary_find(&tokenizer->vocabulary, name, strlen(name));
    tokenizer->add_bos = true;
    if (tokenizer->bos == SAM_NO_TOKEN)
        return sam_fail(err, SAM_CORRUPT, "the post_processor puts \"%s\" first, which is no token", name);
    return SAM_OK;
}

static sam_status read_post_processor(sam_tokenizer *tokenizer, const json_t *step, const char *type, sam_error *err)
{
    if (strcmp(type, "ByteLevel") == 0) /* trims offsets, which we do not have */
        return SAM_OK;
    if (strcmp(type, "TemplateProcessing") == 0)
        return read_template(tokenizer, step, err);
    return sam_fail(err, SAM_UNSUPPORTED, "the post_processor \"%s\" is not supported", type);
}

static bool has_byte_level(const json_t *step)
{
    if (strcmp(text_of(step, "type"), "ByteLevel") == 0)
        return true;
    const json_t *steps = json_object_get(step, "pretokenizers");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        if (has_byte_level(json_array_get(steps, i)))
            return true;
    }
    return false;
}

bool sam_tokenizer_is_byte_level(const json_t *root)
{
    return has_byte_level(json_object_get(root, "pre_tokenizer"));
}

sam_status sam_tokenizer_read_steps(sam_tokenizer *tokenizer, const json_t *root, sam_error *err)
{
    step_reader *read = tokenizer->family == SAM_BYTE_LEVEL ? read_byte_level_step : read_spm_step;
    sam_status status = each_step(tokenizer, json_object_get(root, "normalizer"), "normalizers", read_normalizer, err);
    if (status == SAM_OK)
        status = each_step(tokenizer, json_object_get(root, "pre_tokenizer"), "pretokenizers", read, err);
    if (status == SAM_OK)
        status = each_step(tokenizer, json_object_get(root, "post_processor"), "processors", read_post_processor, err);
    if (status == SAM_OK && !tokenizer->alphabet_set)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "a BPE model that neither is byte-level nor writes spaces as U+2581 is "
                        "not supported");
    return status;
}
