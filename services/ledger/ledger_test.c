/* The ledger as workers and people see it: real processes, a real Redis, HTTP between them. */
#include "ledger/test_ledger.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#define CROWD 500

static test_stage stage;
static test_ledger ledger;

static int open_stage(void **state)
{
    (void)state;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    if (ledger.pid != 0)
        test_ledger_stop(&ledger);
    test_stage_close(&stage);
    return 0;
}

static void workers_drive_a_run_to_completion(void **state)
{
    sam_manifest draft = test_draft();
    test_run run;
    (void)state;
    test_run_create(&run, &draft, ledger.url);
    test_worker workers[] = {test_worker_join(&run, ledger.url), test_worker_join(&run, ledger.url)};
    assert_true(workers[0].number == 1 && workers[1].number == 2);
    test_drive(workers, 2);
    sam_samlog *log = test_run_log(&run, ledger.url);
    assert_int_equal(sam_samlog_rounds(log), draft.rounds);
    assert_true(sam_digest_equal(sam_samlog_chain(log), &workers[0].chain));
    test_check_log(log);
    sam_samlog_close(log);
    assert_int_equal(test_number(ledger.url, run.path, "records"), 60);
    assert_int_equal(test_number(ledger.url, run.path, "lost_leases"), 0);
    sam_manifest_free(run.manifest);
}

/* Evaluations of the rounds 0, 5, 10, 15 are in the log; the last one, of the finished state, stands beside it. */
static void evaluations_are_summed_and_become_part_of_the_log(void **state)
{
    sam_manifest draft = test_draft();
    test_run run;
    uint64_t next = 0;
    (void)state;
    test_run_create(&run, &draft, ledger.url);
    test_worker worker = test_worker_join(&run, ledger.url);
    test_drive(&worker, 1);
    sam_samlog *log = test_run_log(&run, ledger.url);
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        sam_round round;
        assert_int_equal(sam_samlog_decode(log, r, &round, NULL), SAM_OK);
        for (size_t i = 0; i < round.evaluation_count; i++, next += 5) {
            const sam_evaluation *e = &round.evaluations[i];
            assert_true(e->at == next && e->examples == 20 && e->correct == 1 && e->loss_micro == 2000 * next + 2);
        }
        sam_round_free(&round);
    }
    assert_int_equal(next, 20);
    json_t *json = test_json(ledger.url, "GET", run.path, NULL, 200);
    const json_t *all = json_object_get(json, "evaluations"), *last = json_array_get(all, 4);
    assert_int_equal(json_array_size(all), 5);
    assert_int_equal(json_integer_value(json_object_get(last, "round")), 20);
    assert_int_equal(json_integer_value(json_object_get(last, "loss_micro")), 40002);
    assert_string_equal(json_string_value(json_object_get(json, "status")), "complete");
    json_decref(json);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

/* Workers of two copies, of whom each is behind the log now and then. */
static void with_a_lag_the_log_is_as_whole_as_without(void **state)
{
    test_ledger second;
    (void)state;
    test_ledger_start(&second, stage.redis.address);
    for (uint32_t lag = 1; lag <= 2; lag++) {
        sam_manifest draft = test_draft();
        test_run run;
        draft.seed = 30 + lag;
        draft.lag = lag;
        test_run_create(&run, &draft, ledger.url);
        test_worker workers[] = {test_worker_join(&run, ledger.url), test_worker_join(&run, second.url),
                                 test_worker_join(&run, second.url)};
        workers[0].wants = 5; /* more than a round */
        test_drive(workers, 3);
        sam_samlog *log = test_run_log(&run, ledger.url);
        assert_int_equal(sam_samlog_rounds(log), draft.rounds);
        assert_true(sam_digest_equal(sam_samlog_chain(log), &workers[2].chain));
        test_check_log(log);
        sam_samlog_close(log);
        assert_int_equal(test_number(ledger.url, run.path, "records"), 60);
        assert_int_equal(test_number(ledger.url, run.path, "leased"), 0);
        assert_int_equal(test_number(ledger.url, run.path, "unleased"), 0);
        sam_manifest_free(run.manifest);
    }
    test_ledger_stop(&second);
}

