#include "model/forward/batch.h"

#include "base/memory.h"

#include <string.h>

void sam_batch_clear(sam_batch *batch)
{
    batch->columns = batch->segment_count = batch->score_count = 0;
}

void sam_batch_free(sam_batch *batch)
{
    sam_free(batch->tokens);
    sam_free(batch->positions);
    sam_free(batch->segments);
    sam_free(batch->scores);
    *batch = (sam_batch){0};
}

/* Makes room for `needed` elements of an array, doubling. */
static bool make_room(void **array, size_t *room, size_t needed, size_t size)
{
    if (needed <= *room)
        return true;
    size_t larger = needed > 2 * *room ? needed + 64 : 2 * *room;
    void *grown = sam_realloc(*array, larger, size);
    if (grown == NULL)
        return false;
    *array = grown;
    *room = larger;
    return true;
}

static bool make_columns(sam_batch *batch, size_t needed)
{
    size_t room = batch->column_room;
    if (!make_room((void **)&batch->tokens, &room, needed, sizeof *batch->tokens))
        return false;
    return make_room((void **)&batch->positions, &batch->column_room, needed, sizeof *batch->positions);
}

sam_status sam_batch_add(sam_batch *batch, size_t prefix, const uint32_t *tokens, size_t count, size_t *segment,
                         sam_error *err)
{
    if (count == 0 || (prefix != SAM_NO_PREFIX &&
                       (prefix >= batch->segment_count || batch->segments[prefix].prefix != SAM_NO_PREFIX)))
        return sam_fail(err, SAM_INVALID, "a segment needs at least one token, and a prefix that has none itself");
    if (count > SIZE_MAX / 8 - batch->columns || !make_columns(batch, batch->columns + count) ||
        !make_room((void **)&batch->segments, &batch->segment_room, batch->segment_count + 1, sizeof *batch->segments))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory packing a batch of %zu tokens", batch->columns + count);

    size_t from = prefix == SAM_NO_PREFIX ? 0 : batch->segments[prefix].count;
    memcpy(batch->tokens + batch->columns, tokens, count * sizeof *tokens);
    for (size_t i = 0; i < count; i++)
        batch->positions[batch->columns + i] = (uint32_t)(from + i);
    *segment = batch->segment_count++;
    batch->segments[*segment] = (sam_segment){prefix, batch->columns, count};
    batch->columns += count;
    return SAM_OK;
}

sam_status sam_batch_score(sam_batch *batch, size_t segment, size_t index, uint32_t target, bool normalised,
                           sam_error *err)
{
    if (segment >= batch->segment_count || index >= batch->segments[segment].count)
        return sam_fail(err, SAM_INVALID, "there is no token %zu in segment %zu to score after", index, segment);
    if (!make_room((void **)&batch->scores, &batch->score_room, batch->score_count + 1, sizeof *batch->scores))
        return sam_fail(err, SAM_NO_MEMORY, "out of memory packing a batch");
    batch->scores[batch->score_count++] = (sam_score){batch->segments[segment].first + index, target, normalised};
    return SAM_OK;
}
