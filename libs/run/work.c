#include "run/work.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const sam_work_row ROWS[] = {
#define X(name, text, byte, letter, yields) {SAM_WORK_##name, text, letter, yields},
    SAM_WORK_TABLE(X)
#undef X
};
#define ROW_COUNT (sizeof ROWS / sizeof ROWS[0])

const sam_work_row *sam_work_kind_of(unsigned kind)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if ((unsigned)ROWS[i].kind == kind)
            return &ROWS[i];
    return NULL;
}

const sam_work_row *sam_work_kind_by_letter(char letter)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (ROWS[i].letter == letter)
            return &ROWS[i];
    return NULL;
}

void sam_work_write(char text[SAM_WORK_TEXT], const sam_work *work)
{
    const sam_work_row *row = sam_work_kind_of(work->kind);
    snprintf(text, SAM_WORK_TEXT, "%c:%" PRIu64 ":%" PRIu32, row == NULL ? '?' : row->letter, work->round, work->index);
}

bool sam_work_parse(sam_work *work, const char *text)
{
    char again[SAM_WORK_TEXT];
    const sam_work_row *row = sam_work_kind_by_letter(text[0]);
    if (row == NULL || sscanf(text + 1, ":%" SCNu64 ":%" SCNu32, &work->round, &work->index) != 2)
        return false;
    work->kind = row->kind;
    sam_work_write(again, work); /* one spelling: no signs, blanks, leading zeros, nothing behind */
    return strcmp(again, text) == 0;
}
