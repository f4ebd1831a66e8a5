/* Signed runs: what is not signed by the worker that it names does not come in, and what came in can be checked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/test_ledger.h"

static test_stage stage;
static test_ledger ledger;
static test_run run;

static int open_stage(void **state)
{
    sam_manifest draft = test_draft();
    (void)state;
    test_stage_open(&stage);
    test_ledger_start(&ledger, stage.redis.address);
    draft.signed_records = true;
    draft.verify_rate = 256;
    test_run_create(&run, &draft, ledger.url);
    return 0;
}

static int close_stage(void **state)
{
    (void)state;
    sam_manifest_free(run.manifest);
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
    return 0;
}

static sam_signing_key key_number(uint8_t number)
{
    uint8_t seed[SAM_KEY_SEED_BYTES] = {number};
    sam_signing_key key;
    sam_signing_key_of(&key, seed);
    return key;
}

static void join_body(char body[200], const sam_signing_key *key)
{
    char hex[SAM_KEY_HEX];
    sam_public_key_hex(hex, &key->open);
    snprintf(body, 200, "{\"name\":\"signer\",\"kernel\":\"none\",\"key\":\"%s\"}", hex);
}

static test_worker join(const sam_signing_key *key)
{
    char body[200];
    join_body(body, key);
    test_worker worker = test_worker_join_with(&run, ledger.url, body);
    worker.key = key;
    return worker;
}

static void expect_refused(test_worker *worker, int code, const char *part)
{
    assert_int_equal(test_worker_turn(worker), code);
    if (strstr(worker->err.text, part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", worker->err.text, part);
}

static void a_worker_joins_with_a_key_or_not_at_all(void **state)
{
    static const char *const BODIES[] = {"{}", "{\"key\":\"\"}", "{\"key\":7}", "{\"key\":\"00ff\"}"};
    char path[120];
    (void)state;
    snprintf(path, sizeof path, "%s/join", run.path);
    for (size_t i = 0; i < sizeof BODIES / sizeof BODIES[0]; i++)
        json_decref(test_json(ledger.url, "POST", path, BODIES[i], 400));
}

static void only_who_has_the_key_speaks_for_the_worker(void **state)
{
    sam_signing_key key = key_number(1), stranger = key_number(2);
    (void)state;
    test_worker worker = join(&key), other = join(&stranger), silent = worker;
    silent.key = &stranger; /* without results a request can still take work, or leave */
    expect_refused(&silent, 403, "the request is not signed with the key");
    test_turn(&worker); /* leases, and "computes" */
    assert_true(worker.result_count > 0);
    worker.key = &stranger;
    expect_refused(&worker, 403, "is not signed with the key");
    worker.key = NULL;
    expect_refused(&worker, 403, "wants signed requests");
    uint32_t number = other.number;
    test_turn(&other);
    other.number = worker.number; /* in the name of another */
    expect_refused(&other, 403, "is not signed with the key");
    other.number = 999;
    expect_refused(&other, 404, "no worker 999");
    other.number = number;
    worker.key = &key;
    test_worker both[] = {worker, other};
    test_drive(both, 2);
}

static sam_signature_tally check_signatures(const char *query, sam_status expected)
{
    char path[120];
    sam_http_reply reply = {0};
    sam_signature_tally tally = {0};
    sam_error err = {0};
    sam_samlog *log = test_run_log(&run, ledger.url);
    snprintf(path, sizeof path, "%s/signatures%s", run.path, query);
    assert_int_equal(test_send(ledger.url, "GET", path, NULL, 0, &reply, &err), 200);
    assert_int_equal(sam_samsig_check(&tally, log, reply.body.bytes, reply.body.length, NULL, NULL, &err), expected);
    sam_http_reply_free(&reply);
    sam_samlog_close(log);
    return tally;
}

