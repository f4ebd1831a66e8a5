/* A few replicas, lent to downloads: each stands at the round that its borrowers want, and stays there while lent.
 *
 *     gateway_place *place;
 *     if (gateway_replicas_borrow(replicas, run, 300, &place, err) != SAM_OK)
 *         return err->status;                                               // UNAVAILABLE: all are in use
 *     sam_weight_source theta = sam_replica_weights(place->replica);        // of the state before round 300
 *     gateway_replicas_give_back(replicas, place);
 *
 * Borrowers of the same round of the same run share one. An idle one of the same run is moved to the round, by the
 * records in between (`samara bench catchup` prints how long that takes for a million); else the one unused for longest
 * makes room for a new one. So memory is bounded by their number, whatever the number of runs and downloads. Each holds
 * the run's history (16 bytes a record, a byte a code) and its state: 12 bytes for each of a sketch's K coordinates,
 * 0.8 MB at K = 2^16 and 12.6 MB at K = 2^20, and 4 bytes for each parameter that trains where directions are dense.
 * Thread safety: all functions from any thread; a borrower only reads.
 */
#ifndef SAM_GATEWAY_REPLICAS_H
#define SAM_GATEWAY_REPLICAS_H

#include "gateway/run.h"
#include "train/replica.h"

typedef struct gateway_place {
    gateway_run *run; /* NULL: empty */
    sam_replica *replica;
    uint64_t round;
    unsigned users;
    bool moving;   /* its first borrower brings it to the round; the others wait */
    uint64_t used; /* when last, in borrowings */
} gateway_place;

typedef struct gateway_replicas {
    pthread_mutex_t lock; /* guards all below, but a moving replica, which is its mover's */
    pthread_cond_t settled;
    gateway_place *places;
    size_t count;
    uint64_t borrowings;
} gateway_replicas;

sam_status gateway_replicas_init(gateway_replicas *replicas, size_t count, sam_error *err);
void gateway_replicas_free(gateway_replicas *replicas); /* after all were given back; also a zeroed one */

/* MISMATCH where the run's base is not ours, NOT_FOUND beyond its log. */
sam_status gateway_replicas_borrow(gateway_replicas *replicas, gateway_run *run, uint64_t round, gateway_place **place,
                                   sam_error *err);
void gateway_replicas_give_back(gateway_replicas *replicas, gateway_place *place);

size_t gateway_replicas_in_use(gateway_replicas *replicas);
/* Where the one of the run that was borrowed last stands; false: there is none. */
bool gateway_replicas_round(gateway_replicas *replicas, const gateway_run *run, uint64_t *round);

/* MISMATCH with what to do where the run's base is not ours. */
sam_status gateway_base_of(const gateway_run *run, const sam_model **model, sam_error *err);

#endif
