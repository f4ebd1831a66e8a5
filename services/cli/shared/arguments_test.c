#include "cli/cli.h"

#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

typedef struct parsed {
    bool json;
    const char *base;
    uint64_t at;
} parsed;

static sam_status parse(parsed *to, char **argv, int operands, int *rest, sam_error *err)
{
    const sam_option table[] = {{"json", SAM_OPTION_FLAG, &to->json, NULL, "as JSON"},
                                {"base", SAM_OPTION_TEXT, &to->base, "MODEL", "the base"},
                                {"at", SAM_OPTION_COUNT, &to->at, "N", "the round"},
                                {0}};
    const sam_command command = {"samara try", "A B", "Tries.", table};
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    return cli_parse(&command, argc, argv, operands, rest, err);
}

static void operands_may_stand_before_between_and_after_options(void **state)
{
    char *const CASES[][9] = {
        {"try", "a", "b", "--json", "--at", "7", "--base", "m"},
        {"try", "--json", "a", "--at", "7", "--base", "m", "b"},
        {"try", "a", "--at=7", "--base=m", "b", "--json"},
        {"try", "--base", "m", "--at", "7", "--json", "a", "b"},
        {"try", "--base", "m", "--at", "7", "--json", "--", "a", "b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *argv[10] = {0};
        parsed to = {0};
        sam_error err = {0};
        int rest;
        memcpy(argv, CASES[i], sizeof CASES[i]);
        if (parse(&to, argv, 2, &rest, &err) != SAM_OK)
            fail_msg("case %zu: %s", i, err.text);
        assert_true(to.json && to.at == 7);
        assert_string_equal(to.base, "m");
        assert_string_equal(argv[rest], "a");
        assert_string_equal(argv[rest + 1], "b");
    }
}

static void too_many_and_too_few_operands_are_told(void **state)
{
    char *many[] = {"try", "a", "--json", "b", "c", NULL}, *few[] = {"try", "--at", "3", "a", NULL};
    parsed to = {0};
    sam_error err = {0};
    int rest;
    (void)state;
    assert_int_equal(parse(&to, many, 2, &rest, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "\"c\" is one argument too many"));
    assert_int_equal(parse(&to, few, 2, &rest, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "needs A B"));
}

static void what_is_missing_is_named(void **state)
{
    const char *base = NULL, *out = "x";
    bool json = true;
    const sam_option table[] = {{"json", SAM_OPTION_FLAG, &json, NULL, "as JSON"},
                                {"base", SAM_OPTION_TEXT, &base, "MODEL", "the base"},
                                {"out", SAM_OPTION_TEXT, &out, "FILE", "the result"},
                                {0}};
    const sam_command command = {"samara try", "", "Tries.", table};
    sam_error err = {0};
    (void)state;
    assert_int_equal(cli_require(&command, "out", &err), SAM_OK);
    assert_int_equal(cli_require(&command, "out base", &err), SAM_INVALID);
    assert_string_equal(err.text, "--base is missing; see samara try --help");
    base = "";
    assert_int_equal(cli_require(&command, "base out", &err), SAM_INVALID);
    base = "m";
    assert_int_equal(cli_require(&command, "base out", &err), SAM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operands_may_stand_before_between_and_after_options),
        cmocka_unit_test(too_many_and_too_few_operands_are_told),
        cmocka_unit_test(what_is_missing_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