/* Codes of all rounds, one after the other. */
static sam_buffer codes_of(const sam_samlog *log)
{
    sam_buffer codes = {0};
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        sam_round round;
        assert_int_equal(sam_samlog_decode(log, r, &round, NULL), SAM_OK);
        sam_put_bytes(&codes, round.codes.bytes, round.codes.length);
        sam_round_free(&round);
    }
    return codes;
}

static void the_log_is_the_same_whoever_computes(void **state)
{
    sam_buffer codes[2];
    const size_t sizes[2] = {1, 3};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_stage own;
        test_ledger other;
        test_run run;
        sam_manifest draft = test_draft();
        test_stage_open(&own);
        test_ledger_start(&other, own.redis.address);
        test_run_create(&run, &draft, other.url);
        test_worker workers[3];
        for (size_t w = 0; w < sizes[i]; w++)
            workers[w] = test_worker_join(&run, other.url);
        test_drive(workers, sizes[i]);
        sam_samlog *log = test_run_log(&run, other.url);
        codes[i] = codes_of(log);
        sam_samlog_close(log);
        sam_manifest_free(run.manifest);
        test_ledger_stop(&other);
        test_stage_close(&own);
    }
    assert_int_equal(codes[0].length, codes[1].length);
    assert_memory_equal(codes[0].bytes, codes[1].bytes, codes[0].length);
    sam_buffer_free(&codes[0]);
    sam_buffer_free(&codes[1]);
}

static sam_manifest plain_draft(void)
{
    sam_manifest draft = test_draft();
    draft.evaluation.every = 0;
    return draft;
}

static void an_expired_lease_goes_to_another_and_the_late_result_is_refused(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.lease_ms = 100;
    test_run_create(&run, &draft, ledger.url);
    test_worker slow = test_worker_join(&run, ledger.url), quick = test_worker_join(&run, ledger.url);
    slow.wants = 3;
    test_turn(&slow);
    assert_int_equal(slow.result_count, 3);
    test_turn(&quick);
    assert_int_equal(quick.result_count, 0);
    sam_sleep_ms(350); /* the third is valid three times as long as one */
    quick.wants = 3;
    test_turn(&quick);
    assert_int_equal(quick.result_count, 3);
    assert_int_equal(test_number(ledger.url, run.path, "lost_leases"), 3);
    quick.wants = 0;
    test_turn(&quick);
    assert_int_equal(quick.cursor, 1);
    test_turn(&slow);
    assert_int_equal(slow.refused, 3);
    sam_manifest_free(run.manifest);
}

static void the_first_valid_result_wins_even_when_its_lease_is_over(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.lease_ms = 101;
    test_run_create(&run, &draft, ledger.url);
    test_worker slow = test_worker_join(&run, ledger.url), quick = test_worker_join(&run, ledger.url);
    slow.wants = quick.wants = 3;
    test_turn(&slow);
    sam_sleep_ms(350);
    test_turn(&quick);
    assert_int_equal(quick.result_count, 3);
    slow.wants = 0;
    test_turn(&slow);
    assert_true(slow.refused == 0 && slow.cursor == 1);
    test_turn(&quick);
    assert_int_equal(quick.refused, 3);
    sam_samlog *log = test_run_log(&run, ledger.url);
    assert_int_equal(test_worker_in_log(log, 0, 1), slow.number);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

static void a_repeated_result_is_acknowledged_and_a_malformed_one_counted(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 11;
    test_run_create(&run, &draft, ledger.url);
    test_worker a = test_worker_join(&run, ledger.url), b = test_worker_join(&run, ledger.url);
    a.wants = 1;
    test_turn(&a);
    test_worker again = a, other = b, wrong = a, future = a;
    a.wants = again.wants = other.wants = wrong.wants = future.wants = 0;
    test_turn(&a);
    assert_int_equal(a.refused, 0);
    test_turn(&again); /* the same worker: its reply was lost */
    assert_int_equal(again.refused, 0);
    test_compute(&other, &(sam_lease){SAM_WORK_SLOT, 0, 0, 0});
    test_turn(&other);
    assert_int_equal(other.refused, 1);
    wrong.results[0].code_count = 3; /* probes is 2 */
    test_turn(&wrong);
    assert_int_equal(wrong.refused, 1);
    wrong.results[0] =
        (sam_result){.kind = SAM_WORK_SLOT, .index = 1, .codes = wrong.codes[0], .code_count = 2, .weight = 1000};
    wrong.result_count = 1; /* it would count a thousand times */
    test_turn(&wrong);
    assert_int_equal(wrong.refused, 1);
    future.results[0].round = 1;
    test_turn(&future);
    assert_int_equal(future.refused, 1);
    char path[120];
    snprintf(path, sizeof path, "%s/workers", run.path);
    json_t *json = test_json(ledger.url, "GET", path, NULL, 200), *row = json_object_get(json, "workers");
    row = json_array_get(row, 0);
    assert_int_equal(json_integer_value(json_object_get(row, "slots")), 1);
    assert_int_equal(json_integer_value(json_object_get(row, "refused")), 2);
    assert_int_equal(json_integer_value(json_object_get(row, "late")), 1);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "pretender");
    json_decref(json);
    sam_manifest_free(run.manifest);
}

