/* A redis-server of our own on a socket in a folder of our own: connections, scripts and streams. */
#include "store/redis.h"
#include "store/redis_address.h"
#include "store/script.h"
#include "store/stream.h"

#include "base/clock.h"
#include "support/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static test_folder folder;
static test_redis server;
static sam_redis *redis;

static int begin(void **state)
{
    (void)state;
    sam_error err = {0};
    if (!test_folder_make(&folder) || !test_redis_start(&server, folder.path))
        return -1;
    return sam_redis_open(&redis, &(sam_redis_options){.address = server.address}, &err) == SAM_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    sam_redis_close(redis);
    test_redis_stop(&server);
    test_folder_remove(&folder);
    return 0;
}

static void ok(sam_status status, const sam_error *err)
{
    if (status != SAM_OK)
        fail_msg("%s: %s", sam_status_name(status), err->text);
}

static void any_bytes_come_back_as_they_were(void **state)
{
    (void)state;
    sam_error err = {0};
    redisReply *reply;
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    ok(sam_redis_command(redis, &reply, &err, 3, (const char *[]){"SET", "any\0key", bytes},
                         (const size_t[]){3, 7, 256}),
       &err);
    sam_redis_reply_free(reply);
    ok(sam_redis_command(redis, &reply, &err, 2, (const char *[]){"GET", "any\0key"}, (const size_t[]){3, 7}), &err);
    const char *got;
    size_t length;
    ok(sam_redis_bytes(reply, "GET", &got, &length, &err), &err);
    assert_int_equal(length, 256);
    assert_memory_equal(got, bytes, 256);
    uint64_t number;
    assert_int_equal(sam_redis_u64(reply, "GET", &number, &err), SAM_CORRUPT);
    assert_string_equal(err.text, "Redis answered GET with a string where a number from 0 up was expected");
    sam_redis_reply_free(reply);
    ok(sam_redis_words(redis, &reply, &err, "GET", "nothing", NULL), &err);
    assert_int_equal(sam_redis_bytes(reply, "GET nothing", &got, &length, &err), SAM_NOT_FOUND);
    sam_redis_reply_free(reply);
}

static void error_replies_become_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        sam_status status;
        const char *text;
    } CASES[] = {
        {"return redis.error_reply('CONFLICT the run is paused')", SAM_CONFLICT, "the run is paused"},
        {"return redis.error_reply('GONE')", SAM_GONE, "it was there and has ended"},
        {"return redis.error_reply('-FORBIDDEN not your run')", SAM_FORBIDDEN, "not your run"},
        {"return redis.error_reply('-OOM too much')", SAM_UNAVAILABLE, "Redis refused: OOM too much"},
        {"return redis.error_reply('CONFLICTING idea')", SAM_INVALID, "Redis refused: CONFLICTING idea"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sam_error err = {0};
        redisReply *reply;
        assert_int_equal(sam_redis_words(redis, &reply, &err, "EVAL", CASES[i].script, "0", NULL), CASES[i].status);
        assert_null(reply);
        assert_string_equal(err.text, CASES[i].text);
    }
}

static void a_batch_answers_each_command_in_order(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_redis_batch *batch = sam_redis_batch_new(redis);
    for (int i = 0; i < 1000; i++)
        ok(sam_redis_batch_add(batch, &err, 2, (const char *[]){"INCR", "counter"}, NULL), &err);
    ok(sam_redis_batch_add(batch, &err, 1, (const char *[]){"NONSENSE"}, NULL), &err);
    redisReply *const *replies;
    size_t count;
    ok(sam_redis_batch_run(batch, &replies, &count, &err), &err);
    assert_int_equal(count, 1001);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(replies[i]->integer, i + 1);
    assert_int_equal(sam_redis_error_of(replies[1000], &err), SAM_INVALID);
    sam_redis_batch_free(batch);
}

