/* What worker and ledger say to each other: one request a turn, POST /v1/runs/{run}/sync, binary both ways.
 *
 *     const sam_sync_request request = {.worker = 3, .cursor = 41, .wants = 1, .wait_ms = 20000};
 *     sam_buffer out = {0};
 *     sam_sync_request_encode(&out, &request);         // these bytes are sent; `bytes` come back
 *     sam_buffer_free(&out);
 *     sam_sync_reply reply;
 *     if (sam_sync_reply_decode(&reply, bytes, length, err) != SAM_OK)
 *         return err->status;
 *     for (size_t i = 0; i < reply.lease_count; i++)
 *         printf("slot %u of round %llu\n", reply.leases[i].index, (unsigned long long)reply.leases[i].round);
 *     sam_sync_reply_free(&reply);
 *
 * A request carries finished work and the cursor (how many committed rounds the worker has applied); the reply carries
 * committed rounds from the cursor on and new leases. docs/formats/wire.md has the bytes. A worker that repeats a
 * request after a lost reply changes nothing: records are idempotent by their origin.
 * Decoders refuse lengths beyond the limits below. Thread safety: values belong to their owner.
 */
#ifndef SAM_RUN_WIRE_H
#define SAM_RUN_WIRE_H

#include "base/bytes.h"
#include "base/status.h"
#include "run/round.h"
#include "run/work.h"

#define SAM_SYNC_CONTENT_TYPE "application/vnd.samara.sync"
#define SAM_SYNC_RESULTS_MAX  1024u
#define SAM_SYNC_ROUNDS_MAX   4096u
#define SAM_SYNC_LEASES_MAX   1024u
#define SAM_SIGNATURE_BYTES   64u
/* No request that keeps to these limits has more bytes. */
#define SAM_SYNC_REQUEST_BYTES_MAX ((size_t)512 * 1024)

/* A lease: a slot of the open round, a chunk of the dev set to evaluate at the state before a round, or a slot of a
 * committed round to compute again (its codes are compared with those in the log). */
typedef struct sam_lease {
    sam_work_kind kind;
    uint64_t round;
    uint32_t index;    /* slot, or chunk */
    uint32_t valid_ms; /* from the reply on */
} sam_lease;

typedef struct sam_result {
    sam_work_kind kind;
    uint64_t round;
    uint32_t index;
    uint32_t elapsed_ms; /* what the slot took, for lease deadlines */
    uint8_t *codes;      /* of work that yields a record: [steps][probes] */
    uint32_t code_count;
    uint32_t weight, loss;                  /* of a record (run/record.h) */
    sam_evaluation evaluation;              /* SAM_WORK_EVALUATION: of this chunk; .at is `round` */
    uint8_t signature[SAM_SIGNATURE_BYTES]; /* where the request is signed; run/signature.h */
} sam_result;

typedef struct sam_sync_request {
    uint32_t worker;  /* as join gave it */
    uint64_t cursor;  /* rounds applied */
    uint32_t wants;   /* leases it would take now */
    uint32_t wait_ms; /* how long the ledger may hold the request when there is no news */
    bool leaving;     /* gives all its leases back */
    bool ahead;       /* has work in hand: others come first */
    bool is_signed;   /* each result has a signature, and so has the request (run/signature.h) */
    sam_result *results;
    size_t result_count;
    uint8_t signature[SAM_SIGNATURE_BYTES]; /* of all bytes before it; where is_signed */
} sam_sync_request;

typedef enum sam_run_status { SAM_RUN_RUNNING = 0, SAM_RUN_PAUSED = 1, SAM_RUN_COMPLETE = 2 } sam_run_status;

typedef struct sam_sync_reply {
    sam_run_status status;
    uint64_t head;          /* rounds committed so far */
    const uint8_t **rounds; /* [round_count], encoded, borrowed from the decoded bytes */
    size_t *round_lengths;
    size_t round_count; /* rounds cursor, cursor + 1, ... */
    sam_lease *leases;
    size_t lease_count;
    uint32_t refused; /* results that were not taken: late, or not of this shape */
} sam_sync_reply;

/* The record of a slot as its author sent it; without its signature. */
sam_result sam_result_of(const sam_record *record);

void sam_sync_request_encode(sam_buffer *out, const sam_sync_request *request);
sam_status sam_sync_request_decode(sam_sync_request *request, const void *bytes, size_t length, sam_error *err);
void sam_sync_request_free(sam_sync_request *request);

void sam_sync_reply_encode(sam_buffer *out, const sam_sync_reply *reply);
sam_status sam_sync_reply_decode(sam_sync_reply *reply, const void *bytes, size_t length, sam_error *err);
void sam_sync_reply_free(sam_sync_reply *reply);

#endif
