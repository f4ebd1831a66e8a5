#include "gateway/ledger_state.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { STATE, WORKERS, HOLDERS, EVALUATIONS, FREE, COMMANDS };

static const struct {
    const char *command;
    sam_schema_key key;
} READ[COMMANDS] = {
    [STATE] = {"HGETALL", SAM_KEY_STATE},
    [WORKERS] = {"HGETALL", SAM_KEY_WORKERS},
    [HOLDERS] = {"HVALS", SAM_KEY_HOLDERS}, /* a worker for each lease */
    [EVALUATIONS] = {"HGETALL", SAM_KEY_EVALUATIONS},
    [FREE] = {"ZCARD", SAM_KEY_FREE},
};

/* ---- names and values of a hash ---- */

typedef void (*pair_visit)(gateway_run *run, const char *name, const char *value);

static void each_pair(gateway_run *run, const redisReply *hash, pair_visit visit)
{
    if (hash->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i + 1 < hash->elements; i += 2) {
        const redisReply *name = hash->element[i], *value = hash->element[i + 1];
        if (name->type == REDIS_REPLY_STRING && value->type == REDIS_REPLY_STRING)
            visit(run, name->str, value->str);
    }
}

static void state_pair(gateway_run *run, const char *name, const char *value)
{
    sam_state_field field;
    if (!sam_schema_parse_state_field(&field, name))
        return;
    if (field == SAM_STATE_LOST_LEASES)
        (void)sam_parse_u64(value, &run->ledger.lost_leases);
    if (field == SAM_STATE_STATUS && sam_schema_parse_run_status(&run->ledger.status, value))
        run->ledger.known = true;
}

/* ---- workers ---- */

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
    for (size_t length = strlen(out); length > 0 && !sam_utf8_valid(out, length);)
        out[--length] = 0; /* a sequence that was cut, or no UTF-8 */
}

static void set_field(gateway_worker *worker, sam_worker_field field, const char *value)
{
    uint64_t *const numbers[SAM_WORKER_COUNT] = {
        [SAM_WORKER_THREADS] = &worker->threads, [SAM_WORKER_SLOTS] = &worker->slots,
        [SAM_WORKER_LATE] = &worker->late,       [SAM_WORKER_REFUSED] = &worker->refused,
        [SAM_WORKER_BUSY] = &worker->busy_ms,    [SAM_WORKER_SEEN] = &worker->seen_ms};
    if (numbers[field] != NULL)
        (void)sam_parse_u64(value, numbers[field]);
    if (field == SAM_WORKER_NAME)
        copy_text(worker->name, sizeof worker->name, value);
    if (field == SAM_WORKER_KERNEL)
        copy_text(worker->kernel, sizeof worker->kernel, value);
    worker->left = worker->left || field == SAM_WORKER_LEFT;
    worker->quarantined = worker->quarantined || field == SAM_WORKER_QUARANTINED;
}

static void worker_pair(gateway_run *run, const char *name, const char *value)
{
    uint32_t number;
    sam_worker_field field;
    gateway_worker *worker =
        sam_schema_parse_worker_field(&number, &field, name) ? gateway_run_worker(run, number) : NULL;
    if (worker == NULL)
        return;
    worker->listed = true;
    set_field(worker, field, value);
}

static void take_holders(gateway_run *run, const redisReply *holders)
{
    run->ledger.leased = holders->type == REDIS_REPLY_ARRAY ? holders->elements : 0;
    for (size_t i = 0; i < run->ledger.leased; i++) {
        uint64_t number;
        const redisReply *holder = holders->element[i];
        if (holder->type != REDIS_REPLY_STRING || !sam_parse_u64(holder->str, &number) || number > UINT32_MAX)
            continue;
        gateway_worker *worker = gateway_run_known_worker(run, (uint32_t)number);
        if (worker != NULL)
            worker->leases++;
    }
}

/* ---- evaluations ---- */

static void evaluation_pair(gateway_run *run, const char *name, const char *value)
{
    sam_evaluation sums;
    if (sam_schema_parse_evaluation(&sums, name, value))
        (void)gateway_run_evaluated(run, &sums, false);
}

static void take(gateway_run *run, redisReply *const replies[COMMANDS])
{
    pthread_mutex_lock(&run->lock);
    run->ledger = (gateway_ledger_state){0};
    for (size_t w = 0; w < run->worker_count; w++) {
        run->workers[w].leases = 0;
        run->workers[w].left = run->workers[w].quarantined = false;
    }
    each_pair(run, replies[STATE], state_pair);
    each_pair(run, replies[WORKERS], worker_pair);
    each_pair(run, replies[EVALUATIONS], evaluation_pair);
    take_holders(run, replies[HOLDERS]);
    if (replies[FREE]->type == REDIS_REPLY_INTEGER && replies[FREE]->integer > 0)
        run->ledger.free = (uint64_t)replies[FREE]->integer;
    pthread_mutex_unlock(&run->lock);
}

sam_status gateway_ledger_state_read(sam_redis *redis, gateway_run *run, sam_error *err)
{
    sam_redis_batch *batch = sam_redis_batch_new(redis);
    if (batch == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory asking for run %.12s", run->id);
    sam_status status = SAM_OK;
    for (int i = 0; i < COMMANDS && status == SAM_OK; i++) {
        char key[SAM_SCHEMA_KEY_SIZE];
        sam_schema_key_of(key, run->id, READ[i].key);
        status = sam_redis_batch_add(batch, err, 2, (const char *[]){READ[i].command, key}, NULL);
    }
    redisReply *const *replies;
    size_t count;
    if (status == SAM_OK)
        status = sam_redis_batch_run(batch, &replies, &count, err);
    if (status == SAM_OK && count == COMMANDS)
        take(run, replies);
    sam_redis_batch_free(batch);
    return status;
}
