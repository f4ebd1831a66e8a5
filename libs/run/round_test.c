#include "run/round.h"

#include "run/run_golden.h"
#include "run/test_runs.h"
#include "seed/code.h"

static const sam_round_shape SHAPE = {3, 2};

static sam_digest golden_id(void)
{
    sam_digest id;
    assert_true(sam_digest_parse(&id, GOLDEN_ID));
    return id;
}

static void the_golden_round_reads_and_writes_as_python_did(void **state)
{
    sam_round round;
    sam_error err = {0};
    sam_buffer out = {0};
    sam_digest previous = golden_id();
    (void)state;
    assert_int_equal(sam_round_decode(&round, &SHAPE, GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_0, &err), SAM_OK);
    assert_true(round.number == 0 && round.committed_ms == 1700000000123u);
    assert_true(round.workers[0] == 7 && round.workers[1] == 0 && round.workers[2] == 300);
    assert_memory_equal(round.codes, ((uint8_t[]){0x12, 0x80, 0x80, 0x80, 0xff, 0x00}), 6);
    assert_int_equal(round.evaluation_count, 1);
    assert_true(round.evaluations[0].examples == 872 && round.evaluations[0].loss_micro == 601234567);
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, &err), SAM_OK);
    assert_int_equal(out.length, sizeof GOLDEN_ROUND_0);
    assert_memory_equal(out.bytes, GOLDEN_ROUND_0, out.length);
    assert_int_equal(sam_round_verify(out.bytes, out.length, &previous, &previous, &err), SAM_OK);
    assert_int_equal(sam_round_verify(GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1, &previous, NULL, &err), SAM_OK);
    sam_round_free(&round);
    sam_buffer_free(&out);
}

static void any_round_reads_back_as_it_was_written(void **state)
{
    uint64_t random = 2;
    (void)state;
    for (int i = 0; i < 300; i++) {
        const sam_round_shape shape = {1 + (uint32_t)test_below(&random, 9), 1 + (uint32_t)test_below(&random, 5)};
        sam_round round = test_round(&random, &shape, test_any_u64(&random)), again;
        sam_digest previous = golden_id();
        sam_buffer out = {0}, second = {0};
        sam_put_text(&out, "before"); /* encode appends */
        assert_int_equal(sam_round_encode(&out, &round, &shape, &previous, NULL), SAM_OK);
        assert_true(out.length - 6 <= sam_round_longest(&shape));
        assert_int_equal(sam_round_decode(&again, &shape, out.bytes + 6, out.length - 6, NULL), SAM_OK);
        assert_memory_equal(again.workers, round.workers, shape.slots * sizeof *round.workers);
        assert_memory_equal(again.codes, round.codes, (size_t)shape.slots * shape.probes);
        assert_true(sam_digest_equal(&again.chain, &round.chain));
        assert_int_equal(sam_round_encode(&second, &again, &shape, &previous, NULL), SAM_OK);
        assert_memory_equal(second.bytes, out.bytes + 6, second.length);
        sam_round_free(&round);
        sam_round_free(&again);
        sam_buffer_free(&out);
        sam_buffer_free(&second);
    }
}

static void every_cut_and_every_added_byte_is_refused(void **state)
{
    uint8_t bytes[sizeof GOLDEN_ROUND_0 + 1] = {0};
    (void)state;
    memcpy(bytes, GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_0);
    for (size_t length = 0; length <= sizeof bytes; length++) {
        sam_round round;
        sam_status status = sam_round_decode(&round, &SHAPE, bytes, length, NULL);
        assert_int_equal(status, length == sizeof GOLDEN_ROUND_0 ? SAM_OK : SAM_CORRUPT);
        if (status == SAM_OK)
            sam_round_free(&round);
    }
}

static void every_flipped_bit_breaks_the_chain(void **state)
{
    uint8_t bytes[sizeof GOLDEN_ROUND_0];
    sam_digest previous = golden_id();
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        sam_round round;
        memcpy(bytes, GOLDEN_ROUND_0, sizeof bytes);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        assert_int_equal(sam_round_verify(bytes, sizeof bytes, &previous, NULL, NULL), SAM_MISMATCH);
        if (sam_round_decode(&round, &SHAPE, bytes, sizeof bytes, NULL) == SAM_OK)
            sam_round_free(&round);
    }
}

static void a_round_of_another_log_is_not_chained(void **state)
{
    sam_digest zero = {{0}};
    sam_error err = {0};
    (void)state;
    assert_int_equal(sam_round_verify(GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1, &zero, NULL, &err), SAM_MISMATCH);
    assert_non_null(strstr(err.text, "round 1 "));
    assert_int_equal(sam_round_verify(GOLDEN_ROUND_1, 32, &zero, NULL, &err), SAM_CORRUPT);
}

static void a_round_that_no_reader_would_take_is_not_written(void **state)
{
    sam_round round;
    sam_digest previous = golden_id();
    sam_buffer out = {0};
    sam_error err = {0};
    (void)state;
    assert_int_equal(sam_round_init(&round, &SHAPE, 4, NULL), SAM_OK);
    round.codes[3] = 1; /* of slot 1, which nobody computed */
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "slot 1"));
    round.codes[3] = SAM_CODE_NONE;
    round.evaluations = sam_alloc(65, sizeof *round.evaluations);
    round.evaluation_count = 65;
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, &err), SAM_INVALID);
    round.evaluation_count = 1;
    round.evaluations[0].correct = 1;
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, &err), SAM_INVALID);
    sam_round_free(&round);
    sam_buffer_free(&out);
}

static sam_status attempt(sam_error *err)
{
    sam_round round;
    sam_buffer out = {0};
    sam_digest previous = golden_id();
    sam_status status = sam_round_decode(&round, &SHAPE, GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_0, err);
    if (status != SAM_OK)
        return status;
    status = sam_round_encode(&out, &round, &SHAPE, &previous, err);
    sam_round_free(&round);
    sam_buffer_free(&out);
    return status;
}

static void a_failed_allocation_is_said(void **state)
{
    (void)state;
    test_every_allocation(attempt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_round_reads_and_writes_as_python_did),
        cmocka_unit_test(any_round_reads_back_as_it_was_written),
        cmocka_unit_test(every_cut_and_every_added_byte_is_refused),
        cmocka_unit_test(every_flipped_bit_breaks_the_chain),
        cmocka_unit_test(a_round_of_another_log_is_not_chained),
        cmocka_unit_test(a_round_that_no_reader_would_take_is_not_written),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
