/* A real Redis, the real program, HTTP on loopback; where it is built, the real ledger too. */
#include "gateway/test_run.h"
#include "model/export.h"
#include "net/http_client.h"
#include "store/redis.h"
#include "store/stream.h"

#include "base/clock.h"
#include "base/text.h"

#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/test_program.h"
#include "gateway/test_worker.h"

enum { SHOWN = 40 };

static test_folder folder;
static test_redis server;
static sam_redis *redis;
static sam_http_client *client;
static test_run one, strange; /* the second's base is not the gateway's */

/* ---- asking ---- */

static int ask(const program *p, const char *method, const char *path, const char *header, sam_http_reply *reply)
{
    sam_error err = {0};
    if (ask_with(client, p, method, path, header, reply, &err) != SAM_OK && reply->code == 0)
        fail_msg("%s %s: %s", method, path, err.text);
    return reply->code;
}

static void start_gateway(program *p, const char *option, const char *value)
{
    start(p, &folder, SAMARA_PROGRAMS "/samara-gateway",
          (const char *[]){"--listen", "127.0.0.1:0", "--redis", server.address, "--model", one.model_path, option,
                           value, NULL});
    sam_http_reply reply = {0};
    for (int i = 0; i < 500 && ask(p, "GET", "/readyz", NULL, &reply) != 200; i++)
        sam_sleep_ms(20);
    assert_int_equal(reply.code, 200);
    sam_http_reply_free(&reply);
}

/* A replica is free again a moment after its last byte has arrived. */
static int ask_patiently(const program *p, const char *path, const char *header, sam_http_reply *reply)
{
    int code = 503;
    for (int i = 0; i < 500 && code == 503; i++) {
        code = ask(p, "GET", path, header, reply);
        if (code == 503)
            sam_sleep_ms(10);
    }
    return code;
}

