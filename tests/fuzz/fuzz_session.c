/* libFuzzer target: what a ledger answers to a worker's join and sync is understood whole, or refused with a sentence;
 * rounds that are passed on are chained to the run.
 *
 * The first line is the answer to the join; the rest that to the sync. */
#include "client/received.h"
#include "client/session.h"

#include "base/bytes.h"
#include "base/log.h"
#include "peer.h"
#include "sketch.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_peer peer;
static sam_manifest *manifest;

static void start(void)
{
    fuzz_peer_start(&peer, NULL);
    manifest = fuzz_sketch();
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

static fuzz_answer answer(sam_buffer *out, const void *body, size_t length)
{
    char head[120];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", length);
    sam_put_bytes(out, head, strlen(head));
    sam_put_bytes(out, body, length);
    return (fuzz_answer){out->bytes, out->length};
}

static void must_be_chained(const sam_sync_reply *reply)
{
    sam_digest chain = manifest->id;
    for (size_t i = 0; i < reply->round_count; i++)
        if (sam_round_verify(reply->rounds[i], reply->round_lengths[i], &chain, &chain, NULL) != SAM_OK)
            __builtin_trap();
}

static sam_status converse(const sam_session_options *options, sam_error *err)
{
    sam_session *session;
    sam_sync_reply reply = {0};
    sam_received received = {0, manifest->id};
    const sam_member member = {.name = "fuzz", .kernel = "portable", .threads = 1};
    sam_status status = sam_session_open(&session, options, err);
    if (status != SAM_OK)
        return status;
    status = sam_http_transport.join(session, &member, err);
    if (status == SAM_OK)
        status = sam_http_transport.turn(session, 0, &(sam_sync_request){.wants = 1}, &reply, err);
    if (status == SAM_OK)
        status = sam_received_add(&received, 0, &reply, err);
    if (status == SAM_OK)
        must_be_chained(&reply);
    sam_sync_reply_free(&reply);
    sam_session_close(session);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_buffer buffers[3] = {{0}};
    sam_error err = {0};
    if (manifest == NULL)
        start();
    const uint8_t *end = length == 0 ? NULL : memchr(bytes, '\n', length);
    size_t line = end == NULL ? length : (size_t)(end - bytes), rest = end == NULL ? length : line + 1;
    const fuzz_answer answers[] = {answer(&buffers[0], manifest->text, manifest->text_length),
                                   answer(&buffers[1], bytes, line), answer(&buffers[2], bytes + rest, length - rest)};
    fuzz_peer_script(&peer, answers, 3);
    const sam_session_options options = {.ledger = peer.address, .run = manifest->id_hex};
    if (converse(&options, &err) != SAM_OK && err.text[0] == 0)
        __builtin_trap();
    fuzz_peer_set(&peer, NULL, 0);
    for (size_t i = 0; i < 3; i++)
        sam_buffer_free(&buffers[i]);
    return 0;
}
