/* The ledger's Lua takes the names of what it writes from the schema, each of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ledger/scripts.h"
#include "store/schema.h"

#include <stdio.h>
#include <string.h>

extern const char ledger_lua_common[];
#define X(name, file) extern const char ledger_lua_##file[];
LEDGER_SCRIPT_TABLE(X)
#undef X

static void expect_absent(const char *source, const char *format, const char *name)
{
    char quoted[64];
    snprintf(quoted, sizeof quoted, format, name);
    if (strstr(source, quoted) != NULL)
        fail_msg("a Lua function spells %s itself", quoted);
}

static void check(const char *source)
{
#define X(name, text) expect_absent(source, "'%s'", text);
    SAM_SCHEMA_KEYS(X)
    SAM_SCHEMA_STATE_FIELDS(X)
#undef X
#define X(name, text) expect_absent(source, "':%s'", text);
    SAM_SCHEMA_WORKER_FIELDS(X)
#undef X
    for (int i = SAM_RUN_RUNNING; i <= SAM_RUN_COMPLETE; i++)
        expect_absent(source, "'%s'", sam_schema_run_status_name((sam_run_status)i));
    expect_absent(source, "%s[", "KEYS");
    expect_absent(source, "unpack(%s)", "KEYS");
}

static void no_function_spells_a_name_of_the_schema_itself(void **state)
{
    (void)state;
    check(ledger_lua_common);
#define X(name, file) check(ledger_lua_##file);
    LEDGER_SCRIPT_TABLE(X)
#undef X
}

static void every_function_begins_with_the_keys_and_has_no_name_left(void **state)
{
    ledger_scripts scripts;
    sam_buffer names = {0};
    (void)state;
    sam_schema_put_lua_keys(&names);
    assert_int_equal(ledger_scripts_init(&scripts, NULL), SAM_OK);
    for (int i = 0; i < LEDGER_SCRIPT_COUNT; i++) {
        assert_memory_equal(scripts.source[i], names.bytes, names.length);
        expect_absent(scripts.source[i], "%s_", "STATE");
        expect_absent(scripts.source[i], "%s_", "WORKER");
        expect_absent(scripts.source[i], "%s_", "KIND");
    }
    ledger_scripts_free(&scripts);
    sam_buffer_free(&names);
}

static void without_memory_there_are_no_functions(void **state)
{
    ledger_scripts scripts;
    sam_error err = {0};
    sam_status status = SAM_NO_MEMORY;
    (void)state;
    for (long nth = 1; status != SAM_OK; nth++) {
        sam_memory_fail_at(nth);
        status = ledger_scripts_init(&scripts, &err);
        sam_memory_fail_at(0);
        assert_true(status == SAM_OK || status == SAM_NO_MEMORY);
    }
    ledger_scripts_free(&scripts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_function_spells_a_name_of_the_schema_itself),
        cmocka_unit_test(every_function_begins_with_the_keys_and_has_no_name_left),
        cmocka_unit_test(without_memory_there_are_no_functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
