#include "train/table.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/memory.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static sam_status open_bytes(sam_table **table, const char *name, const void *bytes, size_t length, sam_error *err)
{
    char path[256];
    test_path(path, sizeof path, &folder, name);
    if (sam_file_write(path, bytes, length, err) != SAM_OK)
        fail_msg("%s", err->text);
    return sam_table_open(table, path, err);
}

static sam_table *open_text(const char *name, const char *text)
{
    sam_error err = {0};
    sam_table *table;
    if (open_bytes(&table, name, text, strlen(text), &err) != SAM_OK)
        fail_msg("%s: %s", name, err.text);
    return table;
}

static void expect_text(const sam_table *table, size_t row, const char *column, const char *expected)
{
    sam_error err = {0};
    const char *text;
    size_t length;
    if (sam_table_text(table, row, column, &text, &length, &err) != SAM_OK)
        fail_msg("%s", err.text);
    if (length != strlen(expected) || memcmp(text, expected, length) != 0)
        fail_msg("%s row %zu column %s: \"%.*s\", expected \"%s\"", sam_table_path(table), row, column, (int)length,
                 text, expected);
}

static void every_format_gives_the_same_rows(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } CASES[] = {
        {"a.tsv", "text\tlabel\nthe first\t0\nca f\xc3\xa9\t1\n"},
        {"a.tsv", "\xef\xbb\xbftext\tlabel\r\nthe first\t0\r\nca f\xc3\xa9\t1"},
        {"a.tsv", "label\ttext\n0\tthe first\n1\tca f\xc3\xa9\n\n"},
        {"a.csv", "text,label\nthe first,0\nca f\xc3\xa9,1\n"},
        {"a.csv", "\"text\",\"label\"\r\n\"the first\",\"0\"\r\n\"ca f\xc3\xa9\",1\r\n"},
        {"a.jsonl", "{\"text\": \"the first\", \"label\": 0}\n{\"label\": \"1\", \"text\": \"ca f\\u00e9\"}\n"},
        {"a.jsonl",
         "\xef\xbb\xbf{\"text\": \"the first\", \"label\": 0}\r\n{\"label\": 1.0, \"text\": \"ca f\xc3\xa9\"}\r\n\r\n"},
        {"7d3f0a", "{\"text\": \"the first\", \"label\": 0}\n{\"label\": \"1\", \"text\": \"ca f\\u00e9\"}\n"},
        {"7d3f0a", "text\tlabel\nthe first\t0\nca f\xc3\xa9\t1\n"},
        {"7d3f0a", "text,label\nthe first,0\nca f\xc3\xa9,1\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_table *table = open_text(CASES[i].name, CASES[i].text);
        assert_int_equal(sam_table_rows(table), 2);
        expect_text(table, 0, "text", "the first");
        expect_text(table, 0, "label", "0");
        expect_text(table, 1, "text", "ca f\xc3\xa9");
        expect_text(table, 1, "label", "1");
        sam_table_close(table);
    }
}

static void tsv_takes_quotes_and_commas_as_they_are(void **state)
{
    (void)state;
    sam_table *table = open_text("a.tsv", "text\tlabel\n\"it's\t, \"so\"\"\n\t\n\r\t\\t\n");
    expect_text(table, 0, "text", "\"it's");
    expect_text(table, 0, "label", ", \"so\"\"");
    expect_text(table, 1, "text", "");
    expect_text(table, 1, "label", "");
    expect_text(table, 2, "text", "\r");
    expect_text(table, 2, "label", "\\t");
    sam_table_close(table);
}

static void a_column_is_not_taken_for_one_whose_name_is_longer(void **state)
{
    (void)state;
    sam_table *table = open_text("a.tsv", "label2\tlabel\ttext\n2\t1\tx\n");
    expect_text(table, 0, "label", "1");
    expect_text(table, 0, "label2", "2");
    sam_table_close(table);
}

