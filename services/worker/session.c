#include "worker/session.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "net/http_client.h"

#include <jansson.h>
#include <string.h>

#define BACKOFF_FIRST_MS   100u
#define BACKOFF_LARGEST_MS 5000u
/* Beyond the time that the ledger may hold a sync. */
#define ANSWER_MS 30000u

struct sam_session {
    const sam_worker_options *options;
    char **ledgers; /* their addresses; `at` is the one that answered last */
    size_t ledger_count, at;
    sam_http_client *client;
    sam_http_reply reply;
    sam_manifest *manifest;
    sam_digest chain; /* of the last round received */
    sam_traffic traffic;
    char *join_body;
    const sam_signing_key *key; /* NULL: what it sends is not signed */
    bool leaving;               /* the present call says goodbye */
};

/* Ends a call that waits for news when the worker is told to stop; the goodbye itself still goes out. */
static bool cancelled(void *user)
{
    const sam_session *session = user;
    return sam_shutdown_asked() && !session->leaving;
}

static void wait_backoff(uint32_t *wait_ms)
{
    for (uint32_t slept = 0; slept < *wait_ms && !sam_shutdown_asked(); slept += 50)
        sam_sleep_ms(50);
    *wait_ms = *wait_ms * 2 > BACKOFF_LARGEST_MS ? BACKOFF_LARGEST_MS : *wait_ms * 2;
}

static bool may_pass(sam_status status)
{
    return status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
}

