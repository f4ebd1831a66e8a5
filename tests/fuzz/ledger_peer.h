/* A ledger whose Redis is a fuzz_peer, and a run that it knows: for targets that drive the ledger's transitions.
 *
 *     fuzz_ledger *it = fuzz_ledger_start();              // once; later calls give the same
 *     sam_redis *redis = fuzz_ledger_open(it, bytes, length);   // what Redis answers to whatever is asked
 *     ledger_commit(&it->ledger, redis, &it->run, &err);
 *     fuzz_ledger_close(it, redis);
 */
#ifndef SAM_FUZZ_LEDGER_PEER_H
#define SAM_FUZZ_LEDGER_PEER_H

#include "ledger/ledger.h"
#include "peer.h"

typedef struct fuzz_ledger {
    fuzz_peer peer;
    ledger_service ledger;
    ledger_run run; /* of 4 rounds with 2 slots of 2 probes */
} fuzz_ledger;

fuzz_ledger *fuzz_ledger_start(void);
sam_redis *fuzz_ledger_open(fuzz_ledger *it, const uint8_t *bytes, size_t length);
void fuzz_ledger_close(fuzz_ledger *it, sam_redis *redis);

#endif