static void csv_follows_rfc_4180(void **state)
{
    (void)state;
    sam_table *table = open_text("a.csv", "a,b\r\n\"say \"\"no\"\"\",\"one\r\ntwo, three\"\r\n\"\",\n x ,\"\"\"\"");
    expect_text(table, 0, "a", "say \"no\"");
    expect_text(table, 0, "b", "one\r\ntwo, three");
    expect_text(table, 1, "a", "");
    expect_text(table, 1, "b", "");
    expect_text(table, 2, "a", " x ");
    expect_text(table, 2, "b", "\"");
    assert_int_equal(sam_table_line(table, 0), 2);
    assert_int_equal(sam_table_line(table, 1), 4); /* row 0 takes two lines */
    sam_table_close(table);
}

static void json_values_are_their_shortest_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *json, *expected;
    } CASES[] = {{"0", "0"},
                 {"-12", "-12"},
                 {"9223372036854775807", "9223372036854775807"},
                 {"1.0", "1"},
                 {"0.1", "0.1"},
                 {"1e3", "1e+03"},
                 {"2.50", "2.5"},
                 {"true", "true"},
                 {"false", "false"},
                 {"\"\"", ""},
                 {"\" a\\tb\"", " a\tb"},
                 {"0.30000000000000004", "0.30000000000000004"},
                 {"\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char line[128];
        snprintf(line, sizeof line, "{\"v\": %s}\n", CASES[i].json);
        sam_table *table = open_text("a.jsonl", line);
        expect_text(table, 0, "v", CASES[i].expected);
        sam_table_close(table);
    }
}

static void a_value_that_is_not_there_is_named_with_what_is(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text, *column, *expected;
    } CASES[] = {
        {"a.tsv", "text\tlabel\nx\t0\ny\t1\n", "sentence",
         "a.tsv:3: there is no column 'sentence'; the columns are: text, label"},
        {"a.jsonl", "{\"a\": 1, \"b\": 2}\n{\"b\": 3, \"c\": 4}\n", "a",
         "a.jsonl:2: there is no column 'a'; the columns are: b, c"},
        {"a.jsonl", "{\"a\": 1}\n{\"a\": null}\n", "a", "a.jsonl:2: column 'a' holds null, but must hold a string"},
        {"a.jsonl", "{\"a\": 1}\n{\"a\": [1, 2]}\n", "a", "a.jsonl:2: column 'a' holds an array"},
        {"a.jsonl", "{\"a\": 1}\n{\"a\": {\"b\": 2}}\n", "a", "a.jsonl:2: column 'a' holds an object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_error err = {0};
        const char *text;
        size_t length;
        sam_table *table = open_text(CASES[i].name, CASES[i].text);
        sam_status status = sam_table_text(table, 1, CASES[i].column, &text, &length, &err);
        if (status != SAM_INVALID || strstr(err.text, CASES[i].expected) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].expected);
        assert_int_equal(sam_table_text(table, 2, CASES[i].column, &text, &length, &err), SAM_INVALID);
        sam_table_close(table);
    }
}

