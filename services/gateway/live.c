#include "gateway/live.h"

#include "base/text.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE, WORKERS, HOLDERS, EVALUATIONS, FREE, QUESTIONS };

static const struct {
    const char *command, *key;
} ASKED[QUESTIONS] = {
    [STATE] = {"HGETALL", "state"},
    [WORKERS] = {"HGETALL", "workers"},
    [HOLDERS] = {"HVALS", "holders"}, /* a worker for each lease */
    [EVALUATIONS] = {"HGETALL", "evaluations"},
    [FREE] = {"ZCARD", "free"},
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
    static const char *const STATUSES[] = {"running", "paused", "complete"};
    if (strcmp(name, "lost_leases") == 0)
        (void)sam_parse_u64(value, &run->live.lost_leases);
    if (strcmp(name, "status") != 0)
        return;
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        if (strcmp(value, STATUSES[i]) == 0) {
            run->live.status = (sam_run_status)i;
            run->live.known = true;
        }
    }
}

/* ---- workers ---- */

static bool number_before(const char *text, char mark, uint32_t *number, const char **rest)
{
    char digits[12];
    const char *end = strchr(text, mark);
    uint64_t value;
    if (end == NULL || (size_t)(end - text) >= sizeof digits)
        return false;
    memcpy(digits, text, (size_t)(end - text));
    digits[end - text] = 0;
    if (!sam_parse_u64(digits, &value) || value == 0 || value > UINT32_MAX)
        return false;
    *number = (uint32_t)value;
    *rest = end + 1;
    return true;
}

static void copy_text(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
    for (size_t length = strlen(out); length > 0 && !sam_utf8_valid(out, length);)
        out[--length] = 0; /* a sequence that was cut, or no UTF-8 */
}

/* "7:seen" and its value. */
static void worker_pair(gateway_run *run, const char *name, const char *value)
{
#define AT(member) offsetof(gateway_worker, member)
    static const struct {
        const char *name;
        size_t offset;
    } NUMBERS[] = {{"threads", AT(threads)}, {"slots", AT(slots)},     {"late", AT(late)},
                   {"busy", AT(busy_ms)},    {"refused", AT(refused)}, {"seen", AT(seen_ms)}};
#undef AT
    uint32_t number;
    const char *field;
    if (!number_before(name, ':', &number, &field))
        return;
    gateway_worker *worker = gateway_run_worker(run, number);
    if (worker == NULL)
        return;
    worker->listed = true;
    if (strcmp(field, "name") == 0)
        copy_text(worker->name, sizeof worker->name, value);
    else if (strcmp(field, "kernel") == 0)
        copy_text(worker->kernel, sizeof worker->kernel, value);
    else if (strcmp(field, "left") == 0)
        worker->left = true;
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        if (strcmp(field, NUMBERS[i].name) == 0)
            (void)sam_parse_u64(value, (uint64_t *)((char *)worker + NUMBERS[i].offset));
}

static void take_holders(gateway_run *run, const redisReply *holders)
{
    run->live.leased = holders->type == REDIS_REPLY_ARRAY ? holders->elements : 0;
    for (size_t i = 0; i < run->live.leased; i++) {
        uint64_t number;
        const redisReply *holder = holders->element[i];
        if (holder->type != REDIS_REPLY_STRING || !sam_parse_u64(holder->str, &number) || number > UINT32_MAX)
            continue;
        for (size_t w = 0; w < run->worker_count; w++)
            run->workers[w].leases += run->workers[w].number == number;
    }
}

/* ---- evaluations: round -> "examples:correct:loss" ---- */

static void evaluation_pair(gateway_run *run, const char *name, const char *value)
{
    sam_evaluation sums;
    const char *rest, *loss;
    if (sam_parse_u64(name, &sums.at) && number_before(value, ':', &sums.examples, &rest)) {
        /* none may be correct */
        if (strncmp(rest, "0:", 2) == 0) {
            sums.correct = 0;
            loss = rest + 2;
        } else if (!number_before(rest, ':', &sums.correct, &loss)) {
            return;
        }
        if (sam_parse_u64(loss, &sums.loss_micro))
            (void)gateway_run_evaluated(run, &sums, false);
    }
}

static void take(gateway_run *run, redisReply *const replies[QUESTIONS])
{
    pthread_mutex_lock(&run->lock);
    run->live = (gateway_live){0};
    for (size_t w = 0; w < run->worker_count; w++) {
        run->workers[w].leases = 0;
        run->workers[w].left = false;
    }
    each_pair(run, replies[STATE], state_pair);
    each_pair(run, replies[WORKERS], worker_pair);
    each_pair(run, replies[EVALUATIONS], evaluation_pair);
    take_holders(run, replies[HOLDERS]);
    if (replies[FREE]->type == REDIS_REPLY_INTEGER && replies[FREE]->integer > 0)
        run->live.free = (uint64_t)replies[FREE]->integer;
    pthread_mutex_unlock(&run->lock);
}

sam_status gateway_live_read(sam_redis *redis, gateway_run *run, sam_error *err)
{
    sam_redis_batch *batch = sam_redis_batch_new(redis);
    if (batch == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory asking for run %.12s", run->id);
    sam_status status = SAM_OK;
    for (int i = 0; i < QUESTIONS && status == SAM_OK; i++) {
        char key[GATEWAY_KEY_SIZE];
        gateway_key(key, run->id, ASKED[i].key);
        status = sam_redis_batch_add(batch, err, 2, (const char *[]){ASKED[i].command, key}, NULL);
    }
    redisReply *const *replies;
    size_t count;
    if (status == SAM_OK)
        status = sam_redis_batch_run(batch, &replies, &count, err);
    if (status == SAM_OK && count == QUESTIONS)
        take(run, replies);
    sam_redis_batch_free(batch);
    return status;
}
