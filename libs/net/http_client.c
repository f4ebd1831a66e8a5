#include "net/http_client.h"

#include "base/memory.h"
#include "base/text.h"
#include "net/access.h"

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POLL_MS       100
#define PROBLEM_BYTES ((size_t)64 * 1024)

struct sam_http_client {
    CURL *easy;   /* of the newest call; NULL before the first */
    CURLM *multi; /* has the connections; driven by hand, so that `cancelled` is asked while nothing arrives */
    char *authorization, *hint, *user_agent, *token_file, *ca_file;
    sam_http_client_options options;
    char curl_error[CURL_ERROR_SIZE];
};

/* One call, as its callbacks see it. */
typedef struct transfer {
    const sam_http_call *call;
    sam_http_reply *reply;
    size_t limit;
    sam_status status; /* why a callback ended it */
    sam_error err;
    CURL *easy;
    bool header_whole; /* its last, empty line has come */
} transfer;

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_ready;

static void init_curl(void)
{
    curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *copy_or_null(const char *text)
{
    return text == NULL ? NULL : sam_strdup(text);
}

/* `*changed`: it is another one than before. */
static sam_status take_token(sam_http_client *client, bool *changed, sam_error *err)
{
    char token[SAM_TOKEN_MOST + 1];
    sam_status status = sam_token_read(token, client->token_file, err);
    if (status != SAM_OK)
        return status;
    char *line = sam_format("Authorization: Bearer %s", token);
    if (line == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for a token");
    *changed = client->authorization == NULL || strcmp(client->authorization, line) != 0;
    sam_free(client->authorization);
    client->authorization = line;
    return SAM_OK;
}

sam_status sam_http_client_new(sam_http_client **out, const sam_http_client_options *options, sam_error *err)
{
    *out = NULL;
    pthread_once(&curl_once, init_curl);
    sam_http_client *client = curl_ready == CURLE_OK ? sam_alloc(1, sizeof *client) : NULL;
    if (client == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory making an HTTP client");
    client->options = *options;
    client->multi = curl_multi_init();
    client->authorization = options->token == NULL ? NULL : sam_format("Authorization: Bearer %s", options->token);
    client->hint = copy_or_null(options->hint);
    client->token_file = copy_or_null(options->token_file);
    client->ca_file = copy_or_null(options->ca_file);
    client->user_agent = sam_strdup(options->user_agent == NULL ? "samara/" SAMARA_VERSION : options->user_agent);
    bool good = client->multi != NULL && client->user_agent != NULL &&
                (options->token == NULL || client->authorization != NULL) &&
                (options->hint == NULL || client->hint != NULL) &&
                (options->token_file == NULL || client->token_file != NULL) &&
                (options->ca_file == NULL || client->ca_file != NULL);
    sam_status status = good ? SAM_OK : sam_fail(err, SAM_NO_MEMORY, "out of memory making an HTTP client");
    if (good && client->token_file != NULL)
        status = take_token(client, &good, err);
    if (status != SAM_OK) {
        sam_http_client_free(client);
        return status;
    }
    *out = client;
    return SAM_OK;
}

void sam_http_client_free(sam_http_client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->easy);
    if (client->multi != NULL)
        (void)curl_multi_cleanup(client->multi);
    sam_free(client->authorization);
    sam_free(client->hint);
    sam_free(client->user_agent);
    sam_free(client->token_file);
    sam_free(client->ca_file);
    sam_free(client);
}

/* ---- what arrives ---- */

static bool field_value(const char *line, size_t length, const char *name, char *out, size_t size)
{
    size_t name_length = strlen(name);
    if (length <= name_length || strncasecmp(line, name, name_length) != 0 || line[name_length] != ':')
        return false;
    const char *value = line + name_length + 1, *end = line + length;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    if ((size_t)(end - value) >= size)
        return false; /* longer than any we know: as if it were absent */
    memcpy(out, value, (size_t)(end - value));
    out[end - value] = 0;
    return true;
}

static void clear_fields(sam_http_reply *reply)
{
    reply->content_type[0] = reply->etag[0] = reply->content_range[0] = reply->wanted[0] = 0;
    reply->content_length = UINT64_MAX;
    reply->retry_after_s = 0;
}

static size_t on_field(char *line, size_t size, size_t count, void *user)
{
    transfer *now = user;
    sam_http_reply *reply = now->reply;
    size_t length = size * count;
    const char *wanted = now->call->wanted;
    char number[24];
    uint64_t value;
    if (wanted != NULL)
        (void)field_value(line, length, wanted, reply->wanted, sizeof reply->wanted);
    if (length > 5 && memcmp(line, "HTTP/", 5) == 0) { /* the status line, again after a redirect or 100 */
        long code = 0;
        clear_fields(reply);
        curl_easy_getinfo(now->easy, CURLINFO_RESPONSE_CODE, &code);
        reply->code = (int)code;
        now->header_whole = false;
    } else if (length <= 2 && (line[0] == '\r' || line[0] == '\n')) {
        now->header_whole = true;
    } else if (field_value(line, length, "Content-Length", number, sizeof number)) {
        reply->content_length = sam_parse_u64(number, &value) ? value : UINT64_MAX;
    } else if (field_value(line, length, "Retry-After", number, sizeof number)) {
        reply->retry_after_s = sam_parse_u64(number, &value) && value < 86400 ? (uint32_t)value : 0;
    } else if (!field_value(line, length, "Content-Type", reply->content_type, sizeof reply->content_type) &&
               !field_value(line, length, "ETag", reply->etag, sizeof reply->etag)) {
        (void)field_value(line, length, "Content-Range", reply->content_range, sizeof reply->content_range);
    }
    return length;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *user)
{
    transfer *now = user;
    sam_http_reply *reply = now->reply;
    size_t length = size * count;
    bool good = reply->code >= 200 && reply->code < 300;
    if (good && now->call->sink != NULL) {
        now->status = now->call->sink(now->call->sink_user, (const uint8_t *)bytes, length, &now->err);
        return now->status == SAM_OK ? length : 0;
    }
    size_t limit = good ? now->limit : PROBLEM_BYTES;
    if (length > limit - reply->body.length) {
        if (!good) /* enough of a problem was read to explain it */
            return length;
        now->status =
            sam_fail(&now->err, SAM_TOO_LARGE, "the answer of %s is larger than %zu bytes", now->call->url, limit);
        return 0;
    }
    sam_put_bytes(&reply->body, bytes, length);
    if (reply->body.failed)
        now->status = sam_fail(&now->err, SAM_NO_MEMORY, "out of memory for the answer of %s", now->call->url);
    return reply->body.failed ? 0 : length;
}

/* ---- the call ---- */

static void set_certificates(CURL *easy, const char *ca_file)
{
    const char *bundle = ca_file != NULL ? ca_file : getenv("CURL_CA_BUNDLE");
    if (bundle == NULL || *bundle == 0)
        bundle = getenv("SSL_CERT_FILE");
    if (bundle != NULL && *bundle != 0)
        curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
}

static void set_method(CURL *easy, const sam_http_call *call)
{
    const char *method = call->method;
    bool has_body = call->body_length > 0;
    if (method == NULL)
        method = has_body ? "POST" : "GET";
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (has_body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_length);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, has_body ? call->body : "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    } else {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, method);
    }
}

static void set_times(const sam_http_client *client, const sam_http_call *call)
{
    long timeout = call->timeout_ms == 0 ? 30000L : (long)call->timeout_ms;
    uint32_t connect = client->options.connect_timeout_ms;
    curl_easy_setopt(client->easy, CURLOPT_CONNECTTIMEOUT_MS, connect == 0 ? 5000L : (long)connect);
    curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
    if (call->sink == NULL) {
        curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, timeout);
    } else {
        curl_easy_setopt(client->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(client->easy, CURLOPT_LOW_SPEED_TIME, timeout < 1000 ? 1L : timeout / 1000);
    }
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static bool names_content_type(const sam_http_call *call)
{
    for (size_t i = 0; call->headers != NULL && call->headers[i] != NULL; i++)
        if (strncasecmp(call->headers[i], "Content-Type:", 13) == 0)
            return true;
    return false;
}

/* "Expect:" turns off the wait for 100 Continue, which costs a round trip (or a second) for each larger body. */
static bool make_headers(const sam_http_client *client, const sam_http_call *call, struct curl_slist **list)
{
    bool good = add_header(list, "Expect:");
    if (client->authorization != NULL)
        good = good && add_header(list, client->authorization);
    if (call->body_length > 0 && !names_content_type(call))
        good = good && add_header(list, "Content-Type: application/octet-stream");
    for (size_t i = 0; good && call->headers != NULL && call->headers[i] != NULL; i++) {
        if (strpbrk(call->headers[i], "\r\n") != NULL)
            continue; /* would be a field of somebody else's making */
        good = add_header(list, call->headers[i]);
    }
    return good;
}

/* A handle that has served before follows a pointer into the header that it had then, where a server begins one with a
 * continued line (libcurl before 8.1.1; its issue 11101). So each call has a new one. */
static bool make_handle(sam_http_client *client)
{
    curl_easy_cleanup(client->easy);
    client->easy = curl_easy_init();
    return client->easy != NULL;
}

static void set_up(sam_http_client *client, transfer *now, struct curl_slist *headers)
{
    CURL *easy = client->easy;
    curl_easy_setopt(easy, CURLOPT_URL, now->call->url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, client->options.follow_redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, 10L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, client->curl_error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, now);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, now);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    set_certificates(easy, client->ca_file);
    set_times(client, now->call);
    set_method(easy, now->call);
}

static bool is_cancelled(const sam_http_client *client)
{
    return client->options.cancelled != NULL && client->options.cancelled(client->options.cancelled_user);
}

/* Until done or cancelled. */
static CURLcode drive(sam_http_client *client, bool *cancelled)
{
    CURLcode result = CURLE_FAILED_INIT;
    if (curl_multi_add_handle(client->multi, client->easy) != CURLM_OK)
        return result;
    int running = 1;
    while (running > 0 && !(*cancelled = is_cancelled(client))) {
        if (curl_multi_perform(client->multi, &running) != CURLM_OK)
            break;
        if (running > 0)
            (void)curl_multi_poll(client->multi, NULL, 0, POLL_MS, NULL);
    }
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(client->multi, &left)) != NULL;)
        if (message->msg == CURLMSG_DONE)
            result = message->data.result;
    (void)curl_multi_remove_handle(client->multi, client->easy);
    return result;
}