static void what_is_no_table_is_refused_with_file_and_line(void **state)
{
    (void)state;
#define CASE(name, text, expected) {name, text, sizeof text - 1, expected}
    static const struct {
        const char *name, *text;
        size_t length;
        const char *expected;
    } CASES[] = {
        CASE("a.tsv", "", "a.tsv: the file is empty"),
        CASE("a.jsonl", "\xef\xbb\xbf\r\n\n", "a.jsonl: the file is empty"),
        CASE("a.tsv", "text\tlabel\n", "a.tsv: the file has a header line but no rows"),
        CASE("a.tsv", "text\tlabel\nx\t0\ny\t1\tz\n",
             "a.tsv:3: the line has 3 columns, but the header line names 2 (text, label)"),
        CASE("a.tsv", "text\tlabel\nx\t0\n\nz\t1\n", "a.tsv:3: the line has 1 column, but the header line names 2"),
        CASE("a.tsv", "text\ttext\nx\t0\n", "a.tsv:1: the header line names the column 'text' twice"),
        CASE("a.tsv", "text\tlabel\nx\t0\ny\0\t1\n", "a.tsv:3: byte 2 of the line (0x00) is a NUL"),
        CASE("a.tsv", "text\tlabel\nabc\xe9\t0\n", "a.tsv:2: byte 4 of the line (0xe9) is not UTF-8"),
        CASE("a.csv", "a,b\nx,\"y\nz,1\n", "a.csv:2: the quote that opens here is never closed"),
        CASE("a.csv", "a,b\nx,\"y\" z\n", "a.csv:2: there is text after the closing quote"),
        CASE("a.csv", "a,b\nx,y \"z\"\n", "a.csv:2: there is a quote inside a field that does not begin with one"),
        CASE("a.csv", "a,b\n\"1\n2\",x\ny\n", "a.csv:4: the line has 1 column, but the header line names 2 (a, b)"),
        CASE("a.jsonl", "{\"a\": 1}\n{\"a\": 1,}\n", "a.jsonl:2: column 9: "),
        CASE("a.jsonl", "{\"a\": 1}\n[1]\n", "a.jsonl:2: not a JSON object"),
        CASE("a.jsonl", "{\"a\": 1}\n\n{\"a\": 1}\n", "a.jsonl:2: the line is empty"),
        CASE("a.jsonl", "{\"a\": 1} {\"a\": 2}\n", "a.jsonl:1: column"),
        CASE("a.jsonl", "{\"a\": 1, \"a\": 2}\n", "a.jsonl:1: column"),
        CASE("a.jsonl", "{\"a\": \"x\\u0000y\"}\n", "a.jsonl:1: column"),
        CASE("a.jsonl", "{\"a\": \"\\ud800\"}\n", "a.jsonl:1: column"),
        CASE("a.txt", "just words\n", "a.txt: neither its name (.jsonl, .tsv, .csv) nor its first line"),
    };
#undef CASE
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        sam_error err = {0};
        sam_table *table = (sam_table *)&err;
        sam_status status = open_bytes(&table, CASES[i].name, CASES[i].text, CASES[i].length, &err);
        if (status != SAM_INVALID || table != NULL || strstr(err.text, CASES[i].expected) == NULL)
            fail_msg("case %zu: %s \"%s\", expected \"%s\"", i, sam_status_name(status), err.text, CASES[i].expected);
    }
}

static void a_missing_file_is_not_found(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_table *table;
    char path[256];
    test_path(path, sizeof path, &folder, "nowhere.tsv");
    assert_int_equal(sam_table_open(&table, path, &err), SAM_NOT_FOUND);
    assert_non_null(strstr(err.text, "nowhere.tsv"));
}

static void a_file_without_header_takes_the_names_that_are_given(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"sentence", "label"};
    static const char *const TEXTS[] = {"fine\t1\nawful\t0\n", "sentence\tlabel\nfine\t1\nawful\t0\n"};
    char path[256];
    sam_error err = {0};
    sam_table *table;
    test_path(path, sizeof path, &folder, "a.tsv");
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sam_file_write(path, TEXTS[i], strlen(TEXTS[i]), &err), SAM_OK);
        assert_int_equal(sam_table_open_columns(&table, path, NAMES, 2, &err), SAM_OK);
        assert_int_equal(sam_table_rows(table), 2);
        assert_int_equal(sam_table_line(table, 0), 1 + i);
        expect_text(table, 0, "sentence", "fine");
        expect_text(table, 1, "label", "0");
        sam_table_close(table);
    }
    assert_int_equal(sam_file_write(path, "fine\n", 5, &err), SAM_OK);
    assert_int_equal(sam_table_open_columns(&table, path, NAMES, 2, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "a.tsv:1: the line has 1 column, but the task names 2 (sentence, label)"));
}

/* "c0<separator>c1...", and a row of as many values. */
static void wide(char *out, size_t columns)
{
    for (size_t i = 0; i < columns; i++)
        out += sprintf(out, "%sc%zu", i == 0 ? "" : "\t", i);
    *out++ = '\n';
    for (size_t i = 0; i < columns; i++)
        out += sprintf(out, "%s%zu", i == 0 ? "" : "\t", i);
    *out = '\0';
}