static char *run_path(const test_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

static char *run_path(const test_run *run, const char *format, ...)
{
    static char path[400];
    va_list args;
    int length = snprintf(path, sizeof path, "/v1/runs/%s", run->manifest->id_hex);
    va_start(args, format);
    vsnprintf(path + length, sizeof path - (size_t)length, format, args);
    va_end(args);
    return path;
}

static json_t *ask_json(const program *p, const char *path)
{
    sam_http_reply reply = {0};
    int code = ask(p, "GET", path, NULL, &reply);
    if (code != 200)
        fail_msg("%s: %d %.*s", path, code, (int)reply.body.length, (const char *)reply.body.bytes);
    json_t *value = json_loadb((const char *)reply.body.bytes, reply.body.length, 0, NULL);
    assert_non_null(value);
    sam_http_reply_free(&reply);
    return value;
}

static json_int_t ask_number(const program *p, const char *path, const char *member)
{
    json_t *value = ask_json(p, path);
    json_int_t number = json_integer_value(json_object_get(value, member));
    json_decref(value);
    return number;
}

static void wait_for_code(const program *p, const char *path, int code)
{
    sam_http_reply reply = {0};
    for (int i = 0; i < 500 && ask(p, "GET", path, NULL, &reply) != code; i++)
        sam_sleep_ms(20);
    assert_int_equal(reply.code, code);
    sam_http_reply_free(&reply);
}

static void wait_for_head(const program *p, const test_run *run, uint64_t head)
{
    for (int i = 0; i < 500; i++) {
        sam_http_reply reply = {0};
        int code = ask(p, "GET", run_path(run, "%s", ""), NULL, &reply);
        sam_http_reply_free(&reply);
        if (code == 200 && ask_number(p, run_path(run, "%s", ""), "head") >= (json_int_t)head)
            return;
        sam_sleep_ms(20);
    }
    fail_msg("round %llu did not arrive in 10 s", (unsigned long long)head);
}

/* ---- what the ledger would write ---- */

static void command(int count, const char *const *arguments, const size_t *lengths)
{
    redisReply *reply;
    sam_error err = {0};
    for (int i = 0; i < 500 && sam_redis_ping(redis, &err) != SAM_OK; i++) /* it may have been killed just now */
        sam_sleep_ms(20);
    if (sam_redis_command(redis, &reply, &err, count, arguments, lengths) != SAM_OK)
        fail_msg("%s: %s", arguments[0], err.text);
    sam_redis_reply_free(reply);
}

static void key_of(char *key, size_t size, const test_run *run, const char *name)
{
    snprintf(key, size, "samara:{%s}:%s", run->manifest->id_hex, name);
}

static void publish_bytes(const test_run *run, uint64_t round, const uint8_t *bytes, size_t length)
{
    char key[128], id[32];
    key_of(key, sizeof key, run, "log");
    snprintf(id, sizeof id, "%llu-0", (unsigned long long)round + 1);
    command(5, (const char *[]){"XADD", key, id, "b", (const char *)bytes},
            (const size_t[]){4, strlen(key), strlen(id), 1, length});
}

static void publish(test_run *run, uint64_t until)
{
    while (run->rounds < until) {
        size_t length;
        test_run_commit(run);
        const uint8_t *bytes = test_run_round(run, run->rounds - 1, &length);
        publish_bytes(run, run->rounds - 1, bytes, length);
    }
}

static void announce(const test_run *run)
{
    char key[128];
    key_of(key, sizeof key, run, "manifest");
    command(3, (const char *[]){"SET", key, run->manifest->text}, NULL);
    command(3, (const char *[]){"SADD", "samara:runs", run->manifest->id_hex}, NULL);
}

static int begin(void **state)
{
    (void)state;
    sam_error err = {0};
    if (!test_folder_make(&folder) || !test_redis_start(&server, folder.path) ||
        sam_redis_open(&redis, &(sam_redis_options){.address = server.address}, &err) != SAM_OK ||
        sam_http_client_new(&client, &(sam_http_client_options){0}, &err) != SAM_OK)
        return -1;
    test_run_make(&one, "one", 1);
    test_run_make_on(&strange, &one.manifest->id, "strange <b>base</b>", 2); /* no model has that digest */
    announce(&one);
    announce(&strange);
    publish(&one, SHOWN);
    publish(&strange, 3);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sam_http_client_free(client);
    sam_redis_close(redis);
    test_redis_stop(&server);
    test_run_free(&one);
    test_run_free(&strange);
    test_folder_remove(&folder);
    return 0;
}

/* ---- snapshots ---- */

static void assert_is_file(const sam_http_reply *reply, const char *path)
{
    sam_file_map file;
    assert_int_equal(sam_file_map_open(&file, path, NULL), SAM_OK);
    assert_int_equal(reply->body.length, file.length);
    assert_memory_equal(reply->body.bytes, file.bytes, file.length);
    sam_file_map_close(&file);
}

static void check_snapshot(const program *p, uint64_t round, sam_snapshot_kind kind, const char *dtype)
{
    sam_http_reply reply = {0};
    test_folder out;
    char path[300];
    sam_error err = {0};
    assert_true(test_folder_make(&out));
    assert_int_equal(sam_replica_seek(one.replica, round, &err), SAM_OK);
    sam_weight_source source = sam_replica_weights(one.replica);
    if (kind == SAM_SNAPSHOT_GGUF_F16) {
        test_path(path, sizeof path, &out, "model.gguf");
        assert_int_equal(sam_export_gguf(one.model, &source, path, &err), SAM_OK);
    } else {
        assert_int_equal(sam_export_folder(one.model, &source, kind, out.path, &err), SAM_OK);
        test_path(path, sizeof path, &out, "config.json");
        assert_int_equal(
            ask(p, "GET", run_path(&one, "/rounds/%d/config.json?dtype=%s", (int)round, dtype), NULL, &reply), 200);
        assert_is_file(&reply, path);
        test_path(path, sizeof path, &out, "model.safetensors");
    }
    const char *name = kind == SAM_SNAPSHOT_GGUF_F16 ? "gguf" : "safetensors";
    assert_int_equal(
        ask(p, "GET", run_path(&one, "/rounds/%d/model.%s?dtype=%s", (int)round, name, dtype), NULL, &reply), 200);
    assert_is_file(&reply, path);
    sam_http_reply_free(&reply);
    test_folder_remove(&out);
}

static void a_snapshot_is_the_export_of_a_replica_at_that_round(void **state)
{
    (void)state;
    static const uint64_t ROUNDS[] = {0, 1, 17, SHOWN, 3};
    program p;
    start_gateway(&p, NULL, NULL);
    for (size_t i = 0; i < sizeof ROUNDS / sizeof *ROUNDS; i++) {
        check_snapshot(&p, ROUNDS[i], SAM_SNAPSHOT_SAFETENSORS_F32, "f32");
        check_snapshot(&p, ROUNDS[i], SAM_SNAPSHOT_SAFETENSORS_BF16, "bf16");
        check_snapshot(&p, ROUNDS[i], SAM_SNAPSHOT_SAFETENSORS_F16, "f16");
        check_snapshot(&p, ROUNDS[i], SAM_SNAPSHOT_GGUF_F16, "f16");
    }
    stop(&p);
}

static void get_whole(const program *p, const char *path, sam_http_reply *reply)
{
    if (ask_patiently(p, path, NULL, reply) != 200)
        fail_msg("%s: %d", path, reply->code);
}

static void pieces_of_a_snapshot_make_the_whole(void **state)
{
    (void)state;
    program p;
    sam_http_reply whole = {0}, piece = {0};
    start_gateway(&p, "--replicas", "1"); /* each piece finds it at another round */
    char path[300], other[300];
    snprintf(path, sizeof path, "%s", run_path(&one, "/rounds/%d/model.gguf", 29));
    snprintf(other, sizeof other, "%s", run_path(&one, "/rounds/%d/model.gguf", 2));
    get_whole(&p, path, &whole);
    sam_buffer joined = {0};
    while (joined.length < whole.body.length) {
        char range[64];
        snprintf(range, sizeof range, "Range: bytes=%zu-%zu", joined.length, joined.length + 776);
        assert_int_equal(ask_patiently(&p, path, range, &piece), 206);
        assert_string_equal(piece.etag, whole.etag);
        assert_in_range(piece.body.length, 1, 777);
        sam_put_bytes(&joined, piece.body.bytes, piece.body.length);
        get_whole(&p, other, &piece);
    }
    assert_int_equal(joined.length, whole.body.length);
    assert_memory_equal(joined.bytes, whole.body.bytes, joined.length);
    assert_memory_not_equal(piece.body.bytes, whole.body.bytes, joined.length);
    sam_buffer_free(&joined);
    sam_http_reply_free(&whole);
    sam_http_reply_free(&piece);
    stop(&p);
}

static void an_etag_names_the_content(void **state)
{
    (void)state;
    program p, twin;
    sam_http_reply reply = {0};
    char etags[6][256], header[300];
    static const char *const FILES[] = {"/rounds/7/model.gguf",
                                        "/rounds/8/model.gguf",
                                        "/rounds/7/model.safetensors",
                                        "/rounds/7/model.safetensors?dtype=bf16",
                                        "/log",
                                        "/log?rounds=7"};
    start_gateway(&p, NULL, NULL);
    start_gateway(&twin, NULL, NULL);
    for (size_t i = 0; i < 6; i++) {
        get_whole(&p, run_path(&one, "%s", FILES[i]), &reply);
        snprintf(etags[i], sizeof etags[i], "%s", reply.etag);
        assert_int_equal(strlen(reply.etag), 66);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(etags[i], etags[j]);
        assert_int_equal(ask(&twin, "HEAD", run_path(&one, "%s", FILES[i]), NULL, &reply), 200);
        assert_string_equal(reply.etag, etags[i]); /* of any copy */
        snprintf(header, sizeof header, "If-None-Match: %.80s", etags[i]);
        assert_int_equal(ask(&p, "GET", run_path(&one, "%s", FILES[i]), header, &reply), 304);
        assert_int_equal(reply.body.length, 0);
    }
    assert_int_equal(ask(&p, "GET", run_path(&one, "/rounds/8/model.gguf"), header, &reply), 200);
    assert_int_equal(ask(&p, "GET", run_path(&one, "/rounds/8/model.gguf"), "Range: bytes=99999999-", &reply), 416);
    sam_http_reply_free(&reply);
    stop(&twin);
    stop(&p);
}

/* ---- many at once ---- */

typedef struct downloader {
    pthread_t thread;
    const program *p;
    uint64_t round;
    sam_http_reply reply;
    unsigned unavailable;
    int code;
} downloader;

static void *download(void *argument)
{
    downloader *d = argument;
    sam_http_client *own = NULL;
    char path[200];
    snprintf(path, sizeof path, "/v1/runs/%s/rounds/%d/model.safetensors", one.manifest->id_hex, (int)d->round);
    if (sam_http_client_new(&own, &(sam_http_client_options){0}, NULL) != SAM_OK)
        return NULL;
    do {
        (void)ask_with(own, d->p, "GET", path, NULL, &d->reply, NULL);
        d->code = d->reply.code;
        d->unavailable += d->code == 503 && d->reply.retry_after_s > 0;
    } while (d->code == 503 && d->unavailable < 10000);
    sam_http_client_free(own);
    return NULL;
}

static void downloads_of_different_rounds_at_once_do_not_mix(void **state)
{
    (void)state;
    program p;
    downloader downloaders[12] = {0};
    start_gateway(&p, "--replicas", "2");
    for (size_t i = 0; i < 12; i++) {
        downloaders[i] = (downloader){.p = &p, .round = i * 3};
        assert_int_equal(pthread_create(&downloaders[i].thread, NULL, download, &downloaders[i]), 0);
    }
    for (size_t i = 0; i < 12; i++) {
        sam_buffer expected = {0};
        sam_snapshot *snapshot;
        pthread_join(downloaders[i].thread, NULL);
        assert_int_equal(downloaders[i].code, 200);
        assert_int_equal(sam_replica_seek(one.replica, downloaders[i].round, NULL), SAM_OK);
        sam_weight_source source = sam_replica_weights(one.replica);
        assert_int_equal(sam_snapshot_open(&snapshot, one.model, &source, SAM_SNAPSHOT_SAFETENSORS_F32, NULL), SAM_OK);
        size_t size = (size_t)sam_snapshot_size(snapshot);
        assert_int_equal(sam_snapshot_read(snapshot, 0, size, sam_buffer_extend(&expected, size), NULL), SAM_OK);
        assert_int_equal(downloaders[i].reply.body.length, size);
        assert_memory_equal(downloaders[i].reply.body.bytes, expected.bytes, size);
        sam_snapshot_close(snapshot);
        sam_buffer_free(&expected);
        sam_http_reply_free(&downloaders[i].reply);
    }
    stop(&p);
}

/* ---- the log and its figures ---- */

static void the_log_is_served_as_a_samlog_file(void **state)
{
    (void)state;
    program p;
    sam_http_reply reply = {0};
    sam_samlog *log;
    start_gateway(&p, NULL, NULL);
    wait_for_head(&p, &one, SHOWN);
    get_whole(&p, run_path(&one, "/log"), &reply);
    assert_int_equal(reply.body.length, one.places[SHOWN]);
    assert_memory_equal(reply.body.bytes, one.log.bytes, reply.body.length);
    assert_int_equal(sam_samlog_parse(&log, reply.body.bytes, reply.body.length, NULL), SAM_OK);
    assert_int_equal(sam_samlog_rounds(log), SHOWN);
    sam_samlog_close(log);
    get_whole(&p, run_path(&one, "/log?rounds=5"), &reply);
    assert_int_equal(reply.body.length, one.places[5]);
    get_whole(&p, run_path(&one, "/manifest"), &reply);
    assert_int_equal(reply.body.length, one.manifest->text_length);
    assert_memory_equal(reply.body.bytes, one.manifest->text, reply.body.length);
    sam_http_reply_free(&reply);
    stop(&p);
}

static void rounds_and_records_tell_codes_and_losses(void **state)
{
    (void)state;
    program p;
    char expected[2 * TEST_PROBES + 1];
    sam_round round = {.number = 13}; /* nobody has slot 1 of it */
    sam_evaluation evaluation;
    test_fill(&round, &evaluation);
    start_gateway(&p, NULL, NULL);
    json_t *answer = ask_json(&p, run_path(&one, "/rounds?from=13&limit=2"));
    json_t *told = json_array_get(json_object_get(answer, "rounds"), 0);
    assert_int_equal(json_array_size(json_object_get(answer, "rounds")), 2);
    assert_int_equal(json_integer_value(json_object_get(answer, "next")), 15);
    assert_int_equal(json_integer_value(json_object_get(told, "round")), 13);
    assert_int_equal(json_array_size(json_object_get(told, "records")), round.record_count);
    for (size_t i = 0; i < round.record_count; i++) {
        const json_t *record = json_array_get(json_object_get(told, "records"), i);
        sam_hex(expected, round.records[i].codes, TEST_PROBES);
        assert_string_equal(json_string_value(json_object_get(record, "codes")), expected);
        assert_int_equal(json_integer_value(json_object_get(record, "place")), round.records[i].place);
        assert_int_equal(json_integer_value(json_object_get(record, "worker")), round.records[i].author);
        assert_true(json_real_value(json_object_get(record, "loss")) == 180 / 256.0);
    }
    assert_true(json_real_value(json_object_get(told, "loss")) == 180 / 256.0);
    json_decref(answer);
    answer = ask_json(&p, run_path(&one, "/records?from=13&limit=1"));
    assert_int_equal(json_array_size(json_object_get(answer, "records")), 2);
    json_decref(answer);
    answer = ask_json(&p, run_path(&one, "/rounds/latest"));
    assert_int_equal(json_integer_value(json_object_get(answer, "round")), SHOWN - 1);
    json_decref(answer);
    round.evaluations = NULL;
    round.evaluation_count = 0;
    sam_round_free(&round);
    stop(&p);
}

static void figures_follow_from_the_log(void **state)
{
    (void)state;
    program p;
    start_gateway(&p, NULL, NULL);
    json_t *run = ask_json(&p, run_path(&one, "%s", "")), *evaluation = json_object_get(run, "evaluation");
    assert_string_equal(json_string_value(json_object_get(run, "status")), "running");
    assert_int_equal(json_integer_value(json_object_get(run, "records")), SHOWN * TEST_SLOTS - SHOWN / 7);
    assert_int_equal(json_integer_value(json_object_get(evaluation, "round")), SHOWN - 5);
    assert_true(json_real_value(json_object_get(evaluation, "accuracy")) == (50 + SHOWN - 5) / 200.0);
    json_decref(run);
    json_t *workers = ask_json(&p, run_path(&one, "/workers"));
    assert_int_equal(json_array_size(json_object_get(workers, "workers")), 2);
    json_decref(workers);
    json_t *list = ask_json(&p, run_path(&one, "/evaluations"));
    assert_int_equal(json_array_size(json_object_get(list, "evaluations")), SHOWN / 5);
    json_decref(list);
    sam_http_reply reply = {0};
    get_whole(&p, "/metrics", &reply);
    sam_put_u8(&reply.body, 0);
    char line[200];
    snprintf(line, sizeof line, "samara_rounds_total{run=\"%s\"} %d\n", one.manifest->id_hex, SHOWN);
    assert_non_null(strstr((const char *)reply.body.bytes, line));
    snprintf(line, sizeof line, "samara_eval_accuracy{run=\"%s\"} 0.42", one.manifest->id_hex);
    assert_non_null(strstr((const char *)reply.body.bytes, line));
    sam_http_reply_free(&reply);
    stop(&p);
}

static void the_digest_is_that_of_a_replica(void **state)
{
    (void)state;
    program p;
    start_gateway(&p, NULL, NULL);
    for (int round = 0; round <= SHOWN; round += 13) {
        sam_digest digest;
        char hex[SAM_DIGEST_HEX];
        assert_int_equal(sam_replica_seek(one.replica, (uint64_t)round, NULL), SAM_OK);
        sam_replica_digest(one.replica, &digest);
        sam_digest_hex(hex, &digest);
        json_t *answer = ask_json(&p, run_path(&one, "/digest?round=%d", round));
        assert_string_equal(json_string_value(json_object_get(answer, "digest")), hex);
        json_decref(answer);
    }
    stop(&p);
}

static void a_run_on_another_base_is_served_as_log_only(void **state)
{
    (void)state;
    program p;
    sam_http_reply reply = {0};
    sam_error err = {0};
    start_gateway(&p, NULL, NULL);
    get_whole(&p, run_path(&strange, "/log"), &reply);
    assert_int_equal(reply.body.length, strange.places[3]);
    static const char *const FILES[] = {"/rounds/2/model.gguf", "/rounds/2/config.json", "/digest?round=1"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        assert_int_equal(ask_with(client, &p, "GET", run_path(&strange, "%s", FILES[i]), NULL, &reply, &err),
                         SAM_MISMATCH);
        assert_int_equal(reply.code, 409);
        assert_non_null(strstr(err.text, "start it with --model"));
    }
    sam_http_reply_free(&reply);
    stop(&p);
}

/* ---- bad requests ---- */

static void what_cannot_be_answered_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *below; /* of the run; or a path that begins with "//" */
        int code;
    } CASES[] = {
        {"//v1/runs/xyz", 400},
        {"//v1/runs/0000000000000000000000000000000000000000000000000000000000000000", 404},
        {"//v1/runs/%00%ff%0a", 400},
        {"//v1/runs/../../etc/passwd", 404},
        {"/rounds/41/model.gguf", 404},
        {"/rounds/18446744073709551615/model.gguf", 404},
        {"/rounds/18446744073709551616/model.gguf", 400},
        {"/rounds/-1/model.gguf", 400},
        {"/rounds/1e3/model.safetensors", 400},
        {"/rounds/latest/model.safetensors?dtype=q4_0", 400},
        {"/rounds/latest/model.gguf?dtype=f32", 400},
        {"/rounds/latest/nothing.bin", 404},
        {"/rounds/latest/..%2f..%2fetc%2fpasswd", 404},
        {"/rounds/40", 404},
        {"/rounds/x", 400},
        {"/rounds?from=-1", 400},
        {"/rounds?limit=1001", 400},
        {"/rounds?from=18446744073709551615&limit=1000", 200},
        {"/rounds?limit=0", 200},
        {"/records?from=39&limit=1000", 200},
        {"/digest?round=41", 404},
        {"/digest?round=", 400},
        {"/log?rounds=41", 404},
        {"/log?rounds=zz", 400},
        {"/nothing", 404},
    };
    program p;
    sam_http_reply reply = {0};
    start_gateway(&p, NULL, NULL);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *below = CASES[i].below, *path = below[1] == '/' ? below + 1 : run_path(&one, "%s", below);
        int code = ask(&p, "GET", path, NULL, &reply);
        if (code != CASES[i].code)
            fail_msg("%s: %d, expected %d: %.*s", path, code, CASES[i].code, (int)reply.body.length,
                     (const char *)reply.body.bytes);
    }
    assert_int_equal(ask(&p, "POST", "/v1/runs", NULL, &reply), 405);
    assert_int_equal(ask(&p, "DELETE", run_path(&one, "%s", ""), NULL, &reply), 405);
    sam_http_reply_free(&reply);
    stop(&p);
}

