/* A worker: joins a run at a ledger, keeps a replica up to date, and computes the slots it is given.
 *
 *     join -> catch up -> { sync: finished codes and cursor out; rounds and leases in
 *                           apply rounds; compute leases } until the run is complete or it is told to stop
 *
 * It only ever opens connections outward. While the ledger is away it waits, with what it has finished, and goes on by
 * itself. Thread safety: one worker, one thread; the engine brings its own.
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
    const char *status_file; /* rewritten after every slot; NULL: none */
    uint32_t wait_ms;        /* that the ledger may hold a sync */
    sam_engine_options engine;
} sam_worker_options;

/* Runs until the run is complete or sam_shutdown_asked(). OK in both cases. */
sam_status sam_worker_run(const sam_worker_options *options, sam_error *err);

#endif
