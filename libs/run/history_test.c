#include "run/history.h"

#include "run/test_runs.h"

enum { ROUNDS = 12 };

/* A log of ROUNDS rounds; workers 1..4 and now and then nobody. */
static sam_samlog *a_log(void)
{
    sam_manifest draft = test_draft(), *manifest;
    sam_buffer out = {0};
    sam_samlog *log;
    sam_error err = {0};
    uint64_t chance = 5;
    assert_int_equal(sam_manifest_compose(&manifest, &draft, &err), SAM_OK);
    const sam_round_shape shape = sam_manifest_shape(manifest);
    sam_digest chain = manifest->id;
    sam_samlog_put_head(&out, manifest);
    for (uint64_t r = 0; r < ROUNDS; r++) {
        sam_buffer bytes = {0};
        sam_round round = test_round(&chance, &shape, r);
        for (size_t i = 0; i < round.record_count; i++)
            round.records[i].author = (uint32_t)((r + round.records[i].place) % 4 + 1);
        assert_int_equal(sam_round_encode(&bytes, &round, &shape, &chain, &err), SAM_OK);
        chain = round.chain;
        sam_samlog_put_round(&out, bytes.bytes, bytes.length);
        sam_round_free(&round);
        sam_buffer_free(&bytes);
    }
    if (sam_samlog_parse(&log, out.bytes, out.length, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_buffer_free(&out);
    sam_manifest_free(manifest);
    return log;
}

static uint64_t records_of(const sam_samlog *log)
{
    uint64_t records = 0;
    for (uint64_t r = 0; r < ROUNDS; r++) {
        sam_round round = {0};
        sam_error err = {0};
        assert_int_equal(sam_samlog_decode(log, r, &round, &err), SAM_OK);
        records += round.record_count;
        sam_round_free(&round);
    }
    return records;
}

static sam_samlog *forked(const sam_samlog *log, const sam_fork *fork)
{
    sam_buffer out = {0};
    sam_samlog *made = NULL;
    sam_error err = {0};
    if (sam_history_fork(&out, log, fork, &err) != SAM_OK ||
        sam_samlog_parse(&made, out.bytes, out.length, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_buffer_free(&out);
    return made;
}

static void a_fork_shares_its_past_and_names_its_parent(void **state)
{
    sam_digest train;
    size_t length;
    (void)state;
    memset(&train, 0x33, sizeof train);
    sam_samlog *log = a_log();
    sam_samlog *fork = forked(log, &(sam_fork){.at = 7, .name = "other", .rounds = 50, .train = &train});
    const sam_manifest *old = sam_samlog_manifest(log), *new = sam_samlog_manifest(fork);
    assert_int_equal(sam_samlog_rounds(fork), 7);
    assert_int_equal(sam_history_shared(log, fork), 7);
    assert_string_not_equal(old->id_hex, new->id_hex);
    assert_memory_equal(&new->parent.run, &old->id, sizeof old->id);
    const uint8_t *last = sam_samlog_round(log, 6, &length);
    assert_memory_equal(&new->parent.chain, last + length - 32, 32);
    assert_true(new->parent.round == 7 && new->parent.removal_count == 0 && new->rounds == 50);
    assert_string_equal(new->name, "other");
    assert_memory_equal(&new->train, &train, sizeof train);
    assert_memory_equal(&new->dev, &old->dev, sizeof train);
    sam_samlog_close(fork);
    sam_samlog_close(log);
}

static void the_same_fork_twice_is_the_same_run(void **state)
{
    (void)state;
    sam_samlog *log = a_log(), *one = forked(log, &(sam_fork){.at = 3}), *two = forked(log, &(sam_fork){.at = 3});
    assert_string_equal(sam_samlog_manifest(one)->id_hex, sam_samlog_manifest(two)->id_hex);
    assert_memory_equal(sam_samlog_chain(one), sam_samlog_chain(two), SAM_DIGEST_BYTES);
    sam_samlog_close(one);
    sam_samlog_close(two);
    sam_samlog_close(log);
}

static void a_fork_of_a_reverted_run_keeps_what_was_taken_out_of_its_past(void **state)
{
    const sam_removal first[] = {{2, 9, 1}, {0, 4, 0}}, second = {1, 6, 3};
    static const sam_removal KEPT[] = {{0, 4, 0}, {1, 6, 3}, {2, 6, 1}};
    (void)state;
    sam_samlog *log = a_log();
    sam_samlog *reverted = forked(log, &(sam_fork){.at = 12, .removals = first, .removal_count = 2});
    sam_samlog *again = forked(reverted, &(sam_fork){.at = 6, .removals = &second, .removal_count = 1});
    const sam_parent *parent = &sam_samlog_manifest(again)->parent;
    assert_memory_equal(&parent->run, &sam_samlog_manifest(reverted)->id, SAM_DIGEST_BYTES);
    test_expect_removals(parent, KEPT, 3);
    assert_int_equal(sam_history_shared(log, again), 6);
    sam_samlog_close(again);
    sam_samlog_close(reverted);
    sam_samlog_close(log);
}

static void a_fork_that_cannot_be_is_refused(void **state)
{
    static const sam_removal BEYOND = {3, 9, 0}, EMPTY = {3, 3, 0}, STRANGER = {0, 8, 77};
    static const struct {
        sam_fork fork;
        const char *word;
    } CASES[] = {
        {{.at = 0}, "at least one round"},
        {{.at = 13}, "cannot be forked at 13"},
        {{.at = 8, .rounds = 7}, "cannot hold"},
        {{.at = 8, .removals = &BEYOND, .removal_count = 1}, "3..9"},
        {{.at = 8, .removals = &EMPTY, .removal_count = 1}, "3..3"},
        {{.at = 8, .removals = &STRANGER, .removal_count = 1}, "worker 77"},
        {{.at = 8, .name = ""}, "name"},
    };
    (void)state;
    sam_samlog *log = a_log();
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_buffer out = {0};
        sam_error err = {0};
        if (sam_history_fork(&out, log, &CASES[i].fork, &err) != SAM_INVALID || strstr(err.text, CASES[i].word) == NULL)
            fail_msg("case %zu: %s", i, err.text);
        sam_buffer_free(&out);
    }
    sam_samlog_close(log);
}

/* The fork's own chain is whole, but its past is another than the manifest says. */
static void a_fork_whose_past_is_not_its_parents_is_refused(void **state)
{
    sam_buffer out = {0};
    sam_error err = {0};
    sam_samlog *log = a_log(), *made;
    (void)state;
    sam_manifest draft = *sam_samlog_manifest(log), *manifest;
    draft.parent = (sam_parent){.round = 2, .run = sam_samlog_manifest(log)->id};
    assert_int_equal(sam_manifest_compose(&manifest, &draft, &err), SAM_OK);
    sam_samlog_put_head(&out, manifest);
    sam_digest chain = manifest->id;
    for (uint64_t r = 0; r < 2; r++) {
        size_t length;
        const uint8_t *bytes = sam_samlog_round(log, r, &length);
        sam_round_chain(bytes, length, &chain, &chain);
        sam_samlog_put_round(&out, bytes, length);
        memcpy(out.bytes + out.length - SAM_DIGEST_BYTES, chain.bytes, SAM_DIGEST_BYTES);
    }
    assert_int_equal(sam_samlog_parse(&made, out.bytes, out.length, &err), SAM_MISMATCH);
    assert_non_null(strstr(err.text, "its parent"));
    sam_buffer_free(&out);
    sam_manifest_free(manifest);
    sam_samlog_close(log);
}

static void records_are_counted_for_each_worker(void **state)
{
    const sam_removal removal = {0, ROUNDS, 3};
    sam_worker_share *shares;
    size_t count;
    uint64_t records = 0;
    sam_error err = {0};
    (void)state;
    sam_samlog *log = a_log(), *fork = forked(log, &(sam_fork){ROUNDS, .removals = &removal, .removal_count = 1});
    assert_int_equal(sam_history_workers(fork, 0, ROUNDS, &shares, &count, &err), SAM_OK);
    for (size_t i = 0; i < count; i++) {
        records += shares[i].records;
        assert_true(i == 0 || shares[i - 1].worker < shares[i].worker);
        assert_int_equal(shares[i].removed, shares[i].worker == 3 ? shares[i].records : 0);
    }
    assert_int_equal(records, records_of(log));
    sam_free(shares);
    assert_int_equal(sam_history_workers(fork, 0, ROUNDS + 1, &shares, &count, &err), SAM_NOT_FOUND);
    sam_samlog_close(fork);
    sam_samlog_close(log);
}

static sam_samlog *shared_log;

static sam_status attempt(sam_error *err)
{
    const sam_removal removal = {1, 6, 3};
    sam_buffer out = {0};
    sam_status status =
        sam_history_fork(&out, shared_log, &(sam_fork){8, .name = "n", .removals = &removal, .removal_count = 1}, err);
    sam_buffer_free(&out);
    return status;
}

static void a_failed_allocation_is_said(void **state)
{
    (void)state;
    shared_log = a_log();
    test_every_allocation(attempt);
    sam_samlog_close(shared_log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fork_shares_its_past_and_names_its_parent),
        cmocka_unit_test(the_same_fork_twice_is_the_same_run),
        cmocka_unit_test(a_fork_of_a_reverted_run_keeps_what_was_taken_out_of_its_past),
        cmocka_unit_test(a_fork_that_cannot_be_is_refused),
        cmocka_unit_test(a_fork_whose_past_is_not_its_parents_is_refused),
        cmocka_unit_test(records_are_counted_for_each_worker),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
