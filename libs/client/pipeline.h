/* A worker computes and talks at the same time, so that the way to the ledger and back costs it nothing.
 *
 *     thread of sam_pipeline_run             two threads, one for each connection of the transport
 *
 *       apply rounds    <---  rounds   ---     a turn: finished results and the cursor out,
 *       compute a lease <---  leases   ---             rounds and leases in
 *       its result       ---  results  -->
 *
 *     const sam_pipeline_options options = {
 *         .transport = &sam_http_transport, .state = session, .member = member,
 *         .received = {0, manifest->id}, .ahead = SAM_PIPELINE_AHEAD, .wait_ms = 20000,
 *         .work = {.apply = apply, .compute = compute, .user = user}};
 *     sam_pipeline *pipeline;
 *     sam_pipeline_new(&pipeline, &options, err);
 *     sam_pipeline_run(pipeline, err);            // joins, works, leaves
 *     sam_pipeline_free(pipeline);
 *
 * Results: each goes out as soon as there is one, and once more, as it is, where the answer was lost. A turn that asks
 * for work may be held by the ledger until there is some; a result that is finished meanwhile takes the other
 * connection.
 *
 * Leases: a worker with nothing to compute asks for one. A worker that computes asks for the next when the present one
 * will be done within two round trips, so that it has it in hand then, but not much earlier: a lease that waits here is
 * one that others do not have. Where a round trip takes longer than a lease, it holds as many as last for two of them,
 * at most `ahead`. Where a round trip is short beside the work (a thirtieth), it asks when it has nothing left, in the
 * same request in which the result goes out. Leases whose time is over, and slots of rounds that were committed without
 * them, are not begun.
 *
 * Rounds: each is checked against the chain, and handed to `apply` before a lease that came with it or after it is
 * computed.
 *
 * The end: the run is complete and all results are acknowledged, or somebody told it to stop (SIGTERM, SIGINT,
 * sam_pipeline_stop). Then the present lease is finished, the goodbye takes the last results along, and all other
 * leases are given back. There is no goodbye after the end of the run, or from quarantine.
 */
#ifndef SAM_CLIENT_PIPELINE_H
#define SAM_CLIENT_PIPELINE_H

#include "client/received.h"
#include "client/transport.h"

typedef struct sam_pipeline sam_pipeline;

/* What a worker does. A status that is not OK ends the pipeline with it. All but `received` are called by the thread of
 * sam_pipeline_run. */
typedef struct sam_pipeline_work {
    /* The next rounds of the log, encoded. */
    sam_status (*apply)(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t count, sam_error *err);
    /* Fills the result, of which kind, round and index are there; its codes are new memory (sam_alloc), which passes
     * on. UNSUPPORTED: this worker cannot do it; the sentence is logged, and the lease expires. */
    sam_status (*compute)(void *user, const sam_lease *lease, sam_result *result, sam_error *err);
    /* May be NULL. The same rounds as for `apply`, as soon as they are here: before the next turn says that they are.
     * On a thread of the pipeline, one call at a time. */
    void (*received)(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t count);
    /* May be NULL. After the join, and each time something was applied or computed. */
    void (*progress)(void *user);
    void *user;
} sam_pipeline_work;

/* Enough where a round trip is shorter than a lease. More of them are for rounds with many more slots than workers, and
 * round trips that take as long as several leases: else they leave other workers without any. */
#define SAM_PIPELINE_AHEAD 1u

typedef struct sam_pipeline_options { /* borrowed by the pipeline */
    const sam_transport *transport;
    void *state; /* the transport's */
    sam_member member;
    sam_received received; /* what is applied already */
    uint32_t ahead;        /* leases that it may hold beside the one it computes; 0: it computes and talks in turn */
    bool eager;            /* it holds so many always, however short the round trip is */
    uint32_t wait_ms;      /* how long the other side may hold a turn that asks for work */
    sam_pipeline_work work;
} sam_pipeline_options;

sam_status sam_pipeline_new(sam_pipeline **pipeline, const sam_pipeline_options *options, sam_error *err);
void sam_pipeline_free(sam_pipeline *pipeline); /* NULL is fine */

/* Joins, works, leaves. OK where the run is complete, and where it was told to stop. */
sam_status sam_pipeline_run(sam_pipeline *pipeline, sam_error *err);
void sam_pipeline_stop(sam_pipeline *pipeline); /* from any thread, or from a callback */

/* Where its time went, and what became of its work. From any thread. */
typedef struct sam_pipeline_figures {
    bool joined;
    double computing_s, applying_s, waiting_s; /* of the thread of sam_pipeline_run */
    uint64_t turns;
    uint64_t late;    /* results that came too late, or did not fit */
    uint64_t dropped; /* leases that were not begun */
} sam_pipeline_figures;

sam_pipeline_figures sam_pipeline_look(sam_pipeline *pipeline);

#endif