static void leaving_gives_leases_back_at_once(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 12;
    draft.lease_ms = 60000;
    test_run_create(&run, &draft, ledger.url);
    test_worker a = test_worker_join(&run, ledger.url), b = test_worker_join(&run, ledger.url);
    a.wants = 3;
    test_turn(&a);
    a.result_count = 1; /* it finished one of three */
    a.wants = 0;
    a.leaving = true;
    test_turn(&a);
    a.result_count = 0; /* a sync that was under way arrives after the goodbye */
    a.wants = 3;
    a.leaving = false;
    test_turn(&a);
    assert_int_equal(a.result_count, 0);
    b.wants = 3;
    test_turn(&b);
    assert_int_equal(b.result_count, 2);
    sam_manifest_free(run.manifest);
}

static void a_paused_run_gives_no_leases_but_takes_what_was_under_way(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    char path[120];
    (void)state;
    draft.seed = 13;
    test_run_create(&run, &draft, ledger.url);
    test_worker a = test_worker_join(&run, ledger.url);
    a.wants = 3;
    test_turn(&a);
    snprintf(path, sizeof path, "%s/pause", run.path);
    json_decref(test_json(ledger.url, "POST", path, NULL, 200));
    test_turn(&a);
    assert_true(a.cursor == 1 && a.result_count == 0 && a.status == SAM_RUN_PAUSED);
    snprintf(path, sizeof path, "%s/resume", run.path);
    json_decref(test_json(ledger.url, "POST", path, NULL, 200));
    test_turn(&a);
    assert_true(a.result_count == 3 && a.status == SAM_RUN_RUNNING);
    sam_manifest_free(run.manifest);
}

static void a_worker_that_lost_a_reply_gets_its_leases_again(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 14;
    test_run_create(&run, &draft, ledger.url);
    test_worker a = test_worker_join(&run, ledger.url);
    a.wants = 3;
    test_turn(&a);
    test_worker forgetful = a;
    forgetful.result_count = 0;
    test_turn(&forgetful);
    assert_int_equal(forgetful.result_count, 3);
    sam_manifest_free(run.manifest);
}

static void a_worker_without_dev_data_is_given_slots_alone(void **state)
{
    sam_manifest draft = test_draft();
    test_run run;
    (void)state;
    draft.seed = 20;
    test_run_create(&run, &draft, ledger.url);
    test_worker workers[] = {test_worker_join_with(&run, ledger.url, "{\"name\":\"poor\",\"evaluates\":false}"),
                             test_worker_join(&run, ledger.url)};
    test_worker *poor = &workers[0], *rich = &workers[1];
    poor->wants = run.manifest->slots + run.manifest->evaluation.chunks;
    test_turn(poor);
    assert_int_equal(poor->result_count, run.manifest->slots);
    for (size_t i = 0; i < poor->result_count; i++)
        assert_int_equal(poor->results[i].kind, SAM_WORK_SLOT);
    rich->wants = run.manifest->evaluation.chunks;
    test_turn(rich);
    assert_int_equal(rich->result_count, run.manifest->evaluation.chunks);
    for (size_t i = 0; i < rich->result_count; i++)
        assert_int_equal(rich->results[i].kind, SAM_WORK_EVALUATION);
    test_drive(workers, 2);
    sam_manifest_free(run.manifest);
}

