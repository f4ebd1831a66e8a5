#include "run/canonical.h"

#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Deeper values are refused: nobody writes them, and each level costs stack. */
#define DEPTH_MAX 64
#define EXACT_MAX ((int64_t)1 << 53)

/* Where in the value the writer stands; the frames live on the stack of the recursion. */
typedef struct place {
    const struct place *above;
    const char *key; /* NULL: element `index` of an array */
    size_t index;
    unsigned depth;
} place;

static void put_place(sam_buffer *text, const place *at)
{
    if (at->above == NULL)
        return;
    put_place(text, at->above);
    if (at->key == NULL)
        sam_put_format(text, "[%zu]", at->index);
    else
        sam_put_format(text, "%s%s", at->above->above == NULL ? "" : ".", at->key);
}

static sam_status fail_at(const place *at, sam_error *err, const char *sentence)
{
    sam_buffer text = {0};
    put_place(&text, at);
    sam_put_u8(&text, 0);
    bool named = !text.failed && text.length > 1;
    sam_fail(err, SAM_INVALID, "%.200s: %s", named ? (const char *)text.bytes : "the value", sentence);
    sam_buffer_free(&text);
    return SAM_INVALID;
}

/* ---- strings ---- */

static void put_character(sam_buffer *text, unsigned char c)
{
    static const char SHORT[] = "\b\t\n\f\r", LETTERS[] = "btnfr";
    const char *found = c == 0 ? NULL : strchr(SHORT, c);
    if (c == '"' || c == '\\')
        sam_put_format(text, "\\%c", c);
    else if (found != NULL)
        sam_put_format(text, "\\%c", LETTERS[found - SHORT]);
    else if (c < 0x20)
        sam_put_format(text, "\\u%04x", c);
    else
        sam_put_u8(text, c);
}

static void put_string(sam_buffer *text, const char *string, size_t length)
{
    sam_put_u8(text, '"');
    for (size_t i = 0; i < length; i++)
        put_character(text, (unsigned char)string[i]);
    sam_put_u8(text, '"');
}

/* First UTF-16 code unit of a code point: surrogates sort below U+E000, although their code points are above it. */
static uint32_t first_unit(uint32_t code_point)
{
    return code_point < 0x10000 ? code_point : 0xd7c0 + (code_point >> 10);
}

static int by_utf16(const void *left, const void *right)
{
    const char *a = *(const char *const *)left, *b = *(const char *const *)right;
    size_t a_left = strlen(a), b_left = strlen(b);
    while (a_left > 0 && b_left > 0) {
        uint32_t x = 0, y = 0;
        size_t x_size = sam_utf8_decode(a, a_left, &x), y_size = sam_utf8_decode(b, b_left, &y);
        if (x_size == 0 || y_size == 0)
            break; /* jansson keeps only valid UTF-8 */
        if (x != y)
            return first_unit(x) != first_unit(y) ? (first_unit(x) < first_unit(y) ? -1 : 1) : (x < y ? -1 : 1);
        a += x_size, a_left -= x_size;
        b += y_size, b_left -= y_size;
    }
    return (a_left > 0) - (b_left > 0);
}

/* ---- values ---- */

static sam_status put_value(sam_buffer *text, const json_t *value, const place *at, sam_error *err);

static sam_status put_integer(sam_buffer *text, int64_t value, const place *at, sam_error *err)
{
    if (value > EXACT_MAX || value < -EXACT_MAX)
        return fail_at(at, err, "the number is beyond 2^53; write it as a decimal string");
    sam_put_format(text, "%lld", (long long)value);
    return SAM_OK;
}

static sam_status put_real(sam_buffer *text, double value, const place *at, sam_error *err)
{
    if (!(fabs(value) <= (double)EXACT_MAX))
        return fail_at(at, err, "the number is beyond 2^53; write it as a decimal string");
    if (floor(value) != value)
        return fail_at(at, err, "the number is a fraction; write it as a string, or in smaller units");
    return put_integer(text, (int64_t)value, at, err);
}

static sam_status put_array(sam_buffer *text, const json_t *array, const place *at, sam_error *err)
{
    sam_put_u8(text, '[');
    for (size_t i = 0; i < json_array_size(array); i++) {
        const place here = {at, NULL, i, at->depth + 1};
        if (i > 0)
            sam_put_u8(text, ',');
        sam_status status = put_value(text, json_array_get(array, i), &here, err);
        if (status != SAM_OK)
            return status;
    }
    sam_put_u8(text, ']');
    return SAM_OK;
}

/* Borrowed keys, sorted. NULL: out of memory. */
static const char **sorted_keys(json_t *object)
{
    const char **keys = sam_alloc(json_object_size(object), sizeof *keys);
    size_t count = 0;
    if (keys == NULL)
        return NULL;
    for (void *i = json_object_iter(object); i != NULL; i = json_object_iter_next(object, i))
        keys[count++] = json_object_iter_key(i);
    qsort(keys, count, sizeof *keys, by_utf16);
    return keys;
}

static sam_status put_members(sam_buffer *text, const json_t *object, const char **keys, const place *at,
                              sam_error *err)
{
    for (size_t i = 0; i < json_object_size(object); i++) {
        const place here = {at, keys[i], 0, at->depth + 1};
        if (i > 0)
            sam_put_u8(text, ',');
        put_string(text, keys[i], strlen(keys[i]));
        sam_put_u8(text, ':');
        sam_status status = put_value(text, json_object_get(object, keys[i]), &here, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

static sam_status put_object(sam_buffer *text, const json_t *object, const place *at, sam_error *err)
{
    const char **keys = sorted_keys((json_t *)object); /* jansson's iterators are not const, but only read */
    if (keys == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the keys of a JSON object");
    sam_put_u8(text, '{');
    sam_status status = put_members(text, object, keys, at, err);
    sam_put_u8(text, '}');
    sam_free(keys);
    return status;
}

static sam_status put_value(sam_buffer *text, const json_t *value, const place *at, sam_error *err)
{
    if (at->depth > DEPTH_MAX)
        return fail_at(at, err, "the value is nested more than 64 levels deep");
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return put_object(text, value, at, err);
    case JSON_ARRAY:
        return put_array(text, value, at, err);
    case JSON_STRING:
        put_string(text, json_string_value(value), json_string_length(value));
        return SAM_OK;
    case JSON_INTEGER:
        return put_integer(text, json_integer_value(value), at, err);
    case JSON_REAL:
        return put_real(text, json_real_value(value), at, err);
    case JSON_TRUE:
        sam_put_text(text, "true");
        return SAM_OK;
    case JSON_FALSE:
        sam_put_text(text, "false");
        return SAM_OK;
    case JSON_NULL:
        sam_put_text(text, "null");
        return SAM_OK;
    }
    return sam_fail(err, SAM_INTERNAL, "a JSON value has no type");
}

sam_status sam_canonical_json(sam_buffer *text, const json_t *value, sam_error *err)
{
    const place root = {0};
    sam_status status = put_value(text, value, &root, err);
    if (status == SAM_OK && text->failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for canonical JSON");
    return status;
}
