/* Redis streams, read in pages.
 *
 *     sam_stream_id cursor = {0};                                       // from the start
 *     size_t seen = 0;
 *     sam_status status;
 *     do
 *         status = sam_stream_read(redis, "log", &cursor, 512, on_entry, &replica, &seen, err);
 *     while (status == SAM_OK && seen > 0);
 *
 * The cursor moves past an entry when `visit` has returned OK for it, so a failed visit is repeated and nothing is
 * skipped. Thread safety: as the connection.
 */
#ifndef SAM_STORE_STREAM_H
#define SAM_STORE_STREAM_H

#include "store/redis.h"

typedef struct sam_stream_id {
    uint64_t time, sequence; /* "time-sequence" */
} sam_stream_id;

#define SAM_STREAM_ID_TEXT 42

typedef struct sam_stream_field {
    const char *name, *value; /* each followed by a NUL when read */
    size_t name_length, value_length;
} sam_stream_field;

typedef struct sam_stream_entry {
    sam_stream_id id;
    const sam_stream_field *fields; /* borrowed for the visit */
    size_t field_count;
} sam_stream_entry;

typedef sam_status (*sam_stream_visit)(void *user, const sam_stream_entry *entry, sam_error *err);

/* At most `page` entries after the cursor. `*seen`: how many were visited; 0: no more at the moment. */
sam_status sam_stream_read(sam_redis *redis, const char *key, sam_stream_id *cursor, uint32_t page,
                           sam_stream_visit visit, void *user, size_t *seen, sam_error *err);
const sam_stream_field *sam_stream_field_named(const sam_stream_entry *entry, const char *name); /* NULL: none */
bool sam_stream_id_parse(sam_stream_id *id, const char *text);
void sam_stream_id_text(char out[SAM_STREAM_ID_TEXT], sam_stream_id id);

#endif
