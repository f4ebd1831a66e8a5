/* Requests that wait for news of a run, and the thread that wakes them.
 *
 *     ledger_waiter waiter = {.ticket = sam_http_ticket_of(request), .wants_work = true};
 *     if (!ledger_follower_wait(follower, run, 41, &waiter))        // 41 rounds are known
 *         printf("there is news already: look again\n");
 *     ledger_follower_forget(follower, &waiter);                   // when its handler is called again, or it ends
 *
 * The thread reads the logs of the runs that have waiters (XREAD BLOCK), so a commit by any copy of the ledger wakes
 * them; each quarter of a second it lets leases expire and wakes as many waiters as there is free work.
 * Thread safety: all functions from any thread.
 */
#ifndef SAM_LEDGER_FOLLOW_H
#define SAM_LEDGER_FOLLOW_H

#include "ledger/runs.h"
#include "net/http_server.h"

#include <pthread.h>

struct ledger;

typedef struct ledger_waiter {
    sam_http_ticket ticket;
    bool wants_work;
    bool ahead;               /* has work in hand: others are woken before it */
    struct followed_run *run; /* NULL: it does not wait */
    struct ledger_waiter *earlier, *later;
} ledger_waiter;

typedef struct ledger_follower {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t thread;
    struct followed_run *runs;
    size_t run_count;
    sam_http_server *server; /* NULL until started, and again while it stops */
    struct ledger *ledger;
    bool started, stopping;
} ledger_follower;

void ledger_follower_init(ledger_follower *follower, struct ledger *ledger);
sam_status ledger_follower_start(ledger_follower *follower, sam_http_server *server, sam_error *err);
void ledger_follower_stop(ledger_follower *follower); /* before the server stops */
void ledger_follower_free(ledger_follower *follower); /* after the server has stopped */

/* False: rounds beyond `head` are known, or memory is out; it does not wait then. */
bool ledger_follower_wait(ledger_follower *follower, const ledger_run *run, uint64_t head, ledger_waiter *waiter);
void ledger_follower_forget(ledger_follower *follower, ledger_waiter *waiter);
void ledger_follower_news(ledger_follower *follower, const ledger_run *run, uint64_t head); /* a commit of our own */
size_t ledger_follower_waiting(ledger_follower *follower, const ledger_run *run);

#endif
