/* Text: hexadecimal, strict numbers, and UTF-8.
 *
 *     uint64_t rounds;
 *     if (!sam_parse_u64("600", &rounds)) ...      // whole text, no sign, no spaces, no overflow
 *
 * Pure functions, safe from any thread.
 */
#ifndef SAM_BASE_TEXT_H
#define SAM_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void sam_hex(char *out, const void *bytes, size_t count);     /* out: 2 * count + 1, lower case */
bool sam_unhex(uint8_t *out, size_t count, const char *text); /* exactly 2 * count digits, then NUL */
bool sam_ends_with(const char *text, const char *end);
bool sam_parse_u64(const char *text, uint64_t *value);
bool sam_parse_double(const char *text, double *value); /* finite, whole text, "C" locale */

/* Length of the valid UTF-8 sequence at `text` (1-4) and its code point, or 0 where the bytes are not UTF-8. */
size_t sam_utf8_decode(const char *text, size_t length, uint32_t *code_point);
size_t sam_utf8_encode(uint32_t code_point, char out[4]); /* 0 for surrogates and beyond U+10FFFF */
bool sam_utf8_valid(const char *text, size_t length);

#endif
