/* What people are shown of a run as it is now: the reply of describe.lua, read once.
 *
 *     ledger_view view;
 *     sam_status status = ledger_view_read(&view, ledger, redis, run, err);
 *     for (size_t i = 0; i < view.worker_count; i++)
 *         printf("%u %s\n", view.workers[i].number, sam_schema_worker_status_name(view.workers[i].status));
 *     ledger_view_free(&view);
 *
 * It costs by the workers that there are, not by the numbers they have. Thread safety: a view belongs to its owner.
 */
#ifndef SAM_LEDGER_VIEW_H
#define SAM_LEDGER_VIEW_H

#include "ledger/ledger.h"

typedef struct ledger_worker {
    uint32_t number;
    sam_worker_status status;
    const char *name;
    bool left, quarantined;
    uint64_t slots, late, refused, busy_ms, agreed, differed, leases;
    uint64_t seen_ms; /* of one that waits for news: when its wait ends */
} ledger_worker;

typedef struct ledger_view {
    sam_run_status status;
    uint64_t now_ms, head, past, unleased, leased, lost_leases, records;
    ledger_worker *workers; /* by number */
    size_t worker_count;
    size_t by_status[SAM_WORKER_STATUS_COUNT]; /* workers */
    sam_evaluation *evaluations;               /* all finished ones, by round */
    size_t evaluation_count;
    redisReply *reply; /* has the texts */
} ledger_view;

/* NOT_FOUND: Redis has no such run. */
sam_status ledger_view_read(ledger_view *view, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                            sam_error *err);
void ledger_view_free(ledger_view *view);

#endif
