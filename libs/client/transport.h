/* How a worker reaches the others of its run. A way is one table of functions:
 *
 *     join       become a member; done once, before anything else
 *     turn       finished results and the state of the log go out; committed rounds and new leases come in
 *     leave      say goodbye: the last results go out, and all leases are given back
 *     interrupt  ends the turns that are under way, because nobody needs what they would bring
 *
 *     const sam_transport *http = &sam_http_transport;            // client/session.h; `state` is a sam_session
 *     http->join(session, &member, err);
 *     http->turn(session, 0, &request, &reply, err);
 *     sam_sync_reply_free(&reply);
 *     http->leave(session, &request, &reply, err);
 *
 * A turn may wait for a long time, until there is something to do. So that results need not wait behind it, a transport
 * has SAM_TRANSPORT_CONNECTIONS connections, and a turn can be under way on each of them.
 *
 * Thread safety: each connection belongs to one thread at a time; join and leave are called while no turn is under way;
 * interrupt may be called from any thread.
 */
#ifndef SAM_CLIENT_TRANSPORT_H
#define SAM_CLIENT_TRANSPORT_H

#include "run/signature.h"
#include "run/wire.h"

#define SAM_TRANSPORT_CONNECTIONS 2u

/* What a worker says of itself when it joins. All borrowed: it must live as long as the membership. */
typedef struct sam_member {
    const char *name, *kernel; /* for people; the kernel decides which workers can check each other */
    unsigned threads;
    bool evaluates;             /* it has the dev data */
    const sam_signing_key *key; /* signs all results from then on; NULL: they are not signed */
} sam_member;

typedef struct sam_transport {
    const char *name;
    sam_status (*join)(void *state, const sam_member *member, sam_error *err);

    /* request->worker and the signatures are filled in here. On success the caller frees the reply; what it borrows
     * stays until the next turn on the same connection. Where the other side does not answer, the same request is sent
     * again, until it does: so an error is final. CANCELLED after an interrupt, FORBIDDEN for a worker in quarantine.
     */
    sam_status (*turn)(void *state, unsigned connection, sam_sync_request *request, sam_sync_reply *reply,
                       sam_error *err);

    /* A last turn, with request->leaving set: after an interrupt too, but without patience for one who does not answer.
     */
    sam_status (*leave)(void *state, sam_sync_request *request, sam_sync_reply *reply, sam_error *err);
    void (*interrupt)(void *state);
} sam_transport;

#endif
