#include "base/log.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one call writes to stderr. */
static size_t capture(char *line, size_t size, sam_log_level level, const char *text)
{
    int ends[2], kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    sam_log(level, "%s", text);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(ends[1]);
    ssize_t count = read(ends[0], line, size - 1);
    close(ends[0]);
    assert_true(count >= 0);
    line[count] = 0;
    return (size_t)count;
}

static void json_lines_escape_what_json_cannot_hold(void **state)
{
    (void)state;
    static const struct {
        const char *text, *escaped;
    } CASES[] = {
        {"plain", "\"text\":\"plain\"}\n"},
        {"a \"b\" \\c", "\"text\":\"a \\\"b\\\" \\\\c\"}\n"},
        {"two\nlines\x1b[0m", "\"text\":\"two lines [0m\"}\n"},
        {"gr\xc3\xbc\xc3\x9f", "\"text\":\"gr\xc3\xbc\xc3\x9f\"}\n"},
        {"bad \xff\xc3", "\"text\":\"bad \\ufffd\\ufffd\"}\n"},
    };
    sam_log_init("samara-test", SAM_LOG_INFO, SAM_LOG_JSON);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char line[4096];
        size_t length = capture(line, sizeof line, SAM_LOG_WARN, CASES[i].text);
        assert_true(sam_utf8_valid(line, length));
        assert_non_null(strstr(line, "\"level\":\"warn\",\"program\":\"samara-test\""));
        if (strstr(line, CASES[i].escaped) == NULL)
            fail_msg("case %zu: %s", i, line);
    }
}

static void a_long_text_still_ends_its_line_and_its_object(void **state)
{
    (void)state;
    static const char *const FILLERS[] = {"x", "\"", "\xff", "\xe2\x82\xac"};
    sam_log_init("samara-test", SAM_LOG_INFO, SAM_LOG_JSON);
    for (size_t f = 0; f < sizeof FILLERS / sizeof FILLERS[0]; f++) {
        char text[5000] = "", line[8192];
        for (size_t at = 0; at + 4 < sizeof text; at += strlen(FILLERS[f]))
            strcpy(text + at, FILLERS[f]);
        size_t length = capture(line, sizeof line, SAM_LOG_ERROR, text);
        assert_true(length > 500);
        assert_string_equal(line + length - 3, "\"}\n");
        assert_true(sam_utf8_valid(line, length));
    }
}

static void text_lines_hold_no_control_characters(void **state)
{
    (void)state;
    char line[4096];
    sam_log_init("samara-test", SAM_LOG_INFO, SAM_LOG_TEXT);
    capture(line, sizeof line, SAM_LOG_INFO, "a\r\n\x1b[31mb\x7f");
    assert_non_null(strstr(line, "info: a   [31mb \n"));
}

static void the_environment_decides_the_level(void **state)
{
    (void)state;
    char line[4096];
    sam_log_init("samara-test", SAM_LOG_INFO, SAM_LOG_TEXT);
    assert_int_equal(capture(line, sizeof line, SAM_LOG_DEBUG, "unseen"), 0);
    setenv("SAMARA_LOG", "debug", 1);
    sam_log_init("samara-test", SAM_LOG_INFO, SAM_LOG_TEXT);
    assert_true(capture(line, sizeof line, SAM_LOG_DEBUG, "seen") > 0);
    setenv("SAMARA_LOG", "nonsense", 1);
    sam_log_init("samara-test", SAM_LOG_ERROR, SAM_LOG_TEXT);
    assert_false(sam_log_enabled(SAM_LOG_WARN));
    unsetenv("SAMARA_LOG");
}

int main(void)
{
    unsetenv("SAMARA_LOG");
    unsetenv("SAMARA_LOG_FORMAT");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_lines_escape_what_json_cannot_hold),
        cmocka_unit_test(a_long_text_still_ends_its_line_and_its_object),
        cmocka_unit_test(text_lines_hold_no_control_characters),
        cmocka_unit_test(the_environment_decides_the_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