static void noise_and_clients_that_leave_do_not_end_it(void **state)
{
    (void)state;
    program p;
    char request[300];
    start_gateway(&p, "--replicas", "1");
    uint32_t noise = 1;
    for (int i = 0; i < 200; i++) {
        uint8_t bytes[200];
        for (size_t b = 0; b < sizeof bytes; b++)
            bytes[b] = (uint8_t)((noise = noise * 1664525u + 1013904223u) >> 24);
        send_raw(&p, bytes, 1 + (size_t)i % sizeof bytes);
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n",
                 run_path(&one, "/rounds/%d/model.safetensors", i % SHOWN));
        send_raw(&p, request, i % 2 == 0 ? strlen(request) : (size_t)i); /* nobody reads the answer */
    }
    downloader d = {.p = &p, .round = 9};
    download(&d); /* the only replica is free again, or soon */
    assert_int_equal(d.code, 200);
    sam_http_reply_free(&d.reply);
    stop(&p);
}

/* ---- Redis ---- */

static void committed_rounds_arrive_as_they_come(void **state)
{
    (void)state;
    program p;
    start_gateway(&p, NULL, NULL);
    publish(&one, SHOWN + 1);
    wait_for_head(&p, &one, SHOWN + 1);
    check_snapshot(&p, SHOWN + 1, SAM_SNAPSHOT_GGUF_F16, "f16");
    test_run late;
    test_run_make(&late, "late", 77);
    announce(&late);
    publish(&late, 2);
    wait_for_head(&p, &late, 2); /* a run that came after the gateway; its base is the same */
    test_run_free(&late);
    stop(&p);
}