/* ---- waiting ---- */

/* Sends a sync request and leaves it unanswered. */
static int start_waiting(const char *url, test_worker *worker)
{
    unsigned port;
    char head[400];
    sam_buffer body = {0}, request = {0};
    assert_int_equal(sscanf(url, "http://127.0.0.1:%u", &port), 1);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    test_worker_request(worker, &body);
    snprintf(head, sizeof head, "POST %s/sync HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", worker->run->path,
             body.length);
    sam_put_text(&request, head);
    sam_put_bytes(&request, body.bytes, body.length);
    assert_int_equal(write(fd, request.bytes, request.length), (ssize_t)request.length);
    sam_buffer_free(&body);
    sam_buffer_free(&request);
    return fd;
}

/* Milliseconds until an answer 200 came; fails after 10 s. */
static uint64_t answer_time(int fd)
{
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    char text[64] = "";
    uint64_t begun = sam_monotonic_ms();
    assert_int_equal(poll(&waiting, 1, 10000), 1);
    assert_true(read(fd, text, sizeof text - 1) > 12);
    assert_memory_equal(text, "HTTP/1.1 200", 12);
    close(fd);
    return sam_monotonic_ms() - begun;
}

/* Reads a whole answer to a sync. */
static void read_reply(int fd, sam_sync_reply *reply, sam_buffer *bytes)
{
    const char *body = NULL;
    unsigned length = 0;
    while (body == NULL || bytes->length < (size_t)(body - (char *)bytes->bytes) + length) {
        uint8_t part[4096];
        ssize_t got = read(fd, part, sizeof part);
        assert_true(got > 0);
        sam_put_bytes(bytes, part, (size_t)got);
        body = memmem(bytes->bytes, bytes->length, "\r\n\r\n", 4);
        const char *field = memmem(bytes->bytes, bytes->length, "Content-Length: ", 16);
        body = body == NULL ? NULL : body + 4;
        assert_true(body == NULL || (field != NULL && sscanf(field, "Content-Length: %u", &length) == 1));
    }
    assert_memory_equal(bytes->bytes, "HTTP/1.1 200", 12);
    assert_int_equal(sam_sync_reply_decode(reply, body, length, NULL), SAM_OK);
}

static void two_copies_serve_one_run_and_wake_each_others_waiters(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    test_ledger second;
    (void)state;
    draft.seed = 15;
    test_ledger_start(&second, stage.redis.address);
    test_run_create(&run, &draft, ledger.url);
    test_worker workers[] = {test_worker_join(&run, ledger.url), test_worker_join(&run, second.url)};
    workers[0].wants = 3;
    test_turn(&workers[0]);
    workers[1].wait_ms = 20000;
    int fd = start_waiting(second.url, &workers[1]);
    sam_sleep_ms(300); /* so that it stands in the list of the second copy */
    workers[0].wants = 0;
    test_turn(&workers[0]);
    assert_int_equal(workers[0].cursor, 1);
    assert_in_range(answer_time(fd), 0, 2000);
    workers[1].wait_ms = 0;
    workers[0].wants = workers[1].wants = 1;
    test_turn(&workers[1]);
    for (int turn = 0; turn < 400 && !(test_worker_done(&workers[0]) && test_worker_done(&workers[1])); turn++) {
        workers[0].base = turn % 2 ? ledger.url : second.url;
        workers[1].base = turn % 3 ? ledger.url : second.url;
        sam_sleep_ms(turn == 0 ? 1100 : 0); /* the lease of the answer we threw away */
        test_turn(&workers[0]);
        test_turn(&workers[1]);
    }
    assert_true(test_worker_done(&workers[0]) && test_worker_done(&workers[1]));
    sam_samlog *log = test_run_log(&run, second.url);
    assert_int_equal(sam_samlog_rounds(log), 20);
    test_check_log(log);
    sam_samlog_close(log);
    test_ledger_stop(&second);
    sam_manifest_free(run.manifest);
}

