/* Unicode as the pre-tokenizers' regular expressions see it: the classes \p{L}, \p{N}, \p{P} and \s, and NFC.
 *
 *     uint32_t point;
 *     size_t size = sam_unicode_next(text, length, &point);
 *     if (sam_unicode_is_letter(point))
 *         printf("a letter of %zu bytes\n", size);
 *
 *     sam_buffer normal = {0};
 *     sam_unicode_nfc(text, length, &normal);
 *     if (normal.failed)
 *         return sam_fail(err, SAM_NO_MEMORY, "out of memory normalising a text of %zu bytes", length);
 *     sam_buffer_free(&normal);
 *
 * Pure functions, safe from any thread. The tables come from tests/golden/unicode_tables.py.
 */
#ifndef SAM_MODEL_UNICODE_H
#define SAM_MODEL_UNICODE_H

#include "base/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a byte that is not UTF-8 reads as: beyond Unicode, so in no class. */
#define SAM_UNICODE_NONE 0x110000u

/* The code point at `text` and its size in bytes; a byte that is not UTF-8 is SAM_UNICODE_NONE of size 1. `length` > 0.
 */
size_t sam_unicode_next(const char *text, size_t length, uint32_t *point);

bool sam_unicode_is_letter(uint32_t point);      /* \p{L} */
bool sam_unicode_is_number(uint32_t point);      /* \p{N} */
bool sam_unicode_is_punctuation(uint32_t point); /* \p{P} */
bool sam_unicode_is_space(uint32_t point);       /* \s: the property White_Space */

/* Appends the Normalization Form C of the text (UAX #15). Bytes that are not UTF-8 stay as they are. */
void sam_unicode_nfc(const char *text, size_t length, sam_buffer *normal);

#endif
