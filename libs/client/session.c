#include "client/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "net/http_client.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define BACKOFF_FIRST_MS   100u
#define BACKOFF_LARGEST_MS 5000u
#define RETRY_AFTER_MOST_S 60u
/* Beyond the time that the ledger may hold a sync. */
#define ANSWER_MS 30000u

/* Belongs to the thread that has a call under way on it. */
typedef struct connection {
    sam_session *session;
    sam_http_client *client;
    sam_http_reply reply;
    size_t at;      /* the ledger that answered last */
    bool leaving;   /* the present call says goodbye: nothing interrupts it */
    unsigned joins; /* of the session, when its present sync was composed */
} connection;

struct sam_session {
    char *run;
    char **ledgers; /* their addresses */
    size_t ledger_count;
    connection connections[SAM_TRANSPORT_CONNECTIONS];
    sam_manifest *manifest;
    sam_member member;
    char *join_body;
    atomic_bool interrupted;

    pthread_mutex_t joining; /* held while a new number is asked for: two turns that are refused ask once */
    pthread_mutex_t lock;    /* guards the rest */
    sam_traffic traffic;
    unsigned joins; /* how often it has joined; the number may have been the same */
    bool away;      /* it was logged that no ledger answers */
    bool lost;      /* it was logged that the ledger has lost the log */
};

/* ---- the ledger's absence ---- */

static bool cancelled(void *user)
{
    connection *on = user;
    return !on->leaving && (atomic_load(&on->session->interrupted) || sam_shutdown_requested());
}

/* The next wait is twice as long, up to a limit. */
static void wait_backoff(connection *on, uint32_t *wait_ms, uint32_t at_least_ms)
{
    uint32_t wait = *wait_ms > at_least_ms ? *wait_ms : at_least_ms;
    for (uint32_t slept = 0; slept < wait && !cancelled(on); slept += 50)
        sam_sleep_ms(50);
    *wait_ms = *wait_ms * 2 > BACKOFF_LARGEST_MS ? BACKOFF_LARGEST_MS : *wait_ms * 2;
}

/* Sets a flag; true where it was otherwise: of several connections, one logs the news. */
static bool turns(sam_session *session, bool *flag, bool value)
{
    pthread_mutex_lock(&session->lock);
    bool news = *flag != value;
    *flag = value;
    pthread_mutex_unlock(&session->lock);
    return news;
}

static bool may_pass(sam_status status)
{
    return status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
}

static uint32_t retry_after_ms(const connection *on)
{
    uint32_t seconds = on->reply.retry_after_s;
    return 1000 * (seconds < RETRY_AFTER_MOST_S ? seconds : RETRY_AFTER_MOST_S);
}

/* ---- calls ---- */