static void an_expired_lease_wakes_a_waiter(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 16;
    draft.lease_ms = 300;
    draft.slots = 1;
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), waiter = test_worker_join(&run, ledger.url);
    test_turn(&holder);
    waiter.wait_ms = 20000;
    assert_in_range(answer_time(start_waiting(ledger.url, &waiter)), 100, 2500);
    sam_manifest_free(run.manifest);
}

/* The one that has work in hand has waited longer; the slot that comes free goes to the other. */
static void a_waiter_with_nothing_in_hand_is_woken_before_one_that_is_ahead(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    sam_sync_reply reply;
    sam_buffer bytes = {0};
    (void)state;
    draft.seed = 33;
    draft.lease_ms = 60000;
    draft.slots = 1;
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), ahead = test_worker_join(&run, ledger.url),
                idle = test_worker_join(&run, ledger.url);
    test_turn(&holder);
    ahead.ahead = true;
    ahead.wait_ms = idle.wait_ms = 20000;
    int first = start_waiting(ledger.url, &ahead);
    sam_sleep_ms(300); /* so that it stands in the list before the other */
    int second = start_waiting(ledger.url, &idle);
    sam_sleep_ms(300);
    holder.result_count = 0;
    holder.wants = 0;
    holder.leaving = true;
    test_turn(&holder);
    read_reply(second, &reply, &bytes);
    assert_int_equal(reply.lease_count, 1);
    sam_sync_reply_free(&reply);
    sam_buffer_free(&bytes);
    close(first);
    close(second);
    sam_manifest_free(run.manifest);
}

static void waiting_ends_when_its_time_is_over(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 17;
    draft.lease_ms = 60000;
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), waiter = test_worker_join(&run, ledger.url);
    holder.wants = 3;
    test_turn(&holder);
    waiter.wait_ms = 400;
    assert_in_range(answer_time(start_waiting(ledger.url, &waiter)), 300, 3000);
    sam_manifest_free(run.manifest);
}

static void five_hundred_workers_wait_and_all_hear_of_a_commit(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    static int fds[CROWD];
    (void)state;
    if (!test_raise_open_files(CROWD + 100))
        skip();
    draft.seed = 18;
    draft.lease_ms = 60000;
    test_run_create(&run, &draft, ledger.url);
    test_worker holder = test_worker_join(&run, ledger.url), waiter = test_worker_join(&run, ledger.url);
    holder.wants = 3;
    test_turn(&holder);
    waiter.wait_ms = 60000;
    for (int i = 0; i < CROWD; i++)
        fds[i] = start_waiting(ledger.url, &waiter);
    for (int tries = 0; tries < 100; tries++) {
        char wanted[200];
        sam_http_reply reply = {0};
        assert_int_equal(test_send(ledger.url, "GET", "/metrics", NULL, 0, &reply, NULL), 200);
        sam_put_u8(&reply.body, 0);
        snprintf(wanted, sizeof wanted, "samara_run_waiting{run=\"%s\",name=\"%s\"} %d\n", run.manifest->id_hex,
                 run.manifest->name, CROWD);
        bool all = strstr((const char *)reply.body.bytes, wanted) != NULL;
        sam_http_reply_free(&reply);
        if (all)
            break;
        assert_true(tries < 99);
        sam_sleep_ms(50);
    }
    holder.wants = 0;
    test_turn(&holder);
    for (int i = 0; i < CROWD; i++)
        answer_time(fds[i]);
    sam_manifest_free(run.manifest);
}

/* A crowd whose requests are all under way before the first answer is read, so that calls of Redis carry many turns:
 * each has the same results, and one of them is the first. Nobody's lease is given to another. */
