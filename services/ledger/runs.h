/* What a copy of the ledger remembers of runs: the immutable things of their manifests, so that no request has to
 * parse one.
 *
 *     const ledger_run *run;
 *     if (ledger_runs_find(runs, redis, manifest->id_hex, &run, err) != SAM_OK)
 *         return err->status;                                               // NOT_FOUND: "there is no run 01ab..."
 *
 * Entries live as long as the process. Thread safety: all functions from any thread.
 */
#ifndef SAM_LEDGER_RUNS_H
#define SAM_LEDGER_RUNS_H

#include "ledger/recent.h"
#include "run/manifest.h"
#include "run/round.h"
#include "store/redis.h"
#include "store/schema.h"

#include <pthread.h>

typedef struct ledger_run {
    struct ledger_run *next;
    char id[SAM_DIGEST_HEX];
    char *name, *kernel; /* kernel NULL: any */
    sam_round_shape shape;
    uint64_t rounds;
    uint32_t chunks, lease_ms;
    uint32_t verify_rate;
    bool signed_records;
    sam_privacy privacy;
    struct ledger_public_keys *public_keys; /* of its workers; signatures.c */
    uint32_t least_slots;                   /* of a committed round */
    uint32_t reach;                         /* rounds that one sync reply carries at most */
    char log_key[SAM_SCHEMA_KEY_SIZE];
    ledger_recent *recent;
} ledger_run;

typedef struct ledger_runs {
    pthread_mutex_t lock; /* guards first */
    ledger_run *first;
} ledger_runs;

void ledger_runs_init(ledger_runs *runs);
void ledger_runs_free(ledger_runs *runs);

/* One that is remembered, or NULL: without Redis. */
const ledger_run *ledger_runs_known(ledger_runs *runs, const char *id);
sam_status ledger_runs_find(ledger_runs *runs, sam_redis *redis, const char *id, const ledger_run **run,
                            sam_error *err);
/* Reads and parses the manifest itself. */
sam_status ledger_manifest(sam_redis *redis, const char *id, sam_manifest **manifest, sam_error *err);

#endif
