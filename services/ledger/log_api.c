/* The log and its signatures, as files: handed out in parts, and taken from elsewhere. */
#include "ledger/exchange.h"

#include "run/samlog.h"
#include "run/signature.h"

#include <inttypes.h>
#include <stdio.h>

/* A reply stops after about so many bytes; the header Samara-Next-Round says where to go on. */
#define REPLY_BYTES_MAX ((size_t)64 * 1024 * 1024)

static void name_next_round(ledger_exchange *exchange, uint64_t next)
{
    char number[24];
    snprintf(number, sizeof number, "%" PRIu64, next);
    sam_http_set_header(exchange->request, "Samara-Next-Round", number);
}

static sam_status add_page(ledger_exchange *exchange, uint64_t from, uint64_t *next, sam_error *err)
{
    redisReply *log;
    sam_status status = ledger_read_log(exchange->redis, exchange->run, from, exchange->run->reach, &log, err);
    *next = from;
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < log->elements && status == SAM_OK; i++) {
        const uint8_t *bytes;
        size_t length;
        status = ledger_round_of(log, i, from, &bytes, &length, err);
        if (status == SAM_OK)
            sam_samlog_put_round(&exchange->bytes, bytes, length);
    }
    *next = from + log->elements;
    sam_redis_reply_free(log);
    return status;
}

sam_status ledger_get_log(ledger_exchange *exchange, sam_error *err)
{
    uint64_t from = 0, next = 0;
    sam_status status = sam_http_query_u64(exchange->request, "from", 0, SAM_ROUNDS_MAX, &from, err);
    if (status == SAM_OK && from == 0)
        sam_samlog_put_head(&exchange->bytes, exchange->run->manifest);
    for (bool more = true; status == SAM_OK && more && exchange->bytes.length < REPLY_BYTES_MAX; from = next) {
        status = add_page(exchange, from, &next, err);
        more = next > from;
    }
    name_next_round(exchange, from);
    exchange->type = "application/vnd.samara.log";
    return status;
}

sam_status ledger_post_log(ledger_exchange *exchange, sam_error *err)
{
    ledger_rounds rounds;
    uint64_t head = 0;
    rounds.bytes = sam_http_body(exchange->request, &rounds.length);
    sam_status status = ledger_exchange_history(exchange, &rounds.past, &rounds.workers, err);
    if (status == SAM_OK)
        status = ledger_import(exchange->ledger, exchange->redis, exchange->run, &rounds, &head, err);
    if (status == SAM_OK)
        exchange->answer = json_pack("{s:s, s:I}", "run", exchange->run->id, "head", (json_int_t)head);
    return status;
}

sam_status ledger_get_signatures(ledger_exchange *exchange, sam_error *err)
{
    uint64_t from = 0, next = 0;
    sam_digest id;
    sam_status status = sam_http_query_u64(exchange->request, "from", 0, SAM_ROUNDS_MAX, &from, err);
    if (status == SAM_OK && !exchange->run->manifest->signed_records)
        status = sam_fail(err, SAM_NOT_FOUND, "the records of this run are not signed");
    if (status == SAM_OK && from == 0 && sam_digest_parse(&id, exchange->run->id)) {
        sam_samsig_put_head(&exchange->bytes, &id);
        status = ledger_put_keys(&exchange->bytes, exchange->redis, exchange->run, err);
    }
    for (bool more = true; status == SAM_OK && more && exchange->bytes.length < REPLY_BYTES_MAX; from = next) {
        status = ledger_put_signatures(&exchange->bytes, exchange->redis, exchange->run, from, &next, err);
        more = next > from;
    }
    name_next_round(exchange, from);
    exchange->type = "application/vnd.samara.signatures";
    return status;
}
