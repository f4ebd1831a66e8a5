#include "train/task.h"

#include "base/files.h"
#include "base/memory.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SST2                                                                                                           \
    "{\"name\": \"sst2\", \"template\": \"{text} It was\", \"options\": [\" terrible\", \" great\"],\n"                \
    " \"label\": \"label\", \"labels\": {\"0\": 0, \"1\": 1}, \"metric\": \"accuracy\"}"

static test_folder folder;

static int make(void **state)
{
    (void)state;
    return test_folder_make(&folder) ? 0 : -1;
}

static int clean(void **state)
{
    (void)state;
    test_folder_remove(&folder);
    return 0;
}

static sam_task *parse(const char *json)
{
    sam_error err = {0};
    sam_task *task;
    if (sam_task_parse(&task, json, strlen(json), "task.json", &err) != SAM_OK)
        fail_msg("%s", err.text);
    return task;
}

static sam_table *table_of(const char *name, const char *text)
{
    char path[256];
    sam_error err = {0};
    sam_table *table = NULL;
    test_path(path, sizeof path, &folder, name);
    if (sam_file_write(path, text, strlen(text), &err) != SAM_OK || sam_table_open(&table, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return table;
}

static void expect_buffer(const char *what, const sam_buffer *got, const char *expected)
{
    if (got->length != strlen(expected) || (got->length > 0 && memcmp(got->bytes, expected, got->length) != 0))
        fail_msg("%s is \"%.*s\", expected \"%s\"", what, (int)got->length, (const char *)got->bytes, expected);
}

static void a_row_becomes_a_question_and_the_number_of_its_answer(void **state)
{
    (void)state;
    sam_task *task = parse(SST2);
    sam_table *table = table_of("a.tsv", "text\tlabel\nDull.\t0\nLively!\t1\n");
    sam_error err = {0};
    sam_task_row row;
    assert_string_equal(sam_task_name(task), "sst2");
    assert_int_equal(sam_task_option_count(task), 2);
    assert_int_equal(sam_task_metric(task), SAM_METRIC_ACCURACY);
    assert_int_equal(sam_task_max_tokens(task), 0);
    assert_true(sam_task_option_is_constant(task, 0));
    assert_int_equal(sam_task_render(task, table, 1, &row, &err), SAM_OK);
    expect_buffer("prefix", &row.prefix, "Lively! It was");
    assert_int_equal(row.option_count, 2);
    expect_buffer("option 0", &row.options[0], " terrible");
    expect_buffer("option 1", &row.options[1], " great");
    assert_int_equal(row.label, 1);
    sam_task_row_free(&row);
    sam_table_close(table);
    sam_task_free(task);
}

static void an_option_may_be_a_column(void **state)
{
    (void)state;
    sam_task *task = parse("{\"name\":\"copa\",\"template\":\"{premise} because\",\"label\":\"label\","
                           "\"options\":[\" {choice1}\",\" {choice2}\"],\"metric\":\"macro-f1\",\"max_tokens\":128}");
    sam_table *table = table_of(
        "a.jsonl", "{\"premise\":\"It fell\",\"choice1\":\"of wind\",\"choice2\":\"of {rain}\",\"label\":1}\n");
    sam_error err = {0};
    sam_task_row row;
    assert_false(sam_task_option_is_constant(task, 1));
    assert_int_equal(sam_task_metric(task), SAM_METRIC_MACRO_F1);
    assert_int_equal(sam_task_max_tokens(task), 128);
    assert_int_equal(sam_task_render(task, table, 0, &row, &err), SAM_OK);
    expect_buffer("prefix", &row.prefix, "It fell because");
    expect_buffer("option 0", &row.options[0], " of wind");
    expect_buffer("option 1", &row.options[1], " of {rain}"); /* a value is never a template */
    assert_int_equal(row.label, 1);                           /* without `labels` the number itself */
    sam_task_row_free(&row);
    sam_table_close(table);
    sam_task_free(task);
}

static void braces_are_written_twice(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *expected;
    } CASES[] = {{"{{{a}}}", "{x}"}, {"{{}}", "{}"}, {"{a}{a}", "xx"}, {"{b c}", "y"}, {"}}{a}{{", "}x{"}, {"-", "-"}};
    sam_table *table = table_of("a.tsv", "a\tb c\tlabel\nx\ty\t0\n");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"name\":\"t\",\"template\":\"%s\",\"options\":[\"0\",\"1\"],\"label\":\"label\"}",
                 CASES[i].pattern);
        sam_task *task = parse(json);
        sam_error err = {0};
        sam_task_row row;
        assert_int_equal(sam_task_render(task, table, 0, &row, &err), SAM_OK);
        expect_buffer(CASES[i].pattern, &row.prefix, CASES[i].expected);
        sam_task_row_free(&row);
        sam_task_free(task);
    }
    sam_table_close(table);
}

