/* A tokenizer as tokenizer.json and tokenizer_config.json, so that transformers.AutoTokenizer gives the same tokens. */
#include "model/tokenizer/tokenizer_internal.h"

#include <string.h>

#define NORMALIZER_SPM "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\xe2\x96\x81\"}"
#define DECODER_SPM                                                                                                    \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\xe2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"  \
    "{\"type\":\"Fuse\"}"

static const char *truth(bool value)
{
    return value ? "true" : "false";
}

/* The text is UTF-8; quotes, backslashes and control characters are escaped. */
static void put_string(sam_buffer *out, const char *text, size_t length)
{
    sam_put_u8(out, '"');
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = (uint8_t)text[i];
        if (byte == '"' || byte == '\\') {
            sam_put_u8(out, '\\');
            sam_put_u8(out, byte);
        } else if (byte < 0x20) {
            sam_put_format(out, "\\u%04x", byte);
        } else {
            sam_put_u8(out, byte);
        }
    }
    sam_put_u8(out, '"');
}

static void put_token(sam_buffer *out, const sam_tokenizer *tokenizer, uint32_t token)
{
    if (token == SAM_NO_TOKEN)
        sam_put_text(out, "null");
    else
        put_string(out, tokenizer->vocabulary.tokens[token].text, tokenizer->vocabulary.tokens[token].length);
}

static bool is_added(const sam_token *token)
{
    return token->kind == SAM_TOKEN_CONTROL || token->kind == SAM_TOKEN_USER || token->kind == SAM_TOKEN_UNKNOWN;
}

static void put_added_tokens(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    const char *comma = "";
    for (uint32_t i = 0; i < tokenizer->vocabulary.count; i++) {
        const sam_token *token = &tokenizer->vocabulary.tokens[i];
        if (!is_added(token) || token->length == 0)
            continue;
        sam_put_format(out, "%s\n{\"id\":%u,\"content\":", comma, i);
        put_token(out, tokenizer, i);
        sam_put_format(out, ",\"single_word\":false,\"lstrip\":%s,\"rstrip\":%s,\"normalized\":false,\"special\":%s}",
                       truth(token->strip_left), truth(token->strip_right), truth(token->kind != SAM_TOKEN_USER));
        comma = ",";
    }
}

static void put_normalizer(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    if (tokenizer->family == SAM_BYTE_LEVEL)
        sam_put_text(out, tokenizer->nfc ? "{\"type\":\"NFC\"}" : "null");
    else if (tokenizer->space_prefix == SAM_PREFIX_EVERY)
        sam_put_text(out, "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"\xe2\x96\x81\"}"
                          "," NORMALIZER_SPM "]}");
    else
        sam_put_text(out, tokenizer->space_prefix == SAM_PREFIX_NEVER ? NORMALIZER_SPM : "null");
}

static void put_split(sam_buffer *out, sam_split split)
{
    if (split == SAM_SPLIT_DIGIT || split == SAM_SPLIT_DIGITS) {
        sam_put_format(out, "{\"type\":\"Digits\",\"individual_digits\":%s},", truth(split == SAM_SPLIT_DIGIT));
        return;
    }
    const char *pattern = sam_split_pattern(split);
    sam_put_text(out, "{\"type\":\"Split\",\"pattern\":{\"Regex\":");
    put_string(out, pattern, strlen(pattern));
    sam_put_text(out, "},\"behavior\":\"Isolated\",\"invert\":false},");
}

/* The splits, then ByteLevel, which brings the regular expression of GPT-2 itself. */
static void put_byte_level(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    const sam_pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    size_t count = pretokenizer->count;
    bool own_split = count > 0 && pretokenizer->splits[count - 1] == SAM_SPLIT_GPT2;
    sam_put_text(out, "{\"type\":\"Sequence\",\"pretokenizers\":[");
    for (size_t i = 0; i < count - own_split; i++)
        put_split(out, pretokenizer->splits[i]);
    sam_put_format(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":%s}]}",
                   truth(tokenizer->space_prefix != SAM_PREFIX_NEVER), truth(own_split));
}

static void put_pre_tokenizer(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    if (tokenizer->family == SAM_BYTE_LEVEL) {
        put_byte_level(out, tokenizer);
    } else if (tokenizer->space_prefix == SAM_PREFIX_EVERY || tokenizer->space_prefix == SAM_PREFIX_NEVER) {
        sam_put_text(out, "null");
    } else {
        sam_put_format(out,
                       "{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\",\"prepend_scheme\":\"%s\","
                       "\"split\":false}",
                       tokenizer->space_prefix == SAM_PREFIX_FIRST_UNLESS ? "first" : "always");
    }
}

static void put_template_token(sam_buffer *out, const sam_tokenizer *tokenizer, int type)
{
    sam_put_text(out, "{\"SpecialToken\":{\"id\":");
    put_token(out, tokenizer, tokenizer->bos);
    sam_put_format(out, ",\"type_id\":%d}},{\"Sequence\":{\"id\":\"%c\",\"type_id\":%d}}", type, 'A' + type, type);
}