static void a_redis_that_was_killed_and_came_back_is_found_again(void **state)
{
    (void)state;
    sam_error err = {0};
    redisReply *reply;
    ok(sam_redis_words(redis, &reply, &err, "SET", "kept", "1", NULL), &err);
    sam_redis_reply_free(reply);
    test_redis_kill(&server);
    assert_int_equal(sam_redis_ping(redis, &err), SAM_UNAVAILABLE);
    assert_non_null(strstr(err.text, "start it or name another with --redis"));
    uint64_t begun = sam_monotonic_ms();
    for (int i = 0; i < 1000; i++) /* backing off: failing is quick and does not hammer */
        assert_int_equal(sam_redis_ping(redis, &err), SAM_UNAVAILABLE);
    assert_in_range(sam_monotonic_ms() - begun, 0, 2000);
    assert_true(test_redis_again(&server));
    for (int i = 0; i < 1000 && sam_redis_ping(redis, &err) != SAM_OK; i++)
        sam_sleep_ms(10);
    ok(sam_redis_words(redis, &reply, &err, "GET", "kept", NULL), &err);
    assert_string_equal(reply->str, "1"); /* fsync always: what was acknowledged is there */
    sam_redis_reply_free(reply);
}

static void an_array_larger_than_any_answer_is_refused(void **state)
{
    static const char LINES[] = "local lines = {} for i = 1, tonumber(ARGV[1]) do lines[i] = i end return lines";
    (void)state;
    sam_error err = {0};
    redisReply *reply;
    ok(sam_redis_words(redis, &reply, &err, "EVAL", LINES, "0", "100000", NULL), &err);
    assert_int_equal(reply->elements, 100000);
    sam_redis_reply_free(reply);
    assert_int_equal(sam_redis_words(redis, &reply, &err, "EVAL", LINES, "0", "4194305", NULL), SAM_NO_MEMORY);
    assert_non_null(strstr(err.text, "too large to be an answer"));
    ok(sam_redis_ping(redis, &err), &err);
}

static void a_password_is_asked_and_never_shown(void **state)
{
    (void)state;
    test_folder other;
    test_redis guarded;
    sam_error err = {0};
    assert_true(test_folder_make(&other));
    assert_true(test_redis_start_with_password(&guarded, other.path, "se%cret"));
    static const struct {
        const char *password;
        sam_status status;
    } CASES[] = {{NULL, SAM_UNAUTHORIZED}, {"wrong", SAM_UNAUTHORIZED}, {"se%cret", SAM_OK}};
    for (size_t i = 0; i < 3; i++) {
        sam_redis *mine;
        sam_redis_options options = {.address = guarded.address, .password = CASES[i].password, .database = 2};
        ok(sam_redis_open(&mine, &options, &err), &err);
        assert_int_equal(sam_redis_ping(mine, &err), CASES[i].status);
        sam_redis_close(mine);
    }
    test_redis_stop(&guarded);
    test_folder_remove(&other);
}

