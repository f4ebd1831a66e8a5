#include "train/table.h"

#include "base/files.h"
#include "base/text.h"
#include "train/table_internal.h"

#include <stdio.h>
#include <string.h>

typedef enum table_format { FORMAT_UNKNOWN, FORMAT_JSONL, FORMAT_TSV, FORMAT_CSV } table_format;

sam_status table_no_memory(const sam_table *table, sam_error *err)
{
    return sam_fail(err, SAM_NO_MEMORY, "%s: no memory for its rows", table->path);
}

size_t table_find_column(const sam_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (strlen(table->columns[i]) == length && memcmp(table->columns[i], name, length) == 0)
            return i;
    }
    return table->column_count;
}

sam_status table_add_column(sam_table *table, const char *name, size_t length, size_t line, sam_error *err)
{
    if (table->column_count == SAM_COLUMNS_MAX)
        return sam_fail(err, SAM_INVALID, "%s:%zu: more than %u columns", table->path, line, SAM_COLUMNS_MAX);
    char *copy = sam_arena_strndup(&table->arena, name, length);
    if (copy == NULL)
        return table_no_memory(table, err);
    table->columns[table->column_count++] = copy;
    return SAM_OK;
}

static sam_status grow(sam_table *table, sam_error *err)
{
    if (table->row_count < table->row_capacity)
        return SAM_OK;
    size_t capacity = table->row_capacity == 0 ? 256 : 2 * table->row_capacity;
    table_row *rows = sam_realloc(table->rows, capacity, sizeof *rows);
    if (rows == NULL)
        return table_no_memory(table, err);
    table->rows = rows;
    table->row_capacity = capacity;
    return SAM_OK;
}

sam_status table_add_row(sam_table *table, size_t line, size_t count, table_row **row, sam_error *err)
{
    sam_status status = grow(table, err);
    if (status != SAM_OK)
        return status;
    table_cell *cells = sam_arena_array(&table->arena, count, sizeof *cells);
    if (cells == NULL)
        return table_no_memory(table, err);
    *row = &table->rows[table->row_count++];
    **row = (table_row){.line = line, .count = count, .cells = cells};
    return SAM_OK;
}

static bool has_cell(const table_row *row, size_t column)
{
    return column < row->count && (row->cells[column].text != NULL || row->cells[column].instead != NULL);
}

table_names table_column_names(const sam_table *table, const table_row *row)
{
    table_names names = {{0}};
    const size_t room = sizeof names.text - sizeof ", ...";
    size_t used = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        if (row != NULL && !has_cell(row, i))
            continue;
        const char *comma = used == 0 ? "" : ", ";
        size_t length = strlen(comma) + strlen(table->columns[i]);
        if (length >= room - used) {
            snprintf(names.text + used, sizeof names.text - used, "%s...", comma);
            break;
        }
        snprintf(names.text + used, room - used, "%s%s", comma, table->columns[i]);
        used += length;
    }
    return names;
}

static size_t line_of(const sam_table *table, const char *at)
{
    size_t line = 1;
    for (const char *c = table->bytes; c < at; c++)
        line += *c == '\n';
    return line;
}

static size_t byte_in_line(const sam_table *table, const char *at)
{
    const char *start = at;
    while (start > table->bytes && start[-1] != '\n')
        start--;
    return (size_t)(at - start) + 1;
}

static sam_status check_text(const sam_table *table, sam_error *err)
{
    for (const char *at = table->bytes; at < table->end;) {
        uint32_t code_point;
        size_t length = sam_utf8_decode(at, (size_t)(table->end - at), &code_point);
        if (length == 0 || code_point == 0)
            return sam_fail(err, SAM_INVALID, "%s:%zu: byte %zu of the line (0x%02x) %s", table->path,
                            line_of(table, at), byte_in_line(table, at), (unsigned char)*at,
                            length == 0 ? "is not UTF-8; save the file as UTF-8" : "is a NUL, which no text holds");
        at += length;
    }
    return SAM_OK;
}

/* Takes a copy: a file that someone rewrites while it is mapped would change under its digest. */
static sam_status take_bytes(sam_table *table, const void *bytes, size_t length, sam_error *err)
{
    table->bytes = sam_arena_strndup(&table->arena, bytes, length);
    if (table->bytes == NULL)
        return table_no_memory(table, err);
    sam_digest_of(&table->digest, table->bytes, length);
    table->end = table->bytes + length;
    if (length >= 3 && memcmp(table->bytes, "\xef\xbb\xbf", 3) == 0)
        table->bytes += 3;
    while (table->end > table->bytes && (table->end[-1] == '\n' || table->end[-1] == '\r'))
        table->end--;
    if (table->end == table->bytes)
        return sam_fail(err, SAM_INVALID, "%s: the file is empty", table->path);
    return check_text(table, err);
}

