/* A worker that computes nothing: it takes leases of a real ledger and answers them with codes by arithmetic.
 *
 *     uint64_t head = work(client, "http://127.0.0.1:8642/v1/runs/.../sync", 1, 12);
 *
 * For tests only: failures are failures of the test. */
#ifndef SAM_GATEWAY_TEST_WORKER_H
#define SAM_GATEWAY_TEST_WORKER_H

#include "gateway/test_run.h"
#include "net/http_client.h"
#include "run/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static inline void sync_once(sam_http_client *client, const char *url, const sam_sync_request *request,
                             sam_sync_reply *answer, sam_http_reply *reply)
{
    sam_buffer body = {0};
    sam_error err = {0};
    sam_sync_request_encode(&body, request);
    const char *headers[] = {"Content-Type: " SAM_SYNC_CONTENT_TYPE, NULL};
    const sam_http_call call = {
        .method = "POST", .url = url, .headers = headers, .body = body.bytes, .body_length = body.length};
    if (sam_http_send(client, &call, reply, &err) != SAM_OK ||
        sam_sync_reply_decode(answer, reply->body.bytes, reply->body.length, &err) != SAM_OK)
        fail_msg("sync: %s", err.text);
    sam_buffer_free(&body);
}

/* Until `rounds` are committed; returns how many are. Computes nothing: each leased slot gets codes by its number, each
 * chunk the same evaluation. */
static inline uint64_t work(sam_http_client *client, const char *url, uint32_t worker, uint64_t rounds)
{
    sam_result results[16] = {0};
    uint8_t codes[16][TEST_PROBES];
    sam_sync_request request = {.worker = worker, .wants = 16, .results = results};
    uint64_t head = 0;
    for (int turn = 0; turn < 1000 && head < rounds; turn++) {
        sam_sync_reply answer = {0};
        sam_http_reply reply = {0};
        sync_once(client, url, &request, &answer, &reply);
        head = answer.head;
        request.cursor += answer.round_count;
        request.result_count = answer.lease_count;
        for (size_t i = 0; i < answer.lease_count; i++) {
            const sam_lease *lease = &answer.leases[i];
            memset(codes[i], (int)(0x20 + (lease->round + lease->index) % 64), TEST_PROBES);
            results[i] = (sam_result){.kind = lease->kind,
                                      .round = lease->round,
                                      .index = lease->index,
                                      .elapsed_ms = 5,
                                      .codes = codes[i],
                                      .code_count = TEST_PROBES,
                                      .weight = 1,
                                      .evaluation = {lease->round, 10, 5, 12000000}};
        }
        sam_sync_reply_free(&answer);
        sam_http_reply_free(&reply);
    }
    return head;
}

#endif
