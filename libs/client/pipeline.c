#include "client/pipeline.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "client/in_hand.h"

#include <math.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define LOOK_MS     100u /* a signal wakes nobody: this often everyone who waits looks for one */
#define RECENT      8u   /* turns of which the shortest is a round trip */
#define QUICK_SHARE 30   /* a round trip of less than this part of the work is not worth a lease ahead */
#define SPARE       1.1  /* times a round trip, since it is not always the same */

#define X(name, text, byte, letter, yields) KIND_##name,
enum { KIND_NONE, SAM_WORK_TABLE(X) KINDS }; /* their bytes are 1, 2, ... */
#undef X

/* Rounds on their way from the connections to the computing thread. */
typedef struct round_queue {
    uint8_t **rounds; /* [count], each new memory */
    size_t *lengths;
    size_t count, room;
} round_queue;

/* `busy` and `asks` are guarded by the pipeline's lock, the rest belongs to the thread of sam_pipeline_run. */
typedef struct connection {
    sam_pipeline *pipeline;
    unsigned index;
    pthread_t thread;
    bool started;
    bool busy; /* a turn is under way */
    bool asks; /* for leases */
} connection;

/* `options` does not change. `receiving` is held by the connection that takes in rounds, from the check of their chain
 * until they are in the queue, so that they come in order; `lock`, which may be taken while `receiving` is held, guards
 * all below it. `received` is written with both held. */
struct sam_pipeline {
    sam_pipeline_options options;
    pthread_mutex_t receiving, lock;
    pthread_cond_t work; /* something to do, or the end: for the computing thread */
    pthread_cond_t talk; /* something to say, or the end: for the connections */
    connection connections[SAM_TRANSPORT_CONNECTIONS];
    sam_received received;
    round_queue rounds;
    sam_in_hand hand;
    bool complete; /* the run is: there will be no more leases */
    bool stopping; /* somebody told it to stop */
    bool over;     /* the computing thread has ended: so must the connections */
    bool has_news; /* that `progress` was not told of */
    sam_status status;
    sam_error err; /* where status is not OK */

    double mean_ms[KINDS]; /* what work of a kind takes; 0: not known yet */
    uint64_t began_ms;     /* the present lease */
    uint64_t turn_ms[RECENT];
    sam_pipeline_figures figures;
};

/* ---- small things; with the lock held ---- */

static bool is_stopping(const sam_pipeline *p)
{
    return p->stopping || sam_shutdown_requested();
}

static void wake_all(sam_pipeline *p)
{
    pthread_cond_broadcast(&p->work);
    pthread_cond_broadcast(&p->talk);
}

/* The first failure is the one that is told. */
static void fail(sam_pipeline *p, sam_status status, const sam_error *err)
{
    if (status == SAM_OK || p->status != SAM_OK)
        return;
    p->status = status;
    p->err = *err;
    wake_all(p);
}

/* Until it is signalled, or LOOK_MS, or `until_ms`. */
static void wait_for(sam_pipeline *p, pthread_cond_t *signal, uint64_t until_ms)
{
    uint64_t look = sam_monotonic_ms() + LOOK_MS, until = until_ms < look ? until_ms : look;
    const struct timespec when = {(time_t)(until / 1000), (long)(until % 1000) * 1000000};
    (void)pthread_cond_timedwait(signal, &p->lock, &when);
}

/* ---- the queue of rounds ---- */

static bool queue_room(round_queue *queue, size_t more)
{
    size_t needed = queue->count + more;
    if (needed <= queue->room)
        return true;
    uint8_t **rounds = sam_realloc(queue->rounds, 2 * needed, sizeof *rounds);
    if (rounds == NULL)
        return false;
    queue->rounds = rounds;
    size_t *lengths = sam_realloc(queue->lengths, 2 * needed, sizeof *lengths);
    if (lengths == NULL)
        return false;
    queue->lengths = lengths;
    queue->room = 2 * needed;
    return true;
}