static table_format format_of(const sam_table *table)
{
    if (sam_ends_with(table->path, ".jsonl"))
        return FORMAT_JSONL;
    if (sam_ends_with(table->path, ".tsv"))
        return FORMAT_TSV;
    if (sam_ends_with(table->path, ".csv"))
        return FORMAT_CSV;
    const char *line_end = memchr(table->bytes, '\n', (size_t)(table->end - table->bytes));
    size_t length = (size_t)((line_end == NULL ? table->end : line_end) - table->bytes);
    if (table->bytes[0] == '{')
        return FORMAT_JSONL;
    if (memchr(table->bytes, '\t', length) != NULL)
        return FORMAT_TSV;
    return memchr(table->bytes, ',', length) != NULL ? FORMAT_CSV : FORMAT_UNKNOWN;
}

static sam_status read_rows(sam_table *table, const char *const *columns, size_t count, sam_error *err)
{
    switch (format_of(table)) {
    case FORMAT_JSONL:
        return table_read_jsonl(table, err);
    case FORMAT_TSV:
        return table_read_delimited(table, '\t', columns, count, err);
    case FORMAT_CSV:
        return table_read_delimited(table, ',', columns, count, err);
    case FORMAT_UNKNOWN:
        break;
    }
    return sam_fail(err, SAM_INVALID, "%s: neither its name (.jsonl, .tsv, .csv) nor its first line tells its format",
                    table->path);
}

sam_status sam_table_open(sam_table **table, const char *path, sam_error *err)
{
    return sam_table_open_columns(table, path, NULL, 0, err);
}

sam_status sam_table_open_columns(sam_table **table, const char *path, const char *const *columns, size_t count,
                                  sam_error *err)
{
    sam_file_map file;
    *table = NULL;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_table_open_bytes(table, file.bytes, file.length, path, columns, count, err);
    sam_file_map_close(&file);
    return status;
}

sam_status sam_table_open_bytes(sam_table **table, const void *bytes, size_t length, const char *path,
                                const char *const *columns, size_t count, sam_error *err)
{
    *table = NULL;
    sam_table *opened = sam_alloc(1, sizeof *opened);
    if (opened == NULL || (opened->path = sam_strdup(path)) == NULL) {
        sam_free(opened);
        return sam_fail(err, SAM_NO_MEMORY, "%s: no memory to open it", path);
    }
    sam_status status = take_bytes(opened, bytes, length, err);
    if (status == SAM_OK)
        status = read_rows(opened, columns, count, err);
    if (status != SAM_OK) {
        sam_table_close(opened);
        return status;
    }
    *table = opened;
    return SAM_OK;
}

void sam_table_close(sam_table *table)
{
    if (table == NULL)
        return;
    sam_arena_free(&table->arena);
    sam_free(table->rows);
    sam_free(table->path);
    sam_free(table);
}

size_t sam_table_rows(const sam_table *table)
{
    return table->row_count;
}

size_t sam_table_line(const sam_table *table, size_t row)
{
    return table->rows[row].line;
}

const char *sam_table_path(const sam_table *table)
{
    return table->path;
}

const sam_digest *sam_table_digest(const sam_table *table)
{
    return &table->digest;
}

sam_status sam_table_text(const sam_table *table, size_t row, const char *column, const char **text, size_t *length,
                          sam_error *err)
{
    if (row >= table->row_count)
        return sam_fail(err, SAM_INVALID, "%s: no row %zu; there are %zu", table->path, row, table->row_count);
    const table_row *found = &table->rows[row];
    size_t i = table_find_column(table, column, strlen(column));
    if (i == table->column_count || !has_cell(found, i))
        return sam_fail(err, SAM_INVALID, "%s:%zu: no column '%.100s'; there are: %s", table->path, found->line, column,
                        table_column_names(table, found).text);
    const table_cell *cell = &found->cells[i];
    if (cell->text == NULL)
        return sam_fail(err, SAM_INVALID,
                        "%s:%zu: column '%.100s' holds %s, and a text, a number or a boolean is wanted", table->path,
                        found->line, column, cell->instead);
    *text = cell->text;
    *length = cell->length;
    return SAM_OK;
}