static void while_redis_is_away_what_is_known_is_served(void **state)
{
    (void)state;
    program p;
    sam_http_reply reply = {0};
    start_gateway(&p, NULL, NULL);
    wait_for_head(&p, &one, one.rounds);
    assert_int_equal(ask(&p, "GET", "/readyz", NULL, &reply), 200);
    test_redis_kill(&server);
    wait_for_code(&p, "/readyz", 503);
    assert_int_equal(ask(&p, "GET", "/healthz", NULL, &reply), 200);
    assert_int_equal(ask(&p, "GET", run_path(&one, "/log"), NULL, &reply), 200);
    check_snapshot(&p, 12, SAM_SNAPSHOT_GGUF_F16, "f16");
    assert_int_equal(
        ask(&p, "GET", "/v1/runs/1111111111111111111111111111111111111111111111111111111111111111", NULL, &reply), 503);
    assert_true(test_redis_again(&server));
    publish(&one, one.rounds + 1);
    wait_for_head(&p, &one, one.rounds);
    wait_for_code(&p, "/readyz", 200); /* it says so when all runs have been looked at */
    sam_http_reply_free(&reply);
    stop(&p);
}

static void a_log_that_breaks_its_chain_is_followed_no_further_and_says_so(void **state)
{
    (void)state;
    program p;
    test_run broken;
    test_run_make(&broken, "broken", 5);
    announce(&broken);
    publish(&broken, 2);
    start_gateway(&p, NULL, NULL);
    size_t length;
    test_run_commit(&broken);
    const uint8_t *bytes = test_run_round(&broken, 2, &length);
    uint8_t spoiled[256];
    memcpy(spoiled, bytes, length);
    spoiled[10] ^= 4;
    publish_bytes(&broken, 2, spoiled, length);
    json_t *run = NULL;
    for (int i = 0; i < 500 && (run == NULL || json_is_null(json_object_get(run, "fault"))); i++) {
        json_decref(run);
        sam_sleep_ms(20);
        run = ask_json(&p, run_path(&broken, "%s", ""));
    }
    assert_string_equal(json_string_value(json_object_get(run, "status")), "faulty");
    assert_int_equal(json_integer_value(json_object_get(run, "head")), 2);
    json_decref(run);
    publish(&one, one.rounds + 1); /* the others go on */
    wait_for_head(&p, &one, one.rounds);
    char key[128];
    key_of(key, sizeof key, &broken, "log");
    command(2, (const char *[]){"DEL", key}, NULL);
    command(3, (const char *[]){"SREM", "samara:runs", broken.manifest->id_hex}, NULL);
    test_run_free(&broken);
    stop(&p);
}