static void of_many_at_a_time_each_gets_its_own_and_the_first_result_wins(void **state)
{
    enum { MANY = 40 };
    sam_manifest draft = plain_draft();
    test_run run;
    static test_worker crowd[MANY];
    int fds[MANY];
    uint32_t refused = 0;
    (void)state;
    draft.seed = 21;
    draft.slots = 64;
    draft.lease_ms = 60000;
    test_run_create(&run, &draft, ledger.url);
    for (uint32_t i = 0; i < MANY; i++) {
        crowd[i] = test_worker_join(&run, ledger.url);
        crowd[i].wants = 1;
        test_compute(&crowd[i], &(sam_lease){SAM_WORK_SLOT, 0, 2, 0});
        test_compute(&crowd[i], &(sam_lease){SAM_WORK_SLOT, 0, 3, 0});
    }
    for (uint32_t i = 0; i < MANY; i++)
        fds[i] = start_waiting(ledger.url, &crowd[i]);
    bool leased[64] = {[2] = true, [3] = true};
    for (uint32_t i = 0; i < MANY; i++) {
        sam_sync_reply reply;
        sam_buffer bytes = {0};
        read_reply(fds[i], &reply, &bytes);
        refused += reply.refused;
        assert_int_equal(reply.lease_count, 1);
        assert_false(leased[reply.leases[0].index]);
        leased[reply.leases[0].index] = true;
        sam_sync_reply_free(&reply);
        sam_buffer_free(&bytes);
        close(fds[i]);
    }
    assert_int_equal(refused, 2 * (MANY - 1));
    assert_int_equal(test_number(ledger.url, run.path, "leased"), MANY);
    sam_manifest_free(run.manifest);
}

/* A sync with one slot, on a connection that stays open, as docs/formats/wire.md promises. */
static void a_sync_of_one_slot_takes_less_than_250_bytes(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    sam_buffer body = {0}, bytes = {0};
    sam_sync_reply reply;
    char head[200];
    (void)state;
    draft.seed = 22;
    draft.probes = 1;
    draft.slots = 400;
    test_run_create(&run, &draft, ledger.url);
    test_worker worker = test_worker_join(&run, ledger.url);
    worker.number = 1;
    worker.wants = 1;
    worker.wait_ms = 20000;
    test_compute(&worker, &(sam_lease){SAM_WORK_SLOT, 0, 300, 0});
    worker.results[0].elapsed_ms = 12345;
    int fd = start_waiting(ledger.url, &worker);
    read_reply(fd, &reply, &bytes);
    test_worker_request(&worker, &body);
    int sent =
        snprintf(head, sizeof head, "POST %s/sync HTTP/1.1\r\nHost: 127.0.0.1:40000\r\nContent-Length: %zu\r\n\r\n",
                 run.path, body.length);
    assert_in_range((size_t)sent + body.length + bytes.length, 100, 250);
    assert_int_equal(reply.lease_count, 1);
    close(fd);
    sam_sync_reply_free(&reply);
    sam_buffer_free(&body);
    sam_buffer_free(&bytes);
    sam_manifest_free(run.manifest);
}

/* ---- refusals ---- */

static void a_request_that_does_not_fit_says_why(void **state)
{
    sam_manifest draft = plain_draft();
    test_run run;
    (void)state;
    draft.seed = 19;
    test_run_create(&run, &draft, ledger.url);
    test_worker worker = test_worker_join(&run, ledger.url);
    json_decref(test_json(ledger.url, "POST", "/v1/runs", run.manifest->text, 200)); /* again: it is there */
    test_worker stranger = worker, ahead = worker, lost = worker;
    test_run nowhere = run;
    stranger.number = 99;
    assert_int_equal(test_worker_turn(&stranger), 404);
    assert_non_null(strstr(stranger.err.text, "no worker 99"));
    ahead.cursor = 5;
    assert_int_equal(test_worker_turn(&ahead), 409);
    assert_int_equal(ahead.err.status, SAM_CONFLICT);
    nowhere.path[12] = nowhere.path[12] == '0' ? '1' : '0';
    lost.run = &nowhere;
    assert_int_equal(test_worker_turn(&lost), 404);
    json_decref(test_json(ledger.url, "POST", "/v1/runs", "{\"format\":\"samara-run/2\"}", 400));
    char path[120];
    snprintf(path, sizeof path, "%s/sync", run.path);
    json_decref(test_json(ledger.url, "POST", path, "SYQ1, so to say", 400));
    snprintf(path, sizeof path, "%s/join", run.path);
    json_decref(test_json(ledger.url, "POST", path, "{\"name\":7}", 400));
    json_decref(test_json(ledger.url, "POST", path, "{\"evaluates\":1}", 400));
    json_decref(test_json(ledger.url, "POST", path, "{\"name\":\"two\\nlines\"}", 400));
    json_decref(test_json(ledger.url, "POST", path, "{\"kernel\":\"\\u001b[2J\"}", 400));
    sam_manifest_free(run.manifest);
}

