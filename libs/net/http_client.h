/* HTTP requests of a service or worker: one kept-alive connection, limits, sentences that name the URL.
 *
 *     const sam_http_client_options options = {.token = token, .hint = "is the ledger running?"};
 *     sam_http_client *client;
 *     if (sam_http_client_new(&client, &options, err) != SAM_OK)
 *         return err->status;
 *     const sam_http_call call = {
 *         .method = "POST", .url = url, .body = bytes, .body_length = length, .timeout_ms = 60000};
 *     sam_http_reply reply = {0};
 *     if (sam_http_send(client, &call, &reply, err) == SAM_OK)      // else err has the service's own sentence
 *         printf("%zu bytes\n", reply.body.length);
 *     sam_http_reply_free(&reply);
 *     sam_http_client_free(client);
 *
 * 2xx and 304 are OK. Other codes become a sam_status; where the other side sent problem+json, its detail is the
 * sentence and its "code" member the status. No connection: UNAVAILABLE ("cannot reach http://127.0.0.1:9: Connection
 * refused; is the ledger running?"), no answer in time: TIMEOUT, `cancelled` said so: CANCELLED, within 100 ms.
 * Nothing is retried here, since the caller knows what may be sent twice; but a 401 is, once, where the token file
 * holds another token than the one that was sent: a 401 has changed nothing. Thread safety: a client belongs to one
 * thread at a time.
 */
#ifndef SAM_NET_HTTP_CLIENT_H
#define SAM_NET_HTTP_CLIENT_H

#include "base/bytes.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_http_client sam_http_client;

typedef struct sam_http_client_options { /* right when zeroed; texts are copied */
    const char *token;                   /* Authorization: Bearer ...; not sent on to another host by a redirect */
    const char *token_file;              /* instead: read now, and again when it was answered 401 (net/access.h) */
    const char *ca_file;                 /* PEM: who may vouch for https://; NULL: as the system has it */
    const char *hint;                    /* what to check when nothing answers: "is the ledger running?" */
    const char *user_agent;              /* NULL: "samara/VERSION" */
    uint32_t connect_timeout_ms;         /* 0: 5000 */
    bool follow_redirects;               /* at most 10, http and https only */
    bool (*cancelled)(void *user);       /* asked about every 100 ms; true ends the call */
    void *cancelled_user;
} sam_http_client_options;

typedef struct sam_http_call {
    const char *method; /* NULL: GET, or POST where there is a body */
    const char *url;
    const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
    const char *wanted;         /* name of one more field of the reply's header; may be NULL */
    const void *body;
    size_t body_length;
    uint32_t timeout_ms; /* whole call; 0: 30,000. With a sink: the longest time without a byte */
    size_t limit;        /* of the reply's body in memory; 0: 64 MiB; beyond: TOO_LARGE */
    /* Takes the body of a 2xx reply piece by piece instead of reply.body; not OK ends the call with that error.
     * reply->code and the fields of its header are set before the first piece. */
    sam_status (*sink)(void *user, const uint8_t *bytes, size_t length, sam_error *err);
    void *sink_user;
} sam_http_call;

typedef struct sam_http_reply {
    int code; /* 0: there was none */
    sam_buffer body;
    char content_type[128];
    char etag[256];          /* as sent, with quotes; "" when absent */
    char content_range[128]; /* as sent */
    char wanted[128];        /* what the call asked for, as sent */
    uint64_t content_length; /* UINT64_MAX: not said */
    uint32_t retry_after_s;  /* 0: not said */
} sam_http_reply;

sam_status sam_http_client_new(sam_http_client **client, const sam_http_client_options *options, sam_error *err);
void sam_http_client_free(sam_http_client *client);

/* The reply is cleared first, so one can serve for many calls without new memory. */
sam_status sam_http_send(sam_http_client *client, const sam_http_call *call, sam_http_reply *reply, sam_error *err);
void sam_http_reply_free(sam_http_reply *reply);

#endif
