/* What work opens with a call of the ledger's Lua: asked of the run's mode, and told to Lua as items (open_work in
 * lua/common.lua). A round of thousands of slots is one item.
 *
 *     sam_plan plan = {0};
 *     sam_status status = ledger_plan_commit(&plan, ledger, redis, run, 41, err);       // what round 41's commit opens
 *     ledger_call call;
 *     ledger_call_begin(&call, run->id, 1 + ledger_plan_arguments(&plan));
 *     ledger_call_u64(&call, 41);                                             // what else the function wants
 *     ledger_call_plan(&call, &plan);                                         // last
 *     sam_plan_free(&plan);
 *
 * While `head` rounds are committed, rounds head .. head + lag are open. Any copy of the ledger makes the same plan,
 * but for who is there, where the mode asks for it; the copy that commits first decides. Thread safety: a plan belongs
 * to its owner.
 */
#ifndef SAM_LEDGER_PLAN_H
#define SAM_LEDGER_PLAN_H

#include "ledger/ledger.h"

/* All that is open when `head` rounds are committed and nothing was open: of a new run, or after an import. */
sam_status ledger_plan_all(sam_plan *plan, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                           uint64_t head, sam_error *err);
/* What the commit of `round` opens: the round `lag` after the next, and an evaluation of the state that it makes. */
sam_status ledger_plan_commit(sam_plan *plan, ledger_service *ledger, sam_redis *redis, const ledger_run *run,
                              uint64_t round, sam_error *err);

size_t ledger_plan_arguments(const sam_plan *plan);
void ledger_call_plan(ledger_call *call, const sam_plan *plan);

#endif
