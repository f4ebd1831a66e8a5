/* The log of a run, as Redis has it: a stream with an entry for each committed round. */
#include "ledger/ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

sam_status ledger_read_log(sam_redis *redis, const ledger_run *run, uint64_t from, uint64_t count, redisReply **reply,
                           sam_error *err)
{
    char first[SAM_SCHEMA_ENTRY_SIZE], most[32];
    sam_schema_entry_of(first, from);
    snprintf(most, sizeof most, "%" PRIu64, count);
    sam_status status = sam_redis_words(redis, reply, err, "XRANGE", run->log_key, first, "+", "COUNT", most, NULL);
    if (status == SAM_OK && (*reply)->type != REDIS_REPLY_ARRAY) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
        return sam_fail(err, SAM_CORRUPT, "the log of run %s is no stream", run->id);
    }
    return status;
}

sam_status ledger_round_of(const redisReply *reply, size_t i, uint64_t from, const uint8_t **bytes, size_t *length,
                           sam_error *err)
{
    char id[SAM_SCHEMA_ENTRY_SIZE];
    redisReply *const *entry, *const *fields;
    size_t count;
    const char *entry_id, *value;
    sam_schema_entry_of(id, from + i);
    sam_status status = sam_redis_array(reply->element[i], "a round of the log", 2, &entry, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(entry[0], "a round of the log", &entry_id, length, err);
    if (status == SAM_OK && strcmp(entry_id, id) != 0)
        return sam_fail(err, SAM_CORRUPT, "the log in Redis has entry %.30s where %s should stand", entry_id, id);
    if (status == SAM_OK)
        status = sam_redis_array(entry[1], "a round of the log", 2, &fields, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(fields[1], "a round of the log", &value, length, err);
    if (status == SAM_OK)
        *bytes = (const uint8_t *)value;
    return status;
}
