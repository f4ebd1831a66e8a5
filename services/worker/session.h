/* A worker's side of the conversation with the ledger: join and sync over HTTP, retried while the ledger is away, with
 * every round's chain checked. */
#ifndef SAM_WORKER_SESSION_H
#define SAM_WORKER_SESSION_H

#include "run/manifest.h"
#include "run/signature.h"
#include "run/wire.h"
#include "worker/worker.h"

typedef struct sam_session sam_session;

/* Fetches the manifest. Waits for a ledger that does not answer yet, until shutdown (CANCELLED). */
sam_status sam_session_open(sam_session **session, const sam_worker_options *options, sam_error *err);
void sam_session_close(sam_session *session); /* NULL is fine */
const sam_manifest *sam_session_manifest(const sam_session *session);

/* What the worker has of the log already ends in this chain. */
void sam_session_go_on(sam_session *session, const sam_digest *chain);

/* Gets a worker number. `key`, where not NULL, signs all results from then on, and must live as long as the session. */
sam_status sam_session_join(sam_session *session, const char *kernel, unsigned threads, const sam_signing_key *key,
                            sam_error *err);

/* One turn. request->worker is filled in here. The reply borrows the session's memory until the next turn; its rounds
 * are chained to those of the turns before (MISMATCH otherwise). Retries with backoff while the ledger is away, and
 * waits while the ledger has less of the log than this worker, or nothing: somebody will bring it back (samara
 * restore). */
sam_status sam_session_sync(sam_session *session, sam_sync_request *request, sam_sync_reply *reply, sam_error *err);

typedef struct sam_traffic {
    uint32_t worker;
    uint64_t bytes_sent, bytes_received; /* bodies */
} sam_traffic;

sam_traffic sam_session_traffic(const sam_session *session);

#endif
