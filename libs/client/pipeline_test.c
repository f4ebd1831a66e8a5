#include "client/pipeline.h"

#include "base/clock.h"
#include "base/memory.h"
#include "run/test_runs.h"
#include "support/support.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

/* A ledger in memory, a worker that computes when it is let, and what both have seen. Everything is guarded by `lock`;
 * a test looks at it and changes it with the lock held. Nothing is timed: tests wait until something has happened. */
#define MANY      4096
#define FOREVER_S 60 /* a test that waits longer has failed */
#define UNLIMITED 1000000

typedef struct seen_turn {
    unsigned connection;
    uint32_t wants;
    uint64_t cursor;
    size_t results;
} seen_turn;

typedef struct stage {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    sam_pipeline_options options;
    sam_pipeline *pipeline;
    pthread_t thread;
    sam_status status; /* of the pipeline, once it has ended */
    sam_error err;
    bool ended;
    const char *broken; /* a promise that was found broken on another thread */

    /* the ledger */
    sam_lease free[MANY];
    size_t free_count, given; /* given: the first of `free` */
    sam_buffer rounds[MANY];
    uint64_t round_count;
    sam_digest chain;
    sam_run_status run_status;
    uint32_t slots_of_round; /* it commits and goes on by itself; 0: as the test says */
    uint64_t last_round;     /* then it is complete */
    sam_status refuse;       /* the next turn that asks is answered so */
    bool hold_results;       /* turns with results and without wants wait */
    bool joined, left, interrupted;
    size_t asking, delivering; /* turns that wait */
    size_t cancelled;          /* turns that ended so */
    seen_turn turns[MANY];
    size_t turn_count;
    sam_lease results[MANY]; /* as they came, those of the goodbye too */
    size_t result_count, repeated;

    /* the worker */
    int may_compute; /* so many leases; 0: it stands still within the next one */
    bool computing;
    sam_status compute_status;
    sam_lease computed[MANY];
    size_t computed_count, most_in_hand;
    uint64_t applied, received; /* rounds */
    uint64_t lag;               /* a slot of round r is computed after r - lag rounds */
} stage;

static void hold(stage *s)
{
    pthread_mutex_lock(&s->lock);
}

