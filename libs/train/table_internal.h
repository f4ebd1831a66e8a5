/* Inside a table: rows of cells, filled by the reader of each file format.
 *
 * Cells borrow from the table's own copy of the file (.tsv, .csv) or from its arena (.jsonl). Columns are numbered in
 * the order in which they first appear; a row of .jsonl has as many cells as there were columns when it was read.
 */
#ifndef SAM_TRAIN_TABLE_INTERNAL_H
#define SAM_TRAIN_TABLE_INTERNAL_H

#include "base/memory.h"
#include "train/table.h"

typedef struct table_cell {
    const char *text; /* NULL: the row has no such column, or its value is not text */
    size_t length;
    const char *instead; /* what the value is where it is not text: "null", "an array", "an object" */
} table_cell;

typedef struct table_row {
    size_t line;
    size_t count;
    table_cell *cells; /* [count] */
} table_row;

struct sam_table {
    sam_arena arena;
    char *path;
    char *bytes, *end; /* the file without byte order mark and the line breaks at its end */
    char *columns[SAM_COLUMNS_MAX];
    size_t column_count;
    table_row *rows;
    size_t row_count, row_capacity;
    sam_digest digest;
};

sam_status table_no_memory(const sam_table *table, sam_error *err);

/* Number of the column of that name, or column_count. */
size_t table_find_column(const sam_table *table, const char *name, size_t length);
sam_status table_add_column(sam_table *table, const char *name, size_t length, size_t line, sam_error *err);

/* A row with one empty cell for each of `count` columns. */
sam_status table_add_row(sam_table *table, size_t line, size_t count, table_row **row, sam_error *err);

/* "a, b, c" for an error; shortened where there are too many. */
typedef struct table_names {
    char text[240];
} table_names;
table_names table_column_names(const sam_table *table, const table_row *row); /* NULL: of the table */

sam_status table_read_delimited(sam_table *table, char separator, const char *const *columns, size_t count,
                                sam_error *err);
sam_status table_read_jsonl(sam_table *table, sam_error *err);

#endif
