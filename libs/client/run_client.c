#include "client/run_client.h"

#include "base/memory.h"
#include "base/shutdown.h"
#include "base/text.h"
#include "net/http_client.h"
#include "run/history.h"
#include "run/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sam_run_client {
    sam_http_client *http;
    char *base; /* "http://host:port" */
    sam_http_reply reply;
};

/* An empty variable is an unset one. */
static const char *given_or_set(const char *given, const char *variable)
{
    const char *text = given != NULL ? given : getenv(variable);
    return text == NULL || *text == 0 ? NULL : text;
}

sam_status sam_run_client_new(sam_run_client **client, const char *address, const sam_access *access, sam_error *err)
{
    sam_run_client *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    size_t length = strlen(address);
    while (length > 0 && address[length - 1] == '/')
        length--;
    made->base = sam_format("%s%.*s", strstr(address, "://") == NULL ? "http://" : "", (int)length, address);
    const sam_http_client_options options = {
        .token_file = given_or_set(access == NULL ? NULL : access->token_file, "SAMARA_TOKEN_FILE"),
        .ca_file = given_or_set(access == NULL ? NULL : access->ca_file, "SAMARA_CA_FILE"),
        .hint = "is the ledger running?"};
    sam_status status = made->base == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                           : sam_http_client_new(&made->http, &options, err);
    if (status != SAM_OK) {
        sam_run_client_free(made);
        return status;
    }
    *client = made;
    return SAM_OK;
}

void sam_run_client_free(sam_run_client *client)
{
    if (client == NULL)
        return;
    sam_http_reply_free(&client->reply);
    if (client->http != NULL)
        sam_http_client_free(client->http);
    sam_free(client->base);
    sam_free(client);
}

/* ---- requests ---- */

typedef struct body {
    const char *type;
    const void *bytes;
    size_t length;
} body;

static sam_status call(sam_run_client *client, const char *path, const body *sent, sam_error *err)
{
    char *url = sam_format("%s%s", client->base, path), type[96];
    if (url == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    snprintf(type, sizeof type, "Content-Type: %s", sent == NULL ? "" : sent->type);
    const char *headers[] = {type, NULL};
    sam_http_call request = {.url = url, .limit = (size_t)1 << 30, .wanted = "Samara-Next-Round"};
    if (sent != NULL) {
        request.headers = headers;
        request.body = sent->bytes;
        request.body_length = sent->length;
    }
    sam_status status = sam_http_send(client->http, &request, &client->reply, err);
    sam_free(url);
    return status;
}

sam_status sam_run_get(sam_run_client *client, const char *path, json_t **answer, sam_error *err)
{
    sam_status status = call(client, path, NULL, err);
    if (status != SAM_OK)
        return status;
    json_error_t why;
    *answer = json_loadb((const char *)client->reply.body.bytes, client->reply.body.length, 0, &why);
    if (*answer == NULL)
        return sam_fail(err, SAM_INVALID, "%s%s does not answer as a ledger does: %s", client->base, path, why.text);
    return SAM_OK;
}

sam_status sam_run_create(sam_run_client *client, const sam_manifest *manifest, sam_error *err)
{
    const body sent = {"application/json", manifest->text, manifest->text_length};
    return call(client, "/v1/runs", &sent, err);
}

sam_status sam_run_leave(sam_run_client *client, const char *run, uint32_t worker, sam_error *err)
{
    static const body NOTHING = {"application/json", "{}", 2};
    char path[SAM_DIGEST_HEX + 64];
    snprintf(path, sizeof path, "/v1/runs/%s/workers/%" PRIu32 "/leave", run, worker);
    return call(client, path, &NOTHING, err);
}

/* ---- looking ---- */

static uint64_t number(const json_t *json, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(json, name));
    return value > 0 ? (uint64_t)value : 0;
}

