#include "client/received.h"

#include "run/run_golden.h"
#include "run/test_runs.h"
#include "support/support.h"

static const uint8_t *const ROUNDS[] = {GOLDEN_ROUND_0, GOLDEN_ROUND_1};
static const size_t LENGTHS[] = {sizeof GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_1};

/* A reply with rounds first, first + 1, ..., as it is decoded; the encoded bytes go to `bytes`. */
static sam_sync_reply reply_with(sam_buffer *bytes, size_t first, size_t count)
{
    sam_sync_reply reply;
    sam_sync_reply_encode(bytes, &(sam_sync_reply){.head = 2,
                                                   .rounds = (const uint8_t **)(void *)(ROUNDS + first),
                                                   .round_lengths = (size_t *)(void *)(LENGTHS + first),
                                                   .round_count = count});
    assert_int_equal(sam_sync_reply_decode(&reply, bytes->bytes, bytes->length, NULL), SAM_OK);
    return reply;
}

static sam_received nothing(void)
{
    sam_manifest *manifest;
    assert_int_equal(sam_manifest_parse(&manifest, (const char *)GOLDEN_MANIFEST, sizeof GOLDEN_MANIFEST, NULL),
                     SAM_OK);
    const sam_received received = {0, manifest->id};
    sam_manifest_free(manifest);
    return received;
}

static void add(sam_received *received, size_t first, size_t count, size_t new_ones)
{
    sam_buffer bytes = {0};
    sam_sync_reply reply = reply_with(&bytes, first, count);
    assert_int_equal(sam_received_add(received, first, &reply, NULL), SAM_OK);
    assert_int_equal(reply.round_count, new_ones);
    for (size_t i = 0; i < new_ones; i++) {
        size_t at = first + count - new_ones + i;
        assert_int_equal(reply.round_lengths[i], LENGTHS[at]);
        assert_memory_equal(reply.rounds[i], ROUNDS[at], LENGTHS[at]);
    }
    sam_sync_reply_free(&reply);
    sam_buffer_free(&bytes);
}

static void rounds_that_are_here_already_are_taken_out(void **state)
{
    (void)state;
    sam_received received = nothing();
    add(&received, 0, 1, 1);
    add(&received, 0, 1, 0);
    add(&received, 0, 2, 1);
    add(&received, 0, 2, 0);
    add(&received, 1, 1, 0);
    assert_int_equal(received.rounds, 2);
    assert_memory_equal(received.chain.bytes, ROUNDS[1] + LENGTHS[1] - SAM_DIGEST_BYTES, SAM_DIGEST_BYTES);
}

static void a_round_that_is_not_chained_changes_nothing(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_buffer bytes = {0};
    sam_received received = nothing();
    received.chain.bytes[0] ^= 1;
    const sam_received before = received;
    sam_sync_reply reply = reply_with(&bytes, 0, 2);
    assert_int_equal(sam_received_add(&received, 0, &reply, &err), SAM_MISMATCH);
    assert_int_equal(reply.round_count, 2);
    assert_int_equal(received.rounds, before.rounds);
    assert_true(sam_digest_equal(&received.chain, &before.chain));
    sam_sync_reply_free(&reply);
    sam_buffer_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_that_are_here_already_are_taken_out),
        cmocka_unit_test(a_round_that_is_not_chained_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