/* As samara train does for a worker that died, whose key it has not: by an admin's route, not in the worker's name. */
static void the_leases_of_a_dead_worker_come_back_without_its_key(void **state)
{
    char path[160];
    sam_signing_key key = key_number(1);
    test_worker worker = join(&key);
    (void)state;
    test_turn(&worker);
    assert_true(test_number(ledger.url, run.path, "leased") > 0);
    snprintf(path, sizeof path, "%s/workers/%u/leave", run.path, worker.number);
    json_decref(test_json(ledger.url, "POST", path, "{}", 200));
    assert_int_equal(test_number(ledger.url, run.path, "leased"), 0);
    snprintf(path, sizeof path, "%s/workers/4000000/leave", run.path);
    json_decref(test_json(ledger.url, "POST", path, "{}", 404));
    snprintf(path, sizeof path, "%s/workers/one/leave", run.path);
    json_decref(test_json(ledger.url, "POST", path, "{}", 400));
}

static void the_signatures_of_a_run_are_handed_out_with_its_keys(void **state)
{
    sam_signing_key keys[] = {key_number(1), key_number(2)};
    (void)state;
    test_worker workers[] = {join(&keys[0]), join(&keys[1])};
    test_drive(workers, 2);
    sam_signature_tally tally = check_signatures("", SAM_OK);
    assert_int_equal(tally.good, run.manifest->rounds * run.manifest->slots);
    assert_true(tally.bad == 0 && tally.missing == 0);
    (void)check_signatures("?from=3", SAM_CORRUPT); /* a later part has no head */
}

static void a_key_in_quarantine_joins_no_more(void **state)
{
    sam_signing_key keys[] = {key_number(1), key_number(2), key_number(3)};
    char path[120], body[200];
    int code = 200;
    (void)state;
    test_worker workers[] = {join(&keys[0]), join(&keys[1]), join(&keys[2])};
    for (int turn = 0; turn < 2000 && code == 200; turn++) {
        code = test_worker_turn(&workers[0]);
        for (size_t i = 0; i < workers[0].result_count; i++)
            for (uint32_t p = 0; p < workers[0].results[i].code_count; p++)
                workers[0].results[i].codes[p] ^= 0x85;
        test_turn(&workers[1]);
        test_turn(&workers[2]);
    }
    assert_int_equal(code, 403);
    join_body(body, &keys[0]);
    snprintf(path, sizeof path, "%s/join", run.path);
    json_decref(test_json(ledger.url, "POST", path, body, 403));
    sam_signature_tally tally = check_signatures("", SAM_OK); /* what it did is signed all the same */
    assert_true(tally.good > 0 && tally.bad == 0 && tally.missing == 0);
}

static void a_worker_that_comes_back_with_its_key_is_who_it_was(void **state)
{
    sam_signing_key keys[] = {key_number(1), key_number(2)};
    (void)state;
    test_worker worker = join(&keys[0]), other = join(&keys[1]);
    test_turn(&worker);
    test_worker gone = worker;
    worker.leaving = true;
    worker.wants = 0;
    test_turn(&worker);
    test_worker back = join(&keys[0]);
    assert_int_equal(back.number, gone.number);
    assert_int_equal(other.number, gone.number + 1);
    test_worker both[] = {back, other};
    test_drive(both, 2);
    sam_signature_tally tally = check_signatures("", SAM_OK);
    assert_int_equal(tally.good, run.manifest->rounds * run.manifest->slots);
}

static void a_run_that_is_not_signed_has_no_signatures(void **state)
{
    sam_manifest draft = test_draft();
    sam_signing_key key = key_number(1);
    test_run plain;
    char path[120], body[200];
    (void)state;
    test_run_create(&plain, &draft, ledger.url);
    snprintf(path, sizeof path, "%s/signatures", plain.path);
    json_decref(test_json(ledger.url, "GET", path, NULL, 404));
    join_body(body, &key);
    snprintf(path, sizeof path, "%s/join", plain.path);
    json_decref(test_json(ledger.url, "POST", path, body, 400));
    sam_manifest_free(plain.manifest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_joins_with_a_key_or_not_at_all),
        TEST(only_who_has_the_key_speaks_for_the_worker),
        TEST(the_leases_of_a_dead_worker_come_back_without_its_key),
        TEST(the_signatures_of_a_run_are_handed_out_with_its_keys),
        TEST(a_key_in_quarantine_joins_no_more),
        TEST(a_worker_that_comes_back_with_its_key_is_who_it_was),
        TEST(a_run_that_is_not_signed_has_no_signatures),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
