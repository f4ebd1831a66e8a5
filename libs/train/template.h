/* Templates: text with the columns of a row in it, "{premise} question: {hypothesis} true or false?".
 *
 *     sam_arena arena = {0};
 *     sam_template template;
 *     if (sam_template_parse(&template, &arena, "{text} It was", 13, err) != SAM_OK)
 *         return err->status;
 *     sam_buffer out = {0};
 *     sam_template_render(&template, table, 0, &out, err);               // row 0
 *     sam_buffer_free(&out);
 *     sam_arena_free(&arena);
 *
 * {name} is a column, {{ and }} are braces; any other brace is INVALID with its place. Lives in the arena.
 * Thread safety: immutable once parsed.
 */
#ifndef SAM_TRAIN_TEMPLATE_H
#define SAM_TRAIN_TEMPLATE_H

#include "base/bytes.h"
#include "base/memory.h"
#include "train/table.h"

typedef struct sam_template_part {
    bool is_column;
    char *text; /* literal text, or the name of the column */
    size_t length;
} sam_template_part;

typedef struct sam_template {
    sam_template_part *parts;
    size_t count;
    bool constant; /* names no column */
} sam_template;

sam_status sam_template_parse(sam_template *parsed, sam_arena *arena, const char *text, size_t length, sam_error *err);

/* Appends. The caller checks out->failed, or the status: NO_MEMORY is reported as well. */
sam_status sam_template_render(const sam_template *parsed, const sam_table *table, size_t row, sam_buffer *out,
                               sam_error *err);

#endif