static void read_view(sam_run_view *view, const json_t *json)
{
    const char *state = json_string_value(json_object_get(json, "status"));
    *view = (sam_run_view){
        .complete = state != NULL && strcmp(state, "complete") == 0,
        .paused = state != NULL && strcmp(state, "paused") == 0,
        .head = number(json, "head"),
        .rounds = number(json, "rounds"),
        .records = number(json, "records"),
        .workers = number(json, "workers"),
    };
    const json_t *all = json_object_get(json, "evaluations");
    size_t count = json_array_size(all);
    for (size_t i = count > SAM_RUN_VIEW_NEWEST ? count - SAM_RUN_VIEW_NEWEST : 0; i < count; i++) {
        const json_t *each = json_array_get(all, i);
        const sam_evaluation one = {.at = number(each, "round"),
                                    .examples = (uint32_t)number(each, "examples"),
                                    .correct = (uint32_t)number(each, "correct"),
                                    .loss_micro = number(each, "loss_micro")};
        if (one.examples > 0)
            view->newest[view->newest_count++] = one;
    }
}

sam_status sam_run_look(sam_run_client *client, const char *run, sam_run_view *view, sam_error *err)
{
    char path[SAM_DIGEST_HEX + 32];
    json_t *json;
    snprintf(path, sizeof path, "/v1/runs/%s", run);
    sam_status status = sam_run_get(client, path, &json, err);
    if (status != SAM_OK)
        return status;
    read_view(view, json);
    json_decref(json);
    return SAM_OK;
}

/* ---- leases that nobody works on ---- */

static sam_status get_workers(sam_run_client *client, const char *run, json_t **answer, sam_error *err)
{
    char path[SAM_DIGEST_HEX + 32];
    snprintf(path, sizeof path, "/v1/runs/%s/workers", run);
    return sam_run_get(client, path, answer, err);
}

sam_status sam_run_leave_all(sam_run_client *client, const char *run, sam_error *err)
{
    json_t *answer, *worker;
    size_t i;
    sam_status status = get_workers(client, run, &answer, err);
    if (status != SAM_OK)
        return status;
    json_array_foreach(json_object_get(answer, "workers"), i, worker)
    {
        if (status == SAM_OK && number(worker, "leases") > 0)
            status = sam_run_leave(client, run, (uint32_t)number(worker, "worker"), err);
    }
    json_decref(answer);
    return status;
}

sam_status sam_run_highest_worker(sam_run_client *client, const char *run, uint32_t *highest, sam_error *err)
{
    json_t *answer, *worker;
    size_t i;
    *highest = 0;
    sam_status status = get_workers(client, run, &answer, err);
    if (status != SAM_OK)
        return status;
    json_array_foreach(json_object_get(answer, "workers"), i, worker)
    {
        uint64_t name = number(worker, "worker");
        if (name > *highest && name < UINT32_MAX)
            *highest = (uint32_t)name;
    }
    json_decref(answer);
    return SAM_OK;
}

/* ---- the log ---- */

/* Where to go on after `bytes` of a log: the number of rounds in it. */
static sam_status count_rounds(const sam_buffer *bytes, uint64_t *rounds, sam_error *err)
{
    sam_samlog *log;
    sam_status status = sam_samlog_parse(&log, bytes->bytes, bytes->length, err);
    if (status != SAM_OK)
        return status;
    *rounds = sam_samlog_rounds(log);
    sam_samlog_close(log);
    return SAM_OK;
}

/* A gateway sends the whole log, from whatever round it was asked. */
static bool begins_anew(const sam_buffer *reply)
{
    const size_t length = strlen(SAM_SAMLOG_MAGIC); /* as the length of a round it would be more than one can have */
    return reply->length >= length && memcmp(reply->bytes, SAM_SAMLOG_MAGIC, length) == 0;
}

/* A reply carries as many rounds as fit one; the next begins where it ended. */
sam_status sam_run_fetch_log(sam_run_client *client, const char *run, sam_buffer *log, uint64_t *rounds, sam_error *err)
{
    sam_buffer_clear(log);
    *rounds = 0;
    for (;;) {
        char path[SAM_DIGEST_HEX + 64];
        uint64_t from = *rounds;
        snprintf(path, sizeof path, "/v1/runs/%s/log?from=%llu", run, (unsigned long long)from);
        sam_status status = call(client, path, NULL, err);
        if (status != SAM_OK || client->reply.body.length == 0)
            return status;
        if (from > 0 && begins_anew(&client->reply.body))
            return SAM_OK;
        sam_put_bytes(log, client->reply.body.bytes, client->reply.body.length);
        status = log->failed ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : count_rounds(log, rounds, err);
        if (status != SAM_OK || *rounds == from)
            return status;
    }
}

