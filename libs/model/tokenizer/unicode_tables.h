/* The data behind unicode.h, written by tests/golden/unicode_tables.py. Every table is sorted by its first column. */
#ifndef SAM_MODEL_UNICODE_TABLES_H
#define SAM_MODEL_UNICODE_TABLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct sam_unicode_range {
    uint32_t first, last;
} sam_unicode_range;

typedef struct sam_unicode_class {
    uint32_t first, last, combining;
} sam_unicode_class;

typedef struct sam_unicode_decomposition {
    uint32_t composed, first, second; /* second is 0 for a singleton */
} sam_unicode_decomposition;

extern const sam_unicode_range sam_unicode_letters[], sam_unicode_numbers[], sam_unicode_punctuation[];
extern const size_t sam_unicode_letters_count, sam_unicode_numbers_count, sam_unicode_punctuation_count;
extern const sam_unicode_class sam_unicode_combining[];
extern const size_t sam_unicode_combining_count;
extern const sam_unicode_decomposition sam_unicode_decompositions[];
extern const size_t sam_unicode_decompositions_count;
extern const uint16_t sam_unicode_compositions[]; /* places in the table above, sorted by (first, second) */
extern const size_t sam_unicode_compositions_count;

#endif
