#include "net/download.h"
#include "net/http_client.h"
#include "net/http_server.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "support/support.h"

#include <pthread.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE 5000000u

static uint8_t *content;
static test_folder folder;
static sam_http_server *server;
static atomic_int asked, ranged, breaks_left;
static const char *etag = "v1";
static char url[200], path[300], partial[320];

static sam_status give_bytes(void *user, uint64_t offset, size_t length, uint8_t *out, sam_error *err)
{
    (void)user;
    if (offset > SIZE / 3 && atomic_load(&breaks_left) > 0) {
        atomic_fetch_sub(&breaks_left, 1);
        return sam_fail(err, SAM_IO, "the test cuts the connection here");
    }
    memcpy(out, content + offset, length);
    return SAM_OK;
}

static sam_http_next give_file(sam_http_request *request, void *user)
{
    (void)user;
    atomic_fetch_add(&asked, 1);
    if (sam_http_header(request, "Range") != NULL)
        atomic_fetch_add(&ranged, 1);
    return sam_http_answer_content(request, &(sam_http_content){.etag = etag, .size = SIZE, .read = give_bytes});
}

static sam_http_next wait_long(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_wait(request, 20000);
}

static sam_http_next refuse(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_fail(request, SAM_GONE, "run %d has ended", 7);
}

static const sam_http_route ROUTES[] = {{.method = "GET", .pattern = "/file", .handler = give_file},
                                        {.method = "GET", .pattern = "/wait", .handler = wait_long},
                                        {.method = "GET", .pattern = "/gone", .handler = refuse},
                                        {0}};

