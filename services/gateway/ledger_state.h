/* What the ledger's keys say of a run beside its log: status, free and leased work, workers, evaluations.
 *
 *     status = gateway_ledger_state_read(redis, run, err);   // five commands in one round trip; fills run->ledger ...
 *
 * A run whose state is not in Redis (only its manifest and log are) keeps what its log says. What is there and cannot
 * be understood is passed over: it is for people to look at, nothing is computed from it.
 */
#ifndef SAM_GATEWAY_LEDGER_STATE_H
#define SAM_GATEWAY_LEDGER_STATE_H

#include "gateway/run.h"
#include "store/redis.h"

sam_status gateway_ledger_state_read(sam_redis *redis, gateway_run *run, sam_error *err);

#endif