/* A reply says which round the next one is to begin with. */
sam_status sam_run_fetch_signatures(sam_run_client *client, const char *run, sam_buffer *signatures, sam_error *err)
{
    sam_buffer_clear(signatures);
    for (uint64_t from = 0, next = 0;; from = next) {
        char path[SAM_DIGEST_HEX + 64];
        snprintf(path, sizeof path, "/v1/runs/%s/signatures?from=%llu", run, (unsigned long long)from);
        sam_status status = call(client, path, NULL, err);
        if (status != SAM_OK)
            return status;
        sam_put_bytes(signatures, client->reply.body.bytes, client->reply.body.length);
        if (signatures->failed)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory for the signatures of a run");
        if (!sam_parse_u64(client->reply.wanted, &next) || next <= from)
            return SAM_OK;
    }
}

/* ---- a log that comes from elsewhere ---- */

#define SEND_BYTES ((size_t)4 * 1024 * 1024) /* in one request; the ledger takes four times that */

static sam_status send_some(sam_run_client *client, const sam_samlog *log, uint32_t workers, uint64_t from,
                            uint64_t *next, sam_error *err)
{
    char path[SAM_DIGEST_HEX + 96];
    uint64_t rounds = sam_samlog_rounds(log);
    sam_buffer bytes = {0};
    for (*next = from; *next < rounds && bytes.length < SEND_BYTES; ++*next) {
        size_t length;
        const uint8_t *round = sam_samlog_round(log, *next, &length);
        sam_samlog_put_round(&bytes, round, length);
    }
    snprintf(path, sizeof path, "/v1/runs/%s/log?past=%llu&workers=%u", sam_samlog_manifest(log)->id_hex,
             (unsigned long long)rounds, workers);
    const body sent = {"application/vnd.samara.log", bytes.bytes, bytes.length};
    sam_status status = bytes.failed ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : call(client, path, &sent, err);
    sam_buffer_free(&bytes);
    return status;
}

/* Numbers up to this one are in the log, or known to be given to somebody. */
static sam_status numbers_in_use(const sam_samlog *log, uint32_t *workers, sam_error *err)
{
    sam_worker_share *shares;
    size_t count;
    sam_status status = sam_history_workers(log, 0, sam_samlog_rounds(log), &shares, &count, err);
    if (status != SAM_OK)
        return status;
    if (count > 0 && shares[count - 1].worker > *workers)
        *workers = shares[count - 1].worker;
    sam_free(shares);
    return SAM_OK;
}

/* Before the first round is there a worker may join: it must not get a number that stands in one.
 * The last round that both have is sent again: where it is the same, so are all before it. */
sam_status sam_run_send_log(sam_run_client *client, const sam_samlog *log, uint32_t workers, uint64_t *was,
                            uint64_t *head, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    char path[96];
    sam_run_view view;
    uint64_t rounds = sam_samlog_rounds(log);
    const body sent = {"application/json", manifest->text, manifest->text_length};
    sam_status status = numbers_in_use(log, &workers, err);
    snprintf(path, sizeof path, "/v1/runs?past=%llu&workers=%u", (unsigned long long)rounds, workers);
    if (status == SAM_OK)
        status = call(client, path, &sent, err);
    if (status == SAM_OK)
        status = sam_run_look(client, manifest->id_hex, &view, err);
    if (status != SAM_OK)
        return status;
    *was = view.head;
    *head = view.head > rounds ? view.head : rounds;
    uint64_t shared = view.head < rounds ? view.head : rounds;
    for (uint64_t from = shared > 0 ? shared - 1 : 0; from < rounds && status == SAM_OK;)
        status = send_some(client, log, workers, from, &from, err);
    return status;
}