static void columns_are_limited(void **state)
{
    (void)state;
    static char text[16 * (SAM_COLUMNS_MAX + 2)];
    sam_error err = {0};
    sam_table *table;
    wide(text, SAM_COLUMNS_MAX);
    table = open_text("a.tsv", text);
    expect_text(table, 0, "c255", "255");
    const char *value;
    size_t length;
    assert_int_equal(sam_table_text(table, 0, "nothing", &value, &length, &err), SAM_INVALID);
    assert_string_equal(err.text + strlen(err.text) - 5, ", ..."); /* the names are shortened */
    sam_table_close(table);
    wide(text, SAM_COLUMNS_MAX + 1);
    assert_int_equal(open_bytes(&table, "a.tsv", text, strlen(text), &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "a.tsv:1: there are more than 256 columns"));
}

static void the_digest_is_of_the_bytes_as_they_are(void **state)
{
    (void)state;
    static const char TEXT[] = "\xef\xbb\xbftext\tlabel\r\nx\t0\r\n";
    sam_digest expected;
    sam_digest_of(&expected, TEXT, sizeof TEXT - 1);
    sam_table *table = open_text("a.tsv", TEXT);
    assert_true(sam_digest_equal(sam_table_digest(table), &expected));
    sam_table_close(table);
}

static void many_rows_keep_their_values_and_lines(void **state)
{
    (void)state;
    enum { ROWS = 5000 };
    sam_buffer text = {0};
    sam_put_text(&text, "n,text\n");
    for (int i = 0; i < ROWS; i++)
        sam_put_format(&text, "%d,\"row %d\"\n", i, i);
    sam_error err = {0};
    sam_table *table;
    assert_int_equal(open_bytes(&table, "a.csv", text.bytes, text.length, &err), SAM_OK);
    assert_int_equal(sam_table_rows(table), ROWS);
    for (size_t i = 0; i < ROWS; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "row %zu", i);
        expect_text(table, i, "text", expected);
        assert_int_equal(sam_table_line(table, i), i + 2);
    }
    sam_table_close(table);
    sam_buffer_free(&text);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static const char *const FILES[][2] = {{"m.jsonl", "{\"a\": \"x\", \"b\": 2}\n"}, {"m.csv", "a,b\n\"x\",y\n"}};
    for (size_t f = 0; f < 2; f++) {
        char path[256];
        sam_error err = {0};
        sam_table *table = NULL;
        test_path(path, sizeof path, &folder, FILES[f][0]);
        assert_int_equal(sam_file_write(path, FILES[f][1], strlen(FILES[f][1]), &err), SAM_OK);
        long nth = 1;
        for (sam_status status = SAM_NO_MEMORY; status != SAM_OK; nth++) {
            sam_memory_fail_at(nth);
            status = sam_table_open(&table, path, &err);
            sam_memory_fail_at(0);
            if (status != SAM_OK && (status != SAM_NO_MEMORY || table != NULL || nth > 1000))
                fail_msg("%s allocation %ld: %s \"%s\"", path, nth, sam_status_name(status), err.text);
        }
        assert_true(nth > 3);
        sam_table_close(table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_gives_the_same_rows),
        cmocka_unit_test(tsv_takes_quotes_and_commas_as_they_are),
        cmocka_unit_test(a_column_is_not_taken_for_one_whose_name_is_longer),
        cmocka_unit_test(csv_follows_rfc_4180),
        cmocka_unit_test(json_values_are_their_shortest_spelling),
        cmocka_unit_test(a_value_that_is_not_there_is_named_with_what_is),
        cmocka_unit_test(what_is_no_table_is_refused_with_file_and_line),
        cmocka_unit_test(a_missing_file_is_not_found),
        cmocka_unit_test(a_file_without_header_takes_the_names_that_are_given),
        cmocka_unit_test(columns_are_limited),
        cmocka_unit_test(the_digest_is_of_the_bytes_as_they_are),
        cmocka_unit_test(many_rows_keep_their_values_and_lines),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make, clean);
}
