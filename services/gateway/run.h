/* One run as the gateway remembers it: its log as the bytes of a .samlog file, and the figures that follow from it.
 *
 *     sam_status status = gateway_run_append(run, bytes, length, err);      // the follower, in order; chain checked
 *     pthread_mutex_lock(&run->lock);
 *     printf("%llu rounds\n", (unsigned long long)run->rounds);
 *     pthread_mutex_unlock(&run->lock);
 *     sam_buffer page = {0};
 *     uint64_t count;
 *     status = gateway_run_page(run, 100, 200, 1 << 20, &page, &count, err);  // a copy; nothing is locked afterwards
 *     sam_buffer_free(&page);
 *
 *     log:    head | u32 length, round 0 | u32 length, round 1 | ...
 *     places:      ^ places[0]           ^ places[1]           ^ places[rounds] == log.length
 *
 * Runs live as long as the process, so a pointer to one stays good. Thread safety: `lock` guards what stands below it;
 * one thread (the follower) writes, the threads of the server read.
 */
#ifndef SAM_GATEWAY_RUN_H
#define SAM_GATEWAY_RUN_H

#include "model/model.h"
#include "run/manifest.h"
#include "run/round.h"
#include "run/wire.h"
#include "store/schema.h"

#include <pthread.h>

#define GATEWAY_RECENT 64u

/* A worker: what the log says of it, and what the ledger's hash said of it last. */
typedef struct gateway_worker {
    uint32_t number;
    uint64_t records;    /* in the log */
    uint64_t last_round; /* of its last record */

    bool listed; /* the ledger knows it; else all below is zero */
    char name[64], kernel[32];
    uint64_t threads, slots, late, refused, busy_ms, seen_ms, leases;
    bool left, quarantined;
} gateway_worker;

typedef struct gateway_evaluation {
    sam_evaluation sums;
    bool in_log; /* else only the ledger has it so far: that of the last state never gets a round after it */
} gateway_evaluation;

/* Of one committed round. */
typedef struct gateway_figures {
    uint64_t committed_ms, probes;
    double squares; /* of the codes' values, summed */
} gateway_figures;

/* What the log adds up to. */
typedef struct gateway_tally {
    uint64_t records, probes; /* with a worker; with a value */
    uint64_t no_value_slots;
    double train_loss;                      /* mean over the records of the last round, in nats; NaN: none has one */
    uint64_t committed_ms;                  /* of the last round */
    gateway_figures recent[GATEWAY_RECENT]; /* of round r at r mod GATEWAY_RECENT */
} gateway_tally;

/* What the ledger's keys said when they were read last; not known where only a log is there. */
typedef struct gateway_ledger_state {
    bool known;
    sam_run_status status;
    uint64_t free, leased, lost_leases;
} gateway_ledger_state;

typedef struct gateway_run {
    struct gateway_run *next;
    char id[SAM_DIGEST_HEX];
    sam_manifest *manifest;
    sam_round_shape shape;
    const sam_model *model; /* its base; NULL: not among ours */
    uint64_t refresh_at_ms; /* the follower's */

    pthread_mutex_t lock; /* guards all below */
    sam_buffer log;
    size_t *places; /* [rounds + 1] */
    uint64_t rounds, room;
    gateway_tally tally;
    gateway_worker *workers; /* by number */
    size_t worker_count, worker_room;
    gateway_evaluation *evaluations; /* by round evaluated */
    size_t evaluation_count, evaluation_room;
    gateway_ledger_state ledger;
    char fault[256]; /* why its log is followed no further; "" */
} gateway_run;

/* Takes the manifest. NULL: out of memory, the manifest is the caller's still. */
gateway_run *gateway_run_new(sam_manifest *manifest);
void gateway_run_free(gateway_run *run);

/* The next encoded round. MISMATCH, CORRUPT or CONFLICT where it does not continue the log. */
sam_status gateway_run_append(gateway_run *run, const uint8_t *bytes, size_t length, sam_error *err);

/* Copies rounds [from, to), as many as fit in `most` bytes but at least one, to the end of `page` as the log has them:
 * u32 length and bytes of each. `*count`: how many. NOT_FOUND beyond the log. */
sam_status gateway_run_page(gateway_run *run, uint64_t from, uint64_t to, size_t most, sam_buffer *page,
                            uint64_t *count, sam_error *err);

/* The chain after `round` rounds: the run's id for 0. NOT_FOUND beyond the log. */
sam_status gateway_run_chain(gateway_run *run, uint64_t round, sam_digest *chain, sam_error *err);

uint64_t gateway_run_rounds(gateway_run *run); /* takes the lock */

/* ---- with the lock held ---- */
const char *gateway_run_status_name(const gateway_run *run); /* "running", "paused", "complete", "faulty" */
double gateway_run_codes_rms(const gateway_run *run);        /* of the last rounds, in quanta */
double gateway_run_probes_per_second(const gateway_run *run, uint64_t now_ms);
/* Of one that the ledger knows. */
sam_worker_status gateway_worker_status(const gateway_run *run, const gateway_worker *worker, uint64_t now_ms);
size_t gateway_run_active_workers(const gateway_run *run, uint64_t now_ms);
gateway_worker *gateway_run_worker(gateway_run *run, uint32_t number);       /* made where it is new; NULL: no memory */
gateway_worker *gateway_run_known_worker(gateway_run *run, uint32_t number); /* NULL: none of this number */
/* The one of `sums.at`, made where it is new; what the log says replaces what the ledger said. */
bool gateway_run_evaluated(gateway_run *run, const sam_evaluation *sums, bool in_log);

#endif