static void put_post_processor(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    if (!tokenizer->add_bos || tokenizer->bos == SAM_NO_TOKEN) {
        sam_put_text(out, "null");
        return;
    }
    sam_put_text(out, "{\"type\":\"TemplateProcessing\",\"single\":[");
    put_template_token(out, tokenizer, 0);
    sam_put_text(out, "],\"pair\":[");
    put_template_token(out, tokenizer, 0);
    sam_put_text(out, ",");
    put_template_token(out, tokenizer, 1);
    sam_put_text(out, "],\"special_tokens\":{");
    put_token(out, tokenizer, tokenizer->bos);
    sam_put_text(out, ":{\"id\":");
    put_token(out, tokenizer, tokenizer->bos);
    sam_put_format(out, ",\"ids\":[%u],\"tokens\":[", tokenizer->bos);
    put_token(out, tokenizer, tokenizer->bos);
    sam_put_text(out, "]}}}");
}

static void put_decoder(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    if (tokenizer->family == SAM_BYTE_LEVEL)
        sam_put_text(out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                          "\"use_regex\":true}");
    else
        sam_put_format(out, "{\"type\":\"Sequence\",\"decoders\":[" DECODER_SPM "%s]}",
                       tokenizer->space_prefix == SAM_PREFIX_NEVER
                           ? ""
                           : ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}");
}

static void put_vocab(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    const char *comma = "";
    for (uint32_t i = 0; i < tokenizer->vocabulary.count; i++) {
        if (tokenizer->vocabulary.tokens[i].kind == SAM_TOKEN_NONE)
            continue;
        sam_put_format(out, "%s\n", comma);
        put_token(out, tokenizer, i);
        sam_put_format(out, ":%u", i);
        comma = ",";
    }
}

/* As pairs: a text with a space in it would be ambiguous in the "a b" spelling. */
static void put_merges(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    for (size_t i = 0; i < tokenizer->merges.count; i++) {
        sam_put_text(out, i == 0 ? "\n[" : ",\n[");
        put_token(out, tokenizer, tokenizer->merges.list[i].left);
        sam_put_text(out, ",");
        put_token(out, tokenizer, tokenizer->merges.list[i].right);
        sam_put_text(out, "]");
    }
}

static void put_model(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    sam_put_text(out, "{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":");
    put_token(out, tokenizer, tokenizer->symbol_unknown);
    sam_put_format(out,
                   ",\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,\"fuse_unk\":%s,"
                   "\"byte_fallback\":%s,\"ignore_merges\":%s,\"vocab\":{",
                   truth(tokenizer->fuse_unknown), truth(tokenizer->byte_fallback), truth(tokenizer->ignore_merges));
    put_vocab(out, tokenizer);
    sam_put_text(out, "},\n\"merges\":[");
    put_merges(out, tokenizer);
    sam_put_text(out, "]}");
}

static void put_tokenizer(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    static const struct {
        const char *key;
        void (*put)(sam_buffer *out, const sam_tokenizer *tokenizer);
    } PARTS[] = {{"normalizer", put_normalizer},
                 {"pre_tokenizer", put_pre_tokenizer},
                 {"post_processor", put_post_processor},
                 {"decoder", put_decoder},
                 {"model", put_model}};
    sam_put_text(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    put_added_tokens(out, tokenizer);
    sam_put_text(out, "]");
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        sam_put_format(out, ",\n\"%s\":", PARTS[i].key);
        PARTS[i].put(out, tokenizer);
    }
    sam_put_text(out, "}\n");
}

static void put_config(sam_buffer *out, const sam_tokenizer *tokenizer)
{
    const struct {
        const char *key;
        uint32_t token;
    } named[] = {{"bos_token", tokenizer->bos},
                 {"eos_token", tokenizer->eos},
                 {"unk_token", tokenizer->unknown},
                 {"pad_token", tokenizer->padding}};
    sam_put_format(out, "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\n\"add_bos_token\":%s",
                   truth(tokenizer->add_bos && tokenizer->bos != SAM_NO_TOKEN));
    sam_put_text(out, ",\n\"clean_up_tokenization_spaces\":false");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        sam_put_format(out, ",\n\"%s\":", named[i].key);
        put_token(out, tokenizer, named[i].token);
    }
    if (tokenizer->chat_template != NULL) {
        sam_put_text(out, ",\n\"chat_template\":");
        put_string(out, tokenizer->chat_template, tokenizer->chat_template_length);
    }
    sam_put_text(out, "}\n");
}

sam_status sam_tokenizer_write_json(const sam_tokenizer *tokenizer, sam_buffer *tokenizer_json,
                                    sam_buffer *tokenizer_config_json, sam_error *err)
{
    put_tokenizer(tokenizer_json, tokenizer);
    put_config(tokenizer_config_json, tokenizer);
    if (tokenizer_json->failed || tokenizer_config_json->failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory to write a tokenizer of %zu tokens",
                        tokenizer->vocabulary.count);
    return SAM_OK;
}
