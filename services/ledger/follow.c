/* One thread, one connection:
 *
 *     no run has waiters: sleep on `changed`
 *     else: XREAD COUNT 1 BLOCK 250 STREAMS log... heads...      news -> wake all waiters of that run
 *           each 250 ms: tick.lua for each run                   expired leases, free work -> wake as many as it feeds
 *
 * A run stays in the list for a while after its last waiter left, so that a worker that waits at each turn does not
 * make the list change under a blocked XREAD.
 */
#include "ledger/follow.h"

#include "base/clock.h"
#include "base/log.h"
#include "ledger/ledger.h"

#include <string.h>

#define TICK_MS 250
#define KEEP_MS 10000
/* Between looks at the logs, where they cannot be waited for together. */
#define APART_MS 20

typedef struct followed_run {
    struct followed_run *next;
    const ledger_run *run;
    uint64_t head; /* rounds that are known to be committed */
    uint64_t used_ms;
    ledger_waiter *first, *last; /* in the order of their arrival */
    size_t count;
} followed_run;

/* What the thread takes out of the list while it talks to Redis without the lock. Runs are never freed meanwhile:
 * only the thread itself removes them. */
typedef struct round_trip {
    followed_run **runs;
    size_t count;
    uint64_t ticked_ms;
    bool apart; /* a cluster: the logs lie on several nodes, and are asked for one by one */
    sam_redis *redis;
} round_trip;

void ledger_follower_init(ledger_follower *follower, ledger_service *owner)
{
    *follower = (ledger_follower){.ledger = owner};
    pthread_mutex_init(&follower->lock, NULL);
    pthread_cond_init(&follower->changed, NULL);
}

void ledger_follower_free(ledger_follower *follower)
{
    while (follower->runs != NULL) {
        followed_run *run = follower->runs;
        follower->runs = run->next;
        sam_free(run);
    }
    pthread_cond_destroy(&follower->changed);
    pthread_mutex_destroy(&follower->lock);
}

/* ---- the list; under the lock ---- */

static followed_run *find(ledger_follower *follower, const ledger_run *run)
{
    followed_run *followed = follower->runs;
    while (followed != NULL && followed->run != run)
        followed = followed->next;
    return followed;
}

static followed_run *find_or_add(ledger_follower *follower, const ledger_run *run, uint64_t head)
{
    followed_run *followed = find(follower, run);
    if (followed != NULL)
        return followed;
    followed = sam_alloc(1, sizeof *followed);
    if (followed == NULL)
        return NULL;
    *followed = (followed_run){.next = follower->runs, .run = run, .head = head};
    follower->runs = followed;
    follower->run_count++;
    pthread_cond_signal(&follower->changed);
    return followed;
}

static void append(followed_run *followed, ledger_waiter *waiter)
{
    waiter->run = followed;
    waiter->earlier = followed->last;
    waiter->later = NULL;
    *(followed->last == NULL ? &followed->first : &followed->last->later) = waiter;
    followed->last = waiter;
    followed->count++;
}

static void detach(ledger_waiter *waiter)
{
    followed_run *followed = waiter->run;
    *(waiter->earlier == NULL ? &followed->first : &waiter->earlier->later) = waiter->later;
    *(waiter->later == NULL ? &followed->last : &waiter->later->earlier) = waiter->earlier;
    followed->count--;
    waiter->run = NULL;
}

typedef bool (*waiter_test)(const ledger_waiter *waiter);

static bool is_any(const ledger_waiter *waiter)
{
    (void)waiter;
    return true;
}

static bool is_idle(const ledger_waiter *waiter)
{
    return waiter->wants_work && !waiter->ahead;
}

static bool is_ahead(const ledger_waiter *waiter)
{
    return waiter->wants_work && waiter->ahead;
}

/* Wakes up to `count` of the waiters that pass the test, the oldest first; how many it were. */
static uint64_t wake(ledger_follower *follower, followed_run *followed, uint64_t count, waiter_test test)
{
    ledger_waiter *next;
    uint64_t woken = 0;
    for (ledger_waiter *waiter = followed->first; waiter != NULL && woken < count; waiter = next) {
        next = waiter->later;
        if (follower->server == NULL || !test(waiter))
            continue;
        detach(waiter);
        sam_http_resume(follower->server, waiter->ticket);
        woken++;
    }
    return woken;
}

/* There is work for so many: those without any come first. */
static void wake_for_work(ledger_follower *follower, followed_run *followed, uint64_t count)
{
    uint64_t woken = wake(follower, followed, count, is_idle);
    (void)wake(follower, followed, count - woken, is_ahead);
}

static void learn(ledger_follower *follower, followed_run *followed, uint64_t head)
{
    if (head <= followed->head)
        return;
    followed->head = head;
    (void)wake(follower, followed, UINT64_MAX, is_any);
}

