/* libFuzzer target: whatever the bytes are, as .jsonl, .tsv, .csv or by their first line, every row of the table has
 * values that lie inside it and are UTF-8, or an error that says why not.
 *
 *     fuzz_table -max_total_time=60 CORPUS_TABLE
 *
 * The first byte chooses the format and whether the columns are named from outside. */
#include "base/text.h"
#include "train/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static const char *const COLUMNS[] = {"text", "label"};

static void read_row(const sam_table *table, size_t row, size_t length)
{
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++) {
        const char *text;
        size_t text_length;
        sam_error err = {0};
        if (sam_table_text(table, row, COLUMNS[i], &text, &text_length, &err) != SAM_OK) {
            if (err.text[0] == '\0')
                __builtin_trap();
        } else if (text_length > length + 32 || !sam_utf8_valid(text, text_length)) {
            __builtin_trap(); /* 32: a number may be spelt longer than it was */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const char *const PATHS[] = {"fuzz.jsonl", "fuzz.tsv", "fuzz.csv", "fuzz"};
    if (length == 0)
        return 0;
    sam_table *table;
    sam_error err;
    size_t named = (bytes[0] & 4) != 0 ? 2 : 0;
    if (sam_table_open_bytes(&table, bytes + 1, length - 1, PATHS[bytes[0] & 3], COLUMNS, named, &err) != SAM_OK)
        return 0;
    size_t line = 0;
    for (size_t row = 0; row < sam_table_rows(table); row++) {
        if (sam_table_line(table, row) <= line)
            __builtin_trap();
        line = sam_table_line(table, row);
        read_row(table, row, length);
    }
    if (sam_table_rows(table) == 0)
        __builtin_trap();
    sam_table_close(table);
    return 0;
}
