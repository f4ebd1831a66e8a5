#include "train/template.h"

#include <string.h>

static sam_status add_part(sam_template *parsed, sam_arena *arena, bool is_column, const char *text, size_t length,
                           sam_error *err)
{
    char *copy = sam_arena_strndup(arena, text, length);
    if (copy == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a template");
    parsed->parts[parsed->count++] = (sam_template_part){.is_column = is_column, .text = copy, .length = length};
    parsed->constant = parsed->constant && !is_column;
    return SAM_OK;
}

/* `text` begins behind the opening brace. */
static sam_status add_column(sam_template *parsed, sam_arena *arena, const char *text, size_t left, size_t byte,
                             size_t *length, sam_error *err)
{
    const char *close = memchr(text, '}', left);
    const char *open = memchr(text, '{', left);
    if (close == NULL || (open != NULL && open < close))
        return sam_fail(err, SAM_INVALID, "the '{' at byte %zu is never closed; a brace itself is written '{{'", byte);
    *length = (size_t)(close - text);
    if (*length == 0)
        return sam_fail(err, SAM_INVALID,
                        "the '{}' at byte %zu does not name a column; braces are written '{{' and '}}'", byte);
    return add_part(parsed, arena, true, text, *length, err);
}

sam_status sam_template_parse(sam_template *parsed, sam_arena *arena, const char *text, size_t length, sam_error *err)
{
    /* Every part but the last takes a byte at least. */
    *parsed = (sam_template){.constant = true};
    parsed->parts = sam_arena_array(arena, length + 1, sizeof *parsed->parts);
    if (parsed->parts == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a template");
    sam_status status = SAM_OK;
    for (size_t at = 0; status == SAM_OK && at < length;) {
        size_t run = 0;
        while (at + run < length && text[at + run] != '{' && text[at + run] != '}')
            run++;
        bool doubled = run == 0 && at + 1 < length && text[at + 1] == text[at];
        if (run > 0 || doubled) {
            run = doubled ? 1 : run;
            status = add_part(parsed, arena, false, text + at, run, err);
            at += run + doubled;
        } else if (text[at] == '{') {
            status = add_column(parsed, arena, text + at + 1, length - at - 1, at, &run, err);
            at += run + 2;
        } else {
            status = sam_fail(err, SAM_INVALID,
                              "the '}' at byte %zu does not close anything; a brace itself is written '}}'", at);
        }
    }
    return status;
}

sam_status sam_template_render(const sam_template *parsed, const sam_table *table, size_t row, sam_buffer *out,
                               sam_error *err)
{
    for (size_t i = 0; i < parsed->count; i++) {
        const char *text = parsed->parts[i].text;
        size_t length = parsed->parts[i].length;
        if (parsed->parts[i].is_column) {
            sam_status status = sam_table_text(table, row, text, &text, &length, err);
            if (status != SAM_OK)
                return status;
        }
        sam_put_bytes(out, text, length);
    }
    return out->failed ? sam_fail(err, SAM_NO_MEMORY, "no memory to render a template") : SAM_OK;
}
