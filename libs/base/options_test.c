#include "base/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    const char *listen;
    uint64_t max_threads;
    double rate;
    bool json;
    enum { ROUND, SQUARE, WIDE } shape;
} set;

static const sam_option TABLE[] = {
    {"listen", SAM_OPTION_TEXT, &set.listen, "ADDRESS", "where to serve"},
    {"max-threads", SAM_OPTION_COUNT, &set.max_threads, "N", "threads"},
    {"rate", SAM_OPTION_NUMBER, &set.rate, "R", "a rate"},
    {"json", SAM_OPTION_FLAG, &set.json, NULL, "one JSON object a line"},
    {"shape", SAM_OPTION_CHOICE, &set.shape, "round|square|wide", "a shape"},
    {0},
};
static const sam_command COMMAND = {"samara-test", "", "Tests.", TABLE};

static char config[] = "/tmp/samara-options-XXXXXX";

static int defaults(void **state)
{
    (void)state;
    unsetenv("SAMARA_MAX_THREADS");
    unsetenv("SAMARA_JSON");
    unsetenv("SAMARA_CONFIG");
    set.listen = "default:1";
    set.max_threads = 1;
    set.rate = 0.5;
    set.json = false;
    set.shape = SQUARE;
    return 0;
}

static sam_status parse(const char *words, int *rest, sam_error *err)
{
    static char line[512];
    char *argv[20] = {"samara-test"};
    int argc = 1;
    snprintf(line, sizeof line, "%s", words);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    return sam_options_parse(&COMMAND, argc, argv, rest, err);
}

static void write_config(const char *content)
{
    strcpy(config + sizeof config - 7, "XXXXXX");
    int fd = mkstemp(config);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, strlen(content)), strlen(content));
    close(fd);
    setenv("SAMARA_CONFIG", config, 1);
}

static void flag_beats_environment_beats_file_beats_default(void **state)
{
    (void)state;
    int rest;
    assert_int_equal(parse("", &rest, NULL), SAM_OK);
    assert_int_equal(set.max_threads, 1);
    write_config("listen = file:2\n");
    assert_int_equal(parse("", &rest, NULL), SAM_OK);
    assert_string_equal(set.listen, "file:2");
    free((void *)(uintptr_t)set.listen); /* it would live until the process ends */
    unlink(config);
    write_config("# a comment\n\n  max-threads = 2  \n");
    assert_int_equal(parse("", &rest, NULL), SAM_OK);
    assert_int_equal(set.max_threads, 2);
    setenv("SAMARA_MAX_THREADS", "3", 1);
    assert_int_equal(parse("", &rest, NULL), SAM_OK);
    assert_int_equal(set.max_threads, 3);
    assert_int_equal(parse("--max-threads 4", &rest, NULL), SAM_OK);
    assert_int_equal(set.max_threads, 4);
    unlink(config);
}

static void each_form_of_an_option_is_understood(void **state)
{
    (void)state;
    int rest;
    assert_int_equal(parse("--listen=a=b --rate -2.5 --json --max-threads=7 go --json=no", &rest, NULL), SAM_OK);
    assert_string_equal(set.listen, "a=b");
    assert_true(set.rate == -2.5);
    assert_true(set.json);
    assert_int_equal(set.max_threads, 7);
    assert_int_equal(rest, 6); /* "go": what follows is not ours */
    assert_int_equal(parse("--no-json -- --listen", &rest, NULL), SAM_OK);
    assert_false(set.json);
    assert_int_equal(rest, 3);
    setenv("SAMARA_JSON", "yes", 1);
    assert_int_equal(parse("--json=false", &rest, NULL), SAM_OK);
    assert_false(set.json);
}

static void a_choice_is_the_place_of_its_word(void **state)
{
    (void)state;
    static const char *const WORDS[] = {"--shape round", "--shape=square", "--shape wide"};
    int rest;
    assert_int_equal(parse("", &rest, NULL), SAM_OK);
    assert_int_equal(set.shape, SQUARE);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(parse(WORDS[i], &rest, NULL), SAM_OK);
        assert_int_equal(set.shape, i);
    }
}

static void mistakes_on_the_command_line_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *words, *part;
    } CASES[] = {
        {"--lisen x", "--lisen"},
        {"--listen", "--listen needs a value"},
        {"--max-threads -1", "\"-1\""},
        {"--max-threads 1.5", "max-threads"},
        {"--rate fast", "not a number"},
        {"--json=maybe", "true or false"},
        {"--no-listen", "--no-listen"},
        {"--no-json=true", "--no-json"},
        {"--config", "--config needs"},
        {"--config /nowhere/x", "/nowhere/x"},
        {"--shape squar", "squar"},
        {"--shape=flat", "\"flat\" is not one of round|square|wide"},
        {"--shape=round|square", "is not one of round|square|wide"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int rest;
        sam_error err = {0};
        assert_int_not_equal(parse(CASES[i].words, &rest, &err), SAM_OK);
        if (strstr(err.text, CASES[i].part) == NULL)
            fail_msg("%s: \"%s\" does not name %s", CASES[i].words, err.text, CASES[i].part);
    }
}

static void mistakes_in_a_file_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *content, *part;
    } CASES[] = {{"\nlisten\n", ":2: expected"}, {"speed = 3\n", ":1: "}, {"#\n\nmax-threads = many\n", ":3: "}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int rest;
        sam_error err = {0};
        write_config(CASES[i].content);
        assert_int_equal(parse("", &rest, &err), SAM_INVALID);
        assert_non_null(strstr(err.text, config));
        assert_non_null(strstr(err.text, CASES[i].part));
        unlink(config);
    }
}

static void a_line_too_long_is_refused_rather_than_read_as_two(void **state)
{
    (void)state;
    char content[5000];
    int rest;
    sam_error err = {0};
    memset(content, ' ', sizeof content);
    memcpy(content, "listen = x", 10);
    strcpy(content + 4095, "max-threads = 2\n"); /* where a buffer of 4096 ends */
    write_config(content);
    assert_int_equal(parse("", &rest, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, ":1: the line is longer"));
    unlink(config);
}

static void a_bad_environment_names_its_option(void **state)
{
    (void)state;
    int rest;
    sam_error err = {0};
    setenv("SAMARA_MAX_THREADS", "lots", 1);
    assert_int_equal(parse("", &rest, &err), SAM_INVALID);
    assert_string_equal(err.text, "environment: max-threads: \"lots\" is not a whole number from 0 up");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flag_beats_environment_beats_file_beats_default, defaults),
        cmocka_unit_test_setup(each_form_of_an_option_is_understood, defaults),
        cmocka_unit_test_setup(a_choice_is_the_place_of_its_word, defaults),
        cmocka_unit_test_setup(mistakes_on_the_command_line_are_named, defaults),
        cmocka_unit_test_setup(mistakes_in_a_file_are_named_with_their_line, defaults),
        cmocka_unit_test_setup(a_line_too_long_is_refused_rather_than_read_as_two, defaults),
        cmocka_unit_test_setup(a_bad_environment_names_its_option, defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