static void a_task_of_one_option_needs_no_label(void **state)
{
    (void)state;
    sam_task *task = parse("{\"name\":\"t\",\"template\":\"Q: {q}\",\"options\":[\" {a}\"]}");
    sam_table *table = table_of("a.tsv", "q\ta\nwhy\tso\n");
    sam_error err = {0};
    sam_task_row row;
    assert_int_equal(sam_task_render(task, table, 0, &row, &err), SAM_OK);
    expect_buffer("option 0", &row.options[0], " so");
    assert_int_equal(row.label, 0);
    sam_task_row_free(&row);
    sam_table_close(table);
    sam_task_free(task);
}

static void the_json_is_canonical_whatever_the_spelling(void **state)
{
    (void)state;
    sam_task *task = parse(SST2);
    assert_string_equal(sam_task_json(task),
                        "{\"label\":\"label\",\"labels\":{\"0\":0,\"1\":1},\"metric\":\"accuracy\",\"name\":\"sst2\","
                        "\"options\":[\" terrible\",\" great\"],\"template\":\"{text} It was\"}");
    sam_task *again = parse(sam_task_json(task));
    assert_string_equal(sam_task_json(again), sam_task_json(task));
    sam_task_free(again);
    sam_task_free(task);
}

#define TASK(more)        "{\"name\":\"t\",\"template\":\"{a}\",\"options\":[\"x\",\"y\"],\"label\":\"l\"" more "}"
#define TEMPLATE(pattern) "{\"name\":\"t\",\"template\":\"" pattern "\",\"options\":[\"x\",\"y\"],\"label\":\"l\"}"
#define OPTIONS(options)  "{\"name\":\"t\",\"template\":\"{a}\",\"options\":" options ",\"label\":\"l\"}"
#define NAME(name)        "{\"name\":" name ",\"template\":\"{a}\",\"options\":[\"x\",\"y\"],\"label\":\"l\"}"

