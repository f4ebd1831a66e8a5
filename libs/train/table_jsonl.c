/* One JSON object a line. Values that are not text, numbers or booleans are kept as what they are, and refused only
 * when a task asks for them: data sets carry lists beside the columns that matter. */
#include "base/text.h"
#include "train/table_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* The fewest digits that read back as the same number. */
static void spell_real(char *out, size_t size, double value)
{
    double back;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(out, size, "%.*g", digits, value);
        if (sam_parse_double(out, &back) && back == value)
            return;
    }
}

static sam_status set_text(sam_table *table, table_cell *cell, const char *text, size_t length, sam_error *err)
{
    cell->text = sam_arena_strndup(&table->arena, text, length);
    cell->length = length;
    return cell->text == NULL ? table_no_memory(table, err) : SAM_OK;
}

static sam_status set_cell(sam_table *table, table_cell *cell, const json_t *value, sam_error *err)
{
    char number[40];
    switch (json_typeof(value)) {
    case JSON_STRING:
        return set_text(table, cell, json_string_value(value), json_string_length(value), err);
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return set_text(table, cell, number, strlen(number), err);
    case JSON_REAL:
        spell_real(number, sizeof number, json_real_value(value));
        return set_text(table, cell, number, strlen(number), err);
    case JSON_TRUE:
        return set_text(table, cell, "true", 4, err);
    case JSON_FALSE:
        return set_text(table, cell, "false", 5, err);
    case JSON_NULL:
        cell->instead = "null";
        return SAM_OK;
    case JSON_ARRAY:
        cell->instead = "an array";
        return SAM_OK;
    case JSON_OBJECT:
        cell->instead = "an object";
        return SAM_OK;
    }
    return sam_fail(err, SAM_INTERNAL, "%s: a JSON value is of an unknown kind", table->path);
}

static sam_status add_columns(sam_table *table, json_t *object, size_t line, sam_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (table_find_column(table, name, strlen(name)) < table->column_count)
            continue;
        sam_status status = table_add_column(table, name, strlen(name), line, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

static sam_status add_object(sam_table *table, json_t *object, size_t line, sam_error *err)
{
    sam_status status = add_columns(table, object, line, err);
    table_row *row;
    if (status == SAM_OK)
        status = table_add_row(table, line, table->column_count, &row, err);
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (status != SAM_OK)
            break;
        status = set_cell(table, &row->cells[table_find_column(table, name, strlen(name))], value, err);
    }
    return status;
}

static sam_status read_line(sam_table *table, const char *text, size_t length, size_t line, sam_error *err)
{
    json_error_t problem;
    if (strspn(text, " \t\r") >= length)
        return sam_fail(err, SAM_INVALID, "%s:%zu: the line is empty, but each line must be a JSON object", table->path,
                        line);
    json_t *object = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (object == NULL && json_error_code(&problem) == json_error_out_of_memory)
        return table_no_memory(table, err);
    if (object == NULL)
        return sam_fail(err, SAM_INVALID, "%s:%zu: column %d: %s", table->path, line, problem.column, problem.text);
    sam_status status;
    if (json_is_object(object))
        status = add_object(table, object, line, err);
    else
        status = sam_fail(err, SAM_INVALID, "%s:%zu: not a JSON object, like {\"text\": \"...\", \"label\": 0}",
                          table->path, line);
    json_decref(object);
    return status;
}

sam_status table_read_jsonl(sam_table *table, sam_error *err)
{
    sam_status status = SAM_OK;
    char *at = table->bytes;
    for (size_t line = 1; status == SAM_OK && at < table->end; line++) {
        char *end = memchr(at, '\n', (size_t)(table->end - at));
        if (end == NULL)
            end = table->end;
        status = read_line(table, at, (size_t)(end - at), line, err);
        at = end + 1;
    }
    return status;
}
