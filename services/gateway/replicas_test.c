/* Runs in memory and the replicas lent to downloads, without Redis or HTTP. */
#include "gateway/replicas.h"

#include "gateway/test_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { COMMITTED = 40, BORROWERS = 8 };

static test_run made;
static gateway_run *run;

static int begin(void **state)
{
    (void)state;
    test_run_make(&made, "lent", 3);
    sam_manifest *manifest;
    assert_int_equal(sam_manifest_parse(&manifest, made.manifest->text, made.manifest->text_length, NULL), SAM_OK);
    run = gateway_run_new(manifest);
    assert_non_null(run);
    run->model = made.model;
    while (made.rounds < COMMITTED) {
        size_t length;
        test_run_commit(&made);
        const uint8_t *bytes = test_run_round(&made, made.rounds - 1, &length);
        assert_int_equal(gateway_run_append(run, bytes, length, NULL), SAM_OK);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    gateway_run_free(run);
    test_run_free(&made);
    return 0;
}

static void the_log_in_memory_is_the_samlog_file(void **state)
{
    (void)state;
    assert_int_equal(run->log.length, made.log.length);
    assert_memory_equal(run->log.bytes, made.log.bytes, made.log.length);
    assert_int_equal(run->rounds, COMMITTED);
}

static void what_does_not_continue_the_log_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    size_t length, before = run->log.length;
    uint8_t bytes[256];
    sam_error err = {0};
    const uint8_t *last = test_run_round(&made, COMMITTED - 1, &length);
    assert_int_equal(gateway_run_append(run, last, length, &err), SAM_CONFLICT);
    test_run_commit(&made); /* the next one, spoiled in its last code */
    const uint8_t *next = test_run_round(&made, COMMITTED, &length);
    assert_in_range(length, 1, sizeof bytes);
    memcpy(bytes, next, length);
    bytes[length - SAM_DIGEST_BYTES - 2] ^= 1; /* before the number of evaluations and the chain */
    assert_int_equal(gateway_run_append(run, bytes, length, &err), SAM_MISMATCH);
    assert_int_equal(gateway_run_append(run, next, length - 1, &err), SAM_CORRUPT);
    assert_int_equal(gateway_run_append(run, next, 0, &err), SAM_CORRUPT);
    assert_int_equal(run->log.length, before);
    assert_int_equal(run->rounds, COMMITTED);
}

static sam_digest expected_digest(uint64_t round)
{
    sam_digest digest;
    assert_int_equal(sam_replica_seek(made.replica, round, NULL), SAM_OK);
    sam_replica_digest(made.replica, &digest);
    return digest;
}

static void borrow_and_check(gateway_replicas *replicas, uint64_t round, gateway_place **place)
{
    sam_error err = {0};
    if (gateway_replicas_borrow(replicas, run, round, place, &err) != SAM_OK)
        fail_msg("round %llu: %s", (unsigned long long)round, err.text);
    sam_digest digest, expected = expected_digest(round);
    sam_replica_digest((*place)->replica, &digest);
    assert_true(sam_digest_equal(&digest, &expected));
}

static void one_replica_serves_any_round_forth_and_back(void **state)
{
    (void)state;
    gateway_replicas replicas;
    gateway_place *place;
    assert_int_equal(gateway_replicas_init(&replicas, 1, NULL), SAM_OK);
    static const uint64_t ROUNDS[] = {5, 40, 0, 39, 1, 40, 20};
    for (size_t i = 0; i < sizeof ROUNDS / sizeof *ROUNDS; i++) {
        uint64_t at;
        borrow_and_check(&replicas, ROUNDS[i], &place);
        gateway_replicas_give_back(&replicas, place);
        assert_true(gateway_replicas_round(&replicas, run, &at));
        assert_int_equal(at, ROUNDS[i]);
    }
    gateway_replicas_free(&replicas);
}

static void the_same_round_is_shared_and_another_refused_while_all_are_lent(void **state)
{
    (void)state;
    gateway_replicas replicas;
    gateway_place *first, *second, *third;
    sam_error err = {0};
    assert_int_equal(gateway_replicas_init(&replicas, 2, NULL), SAM_OK);
    borrow_and_check(&replicas, 10, &first);
    borrow_and_check(&replicas, 10, &third);
    assert_ptr_equal(first, third);
    borrow_and_check(&replicas, 11, &second);
    assert_int_equal(gateway_replicas_in_use(&replicas), 2);
    assert_int_equal(gateway_replicas_borrow(&replicas, run, 12, &third, &err), SAM_UNAVAILABLE);
    assert_non_null(strstr(err.text, "--replicas"));
    gateway_replicas_give_back(&replicas, first);
    assert_int_equal(gateway_replicas_borrow(&replicas, run, 12, &third, &err), SAM_UNAVAILABLE); /* lent twice */
    gateway_replicas_give_back(&replicas, first);
    borrow_and_check(&replicas, 12, &third);
    sam_digest digest, expected = expected_digest(11); /* the other one stayed where it was */
    sam_replica_digest(second->replica, &digest);
    assert_true(sam_digest_equal(&digest, &expected));
    gateway_replicas_give_back(&replicas, second);
    gateway_replicas_give_back(&replicas, third);
    assert_int_equal(gateway_replicas_in_use(&replicas), 0);
    gateway_replicas_free(&replicas);
}

