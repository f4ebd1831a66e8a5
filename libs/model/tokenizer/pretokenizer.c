#include "model/tokenizer/pretokenizer.h"

#include "model/tokenizer/unicode.h"

#include <string.h>

#define CONTRACTIONS "'s|'t|'re|'ve|'m|'ll|'d"
#define WORDS_LLAMA3 "(?i:" CONTRACTIONS ")|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define REST_LLAMA3  "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/* A function from a position to the end of the piece that begins there; `length` > `at` is where the text ends. */
typedef size_t piece_end(const char *text, size_t length, size_t at);

typedef bool point_class(uint32_t point);

static bool is_symbol(uint32_t point)
{
    return !sam_unicode_is_space(point) && !sam_unicode_is_letter(point) && !sam_unicode_is_number(point);
}

static bool is_line_end(uint32_t point)
{
    return point == '\r' || point == '\n';
}

/* The code point at a position, SAM_UNICODE_NONE and size 0 at the end. */
static uint32_t point_at(const char *text, size_t length, size_t at, size_t *size)
{
    uint32_t point = SAM_UNICODE_NONE;
    *size = at < length ? sam_unicode_next(text + at, length - at, &point) : 0;
    return point;
}

static size_t run_end(const char *text, size_t length, size_t at, point_class *is_member)
{
    while (at < length) {
        size_t size;
        if (!is_member(point_at(text, length, at, &size)))
            break;
        at += size;
    }
    return at;
}

/* A run of members, or what lies before the next member. */
static size_t run_or_gap_end(const char *text, size_t length, size_t at, point_class *is_member)
{
    size_t end = run_end(text, length, at, is_member);
    if (end > at)
        return end;
    while (end < length) {
        size_t size;
        if (is_member(point_at(text, length, end, &size)))
            break;
        end += size;
    }
    return end;
}

/* 's|'t|'re|'ve|'m|'ll|'d at `at`: its end, or `at`. */
static size_t contraction_end(const char *text, size_t length, size_t at)
{
    size_t left = length - at;
    if (left < 2 || text[at] != '\'')
        return at;
    if (strchr("stmd", text[at + 1]) != NULL && text[at + 1] != 0)
        return at + 2;
    if (left < 3)
        return at;
    const char *two = text + at + 1;
    return memcmp(two, "re", 2) == 0 || memcmp(two, "ve", 2) == 0 || memcmp(two, "ll", 2) == 0 ? at + 3 : at;
}

/* The same without regard to case. U+017F, the long s, folds to s. */
static size_t contraction_end_any_case(const char *text, size_t length, size_t at)
{
    char folded[3] = {0};
    size_t left = length - at < 3 ? length - at : 3;
    if (left == 3 && memcmp(text + at, "'\xc5\xbf", 3) == 0)
        return at + 3;
    for (size_t i = 0; i < left; i++)
        folded[i] = text[at + i] >= 'A' && text[at + i] <= 'Z' ? (char)(text[at + i] + 32) : text[at + i];
    return at + contraction_end(folded, left, 0);
}