/* ---- what went wrong ---- */

static sam_status unreachable(const sam_http_client *client, const sam_http_call *call, CURLcode code, sam_error *err)
{
    const char *why = curl_easy_strerror(code);
    long system = 0;
    curl_easy_getinfo(client->easy, CURLINFO_OS_ERRNO, &system);
    if (code == CURLE_COULDNT_CONNECT && system != 0)
        why = strerror((int)system);
    else if (client->curl_error[0] != 0)
        why = client->curl_error;
    const char *hint = client->hint == NULL ? "" : client->hint;
    const char *gap = client->hint == NULL ? "" : "; ";
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return sam_fail(err, SAM_TIMEOUT, "%s did not answer in time: %s%s%s", call->url, why, gap, hint);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return sam_fail(err, SAM_INVALID, "\"%s\" is not a URL that can be asked: expected http:// or https://",
                        call->url);
    case CURLE_OUT_OF_MEMORY:
        return sam_fail(err, SAM_NO_MEMORY, "out of memory asking %s", call->url);
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return sam_fail(err, SAM_UNAVAILABLE, "cannot reach %s: %s%s%s", call->url, why, gap, hint);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return sam_fail(err, SAM_FORBIDDEN,
                        "%s is not trusted: %s; name who vouches for its certificate with --ca-file", call->url, why);
    default:
        return sam_fail(err, SAM_UNAVAILABLE, "the request to %s broke off: %s%s%s", call->url, why, gap, hint);
    }
}