static void what_is_no_task_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *json, *expected;
    } CASES[] = {
        {"", "task.json: line 1, column 0: "},
        {"{\n\"name\": \"x\",\n}", "task.json: line 3, column 1: "},
        {"[]", "task.json: a task must be a JSON object"},
        {TASK(",\"lable\":1"), "'lable' is not a member of a task"},
        {TASK(",\"name\":\"u\""), "line 1, column"},
        {"{\"template\":\"{a}\",\"options\":[\"x\"]}", "'name' is missing"},
        {NAME("7"), "'name' must be a string"},
        {NAME("\"a b\""), "'name' must be 1 to 64 letters"},
        {NAME("\"\""), "'name' must be 1 to 64 letters"},
        {"{\"name\":\"t\",\"options\":[\"x\",\"y\"],\"label\":\"l\"}", "'template' is missing"},
        {TEMPLATE(""), "'template' must be a string that is not empty"},
        {TEMPLATE("a {b"), "'template': the '{' at byte 2 is never closed"},
        {TEMPLATE("a {b {c}"), "'template': the '{' at byte 2 is never closed"},
        {TEMPLATE("a {}"), "'template': the '{}' at byte 2 does not name a column"},
        {TEMPLATE("a } b"), "'template': the '}' at byte 2 does not close anything"},
        {"{\"name\":\"t\",\"template\":\"{a}\",\"label\":\"l\"}", "'options' must be a list of 1 to 64 strings"},
        {OPTIONS("[]"), "'options' must be a list of 1 to 64 strings"},
        {OPTIONS("{\"x\":1}"), "'options' must be a list of 1 to 64 strings"},
        {OPTIONS("[\"x\",7]"), "option 1 must be a string"},
        {OPTIONS("[\"x\",\"\"]"), "option 1 must be a string that is not empty"},
        {OPTIONS("[\"x\",\"{\"]"), "option 1: the '{' at byte 0 is never closed"},
        {OPTIONS("[\"x\",\"y\",\"x\"]"), "options 0 and 2 are the same text"},
        {"{\"name\":\"t\",\"template\":\"{a}\",\"options\":[\"x\",\"y\"]}", "'label' is missing"},
        {"{\"name\":\"t\",\"template\":\"{a}\",\"options\":[\"x\"],\"labels\":{\"a\":0}}", "'label' is missing"},
        {TASK(",\"labels\":[]"), "'labels' must be an object"},
        {TASK(",\"labels\":{}"), "'labels' must be an object"},
        {TASK(",\"labels\":{\"no\":0,\"yes\":2}"), "'labels' must map 'yes' to the number of an option, 0 to 1"},
        {TASK(",\"labels\":{\"no\":-1}"), "'labels' must map 'no' to the number of an option, 0 to 1"},
        {TASK(",\"labels\":{\"no\":\"0\"}"), "'labels' must map 'no' to the number of an option, 0 to 1"},
        {TASK(",\"metric\":\"bleu\""), "'metric' must be accuracy, f1 or macro-f1"},
        {TASK(",\"metric\":null"), "'metric' must be accuracy, f1 or macro-f1"},
        {"{\"name\":\"t\",\"template\":\"{a}\",\"options\":[\"x\",\"y\",\"z\"],\"label\":\"l\",\"metric\":\"f1\"}",
         "'metric': f1 needs two options; with 3, use macro-f1"},
        {TASK(",\"max_tokens\":1"), "'max_tokens' must be a whole number of at least 2"},
        {TASK(",\"max_tokens\":\"64\""), "'max_tokens' must be a whole number of at least 2"},
        {TASK(",\"max_tokens\":64.5"), "'max_tokens' must be a whole number of at least 2"},
        {TASK(",\"columns\":[]"), "'columns' must be a list of 1 to 256 strings"},
        {TASK(",\"columns\":[\"a\",1]"), "'columns' must hold strings alone"},
        {TASK(",\"columns\":[\"a\",\"l\",\"a\"]"), "'columns' names 'a' twice"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_error err = {0};
        sam_task *task = (sam_task *)&err;
        sam_status status = sam_task_parse(&task, CASES[i].json, strlen(CASES[i].json), "task.json", &err);
        if (status != SAM_INVALID || task != NULL || strstr(err.text, CASES[i].expected) == NULL)
            fail_msg("%s: %s \"%s\", expected \"%s\"", CASES[i].json, sam_status_name(status), err.text,
                     CASES[i].expected);
        assert_ptr_equal(strstr(err.text, "task.json: "), err.text);
        assert_int_equal(sam_task_parse(&task, CASES[i].json, strlen(CASES[i].json), "task.json", NULL), SAM_INVALID);
    }
}

static void rows_that_do_not_fit_are_refused_with_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *task, *rows, *expected;
    } CASES[] = {
        {TASK(""), "b\tl\nx\t0\n", "a.tsv:2: there is no column 'a'; the columns are: b, l"},
        {TASK(""), "a\tb\nx\t0\n", "a.tsv:2: there is no column 'l'; the columns are: a, b"},
        {OPTIONS("[\"{b}\",\"y\"]"), "a\tl\nx\t0\n", "a.tsv:2: there is no column 'b'"},
        {TASK(""), "a\tl\nx\t2\n", "a.tsv:2: the label '2' in column 'l' is not one of task 't': the option numbers"},
        {TASK(""), "a\tl\nx\t-1\n", "the label '-1'"},
        {TASK(""), "a\tl\nx\t\n", "the label ''"},
        {TASK(""), "a\tl\nx\t 1\n", "the label ' 1'"},
        {TASK(",\"labels\":{\"no\":0,\"yes\":1}"), "a\tl\nx\tmaybe\n", "the label 'maybe' in column 'l' is not one"},
        {TASK(",\"labels\":{\"no\":0,\"yes\":1}"), "a\tl\nx\t0\n", "'t': no, yes"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_error err = {0};
        sam_task_row row;
        sam_task *task = parse(CASES[i].task);
        sam_table *table = table_of("a.tsv", CASES[i].rows);
        sam_status status = sam_task_render(task, table, 0, &row, &err);
        if (status != SAM_INVALID || strstr(err.text, CASES[i].expected) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].expected);
        assert_null(row.prefix.bytes);
        sam_table_close(table);
        sam_task_free(task);
    }
}