static void workers_have_the_status_that_the_ledger_gives_them(void **state)
{
    (void)state;
    static const char *const STATUSES[] = {"active", "left", "gone", "quarantined"};
    program p;
    char key[128], now[24];
    snprintf(now, sizeof now, "%llu", (unsigned long long)sam_wall_ms());
    key_of(key, sizeof key, &one, "workers");
    command(20, (const char *[]){"HSET",   key,      "1:name", "anna",   "1:seen",        now,      "2:name",
                                 "ben",    "2:left", "1",      "3:name", "carl",          "3:seen", "5",
                                 "4:name", "dora",   "4:left", "1",      "4:quarantined", "7"},
            NULL);
    start_gateway(&p, NULL, NULL);
    json_t *workers = ask_json(&p, run_path(&one, "/workers")), *list = json_object_get(workers, "workers");
    assert_int_equal(json_array_size(list), 4);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(list, i), "status")), STATUSES[i]);
    json_decref(workers);
    assert_int_equal(ask_number(&p, run_path(&one, "%s", ""), "workers"), 1);
    command(2, (const char *[]){"DEL", key}, NULL);
    stop(&p);
}

static void rubbish_in_redis_is_passed_over(void **state)
{
    (void)state;
    static const char ID[] = "2222222222222222222222222222222222222222222222222222222222222222";
    program p;
    char key[128];
    command(5, (const char *[]){"SADD", "samara:runs", "not a run", ID, "3333"}, NULL);
    snprintf(key, sizeof key, "samara:{%s}:manifest", ID);
    command(3, (const char *[]){"LPUSH", key, "a list"}, NULL);
    key_of(key, sizeof key, &one, "workers");
    command(12,
            (const char *[]){"HSET", key, "1:name", "\xff\xfe", "99999999999:name", "x", "x", "y", "2:seen", "z",
                             "7:left", "1"},
            NULL);
    key_of(key, sizeof key, &one, "evaluations");
    command(6, (const char *[]){"HSET", key, "1:2", "3:4", "59", "4:0:"}, NULL);
    key_of(key, sizeof key, &one, "holders");
    command(3, (const char *[]){"SET", key, "no hash"}, NULL);
    start_gateway(&p, NULL, NULL);
    json_t *workers = ask_json(&p, run_path(&one, "/workers"));
    assert_int_equal(json_array_size(json_object_get(workers, "workers")), 3);
    json_decref(workers);
    command(2, (const char *[]){"DEL", key}, NULL);
    stop(&p);
}

