/* Second opinions: a worker that computes wrong codes is detected, named, and gets no more work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/test_ledger.h"
#include "seed/code.h"

enum { TEAM_MAX = 10 };

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
    test_ledger_stop(&ledger);
    test_stage_close(&stage);
    return 0;
}

typedef struct team {
    test_run run;
    test_worker workers[TEAM_MAX];
    size_t count;
} team;

static void gather(team *all, size_t count, uint32_t rate, uint64_t seed)
{
    sam_manifest draft = test_draft();
    *all = (team){.count = count};
    draft.seed = seed;
    draft.rounds = 24;
    draft.slots = 10;
    draft.evaluation.every = 0;
    draft.verify_rate = rate;
    test_run_create(&all->run, &draft, ledger.url);
    for (size_t i = 0; i < count; i++) {
        all->workers[i] = test_worker_join(&all->run, ledger.url);
        all->workers[i].wants = 1;
    }
}

typedef void (*spoil)(uint8_t *codes, uint32_t count, uint32_t salt);

static void flip(uint8_t *codes, uint32_t count, uint32_t salt)
{
    (void)salt;
    for (uint32_t p = 0; p < count; p++)
        codes[p] = (uint8_t)(codes[p] ^ 0x80);
}

static void largest(uint8_t *codes, uint32_t count, uint32_t salt)
{
    (void)salt;
    memset(codes, 0x7f, count);
}

static void any_byte(uint8_t *codes, uint32_t count, uint32_t salt)
{
    for (uint32_t p = 0; p < count; p++)
        codes[p] = (uint8_t)((salt * 2654435761u + p * 40503u) >> 11);
}

static void one_step_off(uint8_t *codes, uint32_t count, uint32_t salt)
{
    (void)salt;
    for (uint32_t p = 0; p < count; p++)
        if (codes[p] != SAM_CODE_NONE) /* as another CPU may round */
            codes[p] = (uint8_t)(codes[p] + ((codes[p] & 0x7f) < 0x7f ? 1 : -1));
}

static void spoil_results(test_worker *worker, spoil how, uint32_t salt)
{
    for (size_t i = 0; i < worker->result_count; i++)
        how(worker->results[i].codes, worker->results[i].code_count, salt + (uint32_t)i);
}

/* Turn by turn, until every worker was told that it is over, or that it is in quarantine. The first `bad` are hostile
 * once round `from` is open. Gives how many were told the latter. */
static size_t drive_from(team *all, size_t bad, spoil how, uint64_t from)
{
    bool done[TEAM_MAX] = {false};
    size_t over = 0, refused = 0;
    for (uint32_t turn = 0; over < all->count; turn++) {
        assert_true(turn < 20000);
        for (size_t i = 0; i < all->count; i++) {
            if (done[i])
                continue;
            int code = test_worker_turn(&all->workers[i]);
            if (code == 403)
                assert_non_null(strstr(all->workers[i].err.text, "is in quarantine since round"));
            else
                assert_int_equal(code, 200);
            done[i] = code == 403 || test_worker_done(&all->workers[i]);
            over += done[i];
            refused += code == 403;
            if (i < bad && all->workers[i].cursor >= from)
                spoil_results(&all->workers[i], how, turn * 97 + (uint32_t)i);
        }
    }
    return refused;
}

static size_t drive(team *all, size_t bad, spoil how)
{
    return drive_from(all, bad, how, 0);
}

/* The run names exactly the first `bad` workers, and its end was reached. */
static void assert_named(const team *all, size_t bad)
{
    json_t *run = test_json(ledger.url, "GET", all->run.path, NULL, 200);
    const json_t *named = json_object_get(run, "quarantined");
    assert_int_equal(json_array_size(named), bad);
    for (size_t i = 0; i < bad; i++)
        assert_int_equal(json_integer_value(json_array_get(named, i)), all->workers[i].number);
    assert_string_equal(json_string_value(json_object_get(run, "status")), "complete");
    json_decref(run);
}

static json_t *worker_of(const team *all, size_t i, json_t **whole)
{
    char path[120];
    snprintf(path, sizeof path, "%s/workers", all->run.path);
    *whole = test_json(ledger.url, "GET", path, NULL, 200);
    return json_array_get(json_object_get(*whole, "workers"), i);
}

static void hostile_workers_are_found_out_and_nobody_else(void **state)
{
    static const spoil HOW[] = {flip, largest, any_byte};
    (void)state;
    for (size_t h = 0; h < sizeof HOW / sizeof HOW[0]; h++) {
        team all;
        json_t *whole;
        gather(&all, TEAM_MAX, 32, 100 + h);
        assert_int_equal(drive(&all, 2, HOW[h]), 2);
        assert_named(&all, 2);
        const json_t *bad = worker_of(&all, 0, &whole);
        assert_string_equal(json_string_value(json_object_get(bad, "status")), "quarantined");
        assert_true(json_integer_value(json_object_get(bad, "differed")) >= 2);
        json_decref(whole);
        sam_manifest_free(all.run.manifest);
    }
}

