#include "client/received.h"

#include <string.h>

static sam_status check(sam_received *received, const sam_sync_reply *reply, size_t known, sam_error *err)
{
    for (size_t i = known; i < reply->round_count; i++) {
        sam_status status =
            sam_round_verify(reply->rounds[i], reply->round_lengths[i], &received->chain, &received->chain, err);
        if (status != SAM_OK)
            return status;
        received->rounds++;
    }
    return SAM_OK;
}

static void drop_first(sam_sync_reply *reply, size_t count)
{
    size_t left = reply->round_count - count;
    if (count == 0)
        return;
    memmove(reply->rounds, reply->rounds + count, left * sizeof *reply->rounds);
    memmove(reply->round_lengths, reply->round_lengths + count, left * sizeof *reply->round_lengths);
    reply->round_count = left;
}

sam_status sam_received_add(sam_received *received, uint64_t first, sam_sync_reply *reply, sam_error *err)
{
    sam_received now = *received;
    uint64_t known = received->rounds - first;
    if (known > reply->round_count)
        known = reply->round_count;
    sam_status status = check(&now, reply, (size_t)known, err);
    if (status != SAM_OK)
        return status;
    *received = now;
    drop_first(reply, (size_t)known);
    return SAM_OK;
}
