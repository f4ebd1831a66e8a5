#include "net/access.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "support/support.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FIRST  "4Ynb0c1d2E5mVq7TzXw8Kg"
#define SECOND "Zr1mQ8sT5uLw2xAy7bCd9e"

typedef struct place {
    test_folder folder;
    char path[256];
} place;

static int make_place(void **state)
{
    static place only;
    *state = &only;
    assert_true(test_folder_make(&only.folder));
    test_path(only.path, sizeof only.path, &only.folder, "tokens");
    return 0;
}

static int remove_place(void **state)
{
    test_folder_remove(&((place *)*state)->folder);
    return 0;
}

static void each_token_has_its_role_and_name(void **state)
{
    place *at = *state;
    sam_access *access;
    sam_caller caller;
    sam_digest digest;
    char hex[SAM_DIGEST_HEX], text[500];
    sam_digest_of(&digest, SECOND, strlen(SECOND));
    sam_digest_hex(hex, &digest);
    snprintf(text, sizeof text, "# tokens\n\n  admin\t" FIRST "  ops  # ours\r\nworker blake2b:%s rack-3\nreader %s",
             hex, "abcdefgh-._~+/=0");
    assert_true(test_secret(at->path, text));
    assert_int_equal(sam_access_open(&access, at->path, NULL), SAM_OK);
    assert_true(sam_access_find(access, FIRST, &caller));
    assert_int_equal(caller.role, SAM_ROLE_ADMIN);
    assert_string_equal(caller.name, "ops");
    assert_true(sam_access_find(access, SECOND, &caller)); /* known by its digest alone */
    assert_int_equal(caller.role, SAM_ROLE_WORKER);
    assert_string_equal(caller.name, "rack-3");
    assert_true(sam_access_find(access, "abcdefgh-._~+/=0", &caller));
    assert_int_equal(caller.role, SAM_ROLE_READER);
    assert_string_equal(caller.name, "unnamed");
    assert_false(sam_access_find(access, "", &caller));
    assert_false(sam_access_find(access, hex, &caller)); /* the digest is no token */
    sam_access_free(access);
}

static void a_line_that_is_not_understood_is_named_but_not_shown(void **state)
{
    place *at = *state;
    static const struct {
        const char *text, *part;
    } CASES[] = {
        {"", "is empty"},
        {"# nothing\n\n", "is empty"},
        {FIRST "\n", ":1: a line is ROLE TOKEN"},
        {"admin\n", ":1: a line is ROLE TOKEN"},
        {"root " FIRST "\n", ":1: a line is ROLE TOKEN"},
        {"reader " SECOND "\nadmin 4Ynb0c1d2E5mVq7\n", ":2: a token has 16"},
        {"admin 4Ynb0c1d2E5mVq7,TzXw8Kg\n", ":1: a token has 16"},
        {"admin blake2b:0123\n", ":1: a token has 16"},
        {"admin " FIRST " ops/1\n", ":1: the name of a token"},
        {"admin " FIRST "\nreader " FIRST "\n", ":2: this token stands in a line above"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_access *access;
        sam_error err = {0};
        assert_true(test_secret(at->path, CASES[i].text));
        assert_int_equal(sam_access_open(&access, at->path, &err), SAM_INVALID);
        assert_null(access);
        if (strstr(err.text, CASES[i].part) == NULL || strstr(err.text, "4Ynb") != NULL)
            fail_msg("case %zu: expected \"%s\" and no token in: %s", i, CASES[i].part, err.text);
    }
}

static void a_file_that_others_may_read_is_refused(void **state)
{
    place *at = *state;
    static const struct {
        mode_t mode;
        sam_status status;
    } CASES[] = {{0600, SAM_OK},        {0400, SAM_OK},        {0640, SAM_OK},        {0440, SAM_OK},
                 {0644, SAM_FORBIDDEN}, {0660, SAM_FORBIDDEN}, {0602, SAM_FORBIDDEN}, {0611, SAM_FORBIDDEN}};
    assert_true(test_secret(at->path, "admin " FIRST "\n"));
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_access *access;
        sam_error err = {0};
        assert_int_equal(chmod(at->path, CASES[i].mode), 0);
        if (sam_access_open(&access, at->path, &err) != CASES[i].status)
            fail_msg("mode %o: %s", (unsigned)CASES[i].mode, err.text);
        sam_access_free(access);
    }
    sam_access *access;
    assert_int_equal(sam_access_open(&access, at->folder.path, NULL), SAM_INVALID);
    assert_int_equal(sam_access_open(&access, "/nonexistent/tokens", NULL), SAM_NOT_FOUND);
}

