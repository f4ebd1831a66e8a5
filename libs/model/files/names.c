#include "model/files/names.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *left, const void *right)
{
    const sam_name *a = left, *b = right;
    size_t shared = a->length < b->length ? a->length : b->length;
    int order = shared == 0 ? 0 : memcmp(a->text, b->text, shared);
    return order != 0 ? order : (a->length > b->length) - (a->length < b->length);
}

sam_status sam_names_open(sam_names *names, size_t count, sam_error *err)
{
    *names = (sam_names){.entries = sam_alloc(count, sizeof *names->entries), .count = count};
    if (names->entries == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for an index of %zu names", count);
    return SAM_OK;
}

void sam_names_close(sam_names *names)
{
    sam_free(names->entries);
    *names = (sam_names){0};
}

const sam_name *sam_names_sort(sam_names *names)
{
    qsort(names->entries, names->count, sizeof *names->entries, compare_names);
    for (size_t i = 1; i < names->count; i++) {
        if (compare_names(&names->entries[i - 1], &names->entries[i]) == 0)
            return &names->entries[i - 1];
    }
    return NULL;
}

const sam_name *sam_names_find(const sam_names *names, const char *text, size_t length)
{
    const sam_name wanted = {text, length, 0};
    if (names->count == 0)
        return NULL;
    return bsearch(&wanted, names->entries, names->count, sizeof wanted, compare_names);
}