static void release(stage *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void wait_change(stage *s)
{
    pthread_cond_wait(&s->changed, &s->lock);
}

static void must(stage *s, bool holds, const char *what)
{
    if (!holds && s->broken == NULL)
        s->broken = what;
}

/* With the lock held: wakes all who may see what the test has changed, and waits until `condition`. */
#define AWAIT(s, condition)                                                                                            \
    do {                                                                                                               \
        pthread_cond_broadcast(&(s)->changed);                                                                         \
        struct timespec until;                                                                                         \
        clock_gettime(CLOCK_REALTIME, &until);                                                                         \
        until.tv_sec += FOREVER_S;                                                                                     \
        while (!(condition))                                                                                           \
            if (pthread_cond_timedwait(&(s)->changed, &(s)->lock, &until) == ETIMEDOUT)                                \
                fail_msg("this does not come: %s", #condition);                                                        \
    } while (0)

/* ---- the ledger ---- */

static void give(stage *s, sam_work_kind kind, uint64_t round, uint32_t index)
{
    s->free[s->free_count++] = (sam_lease){kind, round, index, 1000000};
}

/* A number, some bytes, and the chain: to the pipeline a round is no more than that. */
static void commit(stage *s)
{
    sam_buffer *bytes = &s->rounds[s->round_count];
    sam_digest next = {0};
    sam_put_varint(bytes, s->round_count);
    sam_put_bytes(bytes, "round", 5);
    sam_put_bytes(bytes, next.bytes, SAM_DIGEST_BYTES);
    sam_round_chain(bytes->bytes, bytes->length, &s->chain, &next);
    memcpy(bytes->bytes + bytes->length - SAM_DIGEST_BYTES, next.bytes, SAM_DIGEST_BYTES);
    s->chain = next;
    s->round_count++;
}

static void open_round(stage *s, uint64_t round)
{
    for (uint32_t slot = 0; round < s->last_round && slot < s->slots_of_round; slot++)
        give(s, SAM_WORK_SLOT, round, slot);
}

static size_t results_of(const stage *s, uint64_t round)
{
    size_t count = 0;
    for (size_t i = 0; i < s->result_count; i++)
        count += s->results[i].round == round;
    return count;
}

static void go_on(stage *s)
{
    while (s->slots_of_round > 0 && s->round_count < s->last_round &&
           results_of(s, s->round_count) == s->slots_of_round) {
        commit(s);
        open_round(s, s->round_count + s->lag);
    }
    if (s->slots_of_round > 0 && s->round_count == s->last_round)
        s->run_status = SAM_RUN_COMPLETE;
}

static bool has_result(const stage *s, const sam_result *result)
{
    bool found = false;
    for (size_t i = 0; i < s->result_count; i++)
        found = found || (s->results[i].round == result->round && s->results[i].index == result->index);
    return found;
}

/* Once each: one that comes again had no answer. */
static void take_results(stage *s, const sam_sync_request *request)
{
    for (size_t i = 0; i < request->result_count; i++) {
        const sam_result *result = &request->results[i];
        must(s, result->codes[0] == (uint8_t)result->index, "its codes differ");
        if (has_result(s, result))
            s->repeated++;
        else
            s->results[s->result_count++] = (sam_lease){result->kind, result->round, result->index, 0};
    }
    go_on(s);
}

static void put_reply(stage *s, const sam_sync_request *request, sam_sync_reply *reply)
{
    size_t rounds = (size_t)(s->round_count - request->cursor), leases = s->free_count - s->given;
    leases = leases < request->wants ? leases : request->wants;
    *reply = (sam_sync_reply){.status = s->run_status,
                              .head = s->round_count,
                              .rounds = sam_alloc(rounds + 1, sizeof *reply->rounds),
                              .round_lengths = sam_alloc(rounds + 1, sizeof *reply->round_lengths),
                              .leases = sam_alloc(leases + 1, sizeof *reply->leases)};
    for (; reply->round_count < rounds; reply->round_count++) {
        const sam_buffer *round = &s->rounds[request->cursor + reply->round_count];
        reply->rounds[reply->round_count] = round->bytes;
        reply->round_lengths[reply->round_count] = round->length;
    }
    for (; reply->lease_count < leases; reply->lease_count++)
        reply->leases[reply->lease_count] = s->free[s->given++];
    size_t in_hand = s->given - s->computed_count;
    s->most_in_hand = in_hand > s->most_in_hand ? in_hand : s->most_in_hand;
}

static bool has_news(const stage *s, const sam_sync_request *request)
{
    return s->given < s->free_count || s->round_count > request->cursor || s->run_status == SAM_RUN_COMPLETE ||
           s->refuse != SAM_OK;
}

static void count(stage *s, size_t *waiting, int more)
{
    *waiting += (size_t)more;
    pthread_cond_broadcast(&s->changed);
}

static sam_status answer(stage *s, sam_sync_request *request, sam_sync_reply *reply, sam_error *err)
{
    if (s->interrupted && !request->leaving) {
        s->cancelled++;
        return sam_fail(err, SAM_CANCELLED, "interrupted");
    }
    if (s->refuse != SAM_OK && request->wants > 0)
        return sam_fail(err, s->refuse, "refused");
    take_results(s, request);
    put_reply(s, request, reply);
    return SAM_OK;
}

static sam_status turn(void *state, unsigned connection, sam_sync_request *request, sam_sync_reply *reply,
                       sam_error *err)
{
    stage *s = state;
    hold(s);
    must(s, s->options.ahead > 0 || !s->computing, "it talks while it computes");
    s->turns[s->turn_count++] = (seen_turn){connection, request->wants, request->cursor, request->result_count};
    if (request->wants > 0) { /* results are safe before the turn waits for news */
        take_results(s, request);
        request->result_count = 0;
        count(s, &s->asking, 1);
        while (!s->interrupted && !has_news(s, request))
            wait_change(s);
        count(s, &s->asking, -1);
    } else {
        count(s, &s->delivering, 1);
        while (!s->interrupted && s->hold_results)
            wait_change(s);
        count(s, &s->delivering, -1);
    }
    sam_status status = answer(s, request, reply, err);
    release(s);
    return status;
}

static sam_status leave(void *state, sam_sync_request *request, sam_sync_reply *reply, sam_error *err)
{
    stage *s = state;
    hold(s);
    must(s, request->leaving, "a goodbye that does not say so");
    s->left = true;
    sam_status status = answer(s, request, reply, err);
    release(s);
    return status;
}

static sam_status join(void *state, const sam_member *member, sam_error *err)
{
    stage *s = state;
    (void)member;
    hold(s);
    s->joined = true;
    sam_status status = s->refuse == SAM_OK ? SAM_OK : sam_fail(err, s->refuse, "refused");
    release(s);
    return status;
}

static void interrupt(void *state)
{
    stage *s = state;
    hold(s);
    s->interrupted = true;
    release(s);
}

static const sam_transport LEDGER = {"a ledger in memory", join, turn, leave, interrupt};

/* ---- the worker ---- */

static sam_status apply(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t round_count,
                        sam_error *err)
{
    stage *s = user;
    (void)err;
    hold(s);
    for (size_t i = 0; i < round_count; i++) {
        sam_reader in = sam_reader_of(rounds[i], lengths[i]);
        must(s, sam_get_varint(&in) == s->applied++, "rounds are not applied in order, each once");
    }
    must(s, s->applied <= s->received, "a round is applied that was not received");
    release(s);
    return SAM_OK;
}

static void received(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t round_count)
{
    stage *s = user;
    hold(s);
    for (size_t i = 0; i < round_count; i++) {
        sam_reader in = sam_reader_of(rounds[i], lengths[i]);
        must(s, sam_get_varint(&in) == s->received++, "rounds are not received in order, each once");
    }
    release(s);
}

static sam_status compute(void *user, const sam_lease *lease, sam_result *result, sam_error *err)
{
    stage *s = user;
    hold(s);
    s->computing = true;
    must(s, lease->round <= s->applied + s->lag, "a slot is computed before the rounds it stands on");
    count(s, &s->computed_count, 0);
    while (s->may_compute == 0)
        wait_change(s);
    if (s->may_compute != UNLIMITED)
        s->may_compute--;
    s->computed[s->computed_count++] = *lease;
    result->codes = sam_alloc(1, 1);
    result->codes[0] = (uint8_t)lease->index;
    result->code_count = 1;
    s->computing = false;
    sam_status status = s->compute_status == SAM_OK ? SAM_OK : sam_fail(err, s->compute_status, "no such slot");
    release(s);
    return status;
}

/* ---- a test from beginning to end ---- */

static stage *begin(uint32_t ahead)
{
    stage *s = sam_alloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->may_compute = UNLIMITED;
    s->options = (sam_pipeline_options){.transport = &LEDGER,
                                        .state = s,
                                        .member = {.name = "test"},
                                        .ahead = ahead,
                                        .eager = true,
                                        .work = {apply, compute, received, NULL, s}};
    return s;
}

static void *run(void *argument)
{
    stage *s = argument;
    sam_error err = {0};
    sam_status status = sam_pipeline_run(s->pipeline, &err);
    hold(s);
    s->status = status;
    s->err = err;
    s->ended = true;
    release(s);
    return NULL;
}

static void start(stage *s)
{
    assert_int_equal(sam_pipeline_new(&s->pipeline, &s->options, NULL), SAM_OK);
    assert_int_equal(pthread_create(&s->thread, NULL, run, s), 0);
    hold(s);
}

/* Waits until it has ended by itself; the lock is not held any more. */
static void expect_end(stage *s, sam_status status)
{
    AWAIT(s, s->ended);
    release(s);
    pthread_join(s->thread, NULL);
    if (s->broken != NULL)
        fail_msg("%s", s->broken);
    if (s->status != status)
        fail_msg("it ended with %s: %s", sam_status_name(s->status), s->err.text);
}

static void end(stage *s)
{
    sam_pipeline_free(s->pipeline);
    for (size_t i = 0; i < MANY; i++)
        sam_buffer_free(&s->rounds[i]);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    sam_free(s);
}

static void stop_and_end(stage *s)
{
    release(s);
    sam_pipeline_stop(s->pipeline);
    hold(s);
    expect_end(s, SAM_OK);
    end(s);
}

/* Until the pipeline has taken in the answers of so many turns: the ledger cannot know. */
static void await_turns(stage *s, uint64_t turns)
{
    for (int tries = 0; sam_pipeline_look(s->pipeline).turns < turns; tries++) {
        if (tries > FOREVER_S * 1000)
            fail_msg("it has not had %llu answers", (unsigned long long)turns);
        release(s);
        sam_sleep_ms(1);
        hold(s);
    }
}

/* ---- what must hold ---- */

static void every_slot_of_a_run_is_computed_and_acknowledged_once(void **state)
{
    (void)state;
    const struct {
        uint32_t ahead, slots;
        uint64_t lag;
    } CASES[] = {{0, 1, 0}, {0, 3, 0}, {1, 1, 0}, {1, 4, 0}, {1, 3, 1}, {1, 1, 2}, {3, 2, 2}, {5, 8, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        stage *s = begin(CASES[i].ahead);
        s->slots_of_round = CASES[i].slots;
        s->last_round = 40;
        s->lag = CASES[i].lag;
        for (uint64_t round = 0; round <= s->lag; round++)
            open_round(s, round);
        start(s);
        expect_end(s, SAM_OK);
        assert_int_equal(s->result_count, 40 * CASES[i].slots);
        assert_int_equal(s->applied, 40);
        assert_int_equal(s->repeated, 0);
        assert_true(s->most_in_hand <= 1 + CASES[i].ahead);
        assert_false(s->left);
        for (size_t k = 0; k < s->computed_count; k++)
            assert_memory_equal(&s->computed[k], &s->free[k], sizeof s->free[k]);
        end(s);
    }
}

static void the_next_lease_is_in_hand_while_one_is_computed(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    for (uint32_t i = 0; i < 4; i++)
        give(s, SAM_WORK_SLOT, 0, i);
    start(s);
    AWAIT(s, s->computing && s->given == 2);
    s->may_compute = 1;
    AWAIT(s, s->computing && s->given == 3 && s->result_count == 1);
    assert_int_equal(s->most_in_hand, 2);
    s->may_compute = UNLIMITED;
    stop_and_end(s);
}

static void a_result_does_not_wait_behind_a_turn_that_waits_for_work(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    give(s, SAM_WORK_SLOT, 0, 0);
    start(s);
    AWAIT(s, s->computing && s->asking == 1);
    s->may_compute = 1;
    AWAIT(s, s->result_count == 1);
    assert_int_equal(s->asking, 1);
    const seen_turn *held = &s->turns[s->turn_count - 2], *last = &s->turns[s->turn_count - 1];
    assert_int_equal(held->wants, 1);
    assert_int_equal(last->wants, 0);
    assert_int_equal(last->results, 1);
    assert_int_not_equal(held->connection, last->connection);
    stop_and_end(s);
}

static void without_leases_ahead_each_result_goes_out_with_the_question_for_the_next(void **state)
{
    (void)state;
    stage *s = begin(0);
    s->slots_of_round = 2;
    s->last_round = 10;
    open_round(s, 0);
    start(s);
    expect_end(s, SAM_OK);
    assert_int_equal(s->turn_count, 21);
    for (size_t i = 0; i < s->turn_count; i++) {
        assert_int_equal(s->turns[i].connection, 0);
        assert_int_equal(s->turns[i].wants, 1);
        assert_int_equal(s->turns[i].results, i == 0 ? 0 : 1);
    }
    end(s);
}

static void a_round_that_both_connections_bring_is_applied_once(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    s->hold_results = true;
    give(s, SAM_WORK_SLOT, 0, 0);
    start(s);
    AWAIT(s, s->computing && s->asking == 1);
    s->may_compute = 1;
    AWAIT(s, s->asking == 1 && s->delivering == 1);
    commit(s);
    commit(s);
    s->hold_results = false;
    AWAIT(s, s->applied == 2 && s->turn_count == 4);
    assert_int_equal(s->turns[1].cursor, 0);
    assert_int_equal(s->turns[2].cursor, 0);
    assert_int_equal(s->turns[3].cursor, 2);
    stop_and_end(s);
}

static void a_slot_whose_round_was_committed_without_it_is_not_begun(void **state)
{
    (void)state;
    stage *s = begin(2);
    s->may_compute = 0;
    give(s, SAM_WORK_SLOT, 0, 0);
    give(s, SAM_WORK_SLOT, 0, 1);
    start(s);
    AWAIT(s, s->computing && s->given == 2 && s->asking == 1);
    commit(s);
    give(s, SAM_WORK_SLOT, 1, 0);
    AWAIT(s, s->given == 3);
    await_turns(s, 3);
    s->may_compute = 2;
    AWAIT(s, s->result_count == 2);
    assert_int_equal(s->computed[1].round, 1);
    release(s);
    assert_int_equal(sam_pipeline_look(s->pipeline).dropped, 1);
    hold(s);
    stop_and_end(s);
}

static void a_lease_that_is_out_of_time_is_not_begun(void **state)
{
    (void)state;
    stage *s = begin(1);
    give(s, SAM_WORK_SLOT, 0, 0);
    s->free[0].valid_ms = 0;
    give(s, SAM_WORK_SLOT, 0, 1);
    start(s);
    AWAIT(s, s->result_count == 1 && s->asking == 1);
    assert_int_equal(s->results[0].index, 1);
    stop_and_end(s);
}

static void a_lease_that_is_given_again_is_not_computed_again(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    give(s, SAM_WORK_SLOT, 0, 0);
    give(s, SAM_WORK_SLOT, 0, 0);
    give(s, SAM_WORK_SLOT, 0, 1);
    start(s);
    AWAIT(s, s->computing && s->given == 3);
    s->may_compute = 2;
    AWAIT(s, s->result_count == 2 && s->asking == 1);
    stop_and_end(s);
}

static void what_a_worker_cannot_compute_is_left_to_others(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    s->compute_status = SAM_UNSUPPORTED;
    give(s, SAM_WORK_SLOT, 0, 0);
    start(s);
    AWAIT(s, s->computing);
    s->may_compute = 1;
    AWAIT(s, s->computed_count == 1);
    s->compute_status = SAM_OK;
    s->may_compute = UNLIMITED;
    give(s, SAM_WORK_SLOT, 0, 1);
    AWAIT(s, s->result_count == 1);
    assert_int_equal(s->results[0].index, 1);
    stop_and_end(s);
}

static void a_failure_ends_it_with_its_sentence(void **state)
{
    (void)state;
    const struct {
        sam_status status;
        bool goodbye;
    } CASES[] = {{SAM_FORBIDDEN, false}, {SAM_INVALID, true}, {SAM_CORRUPT, true}, {SAM_UNAUTHORIZED, true}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        stage *s = begin(1);
        give(s, SAM_WORK_SLOT, 0, 0);
        start(s);
        AWAIT(s, s->result_count == 1 && s->asking == 1);
        s->refuse = CASES[i].status;
        expect_end(s, CASES[i].status);
        assert_string_equal(s->err.text, "refused");
        assert_int_equal(s->left, CASES[i].goodbye);
        end(s);
    }
}

static void a_worker_that_fails_to_compute_says_goodbye(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->compute_status = SAM_IO;
    give(s, SAM_WORK_SLOT, 0, 0);
    start(s);
    expect_end(s, SAM_IO);
    assert_true(s->left);
    assert_int_equal(s->result_count, 0);
    end(s);
}

static void a_round_that_is_not_chained_ends_it(void **state)
{
    (void)state;
    stage *s = begin(1);
    commit(s);
    s->rounds[0].bytes[2] ^= 1;
    start(s);
    expect_end(s, SAM_MISMATCH);
    assert_int_equal(s->applied, 0);
    assert_int_equal(s->received, 0);
    end(s);
}

static void told_to_stop_it_finishes_one_lease_and_gives_the_others_back(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    give(s, SAM_WORK_SLOT, 0, 0);
    give(s, SAM_WORK_SLOT, 0, 1);
    start(s);
    AWAIT(s, s->computing && s->given == 2);
    release(s);
    sam_pipeline_stop(s->pipeline);
    hold(s);
    s->may_compute = UNLIMITED;
    expect_end(s, SAM_OK);
    assert_true(s->left);
    assert_int_equal(s->computed_count, 1);
    assert_int_equal(s->result_count, 1);
    end(s);
}

/* One turn waits with a result that nobody has seen, the other for work with a result that was taken. */
static void results_whose_turns_are_broken_off_go_out_with_the_goodbye(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    s->hold_results = true;
    give(s, SAM_WORK_SLOT, 0, 0);
    give(s, SAM_WORK_SLOT, 0, 1);
    start(s);
    AWAIT(s, s->computing && s->given == 2);
    await_turns(s, 2);
    s->may_compute = 1;
    AWAIT(s, s->result_count == 1 && s->computing && s->asking == 1);
    s->may_compute = 1;
    AWAIT(s, s->delivering == 1);
    release(s);
    sam_pipeline_stop(s->pipeline);
    hold(s);
    expect_end(s, SAM_OK);
    assert_int_equal(s->cancelled, 2);
    assert_int_equal(s->result_count, 2);
    assert_int_equal(s->repeated, 1);
    end(s);
}

static void a_complete_run_ends_when_the_last_result_is_acknowledged(void **state)
{
    (void)state;
    stage *s = begin(1);
    s->may_compute = 0;
    s->hold_results = true;
    give(s, SAM_WORK_EVALUATION, 0, 0);
    start(s);
    AWAIT(s, s->computing && s->asking == 1);
    s->may_compute = 1;
    AWAIT(s, s->delivering == 1);
    s->run_status = SAM_RUN_COMPLETE;
    AWAIT(s, s->asking == 0);
    s->hold_results = false;
    expect_end(s, SAM_OK);
    assert_int_equal(s->result_count, 1);
    assert_int_equal(s->cancelled, 0);
    assert_false(s->left);
    end(s);
}

static void a_join_that_fails_is_the_end(void **state)
{
    (void)state;
    const sam_status CASES[][2] = {{SAM_FORBIDDEN, SAM_FORBIDDEN}, {SAM_CANCELLED, SAM_OK}};
    for (size_t i = 0; i < 2; i++) {
        stage *s = begin(1);
        s->refuse = CASES[i][0];
        start(s);
        expect_end(s, CASES[i][1]);
        assert_false(sam_pipeline_look(s->pipeline).joined);
        assert_int_equal(s->turn_count, 0);
        assert_false(s->left);
        end(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_slot_of_a_run_is_computed_and_acknowledged_once),
        cmocka_unit_test(the_next_lease_is_in_hand_while_one_is_computed),
        cmocka_unit_test(a_result_does_not_wait_behind_a_turn_that_waits_for_work),
        cmocka_unit_test(without_leases_ahead_each_result_goes_out_with_the_question_for_the_next),
        cmocka_unit_test(a_round_that_both_connections_bring_is_applied_once),
        cmocka_unit_test(a_slot_whose_round_was_committed_without_it_is_not_begun),
        cmocka_unit_test(a_lease_that_is_out_of_time_is_not_begun),
        cmocka_unit_test(a_lease_that_is_given_again_is_not_computed_again),
        cmocka_unit_test(what_a_worker_cannot_compute_is_left_to_others),
        cmocka_unit_test(a_failure_ends_it_with_its_sentence),
        cmocka_unit_test(a_worker_that_fails_to_compute_says_goodbye),
        cmocka_unit_test(a_round_that_is_not_chained_ends_it),
        cmocka_unit_test(told_to_stop_it_finishes_one_lease_and_gives_the_others_back),
        cmocka_unit_test(results_whose_turns_are_broken_off_go_out_with_the_goodbye),
        cmocka_unit_test(a_complete_run_ends_when_the_last_result_is_acknowledged),
        cmocka_unit_test(a_join_that_fails_is_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
