#include "run/round.h"

#include "run/run_golden.h"
#include "run/test_runs.h"

#include <math.h>

static const sam_round_shape SHAPE = {.places = 3, .codes_least = 2, .codes_most = 2, .weight_most = 1};

static sam_digest golden_id(void)
{
    sam_digest id;
    assert_true(sam_digest_parse(&id, GOLDEN_ID));
    return id;
}

static void expect_record(const sam_record *record, uint64_t origin, uint32_t place, uint32_t author, uint32_t loss,
                          const uint8_t codes[2])
{
    assert_true(record->round == origin && record->place == place && record->author == author && record->loss == loss &&
                record->weight == 1 && record->code_count == 2);
    assert_memory_equal(record->codes, codes, 2);
}

/* Rounds of shapes that no mode of this version has: many records under one head, and late ones with their weights. */
static void golden_rounds_of_other_shapes_read_and_write_as_python_did(void **state)
{
    static const struct {
        const unsigned char *bytes;
        size_t length;
        sam_round_shape shape;
        size_t records;
    } CASES[] = {
        {GOLDEN_ROUND_WIDE, sizeof GOLDEN_ROUND_WIDE, {200, 1, 1, 0, UINT32_MAX}, 134},
        {GOLDEN_ROUND_LATE, sizeof GOLDEN_ROUND_LATE, {6, 1, 3, 3, UINT32_MAX}, 6},
    };
    (void)state;
    for (size_t c = 0; c < 2; c++) {
        sam_round round;
        sam_error err = {0};
        sam_buffer out = {0};
        sam_digest previous = golden_id();
        if (sam_round_decode(&round, &CASES[c].shape, CASES[c].bytes, CASES[c].length, &err) != SAM_OK)
            fail_msg("case %zu: %s", c, err.text);
        assert_int_equal(round.record_count, CASES[c].records);
        assert_int_equal(sam_round_encode(&out, &round, &CASES[c].shape, &previous, &err), SAM_OK);
        assert_int_equal(out.length, CASES[c].length);
        assert_memory_equal(out.bytes, CASES[c].bytes, out.length - SAM_DIGEST_BYTES);
        sam_round_free(&round);
        sam_buffer_free(&out);
    }
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
    assert_int_equal(round.record_count, 2); /* nobody filled slot 1 */
    expect_record(&round.records[0], 0, 0, 7, 1043, (uint8_t[]){0x12, 0x80});
    expect_record(&round.records[1], 0, 2, 300, SAM_LOSS_NONE, (uint8_t[]){0xff, 0x00});
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

static void expect_same_records(const sam_round *a, const sam_round *b)
{
    assert_int_equal(a->record_count, b->record_count);
    for (size_t i = 0; i < a->record_count; i++) {
        const sam_record *one = &a->records[i], *other = &b->records[i];
        assert_true(one->round == other->round && one->place == other->place && one->author == other->author &&
                    one->weight == other->weight && one->loss == other->loss && one->code_count == other->code_count);
        assert_memory_equal(one->codes, other->codes, one->code_count);
    }
}

static void any_round_reads_back_as_it_was_written(void **state)
{
    uint64_t random = 2;
    (void)state;
    for (int i = 0; i < 300; i++) {
        const sam_round_shape shape = {.places = 1 + (uint32_t)test_below(&random, 9),
                                       .codes_least = (uint32_t)test_below(&random, 2),
                                       .codes_most = 1 + (uint32_t)test_below(&random, 5),
                                       .weight_most = 1};
        sam_round round = test_round(&random, &shape, test_any_u64(&random)), again;
        sam_digest previous = golden_id();
        sam_buffer out = {0}, second = {0};
        sam_put_text(&out, "before"); /* encode appends */
        assert_int_equal(sam_round_encode(&out, &round, &shape, &previous, NULL), SAM_OK);
        assert_true(out.length - 6 <= sam_round_longest(&shape));
        assert_int_equal(sam_round_decode(&again, &shape, out.bytes + 6, out.length - 6, NULL), SAM_OK);
        expect_same_records(&round, &again);
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

/* What stands in a round beside what its shape allows: each is refused by writer and reader. */
static void records_that_are_not_of_the_shape_are_refused(void **state)
{
    static const uint8_t CODES[3] = {1, 2, 3};
    static const struct {
        sam_record records[2];
        size_t count;
        const char *says;
    } CASES[] = {
        {{{.round = 4, .place = 3, .author = 1, .weight = 1, .code_count = 2}}, 1, "no such place"},
        {{{.round = 3, .place = 0, .author = 1, .weight = 1, .code_count = 2}}, 1, "another round"},
        {{{.round = 5, .place = 0, .author = 1, .weight = 1, .code_count = 2}}, 1, "another round"},
        {{{.round = 4, .place = 0, .author = 0, .weight = 1, .code_count = 2}}, 1, "no author"},
        {{{.round = 4, .place = 0, .author = 1, .weight = 0, .code_count = 2}}, 1, "no weight"},
        {{{.round = 4, .place = 0, .author = 1, .weight = 2, .code_count = 2}}, 1, "more weight"},
        {{{.round = 4, .place = 0, .author = 1, .weight = 1, .code_count = 3}}, 1, "number of codes"},
        {{{.round = 4, .place = 0, .author = 1, .weight = 1, .code_count = 1}}, 1, "number of codes"},
        {{{.round = 4, .place = 1, .author = 1, .weight = 1, .code_count = 2},
          {.round = 4, .place = 1, .author = 1, .weight = 1, .code_count = 2}},
         2,
         "order of origins"},
        {{{.round = 4, .place = 2, .author = 1, .weight = 1, .code_count = 2},
          {.round = 4, .place = 1, .author = 1, .weight = 1, .code_count = 2}},
         2,
         "order of origins"},
    };
    static const sam_round_shape ANY = {.places = 9, .codes_most = 9, .late_most = 9, .weight_most = 9};
    (void)state;
    for (size_t c = 0; c < sizeof CASES / sizeof CASES[0]; c++) {
        sam_round round = {.number = 4}, read;
        sam_buffer out = {0};
        sam_digest previous = golden_id();
        sam_error err = {0};
        for (size_t i = 0; i < CASES[c].count; i++) {
            sam_record record = CASES[c].records[i];
            record.codes = CODES;
            assert_int_equal(sam_round_add(&round, &record, NULL), SAM_OK);
        }
        assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, &err), SAM_INVALID);
        if (strstr(err.text, CASES[c].says) == NULL)
            fail_msg("case %zu: %s", c, err.text);
        sam_buffer_clear(&out);
        if (sam_round_encode(&out, &round, &ANY, &previous, NULL) == SAM_OK)
            assert_int_equal(sam_round_decode(&read, &SHAPE, out.bytes, out.length, NULL), SAM_CORRUPT);
        sam_round_free(&round);
        sam_buffer_free(&out);
    }
}

static void evaluations_that_no_reader_would_take_are_not_written(void **state)
{
    sam_round round = {.number = 4};
    sam_digest previous = golden_id();
    sam_buffer out = {0};
    (void)state;
    round.evaluations = sam_alloc(65, sizeof *round.evaluations);
    round.evaluation_count = 65;
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, NULL), SAM_INVALID);
    round.evaluation_count = 1;
    round.evaluations[0].correct = 1;
    assert_int_equal(sam_round_encode(&out, &round, &SHAPE, &previous, NULL), SAM_INVALID);
    sam_round_free(&round);
    sam_buffer_free(&out);
}

