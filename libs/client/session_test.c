#include "client/session.h"

#include "net/http_server.h"
#include "run/run_golden.h"
#include "run/test_runs.h"

#include <pthread.h>
#include <stdatomic.h>

/* A ledger that answers as a test wants, on a port of its own. What it has seen is read after the turn. */
typedef struct ledger {
    sam_http_server *server;
    char address[160]; /* twice the same */
    atomic_uint joins, syncs;
    atomic_uint unknown_up_to; /* workers up to this number are not known any more */
    atomic_bool knows_key;     /* a join gives the number 1 again, which is known from then on */
    atomic_uint refusals;      /* so many syncs are answered 503 */
    atomic_bool holds;         /* syncs wait, but not goodbyes */
    sam_buffer bodies[8];      /* of the first syncs, by one connection */
} ledger;

static sam_http_next give_manifest(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_bytes(request, 200, "application/json", GOLDEN_MANIFEST, sizeof GOLDEN_MANIFEST);
}

static sam_http_next give_number(sam_http_request *request, void *user)
{
    ledger *at = user;
    unsigned number = atomic_fetch_add(&at->joins, 1) + 1;
    if (atomic_load(&at->knows_key)) { /* then it gives the number that it gave before */
        atomic_store(&at->unknown_up_to, 0);
        number = 1;
    }
    return sam_http_answer_json(request, 201, json_pack("{s:i}", "worker", (int)number));
}

static sam_http_next answer_sync(sam_http_request *request, void *user)
{
    ledger *at = user;
    sam_sync_request asked;
    sam_buffer out = {0};
    size_t length;
    const uint8_t *body = sam_http_body(request, &length);
    if (sam_sync_request_decode(&asked, body, length, NULL) != SAM_OK)
        return sam_http_answer_fail(request, SAM_INVALID, "not a sync");
    uint32_t worker = asked.worker;
    bool waits = atomic_load(&at->holds) && !asked.leaving;
    sam_sync_request_free(&asked);
    unsigned number = atomic_fetch_add(&at->syncs, 1);
    if (number < 8)
        sam_put_bytes(&at->bodies[number], body, length);
    if (waits)
        return sam_http_wait(request, 60000);
    if (worker <= atomic_load(&at->unknown_up_to))
        return sam_http_answer_fail(request, SAM_NOT_FOUND, "no worker %u", worker);
    if (atomic_load(&at->refusals) > 0) {
        atomic_fetch_sub(&at->refusals, 1);
        return sam_http_answer_fail(request, SAM_UNAVAILABLE, "in a moment");
    }
    sam_sync_reply_encode(&out, &(sam_sync_reply){.head = worker});
    return sam_http_answer_buffer(request, 200, NULL, &out);
}

static void open_ledger(ledger *at)
{
    *at = (ledger){0};
    const sam_http_route routes[] = {{"GET", "/v1/runs/{run}/manifest", give_manifest, at, SAM_ROLE_ANYONE, 0},
                                     {"POST", "/v1/runs/{run}/join", give_number, at, SAM_ROLE_ANYONE, 0},
                                     {"POST", "/v1/runs/{run}/sync", answer_sync, at, SAM_ROLE_ANYONE, 0},
                                     {0}};
    sam_error err;
    if (sam_http_server_start(&at->server, &(sam_http_server_options){.listen = "127.0.0.1:0"}, routes, &err) != SAM_OK)
        fail_msg("%s", err.text);
    const char *address = sam_http_server_address(at->server);
    snprintf(at->address, sizeof at->address, "http://%s,http://%s/", address, address);
}

static void close_ledger(ledger *at)
{
    sam_http_server_stop(at->server);
    for (size_t i = 0; i < 8; i++)
        sam_buffer_free(&at->bodies[i]);
}

static sam_session *join(ledger *at, const sam_signing_key *key)
{
    sam_session *session;
    sam_manifest *manifest;
    sam_error err = {0};
    assert_int_equal(sam_manifest_parse(&manifest, (const char *)GOLDEN_MANIFEST, sizeof GOLDEN_MANIFEST, NULL),
                     SAM_OK);
    const sam_session_options options = {.ledger = at->address, .run = manifest->id_hex};
    const sam_member member = {.name = "test", .kernel = "portable", .threads = 1, .key = key};
    if (sam_session_open(&session, &options, &err) != SAM_OK ||
        sam_http_transport.join(session, &member, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_manifest_free(manifest);
    return session;
}

typedef struct call {
    sam_session *session;
    unsigned connection;
    sam_sync_request request;
    sam_status status;
    uint64_t head; /* the ledger answers with the number of the worker */
    pthread_t thread;
} call;

static void *do_call(void *argument)
{
    call *now = argument;
    sam_error err = {0};
    sam_sync_reply reply = {0};
    now->status = sam_http_transport.turn(now->session, now->connection, &now->request, &reply, &err);
    now->head = reply.head;
    sam_sync_reply_free(&reply);
    return NULL;
}

/* On all connections at a time. */
static void expect_turns(sam_session *session, uint64_t worker)
{
    call calls[SAM_TRANSPORT_CONNECTIONS];
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++) {
        calls[i] = (call){.session = session, .connection = i};
        assert_int_equal(pthread_create(&calls[i].thread, NULL, do_call, &calls[i]), 0);
    }
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++) {
        pthread_join(calls[i].thread, NULL);
        assert_int_equal(calls[i].status, SAM_OK);
        assert_int_equal(calls[i].head, worker);
    }
}

