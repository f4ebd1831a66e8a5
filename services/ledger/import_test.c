/* Logs that move between ledgers: real processes, two of them with a Redis each. */
#include "ledger/test_ledger.h"
#include "run/history.h"

static test_stage stages[2];
static test_ledger ledgers[2];

static int open_stages(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_stage_open(&stages[i]);
        test_ledger_start(&ledgers[i], stages[i].redis.address);
    }
    return 0;
}

static int close_stages(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        test_ledger_stop(&ledgers[i]);
        test_stage_close(&stages[i]);
    }
    return 0;
}

/* A run of its own at the first ledger, driven until its log has `rounds` rounds. */
static test_run driven(const char *name, uint64_t rounds, sam_samlog **log)
{
    sam_manifest draft = test_draft();
    char *own = sam_strdup(name);
    test_run run;
    draft.name = own;
    test_run_create(&run, &draft, ledgers[0].url);
    test_worker workers[2] = {test_worker_join(&run, ledgers[0].url), test_worker_join(&run, ledgers[0].url)};
    while (test_number(ledgers[0].url, run.path, "head") < (int64_t)rounds)
        for (size_t i = 0; i < 2; i++)
            test_turn(&workers[i]);
    *log = test_run_log(&run, ledgers[0].url);
    sam_free(own);
    return run;
}

static void create_at_the_second(const sam_manifest *manifest, uint64_t past, int code)
{
    char path[60];
    snprintf(path, sizeof path, "/v1/runs?past=%llu", (unsigned long long)past);
    json_decref(test_json(ledgers[1].url, "POST", path, manifest->text, code));
}

/* Rounds [from, to) to the second ledger; the head it answers, or the HTTP status as a negative number. */
static int64_t send_rounds(const sam_samlog *log, uint64_t from, uint64_t to, const char *query)
{
    char path[200];
    sam_buffer body = {0};
    sam_http_reply reply = {0};
    sam_error err;
    for (uint64_t r = from; r < to; r++) {
        size_t length;
        const uint8_t *bytes = sam_samlog_round(log, r, &length);
        sam_samlog_put_round(&body, bytes, length);
    }
    snprintf(path, sizeof path, "/v1/runs/%s/log%s", sam_samlog_manifest(log)->id_hex, query);
    int64_t head = -test_send(ledgers[1].url, "POST", path, body.bytes, body.length, &reply, &err);
    if (head == -200) {
        json_t *json = json_loadb((const char *)reply.body.bytes, reply.body.length, 0, NULL);
        head = json_integer_value(json_object_get(json, "head"));
        json_decref(json);
    }
    sam_http_reply_free(&reply);
    sam_buffer_free(&body);
    return head;
}

static void expect_same_log(const test_run *run, const sam_samlog *log)
{
    sam_samlog *there = test_run_log(run, ledgers[1].url);
    assert_int_equal(sam_samlog_rounds(there), sam_samlog_rounds(log));
    assert_true(sam_digest_equal(sam_samlog_chain(there), sam_samlog_chain(log)));
    sam_samlog_close(there);
}

