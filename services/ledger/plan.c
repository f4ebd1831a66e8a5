#include "ledger/plan.h"

#include "base/memory.h"
#include "ledger/view.h"

#define ARGUMENTS_OF_ITEM 6

/* ---- presence ---- */

typedef struct presence {
    uint32_t *workers;
    size_t count;
} presence;

static sam_status read_presence(presence *there, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                                sam_error *err)
{
    ledger_view view;
    sam_status status = ledger_view_read(&view, ledger, redis, run, err);
    if (status == SAM_NOT_FOUND)
        return SAM_OK; /* the run is being made */
    if (status != SAM_OK)
        return status;
    there->workers = sam_alloc(view.worker_count, sizeof *there->workers);
    for (size_t i = 0; i < view.worker_count && there->workers != NULL; i++)
        if (view.workers[i].status == SAM_WORKER_IS_ACTIVE)
            there->workers[there->count++] = view.workers[i].number;
    ledger_view_free(&view);
    return there->workers == NULL ? sam_fail(err, SAM_NO_MEMORY, "no memory for the plan of a round") : SAM_OK;
}

/* ---- plans ---- */

/* Rounds [from, to), as far as the run has them. */
static sam_status plan_rounds(sam_plan *plan, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                              uint64_t from, uint64_t to, sam_error *err)
{
    presence there = {0};
    sam_status status = SAM_OK;
    if (run->manifest->mode->asks_presence)
        status = read_presence(&there, ledger, redis, run, err);
    const sam_present present = {there.workers, there.count};
    for (uint64_t round = from; round < to && status == SAM_OK; round++)
        sam_plan_open_round(plan, run->manifest, round, &present);
    sam_free(there.workers);
    if (status == SAM_OK && plan->failed)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for the plan of a round");
    return status;
}

sam_status ledger_plan_all(sam_plan *plan, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                           uint64_t head, sam_error *err)
{
    uint32_t every = run->manifest->evaluation.every;
    if (every > 0 && head % every != 0) /* the last one that was due may have been under way; Lua knows */
        sam_plan_due_evaluation(plan, run->manifest, head - head % every);
    sam_plan_due_evaluation(plan, run->manifest, head);
    return plan_rounds(plan, ledger, redis, run, head, head + run->manifest->lag + 1, err);
}

sam_status ledger_plan_commit(sam_plan *plan, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                              uint64_t round, sam_error *err)
{
    uint64_t opens = round + 1 + run->manifest->lag;
    sam_plan_due_evaluation(plan, run->manifest, round + 1);
    return plan_rounds(plan, ledger, redis, run, opens, opens + 1, err);
}

/* ---- for Lua ---- */

size_t ledger_plan_arguments(const sam_plan *plan)
{
    return ARGUMENTS_OF_ITEM * plan->count;
}

void ledger_call_plan(ledger_call *call, const sam_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const sam_plan_item *item = &plan->items[i];
        const char letter[] = {sam_work_kind_of(item->kind)->letter, 0};
        ledger_call_copy(call, letter);
        ledger_call_u64(call, item->round);
        ledger_call_u64(call, item->first);
        ledger_call_u64(call, item->count);
        ledger_call_u64(call, item->addressee);
        ledger_call_u64(call, item->on_expiry == SAM_EXPIRY_LAPSE);
    }
}