static void a_good_past_does_not_excuse_a_worker(void **state)
{
    team all;
    (void)state;
    gather(&all, 4, 256, 109);
    assert_int_equal(drive_from(&all, 1, any_byte, 14), 1);
    assert_named(&all, 1);
    sam_manifest_free(all.run.manifest);
}

static void a_worker_that_is_a_step_off_agrees(void **state)
{
    team all;
    json_t *whole;
    (void)state;
    gather(&all, 3, 256, 110);
    assert_int_equal(drive(&all, 1, one_step_off), 0);
    assert_named(&all, 0);
    const json_t *worker = worker_of(&all, 0, &whole);
    assert_true(json_integer_value(json_object_get(worker, "agreed")) > 5);
    assert_int_equal(json_integer_value(json_object_get(worker, "differed")), 0);
    json_decref(whole);
    sam_manifest_free(all.run.manifest);
}

static void of_two_who_differ_neither_is_believed(void **state)
{
    team all;
    (void)state;
    gather(&all, 2, 256, 111);
    assert_int_equal(drive(&all, 1, flip), 0);
    assert_named(&all, 0);
    sam_manifest_free(all.run.manifest);
}

static void a_third_worker_decides_between_two(void **state)
{
    team all;
    (void)state;
    gather(&all, 3, 256, 112);
    assert_int_equal(drive(&all, 1, flip), 1);
    assert_named(&all, 1);
    sam_manifest_free(all.run.manifest);
}

static void only_a_worker_with_the_same_kernel_is_asked(void **state)
{
    team all;
    json_t *whole;
    (void)state;
    gather(&all, 1, 256, 113);
    all.workers[1] = test_worker_join_with(&all.run, ledger.url, "{\"name\":\"other\",\"kernel\":\"another\"}");
    all.count = 2;
    assert_int_equal(drive(&all, 1, flip), 0);
    const json_t *worker = worker_of(&all, 1, &whole);
    assert_int_equal(json_integer_value(json_object_get(worker, "agreed")), 0);
    assert_int_equal(json_integer_value(json_object_get(worker, "differed")), 0);
    json_decref(whole);
    sam_manifest_free(all.run.manifest);
}

static void a_run_that_names_a_kernel_takes_workers_with_no_other(void **state)
{
    static char kernel[] = "portable";
    char path[120];
    test_run run;
    sam_manifest draft = test_draft();
    (void)state;
    draft.kernel = kernel;
    test_run_create(&run, &draft, ledger.url);
    snprintf(path, sizeof path, "%s/join", run.path);
    json_decref(test_json(ledger.url, "POST", path, "{\"kernel\":\"portable\"}", 201));
    json_decref(test_json(ledger.url, "POST", path, "{\"kernel\":\"portable2\"}", 400));
    json_decref(test_json(ledger.url, "POST", path, "{}", 400));
    sam_manifest_free(run.manifest);
}

static void opinions_that_nobody_asked_for_change_nothing(void **state)
{
    team all;
    json_t *whole;
    uint8_t codes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    (void)state;
    gather(&all, 2, 256, 114);
    test_worker *worker = &all.workers[0];
    for (uint32_t slot = 0; slot < 12; slot++) { /* two beyond the round */
        worker->results[0] =
            (sam_result){.kind = SAM_WORK_CHECK, .index = slot, .codes = codes, .code_count = 2, .weight = 1};
        worker->result_count = 1;
        worker->wants = 0;
        test_turn(worker);
    }
    worker->wants = 1;
    assert_int_equal(drive(&all, 0, flip), 0);
    const json_t *of = worker_of(&all, 0, &whole);
    assert_int_equal(json_integer_value(json_object_get(of, "differed")), 0);
    json_decref(whole);
    sam_manifest_free(all.run.manifest);
}

static void a_run_without_a_rate_checks_nothing(void **state)
{
    team all;
    json_t *whole;
    (void)state;
    gather(&all, 3, 0, 115);
    assert_int_equal(drive(&all, 1, flip), 0);
    const json_t *of = worker_of(&all, 1, &whole);
    assert_int_equal(json_integer_value(json_object_get(of, "agreed")), 0);
    json_decref(whole);
    sam_manifest_free(all.run.manifest);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
    const struct CMUnitTest tests[] = {
        TEST(hostile_workers_are_found_out_and_nobody_else),
        TEST(a_worker_that_is_a_step_off_agrees),
        TEST(a_good_past_does_not_excuse_a_worker),
        TEST(a_run_that_names_a_kernel_takes_workers_with_no_other),
        TEST(of_two_who_differ_neither_is_believed),
        TEST(a_third_worker_decides_between_two),
        TEST(only_a_worker_with_the_same_kernel_is_asked),
        TEST(opinions_that_nobody_asked_for_change_nothing),
        TEST(a_run_without_a_rate_checks_nothing),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