/* ---- starting and stopping ---- */

static void expect_failure(const char *const *options, int code, const char *sentence)
{
    program p;
    char text[1000] = "";
    close(spawn(&p, &folder, SAMARA_PROGRAMS "/samara-gateway", options));
    assert_int_equal(wait_for_end(&p), code);
    FILE *file = fopen(p.errors, "r");
    assert_non_null(file);
    (void)fread(text, 1, sizeof text - 1, file);
    fclose(file);
    if (strstr(text, sentence) == NULL)
        fail_msg("expected \"%s\" in: %s", sentence, text);
}

static void it_says_why_it_cannot_start(void **state)
{
    (void)state;
    program p;
    char empty[256];
    start_gateway(&p, NULL, NULL);
    const char *taken = p.url + strlen("http://");
    test_path(empty, sizeof empty, &folder, "empty");
    assert_true(test_secret(empty, ""));
    expect_failure((const char *[]){"--redis", server.address, "--listen", taken, NULL}, 8, taken);
    expect_failure((const char *[]){"--redis", "unix:/nonexistent/redis", NULL}, 8, "--redis");
    expect_failure((const char *[]){"--redis", server.address, "--model", "/nonexistent.gguf", NULL}, 4,
                   "/nonexistent.gguf");
    expect_failure((const char *[]){"--replicas", "0", NULL}, 2, "from 1 to 256");
    expect_failure((const char *[]){"--nonsense", NULL}, 2, "nonsense");
    expect_failure((const char *[]){"word", NULL}, 2, "options only");
    expect_failure((const char *[]){"--tokens", empty, NULL}, 2, "is empty");
    stop(&p);
}

