#include "base/files.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/samara-files-XXXXXX";
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder + sizeof folder - 7, "XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/base.gguf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static size_t entries(void)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

static void assert_content(const char *wanted)
{
    sam_file_map file;
    assert_int_equal(sam_file_map_open(&file, path, NULL), SAM_OK);
    assert_int_equal(file.length, strlen(wanted));
    assert_memory_equal(file.bytes, wanted, file.length);
    sam_file_map_close(&file);
}

static void a_reader_sees_the_old_content_until_commit(void **state)
{
    (void)state;
    sam_file_writer out;
    assert_int_equal(sam_file_write(path, "old", 3, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_open(&out, path, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_put(&out, "new", 3, NULL), SAM_OK);
    assert_content("old");
    assert_int_equal(sam_file_writer_put(&out, "er", 2, NULL), SAM_OK);
    assert_int_equal(out.written, 5);
    assert_int_equal(sam_file_writer_commit(&out, NULL), SAM_OK);
    assert_content("newer");
    assert_int_equal(entries(), 1);
    sam_file_writer_abandon(&out); /* also fine after commit */
    assert_content("newer");
}

static void an_abandoned_file_leaves_nothing(void **state)
{
    (void)state;
    sam_file_writer out;
    assert_int_equal(sam_file_writer_open(&out, path, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_put(&out, "half", 4, NULL), SAM_OK);
    assert_int_equal(entries(), 1);
    sam_file_writer_abandon(&out);
    assert_int_equal(entries(), 0);
    assert_false(sam_file_exists(path));
}

static void two_writers_of_one_path_do_not_mix(void **state)
{
    (void)state;
    sam_file_writer one, two;
    assert_int_equal(sam_file_writer_open(&one, path, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_open(&two, path, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_put(&one, "one", 3, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_put(&two, "two!", 4, NULL), SAM_OK);
    assert_int_equal(sam_file_writer_commit(&one, NULL), SAM_OK);
    assert_content("one");
    assert_int_equal(sam_file_writer_commit(&two, NULL), SAM_OK);
    assert_content("two!");
}

static void an_empty_file_maps_to_no_bytes(void **state)
{
    (void)state;
    sam_file_map file;
    assert_int_equal(sam_file_write(path, "", 0, NULL), SAM_OK);
    assert_int_equal(sam_file_map_open(&file, path, NULL), SAM_OK);
    assert_non_null(file.bytes);
    assert_int_equal(file.length, 0);
    sam_file_map_close(&file);
    sam_file_map_close(&file);
}

static void what_cannot_be_mapped_is_named(void **state)
{
    (void)state;
    char pipe_path[160];
    snprintf(pipe_path, sizeof pipe_path, "%s/pipe", folder);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    const struct {
        const char *path;
        sam_status status;
    } cases[] = {{path, SAM_NOT_FOUND}, {folder, SAM_INVALID}, {pipe_path, SAM_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sam_file_map file;
        sam_error err = {0};
        assert_int_equal(sam_file_map_open(&file, cases[i].path, &err), cases[i].status);
        assert_int_equal(err.status, cases[i].status);
        assert_non_null(strstr(err.text, cases[i].path));
        sam_file_map_close(&file);
    }
}

static void a_writer_that_cannot_start_or_finish_says_so_and_leaves_nothing(void **state)
{
    (void)state;
    sam_file_writer out;
    sam_error err = {0};
    assert_int_equal(sam_file_writer_open(&out, "/nowhere/at/all", &err), SAM_IO);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_int_equal(sam_make_folders(path, NULL), SAM_OK); /* a folder where the file should come */
    assert_int_equal(sam_file_write(path, "x", 1, &err), SAM_IO);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(entries(), 1);
    for (long nth = 1; nth <= 2; nth++) {
        sam_memory_fail_at(nth);
        assert_int_equal(sam_file_writer_open(&out, path, &err), SAM_NO_MEMORY);
        sam_memory_fail_at(0);
    }
    assert_int_equal(entries(), 1);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    char deep[160];
    sam_error err = {0};
    snprintf(deep, sizeof deep, "%s/a/b//c/", folder);
    assert_int_equal(sam_make_folders(deep, &err), SAM_OK);
    assert_int_equal(sam_make_folders(deep, &err), SAM_OK);
    assert_true(sam_file_exists(deep));
    assert_int_equal(sam_file_write(path, "", 0, NULL), SAM_OK);
    assert_int_equal(sam_make_folders(path, &err), SAM_IO); /* a file is no folder */
    assert_non_null(strstr(err.text, path));
    assert_int_equal(sam_make_folders("", &err), SAM_INVALID);
}

static void the_cache_lies_where_the_environment_says(void **state)
{
    (void)state;
    char *cached = NULL;
    char wanted[160];
    sam_error err = {0};
    setenv("XDG_CACHE_HOME", folder, 1);
    assert_int_equal(sam_cache_path(&cached, "blobs/x", &err), SAM_OK);
    snprintf(wanted, sizeof wanted, "%s/samara/blobs/x", folder);
    assert_string_equal(cached, wanted);
    sam_free(cached);
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "not/absolute", 1);
    assert_int_equal(sam_cache_path(&cached, "x", &err), SAM_INVALID);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reader_sees_the_old_content_until_commit),
        TEST(an_abandoned_file_leaves_nothing),
        TEST(two_writers_of_one_path_do_not_mix),
        TEST(an_empty_file_maps_to_no_bytes),
        TEST(what_cannot_be_mapped_is_named),
        TEST(a_writer_that_cannot_start_or_finish_says_so_and_leaves_nothing),
        TEST(folders_are_made_with_their_parents),
        TEST(the_cache_lies_where_the_environment_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
