#include "ledger/group.h"

#include "base/memory.h"
#include "ledger/ledger.h"

/* A call holds up Redis for everybody: about so many results and leases are ten milliseconds. */
#define WEIGHT_MAX 4096u
#define TURNS_MAX  1024u
/* A commit by this copy or another makes the next look useful; more than a few in a row mean that something is off. */
#define LOOKS_MAX 4u

void ledger_group_init(ledger_group *group, ledger_service *owner)
{
    *group = (ledger_group){.ledger = owner};
    group->end = &group->first;
    pthread_mutex_init(&group->lock, NULL);
    pthread_cond_init(&group->changed, NULL);
}

void ledger_group_free(ledger_group *group)
{
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
}

/* ---- the queue; under the lock ---- */

static void put_last(ledger_group *group, ledger_turn *turn)
{
    turn->state = LEDGER_TURN_QUEUED;
    turn->next = NULL;
    *group->end = turn;
    group->end = &turn->next;
}

static void put_first(ledger_group *group, ledger_turn *turn)
{
    turn->state = LEDGER_TURN_QUEUED;
    turn->next = group->first;
    if (turn->next == NULL)
        group->end = &turn->next;
    group->first = turn;
}

/* Takes out what `*link` points to. */
static ledger_turn *unlink_turn(ledger_group *group, ledger_turn **link)
{
    ledger_turn *turn = *link;
    *link = turn->next;
    if (turn->next == NULL)
        group->end = link;
    turn->next = NULL;
    return turn;
}

static size_t weight_of(const ledger_turn *turn)
{
    uint32_t wants = turn->sync.wants > SAM_SYNC_LEASES_MAX ? SAM_SYNC_LEASES_MAX : turn->sync.wants;
    return 1 + wants + (turn->contributed ? 0 : turn->sync.result_count);
}

/* The first turn, and those behind it that are of its run, as far as one call goes. */
static size_t take_group(ledger_group *group, ledger_turn *turns[TURNS_MAX])
{
    size_t count = 0, weight = 0;
    const ledger_run *run = group->first == NULL ? NULL : group->first->run;
    for (ledger_turn **link = &group->first; *link != NULL && count < TURNS_MAX;) {
        if ((*link)->run != run) {
            link = &(*link)->next;
            continue;
        }
        weight += weight_of(*link);
        if (count > 0 && weight > WEIGHT_MAX)
            break;
        turns[count] = unlink_turn(group, link);
        turns[count++]->state = LEDGER_TURN_IN_FLIGHT;
    }
    return count;
}

/* ---- from the handlers ---- */

static void forget_outcome(ledger_turn *turn)
{
    sam_free(turn->err);
    sam_free(turn->leases);
    turn->err = NULL;
    turn->leases = NULL;
    turn->lease_count = 0;
    turn->status = SAM_OK;
}

bool ledger_group_join(ledger_group *group, ledger_turn *turn)
{
    forget_outcome(turn);
    turn->looks = 0;
    pthread_mutex_lock(&group->lock);
    bool joins = !group->stopping;
    bool first = group->first == NULL;
    if (joins)
        put_last(group, turn);
    if (joins && first)
        pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
    return joins;
}

ledger_turn_state ledger_group_take(ledger_group *group, ledger_turn *turn)
{
    pthread_mutex_lock(&group->lock);
    ledger_turn_state state = turn->state;
    if (state == LEDGER_TURN_DONE)
        turn->state = LEDGER_TURN_IDLE;
    pthread_mutex_unlock(&group->lock);
    return state;
}

static void release(ledger_turn *turn)
{
    forget_outcome(turn);
    turn->release(turn);
}

void ledger_group_leave(ledger_group *group, ledger_turn *turn)
{
    pthread_mutex_lock(&group->lock);
    turn->abandoned = turn->state == LEDGER_TURN_IN_FLIGHT;
    bool now = !turn->abandoned;
    if (turn->state == LEDGER_TURN_QUEUED) {
        ledger_turn **link = &group->first;
        while (*link != turn)
            link = &(*link)->next;
        (void)unlink_turn(group, link);
    }
    pthread_mutex_unlock(&group->lock);
    if (now)
        release(turn);
}