/* Reads all it says until it ends, and gives its exit status. */
static int run_to_the_end(const char *redis, const char *const *options, char *text, size_t size)
{
    int out, status;
    size_t used = 0;
    ssize_t got;
    pid_t pid = test_spawn(redis, options, &out);
    while (used + 1 < size && (got = read(out, text + used, size - 1 - used)) > 0)
        used += (size_t)got;
    text[used] = 0;
    close(out);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_start_that_cannot_be_ends_with_a_sentence(void **state)
{
    char text[4096];
    (void)state;
    const char *taken = ledger.url + strlen("http://");
    assert_int_equal(run_to_the_end(stage.redis.address, (const char *[]){"--listen", taken, NULL}, text, sizeof text),
                     8);
    assert_non_null(strstr(text, taken));
    assert_int_equal(
        run_to_the_end("127.0.0.1:1", (const char *[]){"--listen", "127.0.0.1:0", NULL}, text, sizeof text), 8);
    assert_non_null(strstr(text, "cannot reach Redis at 127.0.0.1:1"));
    assert_int_equal(run_to_the_end("127.0.0.1:1", (const char *[]){"surplus", NULL}, text, sizeof text), 2);
    assert_int_equal(
        run_to_the_end("127.0.0.1:1", (const char *[]){"--tokens", "/nonexistent", NULL}, text, sizeof text), 4);
}

/* HTTP status. */
static int ask_with(const char *base, const char *method, const char *path, const char *token, const char *ca_file)
{
    sam_http_client *client;
    sam_http_reply reply = {0};
    char url[400];
    snprintf(url, sizeof url, "%s%s", base, path);
    assert_int_equal(sam_http_client_new(&client, &(sam_http_client_options){.token = token, .ca_file = ca_file}, NULL),
                     SAM_OK);
    (void)sam_http_send(client, &(sam_http_call){.method = method, .url = url}, &reply, NULL);
    int code = reply.code;
    sam_http_reply_free(&reply);
    sam_http_client_free(client);
    return code;
}

static pid_t start_guarded(const char *const *options, const char *scheme, char base[64])
{
    char text[512] = "";
    int out;
    pid_t pid = test_spawn(stage.redis.address, options, &out);
    assert_true(read(out, text, sizeof text - 1) > 0);
    assert_int_equal(sscanf(text, "listening on %63s", base), 1);
    assert_memory_equal(base, scheme, strlen(scheme));
    close(out);
    return pid;
}

#define ADMIN  "an-admin-of-the-ledger"
#define WORKER "a-worker-of-the-ledger"
#define READER "a-reader-of-the-ledger"

static void each_route_takes_the_tokens_of_its_role(void **state)
{
    char path[300], base[64], run[100], route[160];
    (void)state;
    static const struct {
        const char *method, *rest;
        int none, reader, worker, admin;
    } CASES[] = {
        {"GET", "", 401, 200, 200, 200},         {"GET", "/manifest", 401, 200, 200, 200},
        {"GET", "/log", 401, 200, 200, 200},     {"GET", "/workers", 401, 200, 200, 200},
        {"POST", "/join", 401, 403, 400, 400}, /* 400: let in, and asked for a body */
        {"POST", "/sync", 401, 403, 400, 400},   {"POST", "/pause", 401, 403, 403, 200},
        {"POST", "/resume", 401, 403, 403, 200},
    };
    test_path(path, sizeof path, &stage.folder, "tokens");
    assert_true(test_secret(path, "admin " ADMIN "\nworker " WORKER "\nreader " READER "\n"));
    pid_t pid =
        start_guarded((const char *[]){"--listen", "127.0.0.1:0", "--tokens", path, NULL}, "http://127.0.0.1:", base);
    test_run made;
    sam_manifest draft = plain_draft();
    draft.seed = 20;
    test_run_create(&made, &draft, ledger.url);
    snprintf(run, sizeof run, "%s", made.path);
    sam_manifest_free(made.manifest);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        snprintf(route, sizeof route, "%s%s", run, CASES[i].rest);
        assert_int_equal(ask_with(base, CASES[i].method, route, NULL, NULL), CASES[i].none);
        assert_int_equal(ask_with(base, CASES[i].method, route, READER, NULL), CASES[i].reader);
        assert_int_equal(ask_with(base, CASES[i].method, route, WORKER, NULL), CASES[i].worker);
        assert_int_equal(ask_with(base, CASES[i].method, route, ADMIN, NULL), CASES[i].admin);
    }
    assert_int_equal(ask_with(base, "POST", "/v1/runs", WORKER, NULL), 403);
    assert_int_equal(ask_with(base, "POST", "/v1/runs", ADMIN, NULL), 400);
    assert_int_equal(ask_with(base, "GET", "/healthz", NULL, NULL), 200);
    assert_int_equal(ask_with(base, "GET", "/readyz", NULL, NULL), 200);
    assert_int_equal(ask_with(base, "GET", "/metrics", NULL, NULL), 200);

    assert_true(test_secret(path, "admin another-admin-of-it\n")); /* rotated while it runs */
    assert_int_equal(kill(pid, SIGHUP), 0);
    assert_int_equal(ask_with(base, "GET", "/v1/runs", ADMIN, NULL), 401);
    assert_int_equal(ask_with(base, "GET", "/v1/runs", "another-admin-of-it", NULL), 200);
    test_ledger_stop(&(test_ledger){.pid = pid});
}