static void tokens_guard_all_but_health_metrics_and_the_page(void **state)
{
    (void)state;
    program p;
    char path[256];
    sam_http_reply reply = {0};
    test_path(path, sizeof path, &folder, "tokens");
    assert_true(test_secret(path, "# who reads\nreader open-sesame-please\n"));
    start_gateway(&p, "--tokens", path);
    assert_int_equal(ask(&p, "GET", "/v1/runs", NULL, &reply), 401);
    assert_int_equal(ask(&p, "GET", run_path(&one, "/rounds/0/model.gguf"), NULL, &reply), 401);
    assert_int_equal(ask(&p, "GET", "/v1/runs", "Authorization: Bearer open-sesame-please", &reply), 200);
    assert_int_equal(ask(&p, "GET", "/healthz", NULL, &reply), 200);
    assert_int_equal(ask(&p, "GET", "/metrics", NULL, &reply), 200);
    assert_int_equal(ask(&p, "GET", "/", NULL, &reply), 200);
    sam_put_u8(&reply.body, 0);
    const char *page = (const char *)reply.body.bytes;
    assert_non_null(strstr(page, "<title>Samara</title>"));
    assert_null(strstr(page, "src=\"http")); /* all of it is in it */
    assert_null(strstr(page, "innerHTML"));  /* names of runs are text */
    sam_http_reply_free(&reply);
    stop(&p);
}