/* ---- the threads ---- */

/* What failed as a whole has failed for each, but for those that have leases: they came before a commit that failed. */
static void fail_all(ledger_turn **turns, size_t count, sam_status status, const sam_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (turns[i]->lease_count > 0)
            continue;
        turns[i]->status = status;
        if (turns[i]->err == NULL)
            turns[i]->err = sam_alloc(1, sizeof *err);
        if (turns[i]->err != NULL)
            *turns[i]->err = *err;
    }
}

/* After a commit there is work again, and a round to be told of: whoever got no lease before asks once more. */
static bool asks_again(const ledger_turn *turn)
{
    return turn->status == SAM_OK && turn->lease_count == 0 && turn->looks < LOOKS_MAX;
}

typedef struct delivery {
    sam_http_ticket tickets[TURNS_MAX];
    size_t count;
    ledger_turn *abandoned; /* by `next` */
} delivery;

/* Outcomes are for the handlers; after a commit, some go before those that came meanwhile. */
static void end_call(ledger_group *group, ledger_turn **turns, size_t count, bool committed, delivery *ended)
{
    *ended = (delivery){0};
    pthread_mutex_lock(&group->lock);
    for (size_t i = count; i-- > 0;) {
        ledger_turn *turn = turns[i];
        if (turn->abandoned) {
            turn->next = ended->abandoned;
            ended->abandoned = turn;
        } else if (committed && asks_again(turn)) {
            turn->looks++;
            put_first(group, turn);
        } else {
            turn->state = LEDGER_TURN_DONE;
            ended->tickets[ended->count++] = turn->ticket;
        }
    }
    if (group->first != NULL) /* the other thread may be free, and this one has answers to send */
        pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
}

/* Without the lock: `turns` are this thread's own while they are in flight. */
static void serve(ledger_group *group, ledger_turn **turns, size_t count)
{
    delivery ended;
    ledger_service *ledger = group->ledger;
    sam_redis *redis = NULL;
    sam_error err = {0};
    bool full = false;
    sam_status status = sam_redis_borrow(ledger->redis, &redis, &err);
    if (status == SAM_OK)
        status = ledger_turns_call(ledger, redis, turns, count, &full, &err);
    if (status == SAM_OK && full)
        status = ledger_commit(ledger, redis, turns[0]->run, &err);
    sam_redis_give_back(ledger->redis, redis);
    if (ledger_note(ledger, status, &err) != SAM_OK)
        fail_all(turns, count, status, &err);
    end_call(group, turns, count, full, &ended);
    sam_http_resume_many(group->server, ended.tickets, ended.count);
    while (ended.abandoned != NULL) {
        ledger_turn *turn = ended.abandoned;
        ended.abandoned = turn->next;
        release(turn);
    }
}

static void *run_calls(void *argument)
{
    ledger_group *group = argument;
    ledger_turn *turns[TURNS_MAX];
    for (;;) {
        pthread_mutex_lock(&group->lock);
        while (group->first == NULL && !group->stopping)
            pthread_cond_wait(&group->changed, &group->lock);
        size_t count = group->stopping ? 0 : take_group(group, turns);
        if (group->first != NULL) /* more than one call takes, or of another run */
            pthread_cond_signal(&group->changed);
        pthread_mutex_unlock(&group->lock);
        if (count == 0)
            return NULL;
        serve(group, turns, count);
    }
}

sam_status ledger_group_start(ledger_group *group, sam_http_server *server, sam_error *err)
{
    group->server = server;
    for (; group->started < LEDGER_CALLS; group->started++) {
        int failure = pthread_create(&group->threads[group->started], NULL, run_calls, group);
        if (failure != 0)
            return sam_fail_errno(err, SAM_UNAVAILABLE, failure, "cannot start a thread that calls Redis");
    }
    return SAM_OK;
}

void ledger_group_stop(ledger_group *group)
{
    pthread_mutex_lock(&group->lock);
    group->stopping = true;
    pthread_cond_broadcast(&group->changed);
    pthread_mutex_unlock(&group->lock);
    while (group->started > 0)
        pthread_join(group->threads[--group->started], NULL);
}
