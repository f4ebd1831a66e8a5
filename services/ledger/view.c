#include "ledger/view.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* The elements of describe.lua's reply; from STATE on, names and values in turn. */
enum { NOW, UNLEASED, LEASED, STATE, WORKERS, HOLDERS, EVALUATIONS, PARTS };

/* ---- the call ---- */

static sam_status check_pairs(const redisReply *reply, sam_error *err)
{
    redisReply *const *each;
    const char *text;
    size_t count, length;
    sam_status status = sam_redis_array(reply, "describe", 0, &each, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = sam_redis_bytes(each[i], "describe", &text, &length, err);
    return status;
}

static sam_status describe(ledger_view *view, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                           sam_error *err)
{
    ledger_call call;
    redisReply *const *each;
    size_t count;
    ledger_call_begin(&call, run->id, 0);
    sam_status status = ledger_call_run(&call, &ledger->scripts, LEDGER_DESCRIBE, redis, &view->reply, err);
    if (status == SAM_OK)
        status = sam_redis_array(view->reply, "describe", PARTS, &each, &count, err);
    for (size_t i = STATE; status == SAM_OK && i < PARTS; i++)
        status = check_pairs(each[i], err);
    return status;
}

/* ---- the state ---- */

static void set_state(ledger_view *view, const char *name, const char *value)
{
    sam_state_field field;
    uint64_t *const numbers[SAM_STATE_COUNT] = {[SAM_STATE_HEAD] = &view->head,
                                                [SAM_STATE_PAST] = &view->past,
                                                [SAM_STATE_LOST_LEASES] = &view->lost_leases,
                                                [SAM_STATE_RECORDS] = &view->records};
    if (!sam_schema_parse_state_field(&field, name))
        return;
    if (field == SAM_STATE_STATUS)
        (void)sam_schema_parse_run_status(&view->status, value);
    else if (numbers[field] != NULL)
        (void)sam_parse_u64(value, numbers[field]);
}

static void read_state(ledger_view *view)
{
    const redisReply *pairs = view->reply->element[STATE];
    (void)sam_redis_u64(view->reply->element[NOW], "describe", &view->now_ms, NULL);
    (void)sam_redis_u64(view->reply->element[UNLEASED], "describe", &view->unleased, NULL);
    (void)sam_redis_u64(view->reply->element[LEASED], "describe", &view->leased, NULL);
    for (size_t i = 0; i + 1 < pairs->elements; i += 2)
        set_state(view, pairs->element[i]->str, pairs->element[i + 1]->str);
}

/* ---- workers ---- */

static int by_number(const void *left, const void *right)
{
    const ledger_worker *a = left, *b = right;
    return (a->number > b->number) - (a->number < b->number);
}

/* NULL: it never joined. */
static ledger_worker *worker_of(const ledger_view *view, uint32_t number)
{
    const ledger_worker key = {.number = number};
    return bsearch(&key, view->workers, view->worker_count, sizeof key, by_number);
}

static void set_field(ledger_worker *worker, sam_worker_field field, const char *value)
{
    uint64_t *const numbers[SAM_WORKER_COUNT] = {
        [SAM_WORKER_SLOTS] = &worker->slots,      [SAM_WORKER_LATE] = &worker->late,
        [SAM_WORKER_REFUSED] = &worker->refused,  [SAM_WORKER_BUSY] = &worker->busy_ms,
        [SAM_WORKER_SEEN] = &worker->seen_ms,     [SAM_WORKER_AGREED] = &worker->agreed,
        [SAM_WORKER_DIFFERED] = &worker->differed};
    if (numbers[field] != NULL)
        (void)sam_parse_u64(value, numbers[field]);
    worker->left = worker->left || field == SAM_WORKER_LEFT;
    worker->quarantined = worker->quarantined || field == SAM_WORKER_QUARANTINED;
}

/* One for each that has a name, and with it has joined. */
static bool list_workers(ledger_view *view)
{
    const redisReply *pairs = view->reply->element[WORKERS];
    uint32_t number;
    sam_worker_field field;
    view->workers = sam_alloc(pairs->elements / 2, sizeof *view->workers);
    if (view->workers == NULL)
        return false;
    for (size_t i = 0; i + 1 < pairs->elements; i += 2)
        if (sam_schema_parse_worker_field(&number, &field, pairs->element[i]->str) && field == SAM_WORKER_NAME)
            view->workers[view->worker_count++] = (ledger_worker){.number = number, .name = pairs->element[i + 1]->str};
    qsort(view->workers, view->worker_count, sizeof *view->workers, by_number);
    return true;
}

static void read_fields(const ledger_view *view)
{
    const redisReply *pairs = view->reply->element[WORKERS];
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        uint32_t number;
        sam_worker_field field;
        ledger_worker *worker =
            sam_schema_parse_worker_field(&number, &field, pairs->element[i]->str) ? worker_of(view, number) : NULL;
        if (worker != NULL)
            set_field(worker, field, pairs->element[i + 1]->str);
    }
}

static void count_leases(const ledger_view *view)
{
    const redisReply *pairs = view->reply->element[HOLDERS];
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        uint64_t number;
        ledger_worker *worker = sam_parse_u64(pairs->element[i + 1]->str, &number) && number <= UINT32_MAX
                                    ? worker_of(view, (uint32_t)number)
                                    : NULL;
        if (worker != NULL)
            worker->leases++;
    }
}

static bool read_workers(ledger_view *view, const ledger_run *run)
{
    if (!list_workers(view))
        return false;
    read_fields(view);
    count_leases(view);
    for (size_t i = 0; i < view->worker_count; i++) {
        ledger_worker *worker = &view->workers[i];
        worker->status = sam_schema_worker_status_of(worker->quarantined, worker->left, worker->seen_ms, view->now_ms,
                                                     run->manifest->lease_ms);
        view->by_status[worker->status]++;
    }
    return true;
}

/* ---- evaluations: those of the log, and those that came after the last commit ---- */

static int by_round(const void *left, const void *right)
{
    const sam_evaluation *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

static bool read_evaluations(ledger_view *view)
{
    const redisReply *pairs = view->reply->element[EVALUATIONS];
    view->evaluations = sam_alloc(pairs->elements / 2, sizeof *view->evaluations);
    if (view->evaluations == NULL)
        return false;
    for (size_t i = 0; i + 1 < pairs->elements; i += 2)
        if (sam_schema_parse_evaluation(&view->evaluations[view->evaluation_count], pairs->element[i]->str,
                                        pairs->element[i + 1]->str))
            view->evaluation_count++;
    qsort(view->evaluations, view->evaluation_count, sizeof *view->evaluations, by_round);
    return true;
}

/* ---- all of it ---- */

sam_status ledger_view_read(ledger_view *view, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                            sam_error *err)
{
    *view = (ledger_view){0};
    sam_status status = describe(view, ledger, redis, run, err);
    if (status == SAM_OK) {
        read_state(view);
        if (!read_workers(view, run) || !read_evaluations(view))
            status = sam_fail(err, SAM_NO_MEMORY, "no memory for what Redis says of run %.12s", run->id);
    }
    if (status != SAM_OK)
        ledger_view_free(view);
    return status;
}

void ledger_view_free(ledger_view *view)
{
    sam_free(view->workers);
    sam_free(view->evaluations);
    sam_redis_reply_free(view->reply);
    *view = (ledger_view){0};
}