static sam_status queue_put(round_queue *queue, const sam_sync_reply *reply, sam_error *err)
{
    bool good = queue_room(queue, reply->round_count);
    for (size_t i = 0; good && i < reply->round_count; i++) {
        size_t length = reply->round_lengths[i];
        uint8_t *copy = sam_alloc(length, 1);
        good = copy != NULL;
        if (good) {
            memcpy(copy, reply->rounds[i], length);
            queue->rounds[queue->count] = copy;
            queue->lengths[queue->count++] = length;
        }
    }
    return good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu rounds", reply->round_count);
}

static void queue_free(round_queue *queue)
{
    for (size_t i = 0; i < queue->count; i++)
        sam_free(queue->rounds[i]);
    sam_free(queue->rounds);
    sam_free(queue->lengths);
    *queue = (round_queue){0};
}

/* ---- what to say; with the lock held ---- */

static uint64_t round_trip_ms(const sam_pipeline *p)
{
    uint64_t shortest = UINT64_MAX;
    for (size_t i = 0; i < RECENT && i < p->figures.turns; i++)
        if (p->turn_ms[i] < shortest)
            shortest = p->turn_ms[i];
    return shortest;
}

/* Of the work that is begun, or begins next; 0: not known yet. */
static double present_mean_ms(const sam_pipeline *p)
{
    const sam_in_hand *hand = &p->hand;
    return p->mean_ms[hand->is_computing ? hand->computing.kind : hand->waiting[0].lease.kind];
}

/* How many leases are to wait here while one is computed, and, where that is not yet, `*from` is when. One is enough
 * where it lasts longer than a round trip, and then it need not be here before the last two of them. Else each turn has
 * to bring what is computed until the next one does. */
static uint32_t leases_ahead(const sam_pipeline *p, uint64_t *from)
{
    double mean = present_mean_ms(p), trip = (double)round_trip_ms(p);
    *from = 0;
    if (p->options.eager || p->options.ahead == 0)
        return p->options.ahead;
    if (trip * QUICK_SHARE < mean)
        return 0;
    if (mean == 0 || trip * SPARE < mean) {
        double until = (double)p->began_ms + mean - 2 * trip;
        *from = until > 0 ? (uint64_t)until : 0;
        return 1;
    }
    double needed = ceil(2 * SPARE * trip / mean);
    return needed < p->options.ahead ? (uint32_t)needed : p->options.ahead;
}

static bool somebody_asks(const sam_pipeline *p)
{
    bool asks = false;
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++)
        asks = asks || p->connections[i].asks;
    return asks;
}

/* How many leases to ask for now; where there are none, `*until` is when that changes by itself. */
static uint32_t leases_wanted(const sam_pipeline *p, uint64_t now, uint64_t *until)
{
    uint64_t from;
    if (p->complete || somebody_asks(p))
        return 0;
    if (sam_in_hand_leases(&p->hand) == 0)
        return 1;
    uint32_t ahead = leases_ahead(p, &from);
    if (p->hand.waiting_count >= ahead)
        return 0;
    *until = from;
    return from <= now ? ahead - (uint32_t)p->hand.waiting_count : 0;
}

/* The second connection is there for what comes up while the first one waits: so most workers need only one. */
static bool is_my_turn(const connection *c)
{
    bool mine = !c->pipeline->over && !is_stopping(c->pipeline) && c->pipeline->status == SAM_OK;
    for (unsigned i = 0; i < c->index; i++)
        mine = mine && c->pipeline->connections[i].busy;
    return mine;
}

/* Begins a turn where there is something to say; else there is nothing before `*until`. */
static bool begin_turn(connection *c, sam_sync_request *request, uint64_t *until)
{
    sam_pipeline *p = c->pipeline;
    sam_error err;
    *until = UINT64_MAX;
    if (!is_my_turn(c))
        return false;
    uint32_t wants = leases_wanted(p, sam_monotonic_ms(), until);
    if (wants == 0 && p->hand.finished.count == 0)
        return false;
    const sam_results *sent = sam_in_hand_send(&p->hand, c->index, &err);
    if (sent == NULL) {
        fail(p, SAM_NO_MEMORY, &err);
        return false;
    }
    *request = (sam_sync_request){.cursor = p->received.rounds,
                                  .wants = wants,
                                  .wait_ms = wants > 0 ? p->options.wait_ms : 0,
                                  .ahead = wants > 0 && sam_in_hand_leases(&p->hand) > 0,
                                  .results = sent->results,
                                  .result_count = sent->count};
    c->busy = true;
    c->asks = wants > 0;
    return true;
}