static void another_file_in_its_place_is_read_at_the_next_question(void **state)
{
    place *at = *state;
    sam_access *access;
    sam_caller caller;
    assert_true(test_secret(at->path, "admin " FIRST "\n"));
    assert_int_equal(sam_access_open(&access, at->path, NULL), SAM_OK);
    assert_true(test_secret(at->path, "worker " SECOND "\n"));
    assert_true(sam_access_find(access, SECOND, &caller));
    assert_false(sam_access_find(access, FIRST, &caller));
    assert_int_equal(chmod(at->path, 0644), 0); /* not good any more: what was read stays, and a repair is seen */
    assert_true(sam_access_find(access, SECOND, &caller));
    assert_true(test_secret(at->path, "reader " FIRST "\n"));
    assert_true(sam_access_find(access, FIRST, &caller));
    assert_int_equal(caller.role, SAM_ROLE_READER);
    sam_access_free(access);
}

static void a_hangup_makes_it_read_the_file_again(void **state)
{
    place *at = *state;
    sam_access *access;
    sam_caller caller;
    sam_hangups_catch();
    assert_true(test_secret(at->path, "admin " FIRST "\n"));
    assert_int_equal(sam_access_open(&access, at->path, NULL), SAM_OK);
    raise(SIGHUP);
    assert_true(sam_access_find(access, FIRST, &caller));
    sam_access_free(access);
}

static void a_client_reads_the_first_line_of_its_file(void **state)
{
    place *at = *state;
    static const struct {
        const char *text;
        sam_status status;
    } CASES[] = {{FIRST, SAM_OK},
                 {FIRST "\n", SAM_OK},
                 {"# ours\r\n" FIRST "\r\nmore\n", SAM_OK},
                 {"", SAM_INVALID},
                 {"worker " FIRST "\n", SAM_INVALID},
                 {"tooshort\n", SAM_INVALID}};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char token[SAM_TOKEN_MOST + 1] = "";
        sam_error err = {0};
        assert_true(test_secret(at->path, CASES[i].text));
        if (sam_token_read(token, at->path, &err) != CASES[i].status)
            fail_msg("case %zu: %s", i, err.text);
        assert_string_equal(token, CASES[i].status == SAM_OK ? FIRST : "");
        assert_null(strstr(err.text, "4Ynb"));
    }
}

static void memory_that_is_out_is_an_error_each_time(void **state)
{
    place *at = *state;
    assert_true(test_secret(at->path, "admin " FIRST "\nworker " SECOND "\n"));
    for (long nth = 1;; nth++) {
        sam_access *access;
        sam_memory_fail_at(nth);
        sam_status status = sam_access_open(&access, at->path, NULL);
        sam_memory_fail_at(0);
        sam_access_free(access);
        if (status == SAM_OK)
            break;
        assert_int_equal(status, SAM_NO_MEMORY);
        assert_true(nth < 100);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_place, remove_place)
    const struct CMUnitTest tests[] = {
        TEST(each_token_has_its_role_and_name),         TEST(a_line_that_is_not_understood_is_named_but_not_shown),
        TEST(a_file_that_others_may_read_is_refused),   TEST(another_file_in_its_place_is_read_at_the_next_question),
        TEST(a_hangup_makes_it_read_the_file_again),    TEST(a_client_reads_the_first_line_of_its_file),
        TEST(memory_that_is_out_is_an_error_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