/* One try at the ledger that answered last. */
static sam_status try_call(sam_session *session, const char *rest, sam_http_call *call, sam_error *err)
{
    char *url = sam_format("%s/v1/runs/%s/%s", session->ledgers[session->at], session->options->run, rest);
    if (url == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    call->url = url;
    sam_status status = sam_http_send(session->client, call, &session->reply, err);
    sam_free(url);
    if (status == SAM_OK) {
        session->traffic.bytes_sent += call->body_length;
        session->traffic.bytes_received += session->reply.body.length;
    }
    return status;
}

/* Sends until there is an answer, or an error that waiting does not mend: to each ledger in turn, and after each turn
 * with a longer wait. A worker that leaves has time for one turn. */
static sam_status call_run(sam_session *session, const char *rest, sam_http_call call, sam_error *err)
{
    uint32_t wait_ms = BACKOFF_FIRST_MS;
    bool told = false;
    for (size_t tries = 1;; tries++) {
        sam_status status = try_call(session, rest, &call, err);
        if (status == SAM_OK && told)
            sam_log_info("the ledger answers again");
        if (!may_pass(status))
            return status;
        session->at = (session->at + 1) % session->ledger_count;
        bool turn_over = tries % session->ledger_count == 0;
        if (turn_over && session->leaving)
            return status;
        if (turn_over && !told)
            sam_log_warn("waiting for the ledger: %s", err->text);
        told = told || turn_over;
        if (turn_over)
            wait_backoff(&wait_ms);
        if (cancelled(session))
            return sam_fail(err, SAM_CANCELLED, "told to stop while the ledger was away");
    }
}

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

sam_status sam_session_open(sam_session **session, const sam_worker_options *options, sam_error *err)
{
    sam_session *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    made->options = options;
    const sam_http_client_options client = {.token_file = options->token_file,
                                            .ca_file = options->ca_file,
                                            .hint = "is the ledger running?",
                                            .cancelled = cancelled,
                                            .cancelled_user = made};
    sam_status status = take_addresses(made, options->ledger, err);
    if (status == SAM_OK)
        status = sam_http_client_new(&made->client, &client, err);
    if (status == SAM_OK)
        status = call_run(made, "manifest", (sam_http_call){.timeout_ms = ANSWER_MS}, err);
    if (status == SAM_OK)
        status =
            sam_manifest_parse(&made->manifest, (const char *)made->reply.body.bytes, made->reply.body.length, err);
    if (status == SAM_OK && strcmp(made->manifest->id_hex, options->run) != 0)
        status = sam_fail(err, SAM_MISMATCH, "the ledger's manifest has the id %s, not %s", made->manifest->id_hex,
                          options->run);
    if (status != SAM_OK) {
        sam_session_close(made);
        return status;
    }
    made->chain = made->manifest->id;
    *session = made;
    return SAM_OK;
}

void sam_session_close(sam_session *session)
{
    if (session == NULL)
        return;
    for (size_t i = 0; i < session->ledger_count; i++)
        sam_free(session->ledgers[i]);
    sam_free(session->ledgers);
    sam_http_client_free(session->client);
    sam_http_reply_free(&session->reply);
    sam_manifest_free(session->manifest);
    sam_free(session->join_body);
    sam_free(session);
}

const sam_manifest *sam_session_manifest(const sam_session *session)
{
    return session->manifest;
}

void sam_session_go_on(sam_session *session, const sam_digest *chain)
{
    session->chain = *chain;
}

static sam_status join_again(sam_session *session, sam_error *err)
{
    static const char *const HEADERS[] = {"Content-Type: application/json", NULL};
    const sam_http_call call = {.method = "POST",
                                .headers = HEADERS,
                                .body = session->join_body,
                                .body_length = strlen(session->join_body),
                                .timeout_ms = ANSWER_MS};
    sam_status status = call_run(session, "join", call, err);
    if (status != SAM_OK)
        return status;
    json_t *reply = json_loadb((const char *)session->reply.body.bytes, session->reply.body.length, 0, NULL);
    json_int_t worker = json_integer_value(json_object_get(reply, "worker"));
    json_decref(reply);
    if (worker < 1 || worker > UINT32_MAX)
        return sam_fail(err, SAM_CORRUPT, "the ledger answered a join without a worker number");
    session->traffic.worker = (uint32_t)worker;
    sam_log_info("joined run %.12s as worker %u", session->options->run, session->traffic.worker);
    return SAM_OK;
}

sam_status sam_session_join(sam_session *session, const char *kernel, unsigned threads, const sam_signing_key *key,
                            sam_error *err)
{
    char hex[SAM_KEY_HEX] = "";
    session->key = key;
    if (key != NULL)
        sam_public_key_hex(hex, &key->open);
    json_t *body =
        json_pack("{s:s, s:i, s:s, s:b, s:s*}", "name", session->options->name, "threads", (int)threads, "kernel",
                  kernel, "evaluates", session->options->dev != NULL, "key", key == NULL ? NULL : hex);
    sam_free(session->join_body);
    session->join_body = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (session->join_body == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory joining the run");
    return join_again(session, err);
}

static sam_status check_chain(sam_session *session, const sam_sync_reply *reply, sam_error *err)
{
    for (size_t i = 0; i < reply->round_count; i++) {
        sam_digest next;
        sam_status status = sam_round_verify(reply->rounds[i], reply->round_lengths[i], &session->chain, &next, err);
        if (status != SAM_OK)
            return status;
        session->chain = next;
    }
    return SAM_OK;
}

static sam_status one_sync(sam_session *session, sam_sync_request *request, sam_error *err)
{
    /* Fields that the HTTP library would add: a sync is small, there are many, and its first bytes say what it is. */
    static const char *const HEADERS[] = {"Content-Type:", "Accept:", "User-Agent:", NULL};
    sam_buffer body = {0};
    request->worker = session->traffic.worker;
    session->leaving = request->leaving;
    sam_sync_request_compose(&body, request, &session->manifest->id, session->key);
    sam_status status = SAM_OK;
    if (body.failed) {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory composing a sync");
    } else {
        const sam_http_call call = {.method = "POST",
                                    .headers = HEADERS,
                                    .body = body.bytes,
                                    .body_length = body.length,
                                    .timeout_ms = request->wait_ms + ANSWER_MS};
        status = call_run(session, "sync", call, err);
    }
    sam_buffer_free(&body);
    return status;
}

/* A ledger that does not know this worker any more gives it another number. */
static sam_status sync_or_join(sam_session *session, sam_sync_request *request, sam_error *err)
{
    sam_status status = one_sync(session, request, err);
    if (status != SAM_NOT_FOUND || request->leaving)
        return status;
    sam_log_warn("%s; joining again", err->text);
    status = join_again(session, err);
    return status == SAM_OK ? one_sync(session, request, err) : status;
}

/* NOT_FOUND, CONFLICT: Redis lost the run or a part of its log. What this worker has may be all that is left of it. */
static bool has_lost_the_log(sam_status status)
{
    return status == SAM_NOT_FOUND || status == SAM_CONFLICT;
}

static sam_status sync_with_log(sam_session *session, sam_sync_request *request, sam_error *err)
{
    uint32_t wait_ms = BACKOFF_FIRST_MS;
    sam_status status = sync_or_join(session, request, err);
    if (has_lost_the_log(status) && !request->leaving)
        sam_log_warn("waiting until the log is brought back (samara restore): %s", err->text);
    while (has_lost_the_log(status) && !request->leaving) {
        wait_backoff(&wait_ms);
        if (cancelled(session))
            return sam_fail(err, SAM_CANCELLED, "told to stop while the ledger had not the log");
        status = sync_or_join(session, request, err);
    }
    return status;
}

sam_status sam_session_sync(sam_session *session, sam_sync_request *request, sam_sync_reply *reply, sam_error *err)
{
    sam_status status = sync_with_log(session, request, err);
    if (status == SAM_OK)
        status = sam_sync_reply_decode(reply, session->reply.body.bytes, session->reply.body.length, err);
    if (status == SAM_OK && (status = check_chain(session, reply, err)) != SAM_OK)
        sam_sync_reply_free(reply);
    return status;
}

sam_traffic sam_session_traffic(const sam_session *session)
{
    return session->traffic;
}
