#include "worker/run_log.h"

#include "base/files.h"
#include "run/run_golden.h"
#include "run/test_runs.h"
#include "support/support.h"

typedef struct fixture {
    test_folder folder;
    char path[300];
    sam_manifest *manifest;
} fixture;

static const uint8_t *const ROUNDS[] = {GOLDEN_ROUND_0, GOLDEN_ROUND_1};
static const size_t LENGTHS[] = {sizeof GOLDEN_ROUND_0, sizeof GOLDEN_ROUND_1};

static fixture begin(void)
{
    fixture f;
    assert_true(test_folder_make(&f.folder));
    test_path(f.path, sizeof f.path, &f.folder, "run.samlog");
    assert_int_equal(sam_manifest_parse(&f.manifest, (const char *)GOLDEN_MANIFEST, sizeof GOLDEN_MANIFEST, NULL),
                     SAM_OK);
    return f;
}

static void end(fixture *f)
{
    sam_manifest_free(f->manifest);
    test_folder_remove(&f->folder);
}

static sam_run_log *open_log(const fixture *f, uint64_t rounds)
{
    sam_run_log *log;
    sam_samlog *past;
    sam_error err = {0};
    if (sam_run_log_open(&log, f->path, f->manifest, &past, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(past == NULL ? 0 : sam_samlog_rounds(past), rounds);
    sam_samlog_close(past);
    return log;
}

static void expect_file(const fixture *f, const void *bytes, size_t length)
{
    sam_file_map file;
    assert_int_equal(sam_file_map_open(&file, f->path, NULL), SAM_OK);
    assert_int_equal(file.length, length);
    assert_memory_equal(file.bytes, bytes, length);
    sam_file_map_close(&file);
}

static void write_file(const fixture *f, const void *bytes, size_t length)
{
    assert_int_equal(sam_file_write(f->path, bytes, length, NULL), SAM_OK);
}

static void what_is_written_is_the_log(void **state)
{
    fixture f = begin();
    (void)state;
    sam_run_log *log = open_log(&f, 0);
    sam_run_log_add(log, ROUNDS, LENGTHS, 2);
    expect_file(&f, GOLDEN_LOG, sizeof GOLDEN_LOG);
    sam_run_log_close(log);
    end(&f);
}

static void a_log_goes_on_wherever_it_was_cut_off(void **state)
{
    (void)state;
    const size_t head = 8 + 4 + sizeof GOLDEN_MANIFEST, first = head + 4 + sizeof GOLDEN_ROUND_0;
    const struct {
        size_t length;
        uint64_t rounds;
    } CASES[] = {{0, 0},         {7, 0},     {head - 1, 0},  {head, 0},
                 {first - 1, 0}, {first, 1}, {first + 9, 1}, {sizeof GOLDEN_LOG, 2}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        fixture f = begin();
        write_file(&f, GOLDEN_LOG, CASES[i].length);
        sam_run_log *log = open_log(&f, CASES[i].rounds);
        sam_run_log_add(log, ROUNDS + CASES[i].rounds, LENGTHS + CASES[i].rounds, 2 - (size_t)CASES[i].rounds);
        sam_run_log_close(log);
        expect_file(&f, GOLDEN_LOG, sizeof GOLDEN_LOG);
        end(&f);
    }
}

static void a_file_of_something_else_is_left_as_it_is(void **state)
{
    sam_run_log *log;
    sam_samlog *past;
    sam_error err = {0};
    fixture f = begin();
    (void)state;
    write_file(&f, "notes", 5);
    assert_int_not_equal(sam_run_log_open(&log, f.path, f.manifest, &past, &err), SAM_OK);
    expect_file(&f, "notes", 5);
    write_file(&f, GOLDEN_LOG, sizeof GOLDEN_LOG);
    f.manifest->id.bytes[0] ^= 1; /* another run */
    assert_int_equal(sam_run_log_open(&log, f.path, f.manifest, &past, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "has the log of run"));
    expect_file(&f, GOLDEN_LOG, sizeof GOLDEN_LOG);
    end(&f);
}

static void two_workers_do_not_share_a_file(void **state)
{
    sam_run_log *second;
    sam_samlog *past;
    sam_error err = {0};
    fixture f = begin();
    (void)state;
    sam_run_log *log = open_log(&f, 0);
    assert_int_equal(sam_run_log_open(&second, f.path, f.manifest, &past, &err), SAM_CONFLICT);
    assert_non_null(strstr(err.text, "another worker"));
    sam_run_log_close(log);
    sam_run_log_close(open_log(&f, 0));
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_the_log),
        cmocka_unit_test(a_log_goes_on_wherever_it_was_cut_off),
        cmocka_unit_test(a_file_of_something_else_is_left_as_it_is),
        cmocka_unit_test(two_workers_do_not_share_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
