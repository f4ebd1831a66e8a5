/* libFuzzer target: whatever the bytes are, a task read from them renders a row or says why not, and its canonical
 * JSON reads as the same task.
 *
 *     fuzz_task -max_total_time=60 CORPUS_TASK */
#include "train/task.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void render(const sam_task *task)
{
    static const char ROWS[] = "text\tlabel\ta\tb\nIt is.\t0\tx\ty\nIt is {not}.\t1\t\t\n";
    sam_table *table;
    if (sam_table_open_bytes(&table, ROWS, sizeof ROWS - 1, "fuzz.tsv", NULL, 0, NULL) != SAM_OK)
        __builtin_trap();
    for (size_t i = 0; i < sam_table_rows(table); i++) {
        sam_task_row row;
        if (sam_task_render(task, table, i, &row, NULL) != SAM_OK)
            continue;
        if (row.label >= row.option_count || row.option_count != sam_task_option_count(task))
            __builtin_trap();
        sam_task_row_free(&row);
    }
    sam_table_close(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_task *task, *again;
    sam_error err;
    if (sam_task_parse(&task, (const char *)bytes, length, "fuzz.json", &err) != SAM_OK)
        return 0;
    const char *json = sam_task_json(task);
    if (sam_task_parse(&again, json, strlen(json), "again.json", &err) != SAM_OK ||
        strcmp(sam_task_json(again), json) != 0)
        __builtin_trap();
    render(task);
    sam_task_free(again);
    sam_task_free(task);
    return 0;
}