static void addresses_are_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *address, *shown, *user, *password;
        unsigned database;
    } GOOD[] = {
        {NULL, "127.0.0.1:6379", NULL, NULL, 0},
        {"db", "db:6379", NULL, NULL, 0},
        {"[::1]:7", "[::1]:7", NULL, NULL, 0},
        {"unix:/a b", "unix:/a b", NULL, NULL, 0},
        {"redis://u:p%40ss@h:1/3", "h:1", "u", "p@ss", 3},
        {"redis://:x@h", "h:6379", NULL, "x", 0},
        {"a,b:7,[::1]", "a:6379,b:7,[::1]:6379", NULL, NULL, 0},
        {"redis://u:p@a:1,b:2/4", "a:1,b:2", "u", "p", 4},
        {"sentinel://:x@a,b:7/primary", "sentinel://a:26379,b:7/primary", NULL, "x", 0},
        {"sentinel://a/primary/3", "sentinel://a:26379/primary", NULL, NULL, 3},
    };
    for (size_t i = 0; i < sizeof GOOD / sizeof GOOD[0]; i++) {
        sam_redis_place place;
        sam_error err = {0};
        ok(sam_redis_place_of(&place, &(sam_redis_options){.address = GOOD[i].address}, &err), &err);
        assert_string_equal(place.shown, GOOD[i].shown);
        assert_string_equal(place.user == NULL ? "-" : place.user, GOOD[i].user == NULL ? "-" : GOOD[i].user);
        assert_string_equal(place.password == NULL ? "-" : place.password,
                            GOOD[i].password == NULL ? "-" : GOOD[i].password);
        assert_int_equal(place.database, GOOD[i].database);
        sam_redis_place_free(&place);
    }
    static const char *const BAD[] = {"",
                                      ":",
                                      "h:0",
                                      "h:99999",
                                      "h:x",
                                      "::1",
                                      "unix:",
                                      "redis://",
                                      "redis://:secret@",
                                      ":secret@h",
                                      "redis://h/x",
                                      "redis://:%zz@h",
                                      "a,",
                                      ",b",
                                      "a,,b",
                                      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
                                      "sentinel://a",
                                      "sentinel://a/",
                                      "sentinel:///name"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        sam_redis *none;
        sam_error err = {0};
        assert_int_equal(sam_redis_open(&none, &(sam_redis_options){.address = BAD[i]}, &err), SAM_INVALID);
        assert_null(strstr(err.text, "secret"));
    }
    sam_redis *none;
    sam_error err = {0};
    assert_int_equal(sam_redis_open(&none, &(sam_redis_options){.address = "rediss://h"}, &err), SAM_UNSUPPORTED);
}

static void a_pool_lends_each_connection_to_one_at_a_time(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_redis_pool *pool;
    sam_redis *first, *second, *third;
    ok(sam_redis_pool_new(&pool, &(sam_redis_options){.address = server.address}, &err), &err);
    ok(sam_redis_borrow(pool, &first, &err), &err);
    ok(sam_redis_borrow(pool, &second, &err), &err);
    assert_ptr_not_equal(first, second);
    ok(sam_redis_ping(first, &err), &err);
    ok(sam_redis_ping(second, &err), &err);
    sam_redis_give_back(pool, first);
    ok(sam_redis_borrow(pool, &third, &err), &err);
    assert_ptr_equal(third, first);
    sam_redis_give_back(pool, second);
    sam_redis_give_back(pool, third);
    sam_redis_pool_free(pool);
}

static void a_script_that_redis_lost_is_loaded_again(void **state)
{
    (void)state;
    static sam_script script = SAM_SCRIPT("join", "return {KEYS[1], ARGV[1] .. ARGV[2]}");
    const char *words[] = {"key", "a\0b", "c"};
    const size_t lengths[] = {3, 3, 1};
    for (int i = 0; i < 3; i++) {
        sam_error err = {0};
        redisReply *reply;
        ok(sam_script_call(&script, redis, &reply, &err, 1, words, 3, lengths), &err);
        assert_string_equal(reply->element[0]->str, "key");
        assert_int_equal(reply->element[1]->len, 4);
        assert_memory_equal(reply->element[1]->str, "a\0bc", 4);
        sam_redis_reply_free(reply);
        if (i == 1) {
            ok(sam_redis_words(redis, &reply, &err, "SCRIPT", "FLUSH", NULL), &err);
            sam_redis_reply_free(reply);
        }
    }
    static sam_script bad = SAM_SCRIPT("bad", "this is no Lua");
    sam_error err = {0};
    redisReply *reply;
    assert_int_equal(sam_script_call(&bad, redis, &reply, &err, 0, NULL, 0, NULL), SAM_INVALID);
    assert_null(reply);
}

