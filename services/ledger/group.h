/* Group commit: what many workers ask at a time goes to Redis as one call.
 *
 *      handlers                       queue                    a thread, one call at a time
 *      decode --ledger_group_join-->  t9 t8 t7 t6  --all of--> t5 t4 t3 t2 t1 --turns.lua--> Redis: one script,
 *      (the request is suspended)                  one run       (in flight)                 one fsync, one answer
 *                                                                    |  round full? commit.c, and those that got
 *      handler again <--sam_http_resume-- each its outcome <---------+  no lease go to the front of the queue
 *
 * There are two such threads: while Redis works off one call and syncs its file, the next is put together and sent. A
 * turn that arrives while both are under way joins the next call. So nobody waits for others to come, one worker
 * alone is as quick as ever, and under load the calls grow: Redis syncs its file once for all of a call, which takes as
 * long for a thousand turns as for one.
 *
 *     turn->run = run;                                  // with turn->sync as it was decoded
 *     turn->ticket = sam_http_ticket_of(request);
 *     if (!ledger_group_join(group, turn))
 *         return SAM_UNAVAILABLE;                       // the ledger is stopping
 *
 *     if (ledger_group_take(group, turn) == LEDGER_TURN_DONE)               // when the handler is called again
 *         printf("%zu leases\n", turn->lease_count);
 *     ledger_group_leave(group, turn);                  // at the end of the request, whatever became of the turn
 *
 * A turn may be joined again after it was taken; its results are contributed once. Thread safety: all functions from
 * any thread; a turn belongs to the group from join to take.
 */
#ifndef SAM_LEDGER_GROUP_H
#define SAM_LEDGER_GROUP_H

#include "ledger/runs.h"
#include "net/http_server.h"
#include "run/wire.h"

#include <pthread.h>

#define LEDGER_CALLS 2u /* under way at once */

struct ledger;

typedef enum ledger_turn_state {
    LEDGER_TURN_IDLE,
    LEDGER_TURN_QUEUED,
    LEDGER_TURN_IN_FLIGHT,
    LEDGER_TURN_DONE
} ledger_turn_state;

typedef struct ledger_turn {
    const ledger_run *run;
    sam_sync_request sync;
    sam_http_ticket ticket; /* of the request that is resumed when it is done */
    bool again;             /* gives the worker its own leases once more where nothing is free */

    sam_status status; /* the outcome; not OK: `err` has the sentence */
    sam_error *err;    /* own memory; NULL where all went well, or memory is out */
    sam_run_status run_status;
    uint64_t head;
    uint32_t refused;  /* results that were not taken */
    sam_lease *leases; /* own memory */
    size_t lease_count;

    void (*release)(struct ledger_turn *turn); /* frees what it is part of; once, after leave */
    ledger_turn_state state;                   /* this and what follows: under the group's lock */
    bool contributed;                          /* its results are in Redis */
    bool abandoned;                            /* its request has ended while it was in flight */
    unsigned looks;                            /* times that it went back to the queue after a commit */
    struct ledger_turn *next;
} ledger_turn;

typedef struct ledger_group {
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    pthread_t threads[LEDGER_CALLS];
    unsigned started;          /* of them */
    ledger_turn *first, **end; /* the queue */
    sam_http_server *server;   /* from the start on */
    struct ledger *ledger;
    bool stopping;
} ledger_group;

void ledger_group_init(ledger_group *group, struct ledger *ledger);
sam_status ledger_group_start(ledger_group *group, sam_http_server *server, sam_error *err);
void ledger_group_stop(ledger_group *group); /* before the server stops; what is queued then stays undone */
void ledger_group_free(ledger_group *group); /* after the server has stopped */

bool ledger_group_join(ledger_group *group, ledger_turn *turn);
/* The state it is in; after DONE it is IDLE. */
ledger_turn_state ledger_group_take(ledger_group *group, ledger_turn *turn);
/* Calls turn->release, now or when the call that it is part of has ended. */
void ledger_group_leave(ledger_group *group, ledger_turn *turn);

#endif
