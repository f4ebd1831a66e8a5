/* Names of a file, sorted, to find one in a few comparisons and to refuse duplicates.
 *
 *     sam_names names;
 *     if (sam_names_open(&names, 2, err) != SAM_OK)
 *         return err->status;
 *     names.entries[0] = (sam_name){"general.name", 12, 0};
 *     names.entries[1] = (sam_name){"general.author", 14, 1};
 *     const sam_name *twice = sam_names_sort(&names);      // NULL: all differ
 *     const sam_name *found = sam_names_find(&names, "general.name", 12);
 *     sam_names_close(&names);
 *
 * Texts are borrowed and need no NUL. Order: bytes, shorter first. A sorted table, and not a hash, so that no file can
 * be made that is slow to open. Thread safety: immutable once sorted.
 */
#ifndef SAM_MODEL_NAMES_H
#define SAM_MODEL_NAMES_H

#include "base/status.h"

#include <stddef.h>

typedef struct sam_name {
    const char *text;
    size_t length;
    size_t position; /* in the caller's own array */
} sam_name;

typedef struct sam_names {
    sam_name *entries;
    size_t count;
} sam_names;

sam_status sam_names_open(sam_names *names, size_t count, sam_error *err);
void sam_names_close(sam_names *names);           /* also fine on a zeroed one */
const sam_name *sam_names_sort(sam_names *names); /* the first entry whose name occurs again, or NULL */
const sam_name *sam_names_find(const sam_names *names, const char *text, size_t length);

#endif