static void a_worker_that_is_not_known_any_more_joins_again_once(void **state)
{
    (void)state;
    ledger at;
    open_ledger(&at);
    sam_session *session = join(&at, NULL);
    for (unsigned known = 1; known <= 5; known++) {
        atomic_store(&at.unknown_up_to, known);
        expect_turns(session, known + 1);
        assert_int_equal(atomic_load(&at.joins), known + 1);
        assert_int_equal(sam_session_traffic(session).worker, known + 1);
    }
    sam_session_close(session);
    close_ledger(&at);
}

static void a_worker_that_gets_its_number_back_joins_again_once(void **state)
{
    (void)state;
    ledger at;
    open_ledger(&at);
    sam_session *session = join(&at, NULL);
    atomic_store(&at.knows_key, true);
    for (unsigned joins = 2; joins <= 6; joins++) {
        atomic_store(&at.unknown_up_to, 1);
        expect_turns(session, 1);
        assert_int_equal(atomic_load(&at.joins), joins);
    }
    sam_session_close(session);
    close_ledger(&at);
}

static sam_result one_result(uint8_t *code)
{
    return (sam_result){.kind = SAM_WORK_SLOT, .round = 3, .index = 1, .codes = code, .code_count = 1};
}

static void a_request_without_an_answer_goes_out_again_as_it_is(void **state)
{
    (void)state;
    ledger at;
    uint8_t code = 7;
    sam_result result = one_result(&code);
    open_ledger(&at);
    call now = {.session = join(&at, NULL), .request = {.wants = 1, .results = &result, .result_count = 1}};
    atomic_store(&at.refusals, 1);
    (void)do_call(&now);
    assert_int_equal(now.status, SAM_OK);
    assert_int_equal(atomic_load(&at.syncs), 2);
    assert_int_equal(at.bodies[0].length, at.bodies[1].length);
    assert_memory_equal(at.bodies[0].bytes, at.bodies[1].bytes, at.bodies[0].length);
    sam_session_close(now.session);
    close_ledger(&at);
}

static void results_are_signed_again_under_a_new_number(void **state)
{
    (void)state;
    ledger at;
    sam_signing_key key;
    uint8_t code = 7, seed[SAM_KEY_SEED_BYTES] = {5};
    sam_result result = one_result(&code);
    open_ledger(&at);
    sam_signing_key_of(&key, seed);
    call now = {.session = join(&at, &key), .request = {.results = &result, .result_count = 1}};
    atomic_store(&at.unknown_up_to, 1);
    (void)do_call(&now);
    assert_int_equal(now.status, SAM_OK);
    assert_int_equal(atomic_load(&at.syncs), 2);
    for (uint32_t i = 0; i < 2; i++) {
        sam_sync_request sent;
        assert_int_equal(sam_sync_request_decode(&sent, at.bodies[i].bytes, at.bodies[i].length, NULL), SAM_OK);
        assert_int_equal(sent.worker, i + 1);
        assert_true(sam_result_is_signed(&sent.results[0], &sam_session_manifest(now.session)->id, i + 1, &key.open));
        sam_sync_request_free(&sent);
    }
    sam_session_close(now.session);
    close_ledger(&at);
}

static void an_interrupt_ends_a_turn_that_waits_but_not_a_goodbye(void **state)
{
    (void)state;
    ledger at;
    sam_error err = {0};
    sam_sync_reply reply = {0};
    sam_sync_request goodbye = {0};
    open_ledger(&at);
    call now = {.session = join(&at, NULL), .request = {.wants = 1, .wait_ms = 60000}};
    atomic_store(&at.holds, true);
    assert_int_equal(pthread_create(&now.thread, NULL, do_call, &now), 0);
    while (sam_http_server_waiting(at.server) == 0)
        sched_yield();
    sam_http_transport.interrupt(now.session);
    pthread_join(now.thread, NULL);
    assert_int_equal(now.status, SAM_CANCELLED);
    if (sam_http_transport.leave(now.session, &goodbye, &reply, &err) != SAM_OK)
        fail_msg("%s", err.text);
    sam_sync_reply_free(&reply);
    sam_session_close(now.session);
    close_ledger(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_is_not_known_any_more_joins_again_once),
        cmocka_unit_test(a_worker_that_gets_its_number_back_joins_again_once),
        cmocka_unit_test(a_request_without_an_answer_goes_out_again_as_it_is),
        cmocka_unit_test(results_are_signed_again_under_a_new_number),
        cmocka_unit_test(an_interrupt_ends_a_turn_that_waits_but_not_a_goodbye),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