/* \s+(?!\S)|\s+ where `at` is a space: the run without its last space, unless the text or nothing else follows. */
static size_t spaces_end(const char *text, size_t length, size_t at)
{
    size_t end = at, last = at;
    while (end < length) {
        size_t size;
        if (!sam_unicode_is_space(point_at(text, length, end, &size)))
            break;
        last = end;
        end += size;
    }
    return end == length || last == at ? end : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t gpt2_end(const char *text, size_t length, size_t at)
{
    size_t end = contraction_end(text, length, at);
    if (end > at)
        return end;
    size_t size;
    size_t start = text[at] == ' ' && at + 1 < length ? at + 1 : at;
    uint32_t point = point_at(text, length, start, &size);
    if (sam_unicode_is_letter(point))
        return run_end(text, length, start, sam_unicode_is_letter);
    if (sam_unicode_is_number(point))
        return run_end(text, length, start, sam_unicode_is_number);
    if (!sam_unicode_is_space(point))
        return run_end(text, length, start, is_symbol);
    return spaces_end(text, length, at);
}

/* [^\r\n\p{L}\p{N}]?\p{L}+ at `at`: its end, or `at`. */
static size_t word_end(const char *text, size_t length, size_t at)
{
    size_t size;
    uint32_t point = point_at(text, length, at, &size);
    if (sam_unicode_is_letter(point))
        return run_end(text, length, at, sam_unicode_is_letter);
    if (is_line_end(point) || sam_unicode_is_number(point))
        return at;
    size_t end = run_end(text, length, at + size, sam_unicode_is_letter);
    return end > at + size ? end : at;
}

static size_t numbers_end(const char *text, size_t length, size_t at, size_t most)
{
    for (size_t i = 0; i < most; i++) {
        size_t size;
        if (!sam_unicode_is_number(point_at(text, length, at, &size)))
            break;
        at += size;
    }
    return at;
}

/* ' ?[^\s\p{L}\p{N}]+[\r\n]*' at `at`: its end, or `at`. */
static size_t symbols_end(const char *text, size_t length, size_t at)
{
    size_t start = text[at] == ' ' ? at + 1 : at;
    size_t end = run_end(text, length, start, is_symbol);
    return end > start ? run_end(text, length, end, is_line_end) : at;
}

/* \s*[\r\n]+ at `at`: up to the last line end in the run of spaces, or `at`. */
static size_t lines_end(const char *text, size_t length, size_t at)
{
    size_t end = at;
    while (at < length) {
        size_t size;
        uint32_t point = point_at(text, length, at, &size);
        if (!sam_unicode_is_space(point))
            break;
        at += size;
        if (is_line_end(point))
            end = at;
    }
    return end;
}

static size_t llama3_end_of(const char *text, size_t length, size_t at, size_t most_numbers)
{
    size_t end = contraction_end_any_case(text, length, at);
    if (end == at)
        end = word_end(text, length, at);
    if (end == at)
        end = numbers_end(text, length, at, most_numbers);
    if (end == at)
        end = symbols_end(text, length, at);
    if (end == at)
        end = lines_end(text, length, at);
    return end == at ? spaces_end(text, length, at) : end;
}

static size_t llama3_end(const char *text, size_t length, size_t at)
{
    return llama3_end_of(text, length, at, 3);
}

static size_t qwen2_end(const char *text, size_t length, size_t at)
{
    return llama3_end_of(text, length, at, 1);
}

static size_t digit_end(const char *text, size_t length, size_t at)
{
    size_t end = numbers_end(text, length, at, 1);
    return end > at ? end : run_or_gap_end(text, length, at, sam_unicode_is_number);
}

static size_t digits_end(const char *text, size_t length, size_t at)
{
    return run_or_gap_end(text, length, at, sam_unicode_is_number);
}

static bool is_punctuation(uint32_t point)
{
    return sam_unicode_is_punctuation(point) || (point < 0x80 && point > 0 && strchr("$+<=>^~|", (int)point) != NULL);
}

static bool is_punctuation_falcon(uint32_t point)
{
    return point == '`' || is_punctuation(point);
}

static size_t punctuation_end(const char *text, size_t length, size_t at)
{
    return run_or_gap_end(text, length, at, is_punctuation);
}

static size_t punctuation_falcon_end(const char *text, size_t length, size_t at)
{
    return run_or_gap_end(text, length, at, is_punctuation_falcon);
}

static bool three_digits_at(const char *text, size_t length, size_t at)
{
    return length - at >= 3 && strspn((char[4]){text[at], text[at + 1], text[at + 2], 0}, "0123456789") == 3;
}

static size_t three_digits_end(const char *text, size_t length, size_t at)
{
    if (three_digits_at(text, length, at))
        return at + 3;
    while (at < length && !three_digits_at(text, length, at))
        at++;
    return at;
}

static const struct {
    piece_end *end;
    const char *pattern;
} SPLITS[SAM_SPLIT_COUNT] = {
    [SAM_SPLIT_GPT2] = {gpt2_end, CONTRACTIONS "| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    [SAM_SPLIT_LLAMA3] = {llama3_end, WORDS_LLAMA3 "\\p{N}{1,3}" REST_LLAMA3},
    [SAM_SPLIT_QWEN2] = {qwen2_end, WORDS_LLAMA3 "\\p{N}" REST_LLAMA3},
    [SAM_SPLIT_DIGIT] = {digit_end, "\\p{N}"},
    [SAM_SPLIT_DIGITS] = {digits_end, "\\p{N}+"},
    [SAM_SPLIT_PUNCTUATION] = {punctuation_end, "[\\p{P}\\$\\+<=>\\^~\\|]+"},
    [SAM_SPLIT_PUNCTUATION_FALCON] = {punctuation_falcon_end, "[\\p{P}\\$\\+<=>\\^~\\|`]+"},
    [SAM_SPLIT_THREE_DIGITS] = {three_digits_end, "[0-9][0-9][0-9]"},
};

const char *sam_split_pattern(sam_split split)
{
    return SPLITS[split].pattern;
}

bool sam_split_of_pattern(sam_split *split, const char *pattern)
{
    for (size_t i = 0; i < SAM_SPLIT_COUNT; i++) {
        if (strcmp(SPLITS[i].pattern, pattern) == 0) {
            *split = (sam_split)i;
            return true;
        }
    }
    return false;
}

bool sam_pretokenizer_named(sam_pretokenizer *pretokenizer, const char *name)
{
    static const struct {
        const char *name;
        sam_pretokenizer pretokenizer;
    } KNOWN[] = {
        {"gpt-2", {{SAM_SPLIT_GPT2}, 1}},
        {"mpt", {{SAM_SPLIT_GPT2}, 1}},
        {"smollm", {{SAM_SPLIT_DIGIT, SAM_SPLIT_GPT2}, 2}},
        {"starcoder", {{SAM_SPLIT_DIGIT, SAM_SPLIT_GPT2}, 2}},
        {"refact", {{SAM_SPLIT_DIGIT, SAM_SPLIT_GPT2}, 2}},
        {"llama-bpe", {{SAM_SPLIT_LLAMA3}, 1}},
        {"qwen2", {{SAM_SPLIT_QWEN2}, 1}},
        {"falcon", {{SAM_SPLIT_PUNCTUATION_FALCON, SAM_SPLIT_GPT2, SAM_SPLIT_THREE_DIGITS}, 3}},
        {"default", {{SAM_SPLIT_PUNCTUATION, SAM_SPLIT_GPT2, SAM_SPLIT_DIGITS, SAM_SPLIT_THREE_DIGITS}, 4}},
    };
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        if (strcmp(KNOWN[i].name, name) == 0) {
            *pretokenizer = KNOWN[i].pretokenizer;
            return true;
        }
    }
    return false;
}

sam_pieces sam_pieces_of(const sam_pretokenizer *pretokenizer, const char *text, size_t length)
{
    return (sam_pieces){.pretokenizer = pretokenizer, .text = text, .length = length};
}

bool sam_pieces_next(sam_pieces *pieces, size_t *start, size_t *length)
{
    if (pieces->at >= pieces->length)
        return false;
    size_t end = pieces->length;
    for (size_t i = 0; i < pieces->pretokenizer->count; i++) {
        if (pieces->ends[i] <= pieces->at)
            pieces->ends[i] = SPLITS[pieces->pretokenizer->splits[i]].end(pieces->text, end, pieces->at);
        end = pieces->ends[i];
    }
    *start = pieces->at;
    *length = end - pieces->at;
    pieces->at = end;
    return true;
}