static void it_speaks_https_with_a_certificate(void **state)
{
    char cert[300], key[300], base[64];
    (void)state;
    test_path(cert, sizeof cert, &stage.folder, "cert.pem");
    test_path(key, sizeof key, &stage.folder, "key.pem");
    if (!test_certificate(cert, key))
        skip();
    pid_t pid = start_guarded((const char *[]){"--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, NULL},
                              "https://127.0.0.1:", base);
    assert_int_equal(ask_with(base, "GET", "/v1/runs", NULL, cert), 200);
    assert_int_equal(ask_with(base, "GET", "/v1/runs", NULL, NULL), 0);
    test_ledger_stop(&(test_ledger){.pid = pid});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(workers_drive_a_run_to_completion, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(evaluations_are_summed_and_become_part_of_the_log, open_stage, close_stage),
        cmocka_unit_test(the_log_is_the_same_whoever_computes),
        cmocka_unit_test_setup_teardown(an_expired_lease_goes_to_another_and_the_late_result_is_refused, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(the_first_valid_result_wins_even_when_its_lease_is_over, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_repeated_result_is_acknowledged_and_a_malformed_one_counted, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(leaving_gives_leases_back_at_once, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_paused_run_gives_no_leases_but_takes_what_was_under_way, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_worker_that_lost_a_reply_gets_its_leases_again, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_worker_without_dev_data_is_given_slots_alone, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(two_copies_serve_one_run_and_wake_each_others_waiters, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(an_expired_lease_wakes_a_waiter, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(with_a_lag_the_log_is_as_whole_as_without, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_waiter_with_nothing_in_hand_is_woken_before_one_that_is_ahead, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(waiting_ends_when_its_time_is_over, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(five_hundred_workers_wait_and_all_hear_of_a_commit, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(of_many_at_a_time_each_gets_its_own_and_the_first_result_wins, open_stage,
                                        close_stage),
        cmocka_unit_test_setup_teardown(a_sync_of_one_slot_takes_less_than_250_bytes, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_request_that_does_not_fit_says_why, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(each_route_takes_the_tokens_of_its_role, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(it_speaks_https_with_a_certificate, open_stage, close_stage),
        cmocka_unit_test_setup_teardown(a_start_that_cannot_be_ends_with_a_sentence, open_stage, close_stage),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
