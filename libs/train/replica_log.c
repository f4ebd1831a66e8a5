/* A whole log into a replica; it needs nothing of the replica's inside. */
#include "base/memory.h"
#include "train/replica.h"

sam_status sam_replica_put_log(sam_replica *replica, const sam_samlog *log, uint64_t rounds, sam_error *err)
{
    const uint8_t **bytes = sam_alloc(rounds, sizeof *bytes);
    size_t *lengths = sam_alloc(rounds, sizeof *lengths);
    sam_status status = SAM_OK;
    if (bytes == NULL || lengths == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for %llu rounds", (unsigned long long)rounds);
    for (uint64_t r = 0; status == SAM_OK && r < rounds; r++)
        bytes[r] = sam_samlog_round(log, r, &lengths[r]);
    if (status == SAM_OK)
        status = sam_replica_put_encoded(replica, bytes, lengths, rounds, err);
    if (status == SAM_OK)
        status = sam_replica_seek(replica, rounds, err);
    sam_free(bytes);
    sam_free(lengths);
    return status;
}
