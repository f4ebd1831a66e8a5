/* Each test has a cache folder of its own. What is remembered is told from what is read by an entry that names another
 * digest: where that one comes back, the file was not read. */
#include "base/digest_cache.h"

#include "base/bytes.h"
#include "base/files.h"
#include "base/memory.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BYTES SAM_DIGEST_CACHE_LEAST

static test_folder folder;
static char file[300], cache[300], entries[300];

static int begin(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    test_path(file, sizeof file, &folder, "model.gguf");
    test_path(cache, sizeof cache, &folder, "cache");
    test_path(entries, sizeof entries, &folder, "cache/samara/digests");
    return setenv("XDG_CACHE_HOME", cache, 1);
}

static int end(void **state)
{
    (void)state;
    (void)chmod(entries, 0755);
    test_folder_remove(&folder);
    return 0;
}

/* Last written so many seconds ago. */
static void age(time_t seconds)
{
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = time(NULL) - seconds, .tv_nsec = 7}};
    assert_int_equal(utimensat(AT_FDCWD, file, times, 0), 0);
}

static void write_model(uint8_t fill, size_t length, time_t seconds_ago)
{
    uint8_t *bytes = malloc(length);
    assert_non_null(bytes);
    memset(bytes, fill, length);
    int fd = open(file, O_WRONLY | O_CREAT, 0644); /* the same inode each time */
    assert_true(fd >= 0 && ftruncate(fd, 0) == 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    free(bytes);
    age(seconds_ago);
}

static sam_digest cached(void)
{
    sam_digest digest;
    sam_error err = {0};
    if (sam_digest_file_cached(&digest, file, &err) != SAM_OK)
        fail_msg("%s", err.text);
    return digest;
}

static void assert_is_read(void)
{
    sam_digest now = cached(), true_one;
    assert_int_equal(sam_digest_file(&true_one, file, NULL), SAM_OK);
    assert_true(sam_digest_equal(&now, &true_one));
}

/* The path of the one entry there is; false: there is none. */
static bool find_entry(char *path, size_t size)
{
    DIR *all = opendir(entries);
    bool found = false;
    for (struct dirent *one; all != NULL && (one = readdir(all)) != NULL;)
        if (one->d_name[0] != '.') {
            assert_false(found);
            found = (size_t)snprintf(path, size, "%s/%s", entries, one->d_name) < size;
        }
    if (all != NULL)
        closedir(all);
    return found;
}

static bool is_remembered(void)
{
    char path[600];
    return find_entry(path, sizeof path);
}

/* Lets the entry say another digest, with a check that fits. */
static sam_digest falsify(void)
{
    char path[600], text[600], hex[SAM_DIGEST_HEX];
    sam_digest other, check;
    sam_file_map entry;
    assert_true(find_entry(path, sizeof path));
    assert_int_equal(sam_file_map_open(&entry, path, NULL), SAM_OK);
    size_t line = entry.length - SAM_DIGEST_HEX; /* the check and its newline end the file */
    memcpy(text, entry.bytes, entry.length);
    sam_file_map_close(&entry);
    sam_digest_of(&other, "other", 5);
    sam_digest_hex(hex, &other);
    memcpy(text + line - SAM_DIGEST_HEX, hex, SAM_DIGEST_HEX - 1);
    sam_digest_of(&check, text, line);
    sam_digest_hex(hex, &check);
    memcpy(text + line, hex, SAM_DIGEST_HEX - 1);
    assert_int_equal(sam_file_write(path, text, line + SAM_DIGEST_HEX, NULL), SAM_OK);
    return other;
}

static void a_file_that_is_known_is_not_read_again(void **state)
{
    (void)state;
    write_model(1, BYTES, 60);
    assert_is_read();
    sam_digest other = falsify(), now = cached();
    assert_true(sam_digest_equal(&now, &other));
}

static void a_file_that_has_changed_is_read(void **state)
{
    (void)state;
    write_model(1, BYTES, 60);
    assert_is_read();
    (void)falsify();
    write_model(2, BYTES, 50); /* another time of writing */
    assert_is_read();
    (void)falsify();
    write_model(2, BYTES + 1, 50); /* another size */
    assert_is_read();
    (void)falsify();
    write_model(3, BYTES + 1, 50); /* the time of writing was set back: that of the change tells */
    assert_is_read();
}

static void another_file_in_its_place_is_read(void **state)
{
    (void)state;
    char copy[300];
    struct stat before, after;
    write_model(1, BYTES, 60);
    assert_is_read();
    (void)falsify();
    assert_int_equal(stat(file, &before), 0);
    test_path(copy, sizeof copy, &folder, "copy");
    assert_int_equal(rename(file, copy), 0);
    write_model(2, BYTES, 60);
    assert_int_equal(stat(file, &after), 0);
    assert_true(before.st_ino != after.st_ino);
    sam_digest now = cached(), true_one;
    assert_int_equal(sam_digest_file(&true_one, file, NULL), SAM_OK);
    assert_true(sam_digest_equal(&now, &true_one));
}

static void a_file_written_just_now_is_not_remembered(void **state)
{
    (void)state;
    write_model(1, BYTES, 0);
    assert_is_read();
    assert_false(is_remembered());
    age(-3600); /* nor one of the future */
    assert_is_read();
    assert_false(is_remembered());
    age(60);
    assert_is_read();
    assert_true(is_remembered());
}

static void a_small_file_is_read_each_time(void **state)
{
    (void)state;
    write_model(1, BYTES - 1, 60);
    assert_is_read();
    assert_false(is_remembered());
}

static void an_entry_that_is_damaged_is_ignored_and_mended(void **state)
{
    (void)state;
    char path[600], text[600];
    sam_file_map entry;
    write_model(1, BYTES, 60);
    assert_is_read();
    assert_true(find_entry(path, sizeof path));
    assert_int_equal(sam_file_map_open(&entry, path, NULL), SAM_OK);
    size_t length = entry.length;
    memcpy(text, entry.bytes, length);
    sam_file_map_close(&entry);
    for (size_t at = 0; at < length; at++) {
        text[at] ^= 1;
        assert_int_equal(sam_file_write(path, text, length, NULL), SAM_OK);
        text[at] ^= 1;
        assert_is_read();
    }
    for (size_t cut = 0; cut < length; cut += 13) {
        assert_int_equal(sam_file_write(path, text, cut, NULL), SAM_OK);
        assert_is_read();
    }
    sam_digest other = falsify(), now = cached(); /* it was mended */
    assert_true(sam_digest_equal(&now, &other));
}

static void without_a_cache_folder_the_file_is_read(void **state)
{
    (void)state;
    write_model(1, BYTES, 60);
    assert_int_equal(sam_file_write(cache, "a file", 6, NULL), SAM_OK); /* where the folder would be */
    assert_is_read();
    assert_is_read();
}

static void a_file_that_is_not_there_is_told(void **state)
{
    (void)state;
    sam_digest digest;
    sam_error err = {0};
    assert_int_equal(sam_digest_file_cached(&digest, file, &err), SAM_NOT_FOUND);
    assert_non_null(strstr(err.text, file));
}

static void no_failed_allocation_gives_a_wrong_digest(void **state)
{
    (void)state;
    write_model(1, BYTES, 60);
    sam_digest right = cached();
    for (long nth = 1; nth < 20; nth++) {
        sam_digest digest;
        sam_memory_fail_at(nth);
        sam_status status = sam_digest_file_cached(&digest, file, NULL);
        sam_memory_fail_at(0);
        assert_true(status == SAM_NO_MEMORY || (status == SAM_OK && sam_digest_equal(&digest, &right)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_that_is_known_is_not_read_again, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_has_changed_is_read, begin, end),
        cmocka_unit_test_setup_teardown(another_file_in_its_place_is_read, begin, end),
        cmocka_unit_test_setup_teardown(a_file_written_just_now_is_not_remembered, begin, end),
        cmocka_unit_test_setup_teardown(a_small_file_is_read_each_time, begin, end),
        cmocka_unit_test_setup_teardown(an_entry_that_is_damaged_is_ignored_and_mended, begin, end),
        cmocka_unit_test_setup_teardown(without_a_cache_folder_the_file_is_read, begin, end),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_is_told, begin, end),
        cmocka_unit_test_setup_teardown(no_failed_allocation_gives_a_wrong_digest, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
