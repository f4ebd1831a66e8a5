/* A worker: joins a run at a ledger, keeps a replica up to date, and computes the slots it is given.
 *
 *     join -> { apply rounds; compute a lease }, while client/pipeline.h talks to the ledger, until the run is complete
 * or somebody tells it to stop
 *
 * It only ever opens connections outward. While the ledger is away it waits, with what it has finished, and goes on by
 * itself. Thread safety: one worker in a thread; engine and pipeline bring their own.
 */
#ifndef SAM_WORKER_H
#define SAM_WORKER_H

#include "base/status.h"
#include "model/forward/engine.h"

#include <stdint.h>

typedef struct sam_worker_options {
    const char *ledger, *run;         /* URL or URLs with commas, run id */
    const char *token_file, *ca_file; /* NULL: none, and as the system has it */
    const char *model, *train, *dev;  /* files; dev may be NULL: it then takes no evaluations */
    const char *name;
    const char *key;         /* file of its own key, made where there is none; NULL: it can sign nothing */
    const char *log;         /* file that keeps the log; NULL: none */
    const char *cache;       /* folder of activations; NULL: in memory only */
    const char *status_file; /* rewritten while it works; NULL: none */
    uint32_t wait_ms;        /* that the ledger may hold a sync */
    uint32_t ahead;          /* leases that it holds beside the one it computes (client/pipeline.h) */
    sam_engine_options engine;
} sam_worker_options;

/* Runs until the run is complete or sam_shutdown_requested(). OK in both cases. */
sam_status sam_worker_run(const sam_worker_options *options, sam_error *err);

#endif
