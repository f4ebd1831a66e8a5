/* libFuzzer target: what a ledger answers to the command line, as JSON or as a log.
 *
 * The first byte chooses what is asked; the rest is the body of the answer. */
#include "client/run_client.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/memory.h"
#include "peer.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_peer peer;
static sam_run_client *client;

static void start(void)
{
    sam_error err;
    fuzz_peer_start(&peer, NULL);
    if (sam_run_client_new(&client, peer.address, NULL, &err) != SAM_OK)
        __builtin_trap();
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

static sam_status ask(uint8_t what, sam_error *err)
{
    static const char RUN[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    sam_run_view view;
    sam_buffer log = {0};
    uint64_t rounds;
    sam_status status = SAM_OK;
    if (what % 3 == 0)
        status = sam_run_look(client, RUN, &view, err);
    else if (what % 3 == 1)
        status = sam_run_leave_all(client, RUN, err);
    else
        status = sam_run_fetch_log(client, RUN, &log, &rounds, err);
    sam_buffer_free(&log);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_buffer answer = {0};
    sam_error err = {0};
    char head[120];
    if (length == 0)
        return 0;
    if (client == NULL)
        start();
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", length - 1);
    sam_put_bytes(&answer, head, strlen(head));
    sam_put_bytes(&answer, bytes + 1, length - 1);
    fuzz_peer_set(&peer, answer.bytes, answer.length);
    if (ask(bytes[0], &err) != SAM_OK && err.text[0] == 0)
        __builtin_trap();
    fuzz_peer_set(&peer, NULL, 0);
    sam_buffer_free(&answer);
    return 0;
}
