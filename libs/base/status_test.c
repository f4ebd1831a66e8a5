#include "base/status.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

static void every_status_has_a_name_a_sentence_and_codes(void **state)
{
    (void)state;
    for (int status = SAM_OK; status <= SAM_INTERNAL; status++) {
        assert_true(strlen(sam_status_name((sam_status)status)) > 1);
        assert_true(strlen(sam_status_sentence((sam_status)status)) > 3);
        assert_in_range(sam_http_status((sam_status)status), status == SAM_OK ? 200 : 400,
                        status == SAM_OK ? 200 : 599);
        assert_in_range(sam_exit_code((sam_status)status), status == SAM_OK ? 0 : 1, status == SAM_OK ? 0 : 255);
        for (int other = SAM_OK; other < status; other++)
            assert_string_not_equal(sam_status_name((sam_status)status), sam_status_name((sam_status)other));
    }
    assert_string_equal(sam_status_name((sam_status)999), "INTERNAL");
    assert_string_equal(sam_status_name((sam_status)-1), "INTERNAL");
}

static void a_failure_carries_its_sentence_and_its_context(void **state)
{
    (void)state;
    sam_error err = {0};
    assert_int_equal(sam_fail_errno(&err, SAM_IO, ENOENT, "cannot open %s", "x.gguf"), SAM_IO);
    assert_string_equal(err.text, "cannot open x.gguf: No such file or directory");
    assert_int_equal(sam_fail_context(&err, "tensor %d", 7), SAM_IO);
    assert_string_equal(err.text, "tensor 7: cannot open x.gguf: No such file or directory");
    assert_int_equal(err.status, SAM_IO);
    assert_int_equal(sam_fail(NULL, SAM_GONE, "%s", "nobody listens"), SAM_GONE);
}

static void a_long_sentence_is_cut_not_spilled(void **state)
{
    (void)state;
    char longer[2 * SAM_ERROR_TEXT];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    sam_error err = {0};
    sam_fail_errno(&err, SAM_IO, EIO, "%s", longer);
    assert_int_equal(strlen(err.text), SAM_ERROR_TEXT - 1);
    sam_fail_context(&err, "%s", longer);
    assert_int_equal(strlen(err.text), SAM_ERROR_TEXT - 1);
}

static void a_sentence_is_cut_between_characters(void **state)
{
    static const char *const CHARACTERS[] = {"a", "\u00e9", "\u20ac", "\U0001f600"};
    (void)state;
    for (size_t c = 0; c < 4; c++)
        for (size_t shift = 0; shift < 4; shift++) {
            char text[2 * SAM_ERROR_TEXT] = "";
            sam_error err = {0};
            for (size_t used = 0; used + 4 < sizeof text; used += strlen(CHARACTERS[c]))
                strcpy(text + used, CHARACTERS[c]);
            (void)sam_fail(&err, SAM_INVALID, "%s%s", &"xxx"[3 - shift], text);
            assert_true(sam_utf8_valid(err.text, strlen(err.text)));
            assert_true(strlen(err.text) + strlen(CHARACTERS[c]) >= SAM_ERROR_TEXT);
            (void)sam_fail_context(&err, "y");
            assert_true(sam_utf8_valid(err.text, strlen(err.text)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_has_a_name_a_sentence_and_codes),
        cmocka_unit_test(a_failure_carries_its_sentence_and_its_context),
        cmocka_unit_test(a_long_sentence_is_cut_not_spilled),
        cmocka_unit_test(a_sentence_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