static sam_status status_of_code(int code)
{
    static const struct {
        int code;
        sam_status status;
    } KNOWN[] = {{400, SAM_INVALID},     {401, SAM_UNAUTHORIZED}, {403, SAM_FORBIDDEN},   {404, SAM_NOT_FOUND},
                 {408, SAM_TIMEOUT},     {409, SAM_CONFLICT},     {410, SAM_GONE},        {412, SAM_CONFLICT},
                 {413, SAM_TOO_LARGE},   {422, SAM_CORRUPT},      {429, SAM_UNAVAILABLE}, {499, SAM_CANCELLED},
                 {501, SAM_UNSUPPORTED}, {502, SAM_UNAVAILABLE},  {503, SAM_UNAVAILABLE}, {504, SAM_TIMEOUT}};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++)
        if (KNOWN[i].code == code)
            return KNOWN[i].status;
    return code >= 500 ? SAM_INTERNAL : SAM_INVALID;
}

/* The other side's name of a status, believed where it fits the HTTP code. */
static sam_status status_of_name(const char *name, int code)
{
    for (int s = SAM_OK + 1; name != NULL && s <= SAM_INTERNAL; s++)
        if (strcmp(sam_status_name((sam_status)s), name) == 0 && sam_http_status((sam_status)s) == code)
            return (sam_status)s;
    return status_of_code(code);
}