/* One try at the ledger that answered last. */
static sam_status try_call(connection *on, const char *rest, sam_http_call *call, sam_error *err)
{
    sam_session *session = on->session;
    char *url = sam_format("%s/v1/runs/%s/%s", session->ledgers[on->at], session->run, rest);
    if (url == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    call->url = url;
    sam_status status = sam_http_send(on->client, call, &on->reply, err);
    sam_free(url);
    if (status == SAM_OK) {
        pthread_mutex_lock(&session->lock);
        session->traffic.bytes_sent += call->body_length;
        session->traffic.bytes_received += on->reply.body.length;
        pthread_mutex_unlock(&session->lock);
    }
    return status;
}

/* Sends until there is an answer, or an error that waiting does not mend: to each ledger in turn, and after each turn
 * with a longer wait. A worker that leaves has time for one turn. */
static sam_status call_run(connection *on, const char *rest, sam_http_call call, sam_error *err)
{
    sam_session *session = on->session;
    uint32_t wait_ms = BACKOFF_FIRST_MS;
    for (size_t tries = 1;; tries++) {
        sam_status status = try_call(on, rest, &call, err);
        if (!may_pass(status)) {
            if (status == SAM_OK && turns(session, &session->away, false))
                sam_log_info("the ledger answers again");
            return status;
        }
        on->at = (on->at + 1) % session->ledger_count;
        bool turn_over = tries % session->ledger_count == 0;
        if (turn_over && on->leaving)
            return status;
        if (turn_over && turns(session, &session->away, true))
            sam_log_warn("waiting for the ledger: %s", err->text);
        if (turn_over)
            wait_backoff(on, &wait_ms, retry_after_ms(on));
        if (cancelled(on))
            return sam_fail(err, SAM_CANCELLED, "told to stop while the ledger was away");
    }
}

/* ---- from beginning to end ---- */

/* "http://a:8642,http://b:8642/" */
static sam_status take_addresses(sam_session *session, const char *list, sam_error *err)
{
    for (const char *rest = list; rest != NULL;) {
        const char *comma = strchr(rest, ',');
        size_t length = comma == NULL ? strlen(rest) : (size_t)(comma - rest);
        while (length > 0 && rest[length - 1] == '/')
            length--;
        if (length == 0)
            return sam_fail(err, SAM_INVALID, "--ledger \"%.200s\" has an empty address", list);
        char **grown = sam_realloc(session->ledgers, session->ledger_count + 1, sizeof *grown);
        if (grown == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory");
        session->ledgers = grown;
        if ((grown[session->ledger_count] = sam_strndup(rest, length)) == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory");
        session->ledger_count++;
        rest = comma == NULL ? NULL : comma + 1;
    }
    return SAM_OK;
}

static sam_status open_connections(sam_session *session, const sam_session_options *options, sam_error *err)
{
    sam_status status = SAM_OK;
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS && status == SAM_OK; i++) {
        connection *on = &session->connections[i];
        const sam_http_client_options client = {.token_file = options->token_file,
                                                .ca_file = options->ca_file,
                                                .hint = "is the ledger running?",
                                                .cancelled = cancelled,
                                                .cancelled_user = on};
        on->session = session;
        status = sam_http_client_new(&on->client, &client, err);
    }
    return status;
}

static sam_status fetch_manifest(sam_session *session, sam_error *err)
{
    connection *on = &session->connections[0];
    sam_status status = call_run(on, "manifest", (sam_http_call){.timeout_ms = ANSWER_MS}, err);
    if (status == SAM_OK)
        status = sam_manifest_parse(&session->manifest, (const char *)on->reply.body.bytes, on->reply.body.length, err);
    if (status == SAM_OK && strcmp(session->manifest->id_hex, session->run) != 0)
        status = sam_fail(err, SAM_MISMATCH, "the ledger's manifest has the id %s, not %s", session->manifest->id_hex,
                          session->run);
    return status;
}

sam_status sam_session_open(sam_session **session, const sam_session_options *options, sam_error *err)
{
    sam_session *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    pthread_mutex_init(&made->joining, NULL);
    pthread_mutex_init(&made->lock, NULL);
    made->run = sam_strdup(options->run);
    sam_status status =
        made->run == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : take_addresses(made, options->ledger, err);
    if (status == SAM_OK)
        status = open_connections(made, options, err);
    if (status == SAM_OK)
        status = fetch_manifest(made, err);
    if (status != SAM_OK) {
        sam_session_close(made);
        return status;
    }
    *session = made;
    return SAM_OK;
}

void sam_session_close(sam_session *session)
{
    if (session == NULL)
        return;
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++) {
        sam_http_client_free(session->connections[i].client);
        sam_http_reply_free(&session->connections[i].reply);
    }
    for (size_t i = 0; i < session->ledger_count; i++)
        sam_free(session->ledgers[i]);
    sam_free(session->ledgers);
    sam_free(session->run);
    sam_manifest_free(session->manifest);
    sam_free(session->join_body);
    pthread_mutex_destroy(&session->joining);
    pthread_mutex_destroy(&session->lock);
    sam_free(session);
}

const sam_manifest *sam_session_manifest(const sam_session *session)
{
    return session->manifest;
}

sam_traffic sam_session_traffic(sam_session *session)
{
    pthread_mutex_lock(&session->lock);
    sam_traffic traffic = session->traffic;
    pthread_mutex_unlock(&session->lock);
    return traffic;
}

/* ---- join ---- */

static sam_status ask_for_number(connection *on, sam_error *err)
{
    static const char *const HEADERS[] = {"Content-Type: application/json", NULL};
    sam_session *session = on->session;
    const sam_http_call call = {.method = "POST",
                                .headers = HEADERS,
                                .body = session->join_body,
                                .body_length = strlen(session->join_body),
                                .timeout_ms = ANSWER_MS};
    sam_status status = call_run(on, "join", call, err);
    if (status != SAM_OK)
        return status;
    json_t *reply = json_loadb((const char *)on->reply.body.bytes, on->reply.body.length, 0, NULL);
    json_int_t worker = json_integer_value(json_object_get(reply, "worker"));
    json_decref(reply);
    if (worker < 1 || worker > UINT32_MAX)
        return sam_fail(err, SAM_CORRUPT, "the ledger answered a join without a worker number");
    pthread_mutex_lock(&session->lock);
    session->traffic.worker = (uint32_t)worker;
    session->joins++;
    pthread_mutex_unlock(&session->lock);
    sam_log_info("joined run %.12s as worker %u", session->run, (unsigned)worker);
    return SAM_OK;
}

static sam_status join(void *state, const sam_member *member, sam_error *err)
{
    sam_session *session = state;
    char hex[SAM_KEY_HEX] = "";
    session->member = *member;
    if (member->key != NULL)
        sam_public_key_hex(hex, &member->key->open);
    json_t *body =
        json_pack("{s:s, s:i, s:s, s:b, s:s*}", "name", member->name, "threads", (int)member->threads, "kernel",
                  member->kernel, "evaluates", member->evaluates, "key", member->key == NULL ? NULL : hex);
    sam_free(session->join_body);
    session->join_body = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (session->join_body == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory joining the run");
    return ask_for_number(&session->connections[0], err);
}

/* The number to sync with, for `on` from now on. */
static uint32_t present_number(connection *on)
{
    sam_session *session = on->session;
    pthread_mutex_lock(&session->lock);
    on->joins = session->joins;
    uint32_t worker = session->traffic.worker;
    pthread_mutex_unlock(&session->lock);
    return worker;
}

static bool is_present(const connection *on)
{
    sam_session *session = on->session;
    pthread_mutex_lock(&session->lock);
    bool present = on->joins == session->joins;
    pthread_mutex_unlock(&session->lock);
    return present;
}

/* The ledger does not know this worker any more. The other connection may have joined again meanwhile. */
static sam_status join_again(connection *on, sam_error *err)
{
    sam_session *session = on->session;
    sam_status status = SAM_OK;
    pthread_mutex_lock(&session->joining);
    if (is_present(on)) {
        sam_log_warn("%s; joining again", err->text);
        status = ask_for_number(on, err);
    }
    pthread_mutex_unlock(&session->joining);
    return status;
}

/* ---- turns ---- */

static sam_status one_sync(connection *on, sam_sync_request *request, sam_error *err)
{
    /* Fields that the HTTP library would add: a sync is small, there are many, and its first bytes say what it is. */
    static const char *const HEADERS[] = {"Content-Type:", "Accept:", "User-Agent:", NULL};
    sam_session *session = on->session;
    sam_buffer body = {0};
    request->worker = present_number(on);
    sam_sync_request_compose(&body, request, &session->manifest->id, session->member.key);
    sam_status status = SAM_OK;
    if (body.failed) {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory composing a sync");
    } else {
        const sam_http_call call = {.method = "POST",
                                    .headers = HEADERS,
                                    .body = body.bytes,
                                    .body_length = body.length,
                                    .timeout_ms = request->wait_ms + ANSWER_MS};
        status = call_run(on, "sync", call, err);
    }
    sam_buffer_free(&body);
    return status;
}

static sam_status sync_or_join(connection *on, sam_sync_request *request, sam_error *err)
{
    sam_status status = one_sync(on, request, err);
    if (status != SAM_NOT_FOUND || request->leaving)
        return status;
    status = join_again(on, err);
    return status == SAM_OK ? one_sync(on, request, err) : status;
}

/* NOT_FOUND, CONFLICT: Redis lost the run or a part of its log. What this worker has may be all that is left of it. */
static bool has_lost_the_log(sam_status status)
{
    return status == SAM_NOT_FOUND || status == SAM_CONFLICT;
}

static sam_status sync_with_log(connection *on, sam_sync_request *request, sam_error *err)
{
    sam_session *session = on->session;
    uint32_t wait_ms = BACKOFF_FIRST_MS;
    sam_status status = sync_or_join(on, request, err);
    while (has_lost_the_log(status) && !request->leaving) {
        if (turns(session, &session->lost, true))
            sam_log_warn("waiting until the log is brought back (samara restore): %s", err->text);
        wait_backoff(on, &wait_ms, 0);
        if (cancelled(on))
            return sam_fail(err, SAM_CANCELLED, "told to stop while the ledger did not have the log");
        status = sync_or_join(on, request, err);
    }
    if (status == SAM_OK)
        (void)turns(session, &session->lost, false);
    return status;
}

static sam_status turn(void *state, unsigned connection_index, sam_sync_request *request, sam_sync_reply *reply,
                       sam_error *err)
{
    sam_session *session = state;
    connection *on = &session->connections[connection_index];
    sam_status status = sync_with_log(on, request, err);
    return status == SAM_OK ? sam_sync_reply_decode(reply, on->reply.body.bytes, on->reply.body.length, err) : status;
}

static sam_status leave(void *state, sam_sync_request *request, sam_sync_reply *reply, sam_error *err)
{
    sam_session *session = state;
    request->leaving = session->connections[0].leaving = true;
    return turn(session, 0, request, reply, err);
}

static void interrupt(void *state)
{
    sam_session *session = state;
    atomic_store(&session->interrupted, true);
}

const sam_transport sam_http_transport = {
    .name = "http", .join = join, .turn = turn, .leave = leave, .interrupt = interrupt};
