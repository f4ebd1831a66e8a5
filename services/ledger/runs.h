/* What a copy of the ledger remembers of runs: their manifests, which never change, so that no request has to parse
 * one.
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
    sam_manifest *manifest;
    sam_round_shape shape;
    struct ledger_public_keys *public_keys; /* of its workers; signatures.c */
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

/* Of a manifest, which it takes. NULL: out of memory; then the manifest is freed, too. */
ledger_run *ledger_run_new(sam_manifest *manifest);
void ledger_run_free(ledger_run *run); /* one that is in no list; NULL is fine */

#endif
