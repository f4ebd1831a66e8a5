#include "model/tokenizer/unicode.h"

#include "base/text.h"
#include "model/tokenizer/unicode_tables.h"

size_t sam_unicode_next(const char *text, size_t length, uint32_t *point)
{
    if ((uint8_t)*text < 0x80) {
        *point = (uint8_t)*text;
        return 1;
    }
    size_t size = sam_utf8_decode(text, length, point);
    if (size > 0)
        return size;
    *point = SAM_UNICODE_NONE;
    return 1;
}

static bool in_ranges(const sam_unicode_range *ranges, size_t count, uint32_t point)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (point > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && point >= ranges[low].first;
}

bool sam_unicode_is_letter(uint32_t point)
{
    if (point < 0x80)
        return (point | 0x20) >= 'a' && (point | 0x20) <= 'z';
    return in_ranges(sam_unicode_letters, sam_unicode_letters_count, point);
}

bool sam_unicode_is_number(uint32_t point)
{
    if (point < 0x80)
        return point >= '0' && point <= '9';
    return in_ranges(sam_unicode_numbers, sam_unicode_numbers_count, point);
}

bool sam_unicode_is_punctuation(uint32_t point)
{
    return in_ranges(sam_unicode_punctuation, sam_unicode_punctuation_count, point);
}

bool sam_unicode_is_space(uint32_t point)
{
    if (point < 0x80)
        return point == ' ' || (point >= '\t' && point <= '\r');
    return point == 0x85 || point == 0xa0 || point == 0x1680 || (point >= 0x2000 && point <= 0x200a) ||
           point == 0x2028 || point == 0x2029 || point == 0x202f || point == 0x205f || point == 0x3000;
}
