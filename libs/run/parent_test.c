#include "run/parent.h"

#include "run/test_runs.h"

#define RUN   "1111111111111111111111111111111111111111111111111111111111111111"
#define CHAIN "2222222222222222222222222222222222222222222222222222222222222222"
#define START "{\"run\": \"" RUN "\", \"chain\": \"" CHAIN "\""

static sam_manifest *with_parent(const sam_parent *parent)
{
    sam_manifest draft = test_draft(), *manifest;
    sam_error err = {0};
    draft.parent = *parent;
    if (sam_manifest_compose(&manifest, &draft, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return manifest;
}

static void a_manifest_without_a_parent_keeps_its_text_and_id(void **state)
{
    sam_manifest *manifest = with_parent(&(sam_parent){0});
    (void)state;
    assert_null(strstr(manifest->text, "parent"));
    assert_true(manifest->parent.round == 0 && manifest->parent.removal_count == 0);
    sam_manifest_free(manifest);
}

static void a_parent_is_read_as_it_was_composed(void **state)
{
    sam_removal removals[] = {{0, 20, 3}, {4, 9, 0}};
    sam_parent parent = {.round = 20, .removals = removals, .removal_count = 2};
    (void)state;
    memset(&parent.run, 0x11, sizeof parent.run);
    memset(&parent.chain, 0x22, sizeof parent.chain);
    sam_manifest *manifest = with_parent(&parent);
    assert_non_null(strstr(manifest->text, "\"parent\":{\"chain\":\"" CHAIN "\",\"round\":\"20\",\"run\":\"" RUN
                                           "\",\"without\":[{\"from\":\"0\",\"to\":\"20\",\"worker\":3},"
                                           "{\"from\":\"4\",\"to\":\"9\"}]}"));
    assert_int_equal(manifest->parent.round, 20);
    assert_memory_equal(&manifest->parent.run, &parent.run, sizeof parent.run);
    test_expect_removals(&manifest->parent, removals, 2);
    sam_manifest_free(manifest);
}

static void what_is_no_parent_is_refused_with_the_fields_name(void **state)
{
    static const struct {
        const char *json, *word;
    } CASES[] = {
        {"7", "parent:"},
        {"{}", "parent:"},
        {"{\"run\": \"" RUN "\", \"round\": \"3\"}", "parent:"},
        {START ", \"round\": \"3\", \"more\": 1}", "parent:"},
        {START ", \"round\": \"0\"}", "parent.round"},
        {START ", \"round\": \"03\"}", "parent.round"},
        {START ", \"round\": 3}", "parent.round"},
        {START ", \"round\": \"101\"}", "parent.round"},
        {"{\"run\": \"11\", \"chain\": \"" CHAIN "\", \"round\": \"3\"}", "hexadecimal"},
        {START ", \"round\": \"9\", \"without\": []}", "parent.without"},
        {START ", \"round\": \"9\", \"without\": {}}", "parent.without"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"0\"}]}", "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"4\"}]}", "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"10\"}]}", "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"5\", \"worker\": 0}]}", "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"5\", \"worker\": 4294967296}]}",
         "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"5\", \"workers\": 1}]}", "entry 0"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"5\"}, {\"from\": \"4\", \"to\": \"5\"}]}",
         "entry 1"},
        {START ", \"round\": \"9\", \"without\": [{\"from\": \"4\", \"to\": \"5\"}, {\"from\": \"0\", \"to\": \"9\"}]}",
         "entry 1"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_parent parent = {0};
        sam_error err = {0};
        json_t *value = json_loads(CASES[i].json, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        if (sam_parent_read(&parent, value, 100, &err) != SAM_INVALID || strstr(err.text, CASES[i].word) == NULL)
            fail_msg("%s: %s", CASES[i].json, err.text);
        sam_parent_free(&parent);
        json_decref(value);
    }
}

static void removals_are_put_in_order_and_kept_once(void **state)
{
    sam_removal removals[] = {{4, 9, 2}, {0, 9, 5}, {4, 9, 2}, {4, 9, 0}, {0, 3, 5}};
    static const sam_removal SORTED[] = {{0, 3, 5}, {0, 9, 5}, {4, 9, 0}, {4, 9, 2}};
    sam_parent parent = {.round = 9, .removals = removals, .removal_count = 5};
    (void)state;
    sam_parent_sort(&parent);
    test_expect_removals(&parent, SORTED, 4);
}

static void a_removal_reaches_its_rounds_and_its_worker_alone(void **state)
{
    sam_removal removals[] = {{2, 5, 3}, {7, 8, 0}};
    const sam_parent parent = {.round = 9, .removals = removals, .removal_count = 2};
    static const struct {
        uint64_t round;
        uint32_t worker;
        bool removed;
    } CASES[] = {{1, 3, false}, {2, 3, true}, {4, 3, true},  {5, 3, false}, {3, 4, false},
                 {7, 4, true},  {7, 3, true}, {8, 4, false}, {7, 0, true}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        if (sam_parent_removes(&parent, CASES[i].round, CASES[i].worker) != CASES[i].removed)
            fail_msg("case %zu", i);
}

static sam_status attempt(sam_error *err)
{
    static sam_removal removals[] = {{0, 20, 3}, {4, 9, 0}};
    sam_manifest draft = test_draft(), *manifest;
    draft.parent = (sam_parent){.round = 20, .removals = removals, .removal_count = 2};
    sam_status status = sam_manifest_compose(&manifest, &draft, err);
    sam_manifest_free(manifest);
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
        cmocka_unit_test(a_manifest_without_a_parent_keeps_its_text_and_id),
        cmocka_unit_test(a_parent_is_read_as_it_was_composed),
        cmocka_unit_test(what_is_no_parent_is_refused_with_the_fields_name),
        cmocka_unit_test(removals_are_put_in_order_and_kept_once),
        cmocka_unit_test(a_removal_reaches_its_rounds_and_its_worker_alone),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
