/* How much of a run's log is here, and the chain it ends with: every round that comes in is checked against it.
 *
 *     sam_received received = {0, manifest->id};
 *     request.cursor = received.rounds;
 *     sam_received_add(&received, request.cursor, &reply, err);   // reply.rounds are new ones now
 *
 * Two turns may be under way at a time, and both bring the same rounds: those that are here already are taken out of
 * the reply. Thread safety: a value belongs to its owner.
 */
#ifndef SAM_CLIENT_RECEIVED_H
#define SAM_CLIENT_RECEIVED_H

#include "base/digest.h"
#include "run/wire.h"

typedef struct sam_received {
    uint64_t rounds;
    sam_digest chain; /* of the last of them; of none: the run's id */
} sam_received;

/* `first`: the number of the reply's first round, at most received->rounds. MISMATCH where a round is not chained to
 * the one before it, and then `received` and the reply are as they were. */
sam_status sam_received_add(sam_received *received, uint64_t first, sam_sync_reply *reply, sam_error *err);

#endif
