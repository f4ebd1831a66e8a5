#include "run/samlog.h"

#include "base/files.h"
#include "run/run_golden.h"
#include "run/test_runs.h"
#include "support/support.h"

#define HEAD_SIZE (8 + 4 + sizeof GOLDEN_MANIFEST)

static void the_golden_log_opens_from_a_file(void **state)
{
    test_folder folder;
    char path[300];
    sam_samlog *log;
    sam_error err = {0};
    size_t length;
    (void)state;
    assert_true(test_folder_make(&folder));
    test_path(path, sizeof path, &folder, "run.samlog");
    assert_int_equal(sam_file_write(path, GOLDEN_LOG, sizeof GOLDEN_LOG, &err), SAM_OK);
    if (sam_samlog_open(&log, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_string_equal(sam_samlog_manifest(log)->id_hex, GOLDEN_ID);
    assert_true(sam_samlog_rounds(log) == 2 && !sam_samlog_truncated(log));
    assert_memory_equal(sam_samlog_round(log, 1, &length), GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1);
    assert_int_equal(length, sizeof GOLDEN_ROUND_1);
    assert_null(sam_samlog_round(log, 2, &length));
    assert_memory_equal(sam_samlog_chain(log), GOLDEN_ROUND_1 + sizeof GOLDEN_ROUND_1 - 32, 32);
    sam_samlog_close(log);
    test_path(path, sizeof path, &folder, "absent.samlog");
    assert_int_equal(sam_samlog_open(&log, path, &err), SAM_NOT_FOUND);
    assert_non_null(strstr(err.text, "absent.samlog"));
    test_folder_remove(&folder);
}

static void a_composed_log_has_the_golden_bytes(void **state)
{
    sam_manifest *manifest;
    sam_buffer out = {0};
    (void)state;
    assert_int_equal(sam_manifest_parse(&manifest, (const char *)GOLDEN_MANIFEST, sizeof GOLDEN_MANIFEST, NULL),
                     SAM_OK);
    sam_samlog_put_head(&out, manifest);
    sam_samlog_put_round(&out, GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_0);
    sam_samlog_put_round(&out, GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1);
    assert_int_equal(out.length, sizeof GOLDEN_LOG);
    assert_memory_equal(out.bytes, GOLDEN_LOG, out.length);
    sam_buffer_free(&out);
    sam_manifest_free(manifest);
}

static void a_log_cut_inside_a_round_opens_with_the_rounds_before_it(void **state)
{
    const size_t first = HEAD_SIZE + 4 + sizeof GOLDEN_ROUND_0;
    (void)state;
    for (size_t length = 0; length <= sizeof GOLDEN_LOG; length++) {
        sam_samlog *log;
        sam_status status = sam_samlog_parse(&log, GOLDEN_LOG, length, NULL);
        assert_int_equal(status, length < HEAD_SIZE ? SAM_CORRUPT : SAM_OK);
        if (status != SAM_OK)
            continue;
        uint64_t rounds = length == sizeof GOLDEN_LOG ? 2 : length >= first ? 1 : 0;
        bool whole = length == HEAD_SIZE || length == first || length == sizeof GOLDEN_LOG;
        assert_true(sam_samlog_rounds(log) == rounds && sam_samlog_truncated(log) == !whole);
        sam_samlog_close(log);
    }
}

/* A flip in a length can make the rest look like a cut; nothing that was changed is ever read as a round. */
static void a_flipped_bit_is_refused_or_cuts_the_log(void **state)
{
    uint8_t bytes[sizeof GOLDEN_LOG];
    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        sam_samlog *log;
        size_t length;
        memcpy(bytes, GOLDEN_LOG, sizeof bytes);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        if (sam_samlog_parse(&log, bytes, sizeof bytes, NULL) != SAM_OK)
            continue;
        assert_true(sam_samlog_truncated(log) && sam_samlog_rounds(log) < 2);
        if (sam_samlog_rounds(log) == 1)
            assert_memory_equal(sam_samlog_round(log, 0, &length), GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_0);
        sam_samlog_close(log);
    }
}

static void rounds_out_of_order_are_refused_with_their_place(void **state)
{
    sam_samlog *log;
    sam_error err = {0};
    sam_buffer out = {0};
    (void)state;
    sam_put_bytes(&out, GOLDEN_LOG, HEAD_SIZE);
    sam_samlog_put_round(&out, GOLDEN_ROUND_1, sizeof GOLDEN_ROUND_1);
    assert_int_equal(sam_samlog_parse(&log, out.bytes, out.length, &err), SAM_CORRUPT);
    char place[40];
    snprintf(place, sizeof place, "byte %zu", HEAD_SIZE);
    if (strstr(err.text, place) == NULL)
        fail_msg("%s", err.text);
    sam_buffer_free(&out);
}

static sam_status attempt(sam_error *err)
{
    sam_samlog *log;
    sam_status status = sam_samlog_parse(&log, GOLDEN_LOG, sizeof GOLDEN_LOG, err);
    sam_samlog_close(log);
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
        cmocka_unit_test(the_golden_log_opens_from_a_file),
        cmocka_unit_test(a_composed_log_has_the_golden_bytes),
        cmocka_unit_test(a_log_cut_inside_a_round_opens_with_the_rounds_before_it),
        cmocka_unit_test(a_flipped_bit_is_refused_or_cuts_the_log),
        cmocka_unit_test(rounds_out_of_order_are_refused_with_their_place),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
