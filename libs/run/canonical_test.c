#include "run/canonical.h"

#include "run/test_runs.h"

static sam_status canonical(sam_buffer *out, const char *text, sam_error *err)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    sam_status status = sam_canonical_json(out, value, err);
    json_decref(value);
    return status;
}

static void values_are_written_as_the_rfc_says(void **state)
{
    static const char *const CASES[][2] = {
        {"null", "null"},
        {" [ true , false , null ] ", "[true,false,null]"},
        {"{}", "{}"},
        {"[]", "[]"},
        {"-0", "0"},
        {"-0.0", "0"},
        {"1e3", "1000"},
        {"9007199254740992", "9007199254740992"},
        {"-9007199254740992", "-9007199254740992"},
        {"{\"b\":1,\"a\":[{\"d\":2,\"c\":3}]}", "{\"a\":[{\"c\":3,\"d\":2}],\"b\":1}"},
        {"\"\\u20ac$\\u000f\\nA'B\\\"\\\\\\/\\u007f\\b\\t\\f\\r\"",
         "\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\/\x7f\\b\\t\\f\\r\""},
        {"{\"aa\":1,\"a\":2,\"\":3}", "{\"\":3,\"a\":2,\"aa\":1}"},
        /* RFC 8785 section 3.2.3: the order of UTF-16 code units, in which U+1F600 stands before U+FB33 */
        {"{\"\\u20ac\":5,\"\\r\":1,\"\\ufb33\":7,\"1\":2,\"\\ud83d\\ude00\":6,\"\\u0080\":3,\"\\u00f6\":4}",
         "{\"\\r\":1,\"1\":2,\"\xc2\x80\":3,\"\xc3\xb6\":4,\"\xe2\x82\xac\":5,\"\xf0\x9f\x98\x80\":6,"
         "\"\xef\xac\xb3\":7}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_buffer out = {0};
        sam_error err = {0};
        assert_int_equal(canonical(&out, CASES[i][0], &err), SAM_OK);
        sam_put_u8(&out, 0);
        assert_string_equal((char *)out.bytes, CASES[i][1]);
        sam_buffer_free(&out);
    }
}

static void what_has_no_exact_form_is_refused_with_its_place(void **state)
{
    static const char *const CASES[][2] = {
        {"0.5", "the value: the number is a fraction"},
        {"{\"a\":[1,{\"b\":0.25}]}", "a[1].b: the number is a fraction"},
        {"{\"rate\":9007199254740993}", "rate: the number is beyond 2^53"},
        {"[1e300]", "[0]: the number is beyond 2^53"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_buffer out = {0};
        sam_error err = {0};
        assert_int_equal(canonical(&out, CASES[i][0], &err), SAM_INVALID);
        if (strncmp(err.text, CASES[i][1], strlen(CASES[i][1])) != 0)
            fail_msg("%s: \"%s\"", CASES[i][0], err.text);
        sam_buffer_free(&out);
    }
}

static void deep_nesting_is_refused_before_the_stack_is_gone(void **state)
{
    char text[2001];
    sam_buffer out = {0};
    sam_error err = {0};
    (void)state;
    memset(text, '[', 1000);
    memset(text + 1000, ']', 1000);
    text[2000] = 0;
    assert_int_equal(canonical(&out, text, &err), SAM_INVALID);
    assert_non_null(strstr(err.text, "64 levels"));
    sam_buffer_free(&out);
}

static json_t *walked;

static sam_status attempt(sam_error *err)
{
    sam_buffer out = {0};
    sam_status status = sam_canonical_json(&out, walked, err);
    sam_buffer_free(&out);
    return status;
}

static void a_failed_allocation_is_said(void **state)
{
    (void)state;
    walked = json_loads("{\"b\":{\"long enough to make the buffer grow\":[1,2,3]},\"a\":\"and once more, please, so "
                        "that it is beyond the first size of a buffer\"}",
                        0, NULL);
    test_every_allocation(attempt);
    json_decref(walked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_written_as_the_rfc_says),
        cmocka_unit_test(what_has_no_exact_form_is_refused_with_its_place),
        cmocka_unit_test(deep_nesting_is_refused_before_the_stack_is_gone),
        cmocka_unit_test(a_failed_allocation_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