static sam_status refused(const sam_http_call *call, const sam_http_reply *reply, sam_error *err)
{
    sam_status status = status_of_code(reply->code);
    if (strncasecmp(reply->content_type, "application/problem+json", 24) == 0) {
        json_t *problem = json_loadb((const char *)reply->body.bytes, reply->body.length, 0, NULL);
        const char *detail = json_string_value(json_object_get(problem, "detail"));
        status = status_of_name(json_string_value(json_object_get(problem, "code")), reply->code);
        if (detail != NULL) {
            sam_fail(err, status, "%s", detail);
            json_decref(problem);
            return status;
        }
        json_decref(problem);
    }
    return sam_fail(err, status, "%s answered %d", call->url, reply->code);
}

static sam_status send_once(sam_http_client *client, const sam_http_call *call, sam_http_reply *reply, sam_error *err)
{
    sam_buffer_clear(&reply->body);
    reply->code = 0;
    clear_fields(reply);
    struct curl_slist *headers = NULL;
    if (!make_handle(client) || !make_headers(client, call, &headers)) {
        curl_slist_free_all(headers);
        return sam_fail(err, SAM_NO_MEMORY, "out of memory asking %s", call->url);
    }
    transfer now = {
        .call = call, .reply = reply, .limit = call->limit == 0 ? (size_t)64 << 20 : call->limit, .easy = client->easy};
    client->curl_error[0] = 0;
    set_up(client, &now, headers);
    bool cancelled = false;
    CURLcode code = drive(client, &cancelled);
    curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    if (cancelled)
        return sam_fail(err, SAM_CANCELLED, "the request to %s was given up because this process was told to stop",
                        call->url);
    if (now.status != SAM_OK) {
        if (err != NULL)
            *err = now.err;
        return now.status;
    }
    if (code == CURLE_OK && !now.header_whole) /* curl takes an end inside the header for an answer without a body */
        code = CURLE_RECV_ERROR;
    if (code != CURLE_OK)
        return unreachable(client, call, code, err);
    bool good = (reply->code >= 200 && reply->code < 300) || reply->code == 304;
    return good ? SAM_OK : refused(call, reply, err);
}

sam_status sam_http_send(sam_http_client *client, const sam_http_call *call, sam_http_reply *reply, sam_error *err)
{
    bool changed = false;
    sam_status status = send_once(client, call, reply, err);
    if (reply->code != 401 || client->token_file == NULL || take_token(client, &changed, NULL) != SAM_OK || !changed)
        return status;
    return send_once(client, call, reply, err);
}

void sam_http_reply_free(sam_http_reply *reply)
{
    sam_buffer_free(&reply->body);
    *reply = (sam_http_reply){0};
}