static void a_round_that_is_not_there_or_a_strange_base_is_refused(void **state)
{
    (void)state;
    gateway_replicas replicas;
    gateway_place *place;
    sam_error err = {0};
    assert_int_equal(gateway_replicas_init(&replicas, 1, NULL), SAM_OK);
    assert_int_equal(gateway_replicas_borrow(&replicas, run, COMMITTED + 1, &place, &err), SAM_NOT_FOUND);
    assert_int_equal(gateway_replicas_borrow(&replicas, run, UINT64_MAX, &place, &err), SAM_NOT_FOUND);
    run->model = NULL;
    assert_int_equal(gateway_replicas_borrow(&replicas, run, 1, &place, &err), SAM_MISMATCH);
    assert_non_null(strstr(err.text, "--model"));
    run->model = made.model;
    gateway_replicas_free(&replicas);
}

static void memory_that_runs_out_costs_one_borrowing(void **state)
{
    (void)state;
    gateway_replicas replicas;
    gateway_place *place;
    unsigned failures = 0;
    assert_int_equal(gateway_replicas_init(&replicas, 1, NULL), SAM_OK);
    for (long nth = 1;; nth++) {
        sam_memory_fail_at(nth);
        sam_status status = gateway_replicas_borrow(&replicas, run, COMMITTED, &place, NULL);
        sam_memory_fail_at(0);
        if (status == SAM_OK)
            break;
        assert_int_equal(status, SAM_NO_MEMORY);
        assert_int_equal(gateway_replicas_in_use(&replicas), 0);
        failures++;
    }
    assert_in_range(failures, 5, 1000);
    gateway_replicas_give_back(&replicas, place);
    gateway_replicas_free(&replicas);
}

/* ---- many at once ---- */

typedef struct borrower {
    pthread_t thread;
    gateway_replicas *replicas;
    const sam_digest *expected; /* [COMMITTED + 1] */
    uint32_t seed;
    unsigned lent, refused, wrong;
} borrower;

static void *borrow_often(void *argument)
{
    borrower *b = argument;
    for (unsigned i = 0; i < 300; i++) {
        gateway_place *place;
        sam_digest digest;
        b->seed = b->seed * 1664525u + 1013904223u;
        uint64_t round = (b->seed >> 16) % 6 * 8; /* few, so that some are shared */
        if (gateway_replicas_borrow(b->replicas, run, round, &place, NULL) != SAM_OK) {
            b->refused++;
            continue;
        }
        sam_replica_digest(place->replica, &digest);
        b->wrong += !sam_digest_equal(&digest, &b->expected[round]);
        b->lent++;
        gateway_replicas_give_back(b->replicas, place);
    }
    return NULL;
}

static void borrowers_at_once_each_see_their_own_round(void **state)
{
    (void)state;
    gateway_replicas replicas;
    borrower borrowers[BORROWERS];
    sam_digest expected[COMMITTED + 1];
    unsigned lent = 0;
    for (uint64_t r = 0; r <= COMMITTED; r++)
        expected[r] = expected_digest(r);
    assert_int_equal(gateway_replicas_init(&replicas, 3, NULL), SAM_OK);
    for (unsigned i = 0; i < BORROWERS; i++) {
        borrowers[i] = (borrower){.replicas = &replicas, .expected = expected, .seed = i};
        assert_int_equal(pthread_create(&borrowers[i].thread, NULL, borrow_often, &borrowers[i]), 0);
    }
    for (unsigned i = 0; i < BORROWERS; i++) {
        pthread_join(borrowers[i].thread, NULL);
        assert_int_equal(borrowers[i].wrong, 0);
        lent += borrowers[i].lent;
    }
    assert_true(lent > 300);
    assert_int_equal(gateway_replicas_in_use(&replicas), 0);
    gateway_replicas_free(&replicas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_in_memory_is_the_samlog_file),
        cmocka_unit_test(what_does_not_continue_the_log_is_refused_and_changes_nothing),
        cmocka_unit_test(one_replica_serves_any_round_forth_and_back),
        cmocka_unit_test(the_same_round_is_shared_and_another_refused_while_all_are_lent),
        cmocka_unit_test(a_round_that_is_not_there_or_a_strange_base_is_refused),
        cmocka_unit_test(memory_that_runs_out_costs_one_borrowing),
        cmocka_unit_test(borrowers_at_once_each_see_their_own_round),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
