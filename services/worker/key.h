/* A worker's own Ed25519 key: a file with its seed, which the worker makes where there is none. Whoever has the file
 * can sign as this worker; the ledger knows only the public key, from the join. */
#ifndef SAM_WORKER_KEY_H
#define SAM_WORKER_KEY_H

#include "base/status.h"
#include "run/signature.h"

sam_status sam_worker_key(sam_signing_key *key, const char *path, sam_error *err);

#endif