/* ---- from the handlers ---- */

bool ledger_follower_wait(ledger_follower *follower, const ledger_run *run, uint64_t head, ledger_waiter *waiter)
{
    pthread_mutex_lock(&follower->lock);
    followed_run *followed = find_or_add(follower, run, head);
    bool waits = followed != NULL && followed->head <= head;
    if (waits) {
        learn(follower, followed, head);
        followed->used_ms = sam_monotonic_ms();
        append(followed, waiter);
    }
    pthread_mutex_unlock(&follower->lock);
    return waits;
}

void ledger_follower_forget(ledger_follower *follower, ledger_waiter *waiter)
{
    pthread_mutex_lock(&follower->lock);
    if (waiter->run != NULL)
        detach(waiter);
    pthread_mutex_unlock(&follower->lock);
}

void ledger_follower_news(ledger_follower *follower, const ledger_run *run, uint64_t head)
{
    pthread_mutex_lock(&follower->lock);
    followed_run *followed = find(follower, run);
    if (followed != NULL)
        learn(follower, followed, head);
    pthread_mutex_unlock(&follower->lock);
}

size_t ledger_follower_waiting(ledger_follower *follower, const ledger_run *run)
{
    pthread_mutex_lock(&follower->lock);
    const followed_run *followed = find(follower, run);
    size_t count = followed == NULL ? 0 : followed->count;
    pthread_mutex_unlock(&follower->lock);
    return count;
}

/* ---- the thread ---- */

static void drop_unused(ledger_follower *follower)
{
    uint64_t now = sam_monotonic_ms();
    for (followed_run **link = &follower->runs; *link != NULL;) {
        followed_run *run = *link;
        if (run->count > 0 || now - run->used_ms < KEEP_MS) {
            link = &run->next;
            continue;
        }
        *link = run->next;
        follower->run_count--;
        sam_free(run);
    }
}

/* Waits for something to follow, and copies the list. False: it is time to end. */
static bool take_list(ledger_follower *follower, round_trip *trip)
{
    pthread_mutex_lock(&follower->lock);
    drop_unused(follower);
    while (follower->runs == NULL && !follower->stopping)
        pthread_cond_wait(&follower->changed, &follower->lock);
    trip->count = 0;
    followed_run **runs = sam_realloc(trip->runs, follower->run_count, sizeof *runs);
    if (runs != NULL) {
        trip->runs = runs;
        for (followed_run *run = follower->runs; run != NULL; run = run->next)
            trip->runs[trip->count++] = run;
    }
    bool goes_on = !follower->stopping;
    pthread_mutex_unlock(&follower->lock);
    return goes_on;
}

/* reply: [[key, [[id, fields]]], ...]; the id says how many rounds there are. */
static void learn_from(ledger_follower *follower, const round_trip *trip, const redisReply *stream)
{
    if (stream->type != REDIS_REPLY_ARRAY || stream->elements != 2 || stream->element[0]->type != REDIS_REPLY_STRING)
        return;
    const redisReply *entries = stream->element[1];
    if (entries->type != REDIS_REPLY_ARRAY || entries->elements == 0)
        return;
    const redisReply *entry = entries->element[entries->elements - 1];
    uint64_t round;
    if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 1 || entry->element[0]->type != REDIS_REPLY_STRING ||
        !sam_schema_parse_entry(&round, entry->element[0]->str))
        return;
    for (size_t i = 0; i < trip->count; i++)
        if (strcmp(trip->runs[i]->run->log_key, stream->element[0]->str) == 0) {
            pthread_mutex_lock(&follower->lock);
            learn(follower, trip->runs[i], round + 1);
            pthread_mutex_unlock(&follower->lock);
        }
}

/* XREAD COUNT 1 BLOCK 250 STREAMS keys... ids..., of `count` runs from `first` on */
static bool build_read(ledger_follower *follower, const round_trip *trip, size_t first, size_t count, sam_arena *arena,
                       const char ***command)
{
    const char *const HEAD[] = {"XREAD", "COUNT", "1", "BLOCK", trip->apart ? "1" : "250", "STREAMS"};
    *command = sam_arena_array(arena, 6 + 2 * count, sizeof **command);
    char(*ids)[SAM_SCHEMA_ENTRY_SIZE] = sam_arena_array(arena, count, sizeof *ids);
    if (*command == NULL || ids == NULL)
        return false;
    memcpy(*command, HEAD, sizeof HEAD);
    pthread_mutex_lock(&follower->lock);
    for (size_t i = 0; i < count; i++) {
        sam_schema_entry_after(ids[i], trip->runs[first + i]->head);
        (*command)[6 + i] = trip->runs[first + i]->run->log_key;
        (*command)[6 + count + i] = ids[i];
    }
    pthread_mutex_unlock(&follower->lock);
    return true;
}