static void an_imported_run_has_the_same_log_and_goes_on(void **state)
{
    sam_samlog *log;
    (void)state;
    test_run run = driven("moves", 7, &log);
    create_at_the_second(run.manifest, 7, 201);
    assert_int_equal(send_rounds(log, 0, 3, "?past=7"), 3);
    assert_int_equal(test_number(ledgers[1].url, run.path, "unleased"), 0);
    assert_int_equal(send_rounds(log, 3, 7, "?past=7"), 7);
    expect_same_log(&run, log);
    assert_int_equal(test_number(ledgers[1].url, run.path, "records"), 21);
    test_worker worker = test_worker_join(&run, ledgers[1].url);
    assert_int_equal(worker.number, 3); /* the numbers in the log are taken */
    test_drive(&worker, 1);
    sam_samlog *whole = test_run_log(&run, ledgers[1].url);
    assert_int_equal(sam_samlog_rounds(whole), 20);
    assert_int_equal(sam_history_shared(whole, log), 7);
    test_check_log(whole);
    json_t *json = test_json(ledgers[1].url, "GET", run.path, NULL, 200);
    assert_int_equal(json_array_size(json_object_get(json, "evaluations")), 5); /* none was lost on the way */
    json_decref(json);
    sam_samlog_close(whole);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

static void numbers_that_are_said_to_be_in_use_are_given_to_nobody(void **state)
{
    sam_samlog *log;
    (void)state;
    test_run run = driven("numbers", 4, &log);
    json_decref(test_json(ledgers[1].url, "POST", "/v1/runs?past=4&workers=20", run.manifest->text, 201));
    assert_int_equal(test_worker_join(&run, ledgers[1].url).number, 21);
    assert_int_equal(send_rounds(log, 0, 2, "?past=4&workers=40"), 2);
    assert_int_equal(send_rounds(log, 2, 4, "?past=4&workers=7"), 4);
    assert_int_equal(test_worker_join(&run, ledgers[1].url).number, 41);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

static void an_import_may_be_repeated(void **state)
{
    sam_samlog *log;
    (void)state;
    test_run run = driven("twice", 6, &log);
    create_at_the_second(run.manifest, 6, 201);
    assert_int_equal(send_rounds(log, 0, 4, ""), 4);
    create_at_the_second(run.manifest, 6, 200);
    assert_int_equal(send_rounds(log, 0, 4, ""), 4);
    assert_int_equal(send_rounds(log, 2, 6, ""), 6);
    assert_int_equal(send_rounds(log, 0, 6, ""), 6);
    expect_same_log(&run, log);
    assert_int_equal(test_number(ledgers[1].url, run.path, "records"), 18);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

static void a_fork_gives_no_work_before_its_past_is_there(void **state)
{
    sam_samlog *log, *fork;
    sam_buffer bytes = {0};
    sam_error err;
    (void)state;
    test_run run = driven("trunk", 7, &log), branch;
    assert_int_equal(sam_history_fork(&bytes, log, &(sam_fork){.at = 6, .name = "branch"}, &err), SAM_OK);
    assert_int_equal(sam_samlog_parse(&fork, bytes.bytes, bytes.length, &err), SAM_OK);
    sam_buffer_free(&bytes);
    branch.manifest = (sam_manifest *)(uintptr_t)sam_samlog_manifest(fork);
    snprintf(branch.path, sizeof branch.path, "/v1/runs/%s", branch.manifest->id_hex);
    json_decref(test_json(ledgers[1].url, "POST", "/v1/runs", branch.manifest->text, 201));
    test_worker early = test_worker_join(&branch, ledgers[1].url);
    early.results[0] = (sam_result){.kind = SAM_WORK_SLOT, .codes = early.codes[0], .code_count = 2, .weight = 1};
    early.result_count = 1; /* nobody leased it */
    for (uint64_t r = 0; r < 6; r += 2) {
        test_turn(&early);
        assert_true(early.result_count == 0 && early.cursor == r);
        assert_int_equal(send_rounds(fork, r, r + 2, ""), r + 2);
    }
    test_drive(&early, 1);
    sam_samlog *whole = test_run_log(&branch, ledgers[1].url);
    assert_int_equal(sam_history_shared(whole, log), 6);
    assert_int_equal(sam_samlog_rounds(whole), 20);
    test_check_log(whole);
    sam_samlog_close(whole);
    sam_samlog_close(fork);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

/* Redis came back from an older backup, and somebody has more of the log. */
static void a_longer_log_goes_on_where_the_ledgers_ends(void **state)
{
    sam_samlog *log;
    (void)state;
    test_run run = driven("older backup", 9, &log);
    create_at_the_second(run.manifest, 0, 201);
    assert_int_equal(send_rounds(log, 0, 5, ""), 5);
    test_worker worker = test_worker_join(&run, ledgers[1].url);
    worker.wants = 1;
    while (worker.cursor < 5 || worker.result_count == 0 || worker.results[0].kind != SAM_WORK_SLOT)
        test_turn(&worker);
    assert_int_equal(send_rounds(log, 5, 9, ""), 9);
    test_turn(&worker);
    assert_int_equal(worker.refused, 1); /* of round 5, which the log has by now */
    expect_same_log(&run, log);
    test_drive(&worker, 1);
    sam_samlog *whole = test_run_log(&run, ledgers[1].url);
    assert_int_equal(sam_history_shared(whole, log), 9);
    test_check_log(whole);
    sam_samlog_close(whole);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

static void post_bytes(const test_run *run, const uint8_t *bytes, size_t length, int code, const char *part)
{
    char path[200];
    sam_http_reply reply = {0};
    sam_error err = {0};
    snprintf(path, sizeof path, "%s/log", run->path);
    int got = test_send(ledgers[1].url, "POST", path, bytes, length, &reply, &err);
    if (got != code || strstr(err.text, part) == NULL)
        fail_msg("%d, not %d: %s", got, code, err.text);
    sam_http_reply_free(&reply);
}

static void what_does_not_follow_is_refused_and_changes_nothing(void **state)
{
    sam_samlog *log;
    sam_buffer body = {0};
    size_t length;
    (void)state;
    test_run run = driven("refused", 6, &log);
    create_at_the_second(run.manifest, 0, 201);
    assert_int_equal(send_rounds(log, 0, 3, ""), 3);
    assert_int_equal(send_rounds(log, 4, 6, ""), -409); /* a gap */
    const uint8_t *bytes = sam_samlog_round(log, 3, &length);
    sam_samlog_put_round(&body, bytes, length);
    post_bytes(&run, body.bytes, body.length - 1, 400, "end inside");
    body.bytes[body.length - 40] ^= 1;
    post_bytes(&run, body.bytes, body.length, 409, "not chained");
    sam_buffer_clear(&body);
    bytes = sam_samlog_round(log, 2, &length);
    sam_samlog_put_round(&body, bytes, length);
    body.bytes[body.length - 1] ^= 1;
    post_bytes(&run, body.bytes, body.length, 409, "went apart");
    assert_int_equal(test_number(ledgers[1].url, run.path, "head"), 3);
    assert_int_equal(send_rounds(log, 3, 6, ""), 6);
    expect_same_log(&run, log);
    sam_buffer_free(&body);
    sam_samlog_close(log);
    sam_manifest_free(run.manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_imported_run_has_the_same_log_and_goes_on),
        cmocka_unit_test(numbers_that_are_said_to_be_in_use_are_given_to_nobody),
        cmocka_unit_test(an_import_may_be_repeated),
        cmocka_unit_test(a_fork_gives_no_work_before_its_past_is_there),
        cmocka_unit_test(a_longer_log_goes_on_where_the_ledgers_ends),
        cmocka_unit_test(what_does_not_follow_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, open_stages, close_stages);
}
