/* Normalization Form C (UAX #15): decompose, order the marks of each starter by combining class, compose. */
#include "model/tokenizer/unicode.h"

#include "base/memory.h"
#include "base/text.h"
#include "model/tokenizer/unicode_tables.h"

#include <stdlib.h>

/* Hangul syllables are arithmetic: lead, vowel and trail consonant (Unicode chapter 3.12). */
enum {
    HANGUL_S = 0xac00,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11a7,
    HANGUL_LS = 19,
    HANGUL_VS = 21,
    HANGUL_TS = 28,
    HANGUL_SS = HANGUL_LS * HANGUL_VS * HANGUL_TS,
};

#define FIRST_THAT_CHANGES 0x300 /* all below is in NFC and has combining class 0 */

typedef struct mark {
    uint32_t point, combining;
    size_t order;
} mark;

/* A starter and the marks after it, which nothing later can change but a starter that composes with it. */
typedef struct cluster {
    mark *marks;
    size_t count, capacity;
    uint32_t starter;
    bool has_starter;
    sam_buffer *out;
} cluster;

static uint32_t combining_class(uint32_t point)
{
    size_t low = 0, high = sam_unicode_combining_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (point > sam_unicode_combining[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < sam_unicode_combining_count && point >= sam_unicode_combining[low].first;
    return found ? sam_unicode_combining[low].combining : 0;
}

static int compare_composed(const void *key, const void *row)
{
    uint32_t point = *(const uint32_t *)key, composed = ((const sam_unicode_decomposition *)row)->composed;
    return point < composed ? -1 : point > composed;
}

static int compare_pair(const void *key, const void *place)
{
    const uint32_t *pair = key;
    const sam_unicode_decomposition *row = &sam_unicode_decompositions[*(const uint16_t *)place];
    if (pair[0] != row->first)
        return pair[0] < row->first ? -1 : 1;
    return pair[1] < row->second ? -1 : pair[1] > row->second;
}

/* The composite of two code points, or 0. */
static uint32_t compose(uint32_t first, uint32_t second)
{
    if (first >= HANGUL_L && first < HANGUL_L + HANGUL_LS && second >= HANGUL_V && second < HANGUL_V + HANGUL_VS)
        return HANGUL_S + ((first - HANGUL_L) * HANGUL_VS + (second - HANGUL_V)) * HANGUL_TS;
    if (first >= HANGUL_S && first < HANGUL_S + HANGUL_SS && (first - HANGUL_S) % HANGUL_TS == 0 && second > HANGUL_T &&
        second < HANGUL_T + HANGUL_TS)
        return first + (second - HANGUL_T);
    const uint16_t *place = bsearch((uint32_t[2]){first, second}, sam_unicode_compositions,
                                    sam_unicode_compositions_count, sizeof *place, compare_pair);
    return place == NULL ? 0 : sam_unicode_decompositions[*place].composed;
}

static int compare_marks(const void *a_pointer, const void *b_pointer)
{
    const mark *a = a_pointer, *b = b_pointer;
    if (a->combining != b->combining)
        return a->combining < b->combining ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

/* Orders the marks and folds into the starter each that composes with it and is not blocked. */
static void compose_marks(cluster *c)
{
    if (c->count > 1)
        qsort(c->marks, c->count, sizeof *c->marks, compare_marks);
    size_t kept = 0;
    for (size_t i = 0; i < c->count && c->has_starter; i++) {
        bool blocked = kept > 0 && c->marks[kept - 1].combining == c->marks[i].combining;
        uint32_t composite = blocked ? 0 : compose(c->starter, c->marks[i].point);
        if (composite != 0)
            c->starter = composite;
        else
            c->marks[kept++] = c->marks[i];
    }
    c->count = c->has_starter ? kept : c->count;
}

static void put_point(sam_buffer *out, uint32_t point)
{
    char text[4];
    sam_put_bytes(out, text, sam_utf8_encode(point, text));
}

static void write_composed(cluster *c)
{
    if (c->has_starter)
        put_point(c->out, c->starter);
    for (size_t i = 0; i < c->count; i++)
        put_point(c->out, c->marks[i].point);
    c->has_starter = false;
    c->count = 0;
}

static void flush(cluster *c)
{
    compose_marks(c);
    write_composed(c);
}

static void add_mark(cluster *c, uint32_t point, uint32_t combining)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity == 0 ? 16 : 2 * c->capacity;
        mark *marks = sam_realloc(c->marks, capacity, sizeof *marks);
        if (marks == NULL) {
            c->out->failed = true;
            return;
        }
        c->marks = marks;
        c->capacity = capacity;
    }
    c->marks[c->count] = (mark){point, combining, c->count};
    c->count++;
}

static void add_decomposed(cluster *c, uint32_t point)
{
    uint32_t combining = combining_class(point);
    if (combining > 0) {
        add_mark(c, point, combining);
        return;
    }
    compose_marks(c);
    uint32_t composite = c->has_starter && c->count == 0 ? compose(c->starter, point) : 0;
    if (composite == 0)
        write_composed(c);
    c->starter = composite == 0 ? point : composite;
    c->has_starter = true;
}

/* Full canonical decomposition; Hangul syllables compose back to themselves, so they may stay whole. */
static void add_point(cluster *c, uint32_t point)
{
    uint32_t seconds[8]; /* the longest chain in Unicode has 4 */
    size_t count = 0;
    const sam_unicode_decomposition *row;
    while (count < 8 && (row = bsearch(&point, sam_unicode_decompositions, sam_unicode_decompositions_count,
                                       sizeof *row, compare_composed)) != NULL) {
        point = row->first;
        if (row->second != 0)
            seconds[count++] = row->second;
    }
    add_decomposed(c, point);
    while (count > 0)
        add_decomposed(c, seconds[--count]);
}

static bool may_change(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        uint32_t point;
        at += sam_unicode_next(text + at, length - at, &point);
        if (point >= FIRST_THAT_CHANGES && point != SAM_UNICODE_NONE)
            return true;
    }
    return false;
}

void sam_unicode_nfc(const char *text, size_t length, sam_buffer *normal)
{
    if (!may_change(text, length)) {
        sam_put_bytes(normal, text, length);
        return;
    }
    cluster c = {.out = normal};
    for (size_t at = 0; at < length && !normal->failed;) {
        uint32_t point;
        size_t size = sam_unicode_next(text + at, length - at, &point);
        if (point == SAM_UNICODE_NONE) {
            flush(&c);
            sam_put_bytes(normal, text + at, size);
        } else {
            add_point(&c, point);
        }
        at += size;
    }
    flush(&c);
    sam_free(c.marks);
}