static int begin(void **state)
{
    (void)state;
    sam_error err = {0};
    content = sam_alloc(SIZE, 1);
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (uint8_t)(i * 2654435761u >> 11);
    sam_http_server_options options = {.listen = "127.0.0.1:0"};
    if (!test_folder_make(&folder) || sam_http_server_start(&server, &options, ROUTES, &err) != SAM_OK)
        return -1;
    snprintf(url, sizeof url, "http://%s/file", sam_http_server_address(server));
    test_path(path, sizeof path, &folder, "model.gguf");
    snprintf(partial, sizeof partial, "%s.partial", path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sam_http_server_stop(server);
    test_folder_remove(&folder);
    sam_free(content);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    char side[340];
    snprintf(side, sizeof side, "%s.etag", partial);
    (void)unlink(path);
    (void)unlink(partial);
    (void)unlink(side);
    asked = ranged = breaks_left = 0;
    etag = "v1";
    return 0;
}

static sam_checksum sum_of(sam_checksum_kind kind)
{
    sam_checksum sum = {.kind = kind};
    if (kind == SAM_CHECKSUM_SHA256)
        crypto_hash_sha256(sum.bytes, content, SIZE);
    else
        crypto_generichash(sum.bytes, sizeof sum.bytes, content, SIZE, NULL, 0);
    return sum;
}

static void assert_whole(void)
{
    sam_file_map file;
    sam_error err = {0};
    if (sam_file_map_open(&file, path, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_int_equal(file.length, SIZE);
    assert_memory_equal(file.bytes, content, SIZE);
    sam_file_map_close(&file);
    assert_false(sam_file_exists(partial));
}

static void a_file_arrives_whole_and_is_not_fetched_twice(void **state)
{
    (void)state;
    sam_error err = {0};
    for (int kind = SAM_CHECKSUM_BLAKE2B; kind <= SAM_CHECKSUM_SHA256; kind++) {
        sam_checksum sum = sum_of((sam_checksum_kind)kind);
        if (sam_download(url, path, &sum, &(sam_download_options){0}, &err) != SAM_OK)
            fail_msg("%s", err.text);
        assert_whole();
    }
    assert_int_equal(asked, 1);
}

static void a_broken_transfer_goes_on_where_it_stopped(void **state)
{
    (void)state;
    sam_error err = {0};
    breaks_left = 2;
    if (sam_download(url, path, NULL, &(sam_download_options){0}, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_whole();
    assert_int_equal(asked, 3);
    assert_int_equal(ranged, 2);
}

static void a_file_that_changed_meanwhile_is_not_spliced(void **state)
{
    (void)state;
    sam_error err = {0};
    breaks_left = 1;
    assert_int_equal(sam_download(url, path, NULL, &(sam_download_options){.tries = 1}, &err), SAM_UNAVAILABLE);
    assert_true(sam_file_exists(partial));
    for (size_t i = 0; i < SIZE; i++)
        content[i] ^= 0x55;
    etag = "v2";
    if (sam_download(url, path, NULL, &(sam_download_options){0}, &err) != SAM_OK)
        fail_msg("%s", err.text);
    assert_whole();
}

static void a_file_with_another_digest_is_refused_and_not_kept(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_checksum sum = sum_of(SAM_CHECKSUM_SHA256);
    sum.bytes[0] ^= 1;
    assert_int_equal(sam_download(url, path, &sum, &(sam_download_options){0}, &err), SAM_CORRUPT);
    assert_false(sam_file_exists(path));
    struct stat info;
    assert_int_equal(stat(partial, &info), 0);
    assert_int_equal(info.st_size, 0);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    sam_error err = {0};
    assert_int_equal(sam_download(url, path, NULL, &(sam_download_options){.limit = 1000}, &err), SAM_TOO_LARGE);
}

static void *download_here(void *argument)
{
    (void)argument;
    sam_error err = {0};
    sam_status status = sam_download(url, path, NULL, &(sam_download_options){0}, &err);
    return status == SAM_OK ? NULL : url;
}

static void two_who_want_the_same_file_download_it_once(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, download_here, NULL), 0);
    for (int i = 0; i < 4; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    assert_int_equal(asked, 1);
    assert_whole();
}

static bool after_a_moment(void *user)
{
    return sam_monotonic_ms() > *(uint64_t *)user;
}

static sam_status call(const char *where, const char *hint, uint32_t timeout_ms, uint64_t *cancel_at, sam_error *err)
{
    sam_http_client *client;
    sam_http_client_options options = {
        .hint = hint, .cancelled = cancel_at == NULL ? NULL : after_a_moment, .cancelled_user = cancel_at};
    sam_status status = sam_http_client_new(&client, &options, err);
    sam_http_reply reply = {0};
    if (status == SAM_OK)
        status = sam_http_send(client, &(sam_http_call){.url = where, .timeout_ms = timeout_ms}, &reply, err);
    sam_http_reply_free(&reply);
    sam_http_client_free(client);
    return status;
}

static void a_call_says_what_failed_and_what_to_check(void **state)
{
    (void)state;
    sam_error err = {0};
    char where[200];
    assert_int_equal(call("http://127.0.0.1:9", "is the ledger running?", 0, NULL, &err), SAM_UNAVAILABLE);
    assert_string_equal(err.text, "cannot reach http://127.0.0.1:9: Connection refused; is the ledger running?");
    snprintf(where, sizeof where, "http://%s/wait", sam_http_server_address(server));
    assert_int_equal(call(where, NULL, 150, NULL, &err), SAM_TIMEOUT);
    snprintf(where, sizeof where, "http://%s/gone", sam_http_server_address(server));
    assert_int_equal(call(where, NULL, 0, NULL, &err), SAM_GONE);
    assert_string_equal(err.text, "run 7 has ended");
    assert_int_equal(call("file:///etc/passwd", NULL, 0, NULL, &err), SAM_INVALID);
    assert_int_equal(call("nonsense", NULL, 0, NULL, &err) != SAM_OK, 1);
}

static void a_call_is_given_up_within_200_ms_of_being_told(void **state)
{
    (void)state;
    sam_error err = {0};
    char where[200];
    snprintf(where, sizeof where, "http://%s/wait", sam_http_server_address(server));
    uint64_t cancel_at = sam_monotonic_ms() + 300;
    assert_int_equal(call(where, NULL, 60000, &cancel_at, &err), SAM_CANCELLED);
    assert_in_range(sam_monotonic_ms() - cancel_at, 0, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_file_arrives_whole_and_is_not_fetched_twice, fresh),
        cmocka_unit_test_setup(a_broken_transfer_goes_on_where_it_stopped, fresh),
        cmocka_unit_test_setup(a_file_that_changed_meanwhile_is_not_spliced, fresh),
        cmocka_unit_test_setup(a_file_with_another_digest_is_refused_and_not_kept, fresh),
        cmocka_unit_test_setup(a_file_beyond_the_limit_is_refused, fresh),
        cmocka_unit_test_setup(two_who_want_the_same_file_download_it_once, fresh),
        cmocka_unit_test(a_call_says_what_failed_and_what_to_check),
        cmocka_unit_test(a_call_is_given_up_within_200_ms_of_being_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
