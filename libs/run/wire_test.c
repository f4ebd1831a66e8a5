#include "run/wire.h"

#include "run/run_golden.h"
#include "run/test_runs.h"

static void the_golden_request_reads_and_writes_as_python_did(void **state)
{
    sam_sync_request request;
    sam_buffer out = {0};
    (void)state;
    assert_int_equal(sam_sync_request_decode(&request, GOLDEN_REQUEST, sizeof GOLDEN_REQUEST, NULL), SAM_OK);
    assert_true(request.worker == 3 && request.cursor == 41 && request.wants == 2 && request.wait_ms == 20000);
    assert_true(request.leaving && request.ahead && request.result_count == 5 && request.results[0].code_count == 2);
    assert_true(request.results[0].round == 41 && request.results[0].index == 5 && request.results[0].codes[1] == 0x80);
    assert_true(request.results[2].round == 41 && request.results[2].index == 4 && request.results[2].codes[1] == 4);
    assert_true(request.results[0].loss == 700 && request.results[1].loss == 690 &&
                request.results[2].loss == SAM_LOSS_NONE && request.results[1].weight == 1);
    assert_true(request.results[4].weight == 300 && request.results[4].loss == 705);
    assert_true(request.results[3].kind == SAM_WORK_EVALUATION && request.results[3].evaluation.at == 40 &&
                request.results[3].evaluation.correct == 111);
    sam_sync_request_encode(&out, &request);
    assert_int_equal(out.length, sizeof GOLDEN_REQUEST);
    assert_memory_equal(out.bytes, GOLDEN_REQUEST, out.length);
    sam_sync_request_free(&request);
    sam_buffer_free(&out);
}

static void the_golden_reply_reads_and_writes_as_python_did(void **state)
{
    sam_sync_reply reply;
    sam_buffer out = {0};
    (void)state;
    assert_int_equal(sam_sync_reply_decode(&reply, GOLDEN_REPLY, sizeof GOLDEN_REPLY, NULL), SAM_OK);
    assert_true(reply.status == SAM_RUN_PAUSED && reply.head == 2 && reply.refused == 6 && reply.round_count == 2);
    assert_memory_equal(reply.rounds[1], GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1);
    assert_true(reply.lease_count == 4 && reply.leases[0].kind == SAM_WORK_EVALUATION && reply.leases[0].index == 3);
    assert_true(reply.leases[3].kind == SAM_WORK_SLOT && reply.leases[3].index == 7 &&
                reply.leases[3].valid_ms == 200000);
    sam_sync_reply_encode(&out, &reply);
    assert_int_equal(out.length, sizeof GOLDEN_REPLY);
    assert_memory_equal(out.bytes, GOLDEN_REPLY, out.length);
    sam_sync_reply_free(&reply);
    sam_buffer_free(&out);
}

/* What a decoder accepts is what an encoder writes: one form for each message. */
static void check_request(const uint8_t *bytes, size_t length)
{
    sam_sync_request request;
    sam_buffer out = {0};
    if (sam_sync_request_decode(&request, bytes, length, NULL) != SAM_OK)
        return;
    sam_sync_request_encode(&out, &request);
    assert_int_equal(out.length, length);
    assert_memory_equal(out.bytes, bytes, length);
    sam_sync_request_free(&request);
    sam_buffer_free(&out);
}

static void check_reply(const uint8_t *bytes, size_t length)
{
    sam_sync_reply reply;
    sam_buffer out = {0};
    if (sam_sync_reply_decode(&reply, bytes, length, NULL) != SAM_OK)
        return;
    sam_sync_reply_encode(&out, &reply);
    assert_int_equal(out.length, length);
    assert_memory_equal(out.bytes, bytes, length);
    sam_sync_reply_free(&reply);
    sam_buffer_free(&out);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    for (size_t length = 0; length < sizeof GOLDEN_REQUEST; length++) {
        sam_sync_request request;
        assert_int_equal(sam_sync_request_decode(&request, GOLDEN_REQUEST, length, NULL), SAM_INVALID);
    }
    for (size_t length = 0; length < sizeof GOLDEN_REPLY; length++) {
        sam_sync_reply reply;
        assert_int_equal(sam_sync_reply_decode(&reply, GOLDEN_REPLY, length, NULL), SAM_CORRUPT);
    }
}

static void a_flipped_bit_is_refused_or_reads_as_what_it_says(void **state)
{
    uint8_t bytes[sizeof GOLDEN_REPLY];
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof GOLDEN_REQUEST; bit++) {
        memcpy(bytes, GOLDEN_REQUEST, sizeof GOLDEN_REQUEST);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        check_request(bytes, sizeof GOLDEN_REQUEST);
    }
    for (size_t bit = 0; bit < 8 * sizeof GOLDEN_REPLY; bit++) {
        memcpy(bytes, GOLDEN_REPLY, sizeof GOLDEN_REPLY);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        check_reply(bytes, sizeof GOLDEN_REPLY);
    }
}