/* ---- what was answered ---- */

/* With both locks held. Rounds and leases go in together: no lease is computed before the rounds it stands on. */
static sam_status put_in(sam_pipeline *p, const sam_sync_reply *reply, const sam_received *received, sam_error *err)
{
    uint64_t now = sam_monotonic_ms();
    sam_status status = queue_put(&p->rounds, reply, err);
    for (size_t i = 0; i < reply->lease_count && status == SAM_OK; i++)
        status = sam_in_hand_add(&p->hand, &reply->leases[i], now, err);
    p->received = *received;
    if (reply->status == SAM_RUN_COMPLETE && reply->lease_count == 0 && received->rounds >= reply->head)
        p->complete = true;
    p->figures.late += reply->refused;
    if (reply->refused > 0)
        sam_log_info("%u result came too late", reply->refused);
    return status;
}

/* The turn of a connection is over; with the lock held. */
static void end_turn(connection *c, sam_status status, uint64_t took_ms, sam_error *err)
{
    sam_pipeline *p = c->pipeline;
    c->busy = c->asks = false;
    if (status == SAM_OK) {
        sam_in_hand_acknowledge(&p->hand, c->index);
        p->turn_ms[p->figures.turns++ % RECENT] = took_ms;
    } else if (sam_in_hand_take_back(&p->hand, c->index, err) != SAM_OK) {
        status = SAM_NO_MEMORY;
    }
    if (status == SAM_CANCELLED)
        p->stopping = true;
    else
        fail(p, status, err);
    wake_all(p);
}

static void take_reply(connection *c, const sam_sync_request *request, sam_sync_reply *reply, uint64_t took_ms)
{
    sam_pipeline *p = c->pipeline;
    const sam_pipeline_work *work = &p->options.work;
    sam_error err = {0};
    pthread_mutex_lock(&p->receiving);
    sam_received received = p->received;
    sam_status status = sam_received_add(&received, request->cursor, reply, &err);
    if (status == SAM_OK && reply->round_count > 0 && work->received != NULL)
        work->received(work->user, reply->rounds, reply->round_lengths, reply->round_count);
    pthread_mutex_lock(&p->lock);
    if (status == SAM_OK)
        status = put_in(p, reply, &received, &err);
    end_turn(c, status, took_ms, &err);
    pthread_mutex_unlock(&p->lock);
    pthread_mutex_unlock(&p->receiving);
    sam_sync_reply_free(reply);
}

static void do_turn(connection *c, sam_sync_request *request)
{
    sam_pipeline *p = c->pipeline;
    sam_sync_reply reply = {0};
    sam_error err = {0};
    uint64_t began = sam_monotonic_ms();
    sam_status status = p->options.transport->turn(p->options.state, c->index, request, &reply, &err);
    if (status == SAM_OK) {
        take_reply(c, request, &reply, sam_monotonic_ms() - began);
        return;
    }
    pthread_mutex_lock(&p->lock);
    end_turn(c, status, 0, &err);
    pthread_mutex_unlock(&p->lock);
}