static sam_status check_order(void *user, const sam_stream_entry *entry, sam_error *err)
{
    uint64_t *next = user;
    const sam_stream_field *field = sam_stream_field_named(entry, "n");
    char expected[24];
    snprintf(expected, sizeof expected, "%llu", (unsigned long long)*next);
    if (field == NULL || strcmp(field->value, expected) != 0 || entry->id.time != *next)
        return sam_fail(err, SAM_MISMATCH, "entry %llu is out of order", (unsigned long long)*next);
    (*next)++;
    return SAM_OK;
}

static void append_number(uint64_t n)
{
    char text[24], id[SAM_STREAM_ID_TEXT];
    sam_error err = {0};
    redisReply *reply;
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    sam_stream_id_text(id, (sam_stream_id){n, 0});
    ok(sam_redis_words(redis, &reply, &err, "XADD", "log", id, "n", text, NULL), &err);
    sam_redis_reply_free(reply);
}

static bool after_a_moment(void *user)
{
    return sam_monotonic_ms() > *(uint64_t *)user;
}

static void a_stream_is_read_in_pages(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_stream_id cursor = {0};
    uint64_t next = 1;
    size_t seen, pages = 0;
    for (uint64_t n = 1; n <= 250; n++)
        append_number(n);
    do {
        ok(sam_stream_read(redis, "log", &cursor, 100, check_order, &next, &seen, &err), &err);
        pages += seen > 0;
    } while (seen > 0);
    assert_int_equal(pages, 3);
    assert_int_equal(next, 251);
    append_number(251);
    ok(sam_stream_read(redis, "log", &cursor, 100, check_order, &next, &seen, &err), &err);
    assert_int_equal(seen, 1);
    append_number(252);
    next = 7; /* a visit that fails leaves the cursor where it was */
    assert_int_equal(sam_stream_read(redis, "log", &cursor, 100, check_order, &next, &seen, &err), SAM_MISMATCH);
    assert_int_equal(cursor.time, 251);
}

static void waiting_ends_when_it_is_told_to(void **state)
{
    (void)state;
    sam_error err = {0};
    sam_redis *mine;
    redisReply *reply;
    static const char *const WORDS[] = {"XREAD", "BLOCK", "60000", "STREAMS", "empty", "0-0"};
    uint64_t cancel_at = sam_monotonic_ms() + 300;
    sam_redis_options options = {.address = server.address, .cancelled = after_a_moment, .cancelled_user = &cancel_at};
    ok(sam_redis_open(&mine, &options, &err), &err);
    assert_int_equal(sam_redis_command_within(mine, 65000, &reply, &err, 6, WORDS, NULL), SAM_CANCELLED);
    assert_in_range(sam_monotonic_ms() - cancel_at, 0, 200);
    sam_redis_close(mine);
}

static void ids_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"", "1", "1-", "-1", "a-b", "1-2-3", " 1-2", "1-2 ", "99999999999999999999-0"};
    sam_stream_id id;
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_false(sam_stream_id_parse(&id, BAD[i]));
    char text[SAM_STREAM_ID_TEXT];
    sam_stream_id_text(text, (sam_stream_id){UINT64_MAX, UINT64_MAX});
    assert_true(sam_stream_id_parse(&id, text));
    assert_true(id.time == UINT64_MAX && id.sequence == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_come_back_as_they_were),
        cmocka_unit_test(error_replies_become_statuses),
        cmocka_unit_test(a_batch_answers_each_command_in_order),
        cmocka_unit_test(a_redis_that_was_killed_and_came_back_is_found_again),
        cmocka_unit_test(an_array_larger_than_any_answer_is_refused),
        cmocka_unit_test(a_password_is_asked_and_never_shown),
        cmocka_unit_test(addresses_are_read_as_people_write_them),
        cmocka_unit_test(a_pool_lends_each_connection_to_one_at_a_time),
        cmocka_unit_test(a_script_that_redis_lost_is_loaded_again),
        cmocka_unit_test(a_stream_is_read_in_pages),
        cmocka_unit_test(waiting_ends_when_it_is_told_to),
        cmocka_unit_test(ids_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
