/* What a worker has in hand: leases that wait, the one that is being computed, and results that were not acknowledged.
 *
 *     free lease -> waiting -> computing -> finished -> sent on a connection -> acknowledged, and forgotten
 *                                               ^                |
 *                                               +---- no answer -+
 *
 *     sam_in_hand hand = {0};
 *     sam_in_hand_add(&hand, &reply.leases[0], now_ms, err);
 *     sam_lease lease;
 *     while (sam_in_hand_next(&hand, rounds, now_ms, &lease)) {
 *         sam_in_hand_finish(&hand, &result, err);                  // its codes belong to `hand` now
 *         sam_results *sent = sam_in_hand_send(&hand, 0, err);      // what the next request carries
 *         if (answered)
 *             sam_in_hand_acknowledge(&hand, 0);
 *         else
 *             sam_in_hand_take_back(&hand, 0, err);
 *     }
 *     sam_in_hand_free(&hand);
 *
 * A ledger gives a worker its own leases again when it thinks that a reply was lost. So a lease that is in any of these
 * places is not taken a second time: only the time for which it is valid begins anew.
 * Thread safety: a value belongs to its owner.
 */
#ifndef SAM_CLIENT_IN_HAND_H
#define SAM_CLIENT_IN_HAND_H

#include "client/transport.h"

typedef struct sam_waiting_lease {
    sam_lease lease;
    uint64_t until_ms; /* monotonic: it is not begun later */
} sam_waiting_lease;

typedef struct sam_results {
    sam_result *results; /* with their codes */
    size_t count, room;
} sam_results;

typedef struct sam_in_hand {
    sam_waiting_lease *waiting; /* the oldest first */
    size_t waiting_count, waiting_room;
    sam_lease computing;
    bool is_computing;
    sam_results finished;
    sam_results sent[SAM_TRANSPORT_CONNECTIONS];
    uint64_t dropped; /* leases that were not begun: out of time, or of a round that was committed without them */
} sam_in_hand;

void sam_in_hand_free(sam_in_hand *hand);

/* NO_MEMORY. Leases beyond SAM_SYNC_LEASES_MAX, which nobody asked for, are left to expire. */
sam_status sam_in_hand_add(sam_in_hand *hand, const sam_lease *lease, uint64_t now_ms, sam_error *err);

/* The next lease to compute; it is `computing` from now on. Those that are out of time, and slots of the first `rounds`
 * rounds, are dropped on the way. False: there is none. */
bool sam_in_hand_next(sam_in_hand *hand, uint64_t rounds, uint64_t now_ms, sam_lease *lease);

/* `computing` is done. Takes the codes of `result`; NULL: nothing came of it. */
sam_status sam_in_hand_finish(sam_in_hand *hand, const sam_result *result, sam_error *err);

/* Puts the oldest finished results on their way, as many as one request carries. */
sam_results *sam_in_hand_send(sam_in_hand *hand, unsigned connection, sam_error *err);
void sam_in_hand_acknowledge(sam_in_hand *hand, unsigned connection);
/* They were not answered: they are sent again, before all others. */
sam_status sam_in_hand_take_back(sam_in_hand *hand, unsigned connection, sam_error *err);

/* Leases: those that wait, and the one that is being computed. */
size_t sam_in_hand_leases(const sam_in_hand *hand);
/* Results that were not acknowledged. */
size_t sam_in_hand_results(const sam_in_hand *hand);

#endif