static void *converse(void *argument)
{
    connection *c = argument;
    sam_pipeline *p = c->pipeline;
    sam_sync_request request;
    uint64_t until;
    pthread_mutex_lock(&p->lock);
    while (!p->over) {
        if (!begin_turn(c, &request, &until)) {
            wait_for(p, &p->talk, until);
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        do_turn(c, &request);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- computing ---- */

/* What the computing thread does next, out of the lock. */
typedef struct job {
    round_queue rounds;
    bool has_lease, has_result;
    sam_lease lease;
    sam_result result;
} job;

/* With the lock held. False: there is nothing to do. */
static bool take_job(sam_pipeline *p, job *next)
{
    *next = (job){.rounds = p->rounds};
    p->rounds = (round_queue){0};
    next->has_lease = sam_in_hand_next(&p->hand, p->received.rounds, sam_monotonic_ms(), &next->lease);
    p->figures.dropped = p->hand.dropped;
    if (next->has_lease)
        p->began_ms = sam_monotonic_ms();
    return next->has_lease || next->rounds.count > 0;
}

static bool is_over(const sam_pipeline *p)
{
    bool done =
        p->complete && sam_in_hand_leases(&p->hand) == 0 && p->rounds.count == 0 && sam_in_hand_results(&p->hand) == 0;
    return done || is_stopping(p) || p->status != SAM_OK;
}

/* Out of the lock for a moment. Only after the next job was taken, so that the connections have a result and the place
 * for the next lease in the same moment, and one request carries both. */
static bool tell_progress(sam_pipeline *p)
{
    if (!p->has_news)
        return false;
    p->has_news = false;
    pthread_mutex_unlock(&p->lock);
    if (p->options.work.progress != NULL)
        p->options.work.progress(p->options.work.user);
    pthread_mutex_lock(&p->lock);
    return true;
}

static void wait_for_work(sam_pipeline *p)
{
    uint64_t began = sam_monotonic_ns();
    wait_for(p, &p->work, UINT64_MAX);
    p->figures.waiting_s += (double)(sam_monotonic_ns() - began) * 1e-9;
}

/* With the lock held. False: it is over. */
static bool next_job(sam_pipeline *p, job *next)
{
    for (;;) {
        bool over = is_over(p), found = !over && take_job(p, next);
        if (found || p->has_news)
            pthread_cond_broadcast(&p->talk);
        bool told = tell_progress(p);
        if (over || found)
            return found;
        if (!told)
            wait_for_work(p);
    }
}

static sam_status apply(sam_pipeline *p, job *now, sam_error *err)
{
    const sam_pipeline_work *work = &p->options.work;
    sam_status status = SAM_OK;
    if (now->rounds.count > 0)
        status = work->apply(work->user, (const uint8_t *const *)now->rounds.rounds, now->rounds.lengths,
                             now->rounds.count, err);
    queue_free(&now->rounds);
    return status;
}

static sam_status compute(sam_pipeline *p, job *now, sam_error *err)
{
    const sam_lease *lease = &now->lease;
    uint64_t began = sam_monotonic_ms();
    now->result = (sam_result){.kind = lease->kind, .round = lease->round, .index = lease->index};
    sam_status status = p->options.work.compute(p->options.work.user, lease, &now->result, err);
    now->result.elapsed_ms = (uint32_t)(sam_monotonic_ms() - began);
    now->has_result = status == SAM_OK;
    if (!now->has_result)
        sam_free(now->result.codes);
    if (status != SAM_UNSUPPORTED)
        return status;
    sam_log_warn("%s; its lease will expire", err->text);
    return SAM_OK;
}

/* With the lock held. */
static sam_status finish(sam_pipeline *p, const job *done, sam_error *err)
{
    double *mean = &p->mean_ms[done->lease.kind], took = (double)done->result.elapsed_ms;
    if (done->has_result)
        *mean = *mean == 0 ? took : *mean + (took - *mean) / 4;
    return sam_in_hand_finish(&p->hand, done->has_result ? &done->result : NULL, err);
}

/* Without the lock at its beginning, with it at its end. */
static void do_job(sam_pipeline *p, job *now)
{
    sam_error err = {0};
    uint64_t began = sam_monotonic_ns();
    sam_status status = apply(p, now, &err);
    uint64_t applied = sam_monotonic_ns();
    if (status == SAM_OK && now->has_lease)
        status = compute(p, now, &err);
    uint64_t computed = sam_monotonic_ns();
    pthread_mutex_lock(&p->lock);
    p->figures.applying_s += (double)(applied - began) * 1e-9;
    p->figures.computing_s += (double)(computed - applied) * 1e-9;
    if (now->has_lease && finish(p, now, &err) != SAM_OK)
        status = SAM_NO_MEMORY;
    fail(p, status, &err);
    p->has_news = true;
}

static void work_off(sam_pipeline *p)
{
    job now;
    pthread_mutex_lock(&p->lock);
    while (next_job(p, &now)) {
        pthread_mutex_unlock(&p->lock);
        do_job(p, &now);
    }
    p->over = true;
    wake_all(p);
    pthread_mutex_unlock(&p->lock);
}

/* ---- from beginning to end ---- */

static void start_connections(sam_pipeline *p)
{
    sam_error err;
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++) {
        connection *c = &p->connections[i];
        int failure = pthread_create(&c->thread, NULL, converse, c);
        c->started = failure == 0;
        pthread_mutex_lock(&p->lock);
        if (failure != 0)
            fail(p, sam_fail_errno(&err, SAM_UNAVAILABLE, failure, "cannot start a thread that talks to the ledger"),
                 &err);
        pthread_mutex_unlock(&p->lock);
    }
}

static void end_connections(sam_pipeline *p)
{
    p->options.transport->interrupt(p->options.state);
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++)
        if (p->connections[i].started)
            pthread_join(p->connections[i].thread, NULL);
}

/* With what was not acknowledged. No other thread runs any more. */
static void say_goodbye(sam_pipeline *p)
{
    sam_error err = {0};
    sam_sync_reply reply = {0};
    const sam_results *sent = sam_in_hand_send(&p->hand, 0, &err);
    sam_sync_request request = {.cursor = p->received.rounds, .leaving = true};
    if (sent != NULL) {
        request.results = sent->results;
        request.result_count = sent->count;
    }
    if (p->options.transport->leave(p->options.state, &request, &reply, &err) != SAM_OK) {
        sam_log_warn("could not say goodbye: %s", err.text);
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->figures.late += reply.refused;
    pthread_mutex_unlock(&p->lock);
    sam_sync_reply_free(&reply);
}

static sam_status join(sam_pipeline *p, sam_error *err)
{
    sam_status status = p->options.transport->join(p->options.state, &p->options.member, err);
    pthread_mutex_lock(&p->lock);
    p->figures.joined = p->has_news = status == SAM_OK;
    pthread_mutex_unlock(&p->lock);
    return status;
}

sam_status sam_pipeline_run(sam_pipeline *p, sam_error *err)
{
    sam_status status = join(p, err);
    if (status != SAM_OK)
        return status == SAM_CANCELLED ? SAM_OK : status;
    start_connections(p);
    work_off(p);
    end_connections(p);
    if (p->status != SAM_OK && err != NULL)
        *err = p->err;
    status = p->status;
    bool dismissed = status == SAM_FORBIDDEN; /* in quarantine, or without a token: no goodbye is heard */
    if (!p->complete && !dismissed)
        say_goodbye(p);
    return status;
}

void sam_pipeline_stop(sam_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    wake_all(p);
    pthread_mutex_unlock(&p->lock);
    p->options.transport->interrupt(p->options.state);
}

sam_pipeline_figures sam_pipeline_look(sam_pipeline *p)
{
    pthread_mutex_lock(&p->lock);
    sam_pipeline_figures figures = p->figures;
    pthread_mutex_unlock(&p->lock);
    return figures;
}

static void init_locks(sam_pipeline *p)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&p->receiving, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, &attributes);
    pthread_cond_init(&p->talk, &attributes);
    pthread_condattr_destroy(&attributes);
}

sam_status sam_pipeline_new(sam_pipeline **pipeline, const sam_pipeline_options *options, sam_error *err)
{
    sam_pipeline *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    made->options = *options;
    made->received = options->received;
    init_locks(made);
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++)
        made->connections[i] = (connection){.pipeline = made, .index = i};
    *pipeline = made;
    return SAM_OK;
}

void sam_pipeline_free(sam_pipeline *p)
{
    if (p == NULL)
        return;
    queue_free(&p->rounds);
    sam_in_hand_free(&p->hand);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->talk);
    pthread_mutex_destroy(&p->receiving);
    pthread_mutex_destroy(&p->lock);
    sam_free(p);
}