/* A count is believed as far as there are bytes for it. */
static void a_round_that_claims_more_records_than_it_has_bytes_costs_no_memory(void **state)
{
    static const sam_round_shape WIDE = {.places = UINT32_MAX, .codes_most = UINT32_MAX, .weight_most = UINT32_MAX};
    sam_buffer out = {0};
    sam_round round;
    (void)state;
    sam_put_varint(&out, 4);
    sam_put_varint(&out, 0);
    sam_put_varint(&out, (uint64_t)1 << 40);
    for (int i = 0; i < 64; i++)
        sam_put_u8(&out, 0x7f);
    assert_int_equal(sam_round_decode(&round, &WIDE, out.bytes, out.length, NULL), SAM_CORRUPT);
    sam_buffer_free(&out);
}

static void the_loss_of_a_round_is_the_mean_of_those_that_saw_one(void **state)
{
    static const uint8_t CODE = 1;
    static const double SEEN[] = {0.5, NAN, 1.5};
    sam_round round = {.number = 4};
    (void)state;
    assert_true(isnan(sam_round_loss(&round)));
    for (uint32_t i = 0; i < 3; i++) {
        const sam_record record = {.round = 4,
                                   .place = i,
                                   .author = 1,
                                   .weight = 1,
                                   .loss = sam_loss_of(SEEN[i]),
                                   .codes = &CODE,
                                   .code_count = 1};
        assert_int_equal(sam_round_add(&round, &record, NULL), SAM_OK);
    }
    assert_true(sam_round_loss(&round) == 1.0);
    assert_true(sam_round_at(&round, 1)->loss == SAM_LOSS_NONE && sam_round_at(&round, 3) == NULL);
    sam_round_free(&round);
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
        cmocka_unit_test(golden_rounds_of_other_shapes_read_and_write_as_python_did),
        cmocka_unit_test(any_round_reads_back_as_it_was_written),
        cmocka_unit_test(every_cut_and_every_added_byte_is_refused),
        cmocka_unit_test(every_flipped_bit_breaks_the_chain),
        cmocka_unit_test(a_round_of_another_log_is_not_chained),
        cmocka_unit_test(records_that_are_not_of_the_shape_are_refused),
        cmocka_unit_test(evaluations_that_no_reader_would_take_are_not_written),
        cmocka_unit_test(a_round_that_claims_more_records_than_it_has_bytes_costs_no_memory),
        cmocka_unit_test(the_loss_of_a_round_is_the_mean_of_those_that_saw_one),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