static void columns_name_what_a_file_without_header_holds(void **state)
{
    (void)state;
    sam_task *task = parse(TASK(",\"columns\":[\"a\",\"l\"]"));
    sam_error err = {0};
    sam_table *table;
    sam_task_row row;
    char path[256];
    test_path(path, sizeof path, &folder, "headless.tsv");
    assert_int_equal(sam_file_write(path, "good\t1\n", 7, &err), SAM_OK);
    assert_int_equal(sam_task_open_table(task, &table, path, &err), SAM_OK);
    assert_int_equal(sam_table_rows(table), 1);
    assert_int_equal(sam_task_render(task, table, 0, &row, &err), SAM_OK);
    expect_buffer("prefix", &row.prefix, "good");
    assert_int_equal(row.label, 1);
    sam_task_row_free(&row);
    sam_table_close(table);
    sam_task_free(task);
}

static void a_task_file_is_read_and_named_in_errors(void **state)
{
    (void)state;
    char path[256];
    sam_error err = {0};
    sam_task *task;
    test_path(path, sizeof path, &folder, "task.json");
    assert_int_equal(sam_file_write(path, SST2, strlen(SST2), &err), SAM_OK);
    assert_int_equal(sam_task_load(&task, path, &err), SAM_OK);
    sam_task_free(task);
    assert_int_equal(sam_file_write(path, "{}", 2, &err), SAM_OK);
    assert_int_equal(sam_task_load(&task, path, &err), SAM_INVALID);
    assert_ptr_equal(strstr(err.text, path), err.text);
    test_path(path, sizeof path, &folder, "nowhere.json");
    assert_int_equal(sam_task_load(&task, path, &err), SAM_NOT_FOUND);
    assert_null(task);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char JSON[] = TASK(",\"labels\":{\"no\":0,\"yes\":1},\"columns\":[\"a\",\"l\"]");
    sam_table *table = table_of("a.tsv", "a\tl\nx\tyes\n");
    sam_error err = {0};
    sam_task *task = NULL;
    sam_task_row row;
    sam_status status = SAM_NO_MEMORY;
    for (long nth = 1; status != SAM_OK; nth++) {
        sam_memory_fail_at(nth);
        status = sam_task_parse(&task, JSON, strlen(JSON), "task.json", &err);
        sam_memory_fail_at(0);
        if (status != SAM_OK && (status != SAM_NO_MEMORY || task != NULL || nth > 1000))
            fail_msg("allocation %ld: %s \"%s\"", nth, sam_status_name(status), err.text);
    }
    status = SAM_NO_MEMORY;
    for (long nth = 1; status != SAM_OK; nth++) {
        sam_memory_fail_at(nth);
        status = sam_task_render(task, table, 0, &row, &err);
        sam_memory_fail_at(0);
        if (status != SAM_OK && (status != SAM_NO_MEMORY || nth > 100))
            fail_msg("allocation %ld of a row: %s \"%s\"", nth, sam_status_name(status), err.text);
    }
    sam_task_row_free(&row);
    sam_task_free(task);
    sam_table_close(table);
}

static void the_example_tasks_are_tasks(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"film-reviews", "sst2", "rte", "cb", "boolq"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char path[512];
        sam_error err = {0};
        sam_task *task;
        snprintf(path, sizeof path, "%s/examples/%s/task.json", SAMARA_SOURCE, NAMES[i]);
        if (sam_task_load(&task, path, &err) != SAM_OK)
            fail_msg("%s", err.text);
        assert_string_equal(sam_task_name(task), NAMES[i]);
        sam_task_free(task);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_becomes_a_question_and_the_number_of_its_answer),
        cmocka_unit_test(an_option_may_be_a_column),
        cmocka_unit_test(braces_are_written_twice),
        cmocka_unit_test(a_task_of_one_option_needs_no_label),
        cmocka_unit_test(the_json_is_canonical_whatever_the_spelling),
        cmocka_unit_test(what_is_no_task_is_refused_by_name),
        cmocka_unit_test(rows_that_do_not_fit_are_refused_with_file_and_line),
        cmocka_unit_test(columns_name_what_a_file_without_header_holds),
        cmocka_unit_test(a_task_file_is_read_and_named_in_errors),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(the_example_tasks_are_tasks),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
