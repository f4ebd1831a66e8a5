/* Lines of fields: .tsv, where nothing is quoted, and .csv as RFC 4180 has it (quoted fields may hold separators, line
 * breaks and doubled quotes). Both may end their lines in CR LF. */
#include "train/table_internal.h"

#include <string.h>

typedef struct cursor {
    char *at, *end;
    size_t line;
    char separator;
} cursor;

typedef struct record {
    size_t line;  /* where it begins */
    size_t count; /* of all fields, also those that did not fit */
    table_cell fields[SAM_COLUMNS_MAX];
} record;

/* Is this the end of a line, and how many bytes long is the break? The end of the file is a break of no bytes. */
static bool at_break(const cursor *c, size_t *length)
{
    size_t left = (size_t)(c->end - c->at);
    *length = left == 0 ? 0 : c->at[0] == '\r' ? 2 : 1;
    return left == 0 || c->at[0] == '\n' || (c->at[0] == '\r' && left > 1 && c->at[1] == '\n');
}

static sam_status read_plain(const sam_table *table, cursor *c, table_cell *field, sam_error *err)
{
    size_t length;
    field->text = c->at;
    while (!at_break(c, &length) && *c->at != c->separator) {
        if (c->separator == ',' && *c->at == '"')
            return sam_fail(
                err, SAM_INVALID,
                "%s:%zu: there is a quote inside a field that does not begin with one; quote the whole field and "
                "double the quote",
                table->path, c->line);
        c->at++;
    }
    field->length = (size_t)(c->at - field->text);
    return SAM_OK;
}

/* Takes the doubled quotes out in place. */
static sam_status read_quoted(const sam_table *table, cursor *c, table_cell *field, sam_error *err)
{
    size_t opened = c->line, length;
    char *out = ++c->at;
    field->text = out;
    while (c->at < c->end) {
        bool quote = *c->at == '"';
        if (quote)
            c->at++;
        if (quote && (c->at == c->end || *c->at != '"')) {
            field->length = (size_t)(out - field->text);
            if (at_break(c, &length) || *c->at == c->separator)
                return SAM_OK;
            return sam_fail(err, SAM_INVALID, "%s:%zu: there is text after the closing quote of a field", table->path,
                            c->line);
        }
        c->line += *c->at == '\n';
        *out++ = *c->at++;
    }
    return sam_fail(err, SAM_INVALID, "%s:%zu: the quote that opens here is never closed", table->path, opened);
}

static sam_status read_record(const sam_table *table, cursor *c, record *found, sam_error *err)
{
    *found = (record){.line = c->line};
    for (;;) {
        table_cell field = {0};
        bool quoted = c->separator == ',' && c->at < c->end && *c->at == '"';
        sam_status status = quoted ? read_quoted(table, c, &field, err) : read_plain(table, c, &field, err);
        if (status != SAM_OK)
            return status;
        if (found->count < SAM_COLUMNS_MAX)
            found->fields[found->count] = field;
        found->count++;
        size_t length;
        if (at_break(c, &length)) {
            c->at += length;
            c->line++;
            return SAM_OK;
        }
        c->at++;
    }
}

static sam_status name_columns(sam_table *table, const record *header, sam_error *err)
{
    for (size_t i = 0; i < header->count; i++) {
        const table_cell *name = &header->fields[i < SAM_COLUMNS_MAX ? i : 0];
        if (i < SAM_COLUMNS_MAX && table_find_column(table, name->text, name->length) < table->column_count)
            return sam_fail(err, SAM_INVALID, "%s:%zu: the header line names the column '%.*s' twice", table->path,
                            header->line, name->length > 100 ? 100 : (int)name->length, name->text);
        sam_status status = table_add_column(table, name->text, name->length, header->line, err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

static bool is_header(const sam_table *table, const record *first)
{
    bool equal = first->count == table->column_count;
    for (size_t i = 0; equal && i < first->count; i++)
        equal = table_find_column(table, first->fields[i].text, first->fields[i].length) == i;
    return equal;
}

static sam_status keep_record(sam_table *table, const record *found, bool has_header, sam_error *err)
{
    if (found->count != table->column_count)
        return sam_fail(err, SAM_INVALID, "%s:%zu: the line has %zu column%s, but %s %zu (%s)", table->path,
                        found->line, found->count, found->count == 1 ? "" : "s",
                        has_header ? "the header line names" : "the task names", table->column_count,
                        table_column_names(table, NULL).text);
    table_row *row;
    sam_status status = table_add_row(table, found->line, found->count, &row, err);
    if (status == SAM_OK)
        memcpy(row->cells, found->fields, found->count * sizeof *row->cells);
    return status;
}

static record text_record(const char *const *columns, size_t count)
{
    record named = {.line = 1, .count = count};
    for (size_t i = 0; i < count && i < SAM_COLUMNS_MAX; i++)
        named.fields[i] = (table_cell){.text = columns[i], .length = strlen(columns[i])};
    return named;
}

/* The first record is the header, or where the columns are named already a header or a row. */
static sam_status read_first(sam_table *table, cursor *c, const char *const *columns, size_t count, sam_error *err)
{
    record first;
    sam_status status = read_record(table, c, &first, err);
    if (status != SAM_OK || count == 0)
        return status != SAM_OK ? status : name_columns(table, &first, err);
    const record named = text_record(columns, count);
    status = name_columns(table, &named, err);
    if (status != SAM_OK || is_header(table, &first))
        return status;
    return keep_record(table, &first, false, err);
}

sam_status table_read_delimited(sam_table *table, char separator, const char *const *columns, size_t count,
                                sam_error *err)
{
    cursor c = {.at = table->bytes, .end = table->end, .line = 1, .separator = separator};
    sam_status status = read_first(table, &c, columns, count, err);
    while (status == SAM_OK && c.at < c.end) {
        record found;
        status = read_record(table, &c, &found, err);
        if (status == SAM_OK)
            status = keep_record(table, &found, count == 0, err);
    }
    if (status == SAM_OK && table->row_count == 0)
        return sam_fail(err, SAM_INVALID, "%s: the file has a header line but no rows", table->path);
    return status;
}