static void bytes_after_the_end_are_refused(void **state)
{
    uint8_t bytes[sizeof GOLDEN_REPLY + 1] = {0};
    sam_sync_request request;
    sam_sync_reply reply;
    (void)state;
    memcpy(bytes, GOLDEN_REQUEST, sizeof GOLDEN_REQUEST);
    assert_int_equal(sam_sync_request_decode(&request, bytes, sizeof GOLDEN_REQUEST + 1, NULL), SAM_INVALID);
    memcpy(bytes, GOLDEN_REPLY, sizeof GOLDEN_REPLY);
    assert_int_equal(sam_sync_reply_decode(&reply, bytes, sizeof GOLDEN_REPLY + 1, NULL), SAM_CORRUPT);
}

static void any_request_reads_back_as_it_was_written(void **state)
{
    uint64_t random = 3;
    (void)state;
    for (int i = 0; i < 300; i++) {
        uint8_t codes[256];
        sam_result results[6];
        sam_sync_request request = {.worker = 1 + (uint32_t)test_below(&random, UINT32_MAX),
                                    .cursor = test_any_u64(&random),
                                    .wants = (uint32_t)test_any_u64(&random),
                                    .wait_ms = (uint32_t)test_any_u64(&random),
                                    .leaving = test_below(&random, 2),
                                    .ahead = test_below(&random, 2),
                                    .is_signed = test_below(&random, 2),
                                    .results = results,
                                    .result_count = (size_t)test_below(&random, 7)};
        for (size_t r = 0; r < request.result_count; r++) {
            uint32_t examples = (uint32_t)test_any_u64(&random);
            results[r] = (sam_result){.kind = (sam_work_kind)(1 + test_below(&random, 3)),
                                      .round = test_any_u64(&random),
                                      .index = (uint32_t)test_any_u64(&random),
                                      .codes = codes,
                                      .code_count = 1 + (uint32_t)test_below(&random, sizeof codes),
                                      .weight = (uint32_t)test_any_u64(&random),
                                      .loss = sam_loss_of((double)test_below(&random, 9) - 1),
                                      .evaluation = {.examples = examples, .correct = examples / 2, .loss_micro = 5}};
            memset(codes, (int)test_below(&random, 256), sizeof codes);
            memset(results[r].signature, (int)test_below(&random, 256), SAM_SIGNATURE_BYTES);
            if (r > 0 && test_below(&random, 2)) { /* most come beside the one before */
                results[r].kind = results[r - 1].kind;
                results[r].round = results[r - 1].round;
                results[r].index = results[r - 1].index + (uint32_t)test_below(&random, 3);
                results[r].code_count = results[r - 1].code_count;
                results[r].weight = results[r - 1].weight;
            }
        }
        sam_buffer out = {0};
        sam_sync_request again;
        sam_sync_request_encode(&out, &request);
        assert_int_equal(sam_sync_request_decode(&again, out.bytes, out.length, NULL), SAM_OK);
        assert_true(again.cursor == request.cursor && again.result_count == request.result_count &&
                    again.leaving == request.leaving && again.ahead == request.ahead &&
                    again.is_signed == request.is_signed);
        for (size_t r = 0; r < again.result_count && again.is_signed; r++)
            assert_memory_equal(again.results[r].signature, results[r].signature, SAM_SIGNATURE_BYTES);
        for (size_t r = 0; r < again.result_count; r++)
            assert_true(again.results[r].kind == results[r].kind && again.results[r].round == results[r].round &&
                        again.results[r].index == results[r].index &&
                        (results[r].kind == SAM_WORK_EVALUATION ||
                         (again.results[r].code_count == results[r].code_count &&
                          again.results[r].loss == results[r].loss && again.results[r].weight == results[r].weight)));
        sam_sync_request_free(&again);
        check_request(out.bytes, out.length);
        sam_buffer_free(&out);
    }
}

static void any_leases_read_back_as_they_were_written(void **state)
{
    uint64_t random = 5;
    (void)state;
    for (int i = 0; i < 300; i++) {
        sam_lease leases[6];
        sam_sync_reply reply = {.leases = leases, .lease_count = (size_t)test_below(&random, 7)}, again;
        for (size_t l = 0; l < reply.lease_count; l++) {
            bool same = l > 0 && test_below(&random, 2);
            leases[l] = (sam_lease){.kind = test_below(&random, 2) ? SAM_WORK_SLOT : SAM_WORK_EVALUATION,
                                    .round = same ? leases[l - 1].round : test_any_u64(&random),
                                    .index = (uint32_t)test_any_u64(&random),
                                    .valid_ms = (uint32_t)test_any_u64(&random)};
        }
        sam_buffer out = {0};
        sam_sync_reply_encode(&out, &reply);
        assert_int_equal(sam_sync_reply_decode(&again, out.bytes, out.length, NULL), SAM_OK);
        assert_int_equal(again.lease_count, reply.lease_count);
        for (size_t l = 0; l < again.lease_count; l++)
            assert_true(again.leases[l].kind == leases[l].kind && again.leases[l].round == leases[l].round &&
                        again.leases[l].index == leases[l].index && again.leases[l].valid_ms == leases[l].valid_ms);
        sam_sync_reply_free(&again);
        check_reply(out.bytes, out.length);
        sam_buffer_free(&out);
    }
}

