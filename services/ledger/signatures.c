/* Signed runs: what comes in is checked against the key of its sender, before Redis sees anything of it; and what is in
 * the log can be taken away with its signatures, to be checked by others. */
#include "base/text.h"
#include "ledger/ledger.h"
#include "ledger/public_keys.h"

#include <inttypes.h>
#include <string.h>

/* ---- at the edge ---- */

/* NOT_FOUND: the run has no such worker. */
static sam_status fetch_key(sam_redis *redis, const ledger_run *run, uint32_t worker, sam_public_key *key,
                            sam_error *err)
{
    char name[SAM_SCHEMA_KEY_SIZE], field[SAM_SCHEMA_WORKER_FIELD_SIZE];
    redisReply *reply;
    const char *text;
    size_t length;
    sam_schema_key_of(name, run->id, SAM_KEY_WORKERS);
    sam_schema_worker_field_of(field, worker, SAM_WORKER_KEY);
    sam_status status = sam_redis_words(redis, &reply, err, "HGET", name, field, NULL);
    if (status != SAM_OK)
        return status;
    if (reply->type == REDIS_REPLY_NIL)
        status = sam_fail(err, SAM_NOT_FOUND, "the run has no worker %" PRIu32 "; join it first", worker);
    else
        status = sam_redis_bytes(reply, "the key of a worker", &text, &length, err);
    if (status == SAM_OK && !sam_public_key_parse(key, text))
        status = sam_fail(err, SAM_CORRUPT, "Redis keeps \"%.70s\" as the key of worker %" PRIu32, text, worker);
    sam_redis_reply_free(reply);
    return status;
}

static sam_status key_of(ledger_service *ledger, const ledger_run *run, uint32_t worker, sam_public_key *key,
                         sam_error *err)
{
    sam_redis *redis;
    if (ledger_public_keys_find(run->public_keys, worker, key))
        return SAM_OK;
    sam_status status = sam_redis_borrow(ledger->redis, &redis, err);
    if (status != SAM_OK)
        return status;
    status = fetch_key(redis, run, worker, key, err);
    sam_redis_give_back(ledger->redis, redis);
    if (status == SAM_OK)
        ledger_public_keys_put(run->public_keys, worker, key);
    return ledger_note(ledger, status, err);
}

sam_status ledger_check_signatures(ledger_service *ledger, const ledger_run *run, const sam_sync_request *sync,
                                   const uint8_t *bytes, size_t length, sam_error *err)
{
    sam_digest id;
    sam_public_key key;
    if (run->manifest->signed_records != sync->is_signed)
        return sam_fail(err, run->manifest->signed_records ? SAM_FORBIDDEN : SAM_INVALID,
                        "the run %s signed requests, and this one is%s",
                        run->manifest->signed_records ? "wants" : "does not take", sync->is_signed ? "" : " not");
    if (!run->manifest->signed_records)
        return SAM_OK;
    sam_status status = key_of(ledger, run, sync->worker, &key, err);
    if (status != SAM_OK)
        return status;
    (void)sam_digest_parse(&id, run->id);
    if (!sam_sync_request_is_signed(bytes, length, &id, &key))
        return sam_fail(err, SAM_FORBIDDEN,
                        "the request is not signed with the key with which worker %" PRIu32 " joined", sync->worker);
    for (size_t i = 0; i < sync->result_count; i++)
        if (!sam_result_is_signed(&sync->results[i], &id, sync->worker, &key))
            return sam_fail(err, SAM_FORBIDDEN,
                            "result %zu, of round %" PRIu64 ", is not signed with the key with which worker %" PRIu32
                            " joined",
                            i, sync->results[i].round, sync->worker);
    return SAM_OK;
}

/* ---- to be taken away ---- */

static sam_status put_key(sam_buffer *out, const redisReply *name, const redisReply *value, sam_error *err)
{
    const char *field, *text;
    size_t length;
    uint32_t worker;
    sam_worker_field of;
    sam_public_key key;
    sam_status status = sam_redis_bytes(name, "a field of the workers", &field, &length, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(value, "a field of the workers", &text, &length, err);
    if (status == SAM_OK && sam_schema_parse_worker_field(&worker, &of, field) && of == SAM_WORKER_KEY &&
        sam_public_key_parse(&key, text))
        sam_samsig_put_key(out, worker, &key);
    return status;
}

sam_status ledger_put_keys(sam_buffer *out, sam_redis *redis, const ledger_run *run, sam_error *err)
{
    char name[SAM_SCHEMA_KEY_SIZE];
    redisReply *reply;
    redisReply *const *each;
    size_t count;
    sam_schema_key_of(name, run->id, SAM_KEY_WORKERS);
    sam_status status = sam_redis_words(redis, &reply, err, "HGETALL", name, NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(reply, "the workers", 0, &each, &count, err);
    for (size_t i = 0; i + 1 < count && status == SAM_OK; i += 2)
        status = put_key(out, each[i], each[i + 1], err);
    sam_redis_reply_free(reply);
    return status;
}

/* An entry of the stream: its id, and {"s", signatures} */
static sam_status put_round(sam_buffer *out, const redisReply *entry, uint64_t *next, sam_error *err)
{
    redisReply *const *parts, *const *fields;
    const char *id, *bytes;
    size_t count, length;
    uint64_t round = 0;
    sam_status status = sam_redis_array(entry, "signatures of a round", 2, &parts, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(parts[0], "signatures of a round", &id, &length, err);
    if (status == SAM_OK)
        status = sam_redis_array(parts[1], "signatures of a round", 2, &fields, &count, err);
    if (status == SAM_OK)
        status = sam_redis_bytes(fields[1], "signatures of a round", &bytes, &length, err);
    if (status != SAM_OK)
        return status;
    if (!sam_schema_parse_entry(&round, id) || round < *next || length % SAM_SIGNATURE_BYTES != 0)
        return sam_fail(err, SAM_CORRUPT, "the signatures in Redis have an entry %.30s of %zu bytes", id, length);
    sam_samsig_put_round(out, round, bytes, length);
    *next = round + 1;
    return SAM_OK;
}

sam_status ledger_put_signatures(sam_buffer *out, sam_redis *redis, const ledger_run *run, uint64_t from,
                                 uint64_t *next, sam_error *err)
{
    char name[SAM_SCHEMA_KEY_SIZE], first[SAM_SCHEMA_ENTRY_SIZE];
    redisReply *reply;
    redisReply *const *each;
    size_t count;
    *next = from;
    sam_schema_key_of(name, run->id, SAM_KEY_SIGNATURES);
    sam_schema_entry_of(first, from);
    sam_status status = sam_redis_words(redis, &reply, err, "XRANGE", name, first, "+", "COUNT", "256", NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(reply, "the signatures", 0, &each, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = put_round(out, each[i], next, err);
    sam_redis_reply_free(reply);
    return status;
}
