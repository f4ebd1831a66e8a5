/* A worker's conversation with the ledger: join and sync over HTTP, tried again while the ledger is away. It is the
 * first row of the transports (client/transport.h).
 *
 *     sam_session *session;
 *     sam_session_open(&session, &(sam_session_options){.ledger = "http://127.0.0.1:8642", .run = id}, err);
 *     const sam_manifest *manifest = sam_session_manifest(session);
 *     sam_http_transport.join(session, &member, err);
 *     sam_http_transport.turn(session, 0, &request, &reply, err);
 *     sam_session_close(session);
 *
 * While no ledger answers, a call waits with growing pauses (or as long as a Retry-After says), each time after a try
 * at every address. A ledger that does not know this worker any more (404) gives it another number, and the request
 * goes out again. While a ledger has less of the log than this worker, or nothing (404, 409), a turn waits until
 * somebody brings the log back (samara restore). SIGTERM and SIGINT end all of that (CANCELLED), but not a goodbye.
 *
 * Thread safety: as transport.h says; sam_session_traffic from any thread.
 */
#ifndef SAM_CLIENT_SESSION_H
#define SAM_CLIENT_SESSION_H

#include "client/transport.h"
#include "run/manifest.h"

typedef struct sam_session sam_session;

typedef struct sam_session_options {  /* copied */
    const char *ledger;               /* URL, or several with commas: the next is tried when one is away */
    const char *run;                  /* id */
    const char *token_file, *ca_file; /* NULL: none, and as the system has it */
} sam_session_options;

/* Fetches the manifest. Waits for a ledger that does not answer yet. */
sam_status sam_session_open(sam_session **session, const sam_session_options *options, sam_error *err);
void sam_session_close(sam_session *session); /* NULL is fine */
const sam_manifest *sam_session_manifest(const sam_session *session);

typedef struct sam_traffic {
    uint32_t worker;                     /* the number of this worker; 0: it has not joined yet */
    uint64_t bytes_sent, bytes_received; /* bodies */
} sam_traffic;

sam_traffic sam_session_traffic(sam_session *session);

extern const sam_transport sam_http_transport; /* its state is a sam_session */

#endif