/* What the bytes of a contribution cost where many go in one message: docs/formats/wire.md promises it. */
static void a_row_of_slots_takes_six_bytes_each_and_its_leases_three(void **state)
{
    enum { MANY = 64 };
    uint8_t code = 0x35;
    sam_result results[MANY];
    sam_lease leases[MANY];
    sam_buffer out = {0};
    (void)state;
    for (uint32_t i = 0; i < MANY; i++) {
        results[i] = (sam_result){.kind = SAM_WORK_SLOT,
                                  .round = 400,
                                  .index = 100 + i,
                                  .elapsed_ms = 9000,
                                  .codes = &code,
                                  .code_count = 1,
                                  .weight = 1,
                                  .loss = sam_loss_of(0.7 + 0.002 * (i % 9))};
        leases[i] = (sam_lease){SAM_WORK_SLOT, 401, 100 + i, 60000 * (i + 1)};
    }
    sam_sync_request_encode(&out, &(sam_sync_request){.worker = 1, .results = results, .result_count = MANY});
    assert_in_range(out.length, 6 * MANY, 6 * MANY + 20);
    sam_buffer_clear(&out);
    sam_sync_reply_encode(&out, &(sam_sync_reply){.leases = leases, .lease_count = MANY});
    assert_in_range(out.length, 3 * MANY, 3 * MANY + 16);
    sam_buffer_free(&out);
}

static void counts_beyond_the_limits_are_refused(void **state)
{
    static sam_result results[SAM_SYNC_RESULTS_MAX + 1];
    static sam_lease leases[SAM_SYNC_LEASES_MAX + 1];
    sam_sync_request request = {.worker = 1, .results = results, .result_count = SAM_SYNC_RESULTS_MAX};
    sam_sync_reply reply = {.leases = leases, .lease_count = SAM_SYNC_LEASES_MAX};
    sam_buffer out = {0};
    (void)state;
    for (size_t i = 0; i <= SAM_SYNC_RESULTS_MAX; i++) {
        results[i].kind = SAM_WORK_EVALUATION;
        leases[i].kind = SAM_WORK_SLOT;
    }
    for (size_t more = 0; more < 2; more++, request.result_count++, reply.lease_count++) {
        sam_sync_request request_again;
        sam_sync_reply reply_again;
        sam_buffer_clear(&out);
        sam_sync_request_encode(&out, &request);
        sam_status status = sam_sync_request_decode(&request_again, out.bytes, out.length, NULL);
        assert_int_equal(status, more ? SAM_INVALID : SAM_OK);
        sam_sync_request_free(&request_again);
        sam_buffer_clear(&out);
        sam_sync_reply_encode(&out, &reply);
        status = sam_sync_reply_decode(&reply_again, out.bytes, out.length, NULL);
        assert_int_equal(status, more ? SAM_CORRUPT : SAM_OK);
        sam_sync_reply_free(&reply_again);
    }
    sam_buffer_free(&out);
}

static sam_status attempt_request(sam_error *err)
{
    sam_sync_request request;
    sam_status status = sam_sync_request_decode(&request, GOLDEN_REQUEST, sizeof GOLDEN_REQUEST, err);
    sam_sync_request_free(&request);
    return status;
}

static sam_status attempt_reply(sam_error *err)
{
    sam_sync_reply reply;
    sam_status status = sam_sync_reply_decode(&reply, GOLDEN_REPLY, sizeof GOLDEN_REPLY, err);
    sam_sync_reply_free(&reply);
    return status;
}

static void a_failed_allocation_is_said(void **state)
{
    (void)state;
    test_every_allocation(attempt_request);
    test_every_allocation(attempt_reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_golden_request_reads_and_writes_as_python_did),
        cmocka_unit_test(the_golden_reply_reads_and_writes_as_python_did),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused_or_reads_as_what_it_says),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(any_request_reads_back_as_it_was_written),
        cmocka_unit_test(any_leases_read_back_as_they_were_written),
        cmocka_unit_test(a_row_of_slots_takes_six_bytes_each_and_its_leases_three),
        cmocka_unit_test(counts_beyond_the_limits_are_refused),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