static sam_status read_some(ledger_follower *follower, const round_trip *trip, size_t first, size_t count,
                            sam_error *err)
{
    sam_arena arena = {0};
    const char **command;
    redisReply *reply = NULL;
    sam_status status = SAM_NO_MEMORY;
    if (build_read(follower, trip, first, count, &arena, &command))
        status =
            sam_redis_command_within(trip->redis, TICK_MS + 5000, &reply, err, (int)(6 + 2 * count), command, NULL);
    if (status == SAM_OK && reply->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < reply->elements; i++)
            learn_from(follower, trip, reply->element[i]);
    sam_redis_reply_free(reply);
    sam_arena_free(&arena);
    return status;
}

static sam_status read_logs(ledger_follower *follower, round_trip *trip, sam_error *err)
{
    sam_status status = SAM_OK;
    if (!trip->apart)
        status = read_some(follower, trip, 0, trip->count, err);
    if (status != SAM_OK && sam_redis_is_crossslot(err))
        trip->apart = true;
    if (!trip->apart)
        return status;
    status = SAM_OK;
    for (size_t i = 0; i < trip->count && status == SAM_OK; i++)
        status = read_some(follower, trip, i, 1, err);
    sam_sleep_ms(APART_MS);
    return status;
}

/* A full round means that the copy that should have committed it is gone: one waiter, woken, does it. */
static void act_on(ledger_follower *follower, followed_run *followed, const ledger_pulse *pulse)
{
    bool over = pulse->status == SAM_RUN_COMPLETE && !pulse->work_left;
    pthread_mutex_lock(&follower->lock);
    if (over)
        (void)wake(follower, followed, UINT64_MAX, is_any);
    else if (pulse->full)
        (void)wake(follower, followed, 1, is_any);
    else if (pulse->status != SAM_RUN_PAUSED)
        wake_for_work(follower, followed, pulse->free);
    pthread_mutex_unlock(&follower->lock);
}

static sam_status tick(ledger_follower *follower, round_trip *trip, sam_error *err)
{
    uint64_t now = sam_monotonic_ms();
    if (now - trip->ticked_ms < TICK_MS)
        return SAM_OK;
    trip->ticked_ms = now;
    for (size_t i = 0; i < trip->count; i++) {
        ledger_pulse pulse = {0};
        sam_status status = ledger_tick(follower->ledger, trip->redis, trip->runs[i]->run, &pulse, err);
        if (status == SAM_OK)
            act_on(follower, trip->runs[i], &pulse);
        else if (status == SAM_UNAVAILABLE || status == SAM_TIMEOUT)
            return status;
        else
            sam_log_debug("run %s: %s", trip->runs[i]->run->id, err->text);
    }
    return SAM_OK;
}

static bool is_stopping(void *user)
{
    ledger_follower *follower = user;
    pthread_mutex_lock(&follower->lock);
    bool stopping = follower->stopping;
    pthread_mutex_unlock(&follower->lock);
    return stopping;
}

static void *follow(void *argument)
{
    ledger_follower *follower = argument;
    round_trip trip = {0};
    while (take_list(follower, &trip)) {
        sam_error err = {0};
        sam_status status = sam_redis_borrow(follower->ledger->redis, &trip.redis, &err);
        if (status == SAM_OK) {
            status = read_logs(follower, &trip, &err);
            if (status == SAM_OK)
                status = tick(follower, &trip, &err);
            sam_redis_give_back(follower->ledger->redis, trip.redis);
        }
        ledger_note(follower->ledger, status, &err);
        if (status != SAM_OK && !is_stopping(follower))
            sam_sleep_ms(TICK_MS);
    }
    sam_free(trip.runs);
    return NULL;
}

sam_status ledger_follower_start(ledger_follower *follower, sam_http_server *server, sam_error *err)
{
    pthread_mutex_lock(&follower->lock);
    follower->server = server;
    pthread_mutex_unlock(&follower->lock);
    int failure = pthread_create(&follower->thread, NULL, follow, follower);
    if (failure != 0)
        return sam_fail_errno(err, SAM_UNAVAILABLE, failure, "cannot start the thread that follows the logs");
    follower->started = true;
    return SAM_OK;
}

void ledger_follower_stop(ledger_follower *follower)
{
    pthread_mutex_lock(&follower->lock);
    follower->stopping = true;
    follower->server = NULL;
    pthread_cond_signal(&follower->changed);
    pthread_mutex_unlock(&follower->lock);
    if (follower->started)
        pthread_join(follower->thread, NULL);
    follower->started = false;
}