/* ---- behind the real ledger ---- */

static void what_a_ledger_commits_is_what_the_gateway_shows(void **state)
{
    (void)state;
    program ledger, p;
    test_run run;
    sam_http_reply reply = {0};
    sam_error err = {0};
    char url[400];
    if (access(SAMARA_PROGRAMS "/samara-ledger", X_OK) != 0)
        skip();
    start(&ledger, &folder, SAMARA_PROGRAMS "/samara-ledger",
          (const char *[]){"--listen", "127.0.0.1:0", "--redis", server.address, NULL});
    start_gateway(&p, NULL, NULL);
    test_run_make(&run, "through the ledger", 11);
    snprintf(url, sizeof url, "%s/v1/runs", ledger.url);
    sam_http_call call = {
        .method = "POST", .url = url, .body = run.manifest->text, .body_length = run.manifest->text_length};
    assert_int_equal(sam_http_send(client, &call, &reply, &err), SAM_OK);
    snprintf(url, sizeof url, "%s%s", ledger.url, run_path(&run, "/join"));
    call.body = "{\"name\": \"anna\", \"threads\": 1, \"kernel\": \"none\"}";
    call.body_length = strlen(call.body);
    assert_int_equal(sam_http_send(client, &call, &reply, &err), SAM_OK);
    snprintf(url, sizeof url, "%s%s", ledger.url, run_path(&run, "/sync"));
    assert_int_equal(work(client, url, 1, 12), 12);
    wait_for_head(&p, &run, 12);
    get_whole(&ledger, run_path(&run, "/log?from=0"), &reply);
    sam_http_reply ours = {0};
    get_whole(&p, run_path(&run, "/log"), &ours);
    assert_int_equal(ours.body.length, reply.body.length);
    assert_memory_equal(ours.body.bytes, reply.body.bytes, ours.body.length);
    sam_sleep_ms(1300); /* the state of workers is looked at each second */
    json_t *workers = ask_json(&p, run_path(&run, "/workers"));
    json_t *anna = json_array_get(json_object_get(workers, "workers"), 0);
    assert_string_equal(json_string_value(json_object_get(anna, "name")), "anna");
    assert_string_equal(json_string_value(json_object_get(anna, "status")), "active");
    json_decref(workers);
    sam_http_reply_free(&ours);
    sam_http_reply_free(&reply);
    test_run_free(&run);
    stop(&p);
    stop(&ledger);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_the_export_of_a_replica_at_that_round),
        cmocka_unit_test(pieces_of_a_snapshot_make_the_whole),
        cmocka_unit_test(an_etag_names_the_content),
        cmocka_unit_test(downloads_of_different_rounds_at_once_do_not_mix),
        cmocka_unit_test(the_log_is_served_as_a_samlog_file),
        cmocka_unit_test(rounds_and_records_tell_codes_and_losses),
        cmocka_unit_test(figures_follow_from_the_log),
        cmocka_unit_test(the_digest_is_that_of_a_replica),
        cmocka_unit_test(a_run_on_another_base_is_served_as_log_only),
        cmocka_unit_test(what_cannot_be_answered_is_refused_with_a_sentence),
        cmocka_unit_test(noise_and_clients_that_leave_do_not_end_it),
        cmocka_unit_test(committed_rounds_arrive_as_they_come),
        cmocka_unit_test(while_redis_is_away_what_is_known_is_served),
        cmocka_unit_test(a_log_that_breaks_its_chain_is_followed_no_further_and_says_so),
        cmocka_unit_test(workers_have_the_status_that_the_ledger_gives_them),
        cmocka_unit_test(rubbish_in_redis_is_passed_over),
        cmocka_unit_test(it_says_why_it_cannot_start),
        cmocka_unit_test(tokens_guard_all_but_health_metrics_and_the_page),
        cmocka_unit_test(what_a_ledger_commits_is_what_the_gateway_shows),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
