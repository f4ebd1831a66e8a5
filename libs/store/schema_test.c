/* The names of what stands in Redis: one table, written down for people too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/files.h"
#include "base/memory.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

#define X(name, text) text,
static const char *const KEYS[] = {SAM_SCHEMA_KEYS(X)};
static const char *const NAMES[] = {SAM_SCHEMA_KEYS(X) SAM_SCHEMA_STATE_FIELDS(X) SAM_SCHEMA_WORKER_FIELDS(X)};
#undef X

static void keys_of_a_run_stand_on_one_node_of_a_cluster(void **state)
{
    char key[SAM_SCHEMA_KEY_SIZE], id[SAM_DIGEST_HEX];
    (void)state;
    memset(id, 'a', sizeof id - 1);
    id[sizeof id - 1] = 0;
    for (int i = 0; i < SAM_KEY_COUNT; i++) {
        sam_schema_key_of(key, id, (sam_schema_key)i);
        assert_memory_equal(key, "samara:{aaaa", 12);
        assert_memory_equal(strchr(key, '}'), "}:", 2);
        assert_string_equal(strchr(key, '}') + 2, KEYS[i]);
    }
}

static void fields_of_workers_are_read_as_they_are_written(void **state)
{
    static const char *const BAD[] = {"",       ":name", "0:name",          "1:",      "1:nobody",
                                      "x:name", "1name", "4294967296:name", "-1:name", "99999999999999999999:name"};
    char text[SAM_SCHEMA_WORKER_FIELD_SIZE];
    uint32_t number;
    sam_worker_field field;
    (void)state;
    for (int i = 0; i < SAM_WORKER_COUNT; i++) {
        sam_schema_worker_field_of(text, UINT32_MAX, (sam_worker_field)i);
        assert_true(sam_schema_parse_worker_field(&number, &field, text));
        assert_int_equal(number, UINT32_MAX);
        assert_int_equal(field, i);
    }
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_schema_parse_worker_field(&number, &field, BAD[i]));
}

static void entries_of_the_log_say_how_many_there_are(void **state)
{
    static const char *const BAD[] = {"", "0-0", "7", "7-1", "7-0 ", "-0", "x-0"};
    char text[SAM_SCHEMA_ENTRY_SIZE];
    uint64_t round;
    (void)state;
    sam_schema_entry_of(text, 6);
    assert_string_equal(text, "7-0");
    assert_true(sam_schema_parse_entry(&round, text));
    assert_int_equal(round, 6);
    sam_schema_entry_after(text, 7);
    assert_string_equal(text, "7-0");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_schema_parse_entry(&round, BAD[i]));
}

static void evaluations_are_read_as_they_are_written(void **state)
{
    static const char *const BAD[] = {"", "1", "1:2", "1:2:", "1:2:3x", "1:2:3:4", "a:2:3"};
    const sam_evaluation all = {12, UINT32_MAX, UINT32_MAX, UINT64_MAX};
    sam_evaluation one;
    char text[SAM_SCHEMA_SUMS_SIZE];
    (void)state;
    sam_schema_sums_of(text, &all);
    assert_true(sam_schema_parse_evaluation(&one, "12", text));
    assert_true(one.at == all.at && one.examples == all.examples && one.correct == all.correct);
    assert_true(one.loss_micro == all.loss_micro);
    assert_true(sam_schema_parse_evaluation(&one, "0", "3:0:12"));
    assert_false(sam_schema_parse_evaluation(&one, "x", "3:0:12"));
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_schema_parse_evaluation(&one, "12", BAD[i]));
}

static void a_worker_is_gone_after_three_lease_times(void **state)
{
    (void)state;
    assert_int_equal(sam_schema_worker_status_of(false, false, 1000, 1300, 100), SAM_WORKER_IS_ACTIVE);
    assert_int_equal(sam_schema_worker_status_of(false, false, 1000, 1301, 100), SAM_WORKER_IS_GONE);
    assert_int_equal(sam_schema_worker_status_of(false, false, 9000, 1301, 100), SAM_WORKER_IS_ACTIVE); /* waits */
    assert_int_equal(sam_schema_worker_status_of(false, true, 1000, 1301, 100), SAM_WORKER_IS_LEFT);
    assert_int_equal(sam_schema_worker_status_of(true, true, 1000, 1000, 100), SAM_WORKER_IS_QUARANTINED);
    assert_string_equal(sam_schema_worker_status_name(SAM_WORKER_IS_GONE), "gone");
}

static void statuses_of_runs_have_the_names_of_the_wire(void **state)
{
    sam_run_status status;
    (void)state;
    assert_string_equal(sam_schema_run_status_name(SAM_RUN_RUNNING), "running");
    assert_string_equal(sam_schema_run_status_name(SAM_RUN_PAUSED), "paused");
    assert_string_equal(sam_schema_run_status_name(SAM_RUN_COMPLETE), "complete");
    assert_true(sam_schema_parse_run_status(&status, "complete"));
    assert_int_equal(status, SAM_RUN_COMPLETE);
    assert_false(sam_schema_parse_run_status(&status, "Complete"));
}

static void names_in_a_lua_source_become_what_they_stand_for(void **state)
{
    static const char SOURCE[] = "f(STATE_HEAD, worker .. WORKER_SEEN, STATUS_PAUSED, KIND_SLOT, 2 * GONE_LEASES,\n"
                                 "  MY_STATE_HEAD, STATE_HEADS, LOG_FIELD) -- $",
                      LUA[] = "f('head', worker .. ':seen', 'paused', 's', 2 * 3,\n"
                              "  MY_STATE_HEAD, STATE_HEADS, 'b') -- $";
    sam_buffer out = {0};
    (void)state;
    sam_schema_put_lua(&out, SOURCE);
    assert_int_equal(out.length, strlen(LUA));
    assert_memory_equal(out.bytes, LUA, out.length);
    sam_buffer_free(&out);
}

static void expect_in(const char *text, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, "`%s`", name);
    if (strstr(text, quoted) == NULL)
        fail_msg("docs/formats/redis.md does not say what %s is", quoted);
}

static void the_page_tells_of_every_key_and_field(void **state)
{
    sam_file_map page;
    (void)state;
    assert_int_equal(sam_file_map_open(&page, SAMARA_SOURCE "/docs/formats/redis.md", NULL), SAM_OK);
    char *text = sam_strndup((const char *)page.bytes, page.length);
    assert_non_null(text);
    expect_in(text, SAM_SCHEMA_RUNS);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        expect_in(text, NAMES[i]);
    sam_free(text);
    sam_file_map_close(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_of_a_run_stand_on_one_node_of_a_cluster),
        cmocka_unit_test(fields_of_workers_are_read_as_they_are_written),
        cmocka_unit_test(entries_of_the_log_say_how_many_there_are),
        cmocka_unit_test(evaluations_are_read_as_they_are_written),
        cmocka_unit_test(a_worker_is_gone_after_three_lease_times),
        cmocka_unit_test(statuses_of_runs_have_the_names_of_the_wire),
        cmocka_unit_test(names_in_a_lua_source_become_what_they_stand_for),
        cmocka_unit_test(the_page_tells_of_every_key_and_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
