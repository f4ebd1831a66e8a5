/* Rows and named columns of a data file: .jsonl (one object a line), .tsv or .csv (RFC 4180) with a header line.
 *
 *     sam_table *table;
 *     if (sam_table_open(&table, "train.tsv", err) != SAM_OK)
 *         return err->status;                                           // "train.tsv:17: 3 columns ..."
 *     const char *text;
 *     size_t length;
 *     if (sam_table_text(table, 0, "sentence", &text, &length, err) == SAM_OK)
 *         printf("%.*s\n", (int)length, text);
 *     sam_table_close(table);
 *
 * Every value is text; JSON numbers and booleans are their shortest spelling ("1", "true"). Errors name file and line.
 * Texts must be UTF-8. A file whose name ends otherwise (a cache calls files by their digest) is recognised by its
 * first line. TSV knows no quotes: what stands between two tabs is the value. Thread safety: immutable once open.
 */
#ifndef SAM_TRAIN_TABLE_H
#define SAM_TRAIN_TABLE_H

#include "base/digest.h"
#include "base/status.h"

#include <stddef.h>

typedef struct sam_table sam_table;

#define SAM_COLUMNS_MAX 256u

sam_status sam_table_open(sam_table **table, const char *path, sam_error *err);

/* For a .tsv or .csv without a header line: `columns` are the names, in order. A first line that says just these names
 * is a header all the same. count 0, or .jsonl: as sam_table_open. */
sam_status sam_table_open_columns(sam_table **table, const char *path, const char *const *columns, size_t count,
                                  sam_error *err);

/* As sam_table_open_columns, of a file's bytes, which are copied. `path` stands in errors and tells the format. */
sam_status sam_table_open_bytes(sam_table **table, const void *bytes, size_t length, const char *path,
                                const char *const *columns, size_t count, sam_error *err);

void sam_table_close(sam_table *table); /* NULL is fine */
size_t sam_table_rows(const sam_table *table);
size_t sam_table_line(const sam_table *table, size_t row); /* in the file, from 1 */
const char *sam_table_path(const sam_table *table);
const sam_digest *sam_table_digest(const sam_table *table); /* of the file's bytes */

/* Borrowed from the table, ends with no NUL. INVALID names the columns there are. */
sam_status sam_table_text(const sam_table *table, size_t row, const char *column, const char **text, size_t *length,
                          sam_error *err);

#endif
