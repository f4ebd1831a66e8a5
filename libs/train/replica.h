/* A replica: the base and the integer state at a round of a run. What every worker, gateway and replay holds.
 *
 *     sam_replica *replica;
 *     sam_status status = sam_replica_new(&replica, model, manifest, err);
 *     if (status == SAM_OK)
 *         status = sam_replica_put(replica, round.number, round.records, round.record_count, err);
 *     if (status == SAM_OK)
 *         status = sam_replica_seek(replica, 1, err);                      // the state before round 1, exactly
 *     sam_weight_source theta = sam_replica_weights(replica);              // for the engine and the exporters
 *     sam_replica_free(replica);
 *
 * The replica keeps the codes of all records it was given (16 bytes and a byte a code), so any moment is at hand: seek
 * moves the state by the records in between, which is exact because integer moves can be taken back (exact-zone.md
 * section 5). Records that the manifest's parent.without names move nothing (run/parent.h).
 * Thread safety: weights may be read from many threads while nobody puts or seeks.
 */
#ifndef SAM_TRAIN_REPLICA_H
#define SAM_TRAIN_REPLICA_H

#include "run/samlog.h"
#include "train/weights.h"

typedef struct sam_replica sam_replica;

/* Borrows model and manifest. MISMATCH where the manifest names another base; INVALID where it trains what the model
 * does not have. */
sam_status sam_replica_new(sam_replica **replica, const sam_model *model, const sam_manifest *manifest, sam_error *err);
void sam_replica_free(sam_replica *replica); /* NULL is fine */

/* The records that were committed as round `round`, all at once, since the guard weighs them against each other. It is
 * the one after the last (CONFLICT otherwise). The state stays where it is until it is sought: a client that reads page
 * after page moves once, at the end. */
sam_status sam_replica_put(sam_replica *replica, uint64_t round, const sam_record *records, size_t count,
                           sam_error *err);
/* The same of as many encoded rounds of a log as it takes, from the one after the last. */
sam_status sam_replica_put_encoded(sam_replica *replica, const uint8_t *const *rounds, const size_t *lengths,
                                   size_t count, sam_error *err);

/* The first `rounds` of a log, to a replica that has seen none; the log has as many. The state moves along. */
sam_status sam_replica_put_log(sam_replica *replica, const sam_samlog *log, uint64_t rounds, sam_error *err);

/* The mean of the states before rounds from, from + 1, ... to: of each integer, rounded to the nearest, halves up
 * (exact-zone.md section 5). The replica stands at no round then, until it seeks one. TOO_LARGE where a sum could pass
 * 64 bits. */
sam_status sam_replica_average(sam_replica *replica, uint64_t from, uint64_t to, sam_error *err);

uint64_t sam_replica_rounds(const sam_replica *replica); /* seen so far */
uint64_t sam_replica_round(const sam_replica *replica);  /* where the state stands: before this round */
sam_status sam_replica_seek(sam_replica *replica, uint64_t round, sam_error *err);

/* The state is to be probed along directions of this epoch, which may not have begun before the round at which it
 * stands. Nothing of the state moves; the next seek forgets it. */
sam_status sam_replica_begin_epoch(sam_replica *replica, uint32_t epoch, sam_error *err);

/* What an author does on its way through the steps of its own record: moves by the codes of one step, as they are
 * priced at the record's origin. `times` is 1, or -1 to take it back: all are taken back before anything is put or
 * sought. */
sam_status sam_replica_try_step(sam_replica *replica, const sam_record *record, uint32_t step, int times,
                                sam_error *err);

void sam_replica_digest(const sam_replica *replica, sam_digest *digest); /* exact-zone.md section 5 */
uint64_t sam_replica_parameters(const sam_replica *replica);             /* that train */

/* The state's integers: values[sam_replica_state_count]. */
uint64_t sam_replica_state_count(const sam_replica *replica);
void sam_replica_state_get(const sam_replica *replica, int64_t *values);

const sam_tuned *sam_replica_tuned(const sam_replica *replica);    /* for perturbations; moves with the replica */
sam_weight_source sam_replica_weights(const sam_replica *replica); /* theta, one variant */

#endif
