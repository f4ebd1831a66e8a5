/* What stands in Redis, and under which names. The ledger writes it, in C and in Lua, and the gateway reads it; each
 * takes the names from here, and docs/formats/redis.md says what each of them means.
 *
 *     char key[SAM_SCHEMA_KEY_SIZE];
 *     sam_schema_key_of(key, run_id, SAM_KEY_WORKERS);                     // "samara:{01ab...}:workers"
 *     uint32_t number;
 *     sam_worker_field field;
 *     if (sam_schema_parse_worker_field(&number, &field, "7:seen") && field == SAM_WORKER_SEEN)
 *         printf("worker %u\n", number);                                    // worker 7
 *
 * Lua has the same names: keys as local variables, WORKERS; those of fields, statuses and kinds of work (run/work.h)
 * are replaced by what they stand for when a source is read: STATE_HEAD, WORKER_SEEN, STATUS_PAUSED, KIND_SLOT. Thread
 * safety: pure functions, from any thread.
 */
#ifndef SAM_STORE_SCHEMA_H
#define SAM_STORE_SCHEMA_H

#include "base/bytes.h"
#include "base/digest.h"
#include "run/round.h"
#include "run/wire.h"

#define SAM_SCHEMA_RUNS     "samara:runs"         /* a set: the ids of all runs */
#define SAM_SCHEMA_KEY_SIZE (SAM_DIGEST_HEX + 32) /* "samara:{" id "}:evaluations" */

/* The keys of a run, in the order in which they are handed to Lua. */
#define SAM_SCHEMA_KEYS(X)                                                                                             \
    X(MANIFEST, "manifest")                                                                                            \
    X(STATE, "state")                                                                                                  \
    X(LOG, "log")                                                                                                      \
    X(SIGNATURES, "signatures")                                                                                        \
    X(ROUNDS, "rounds")                                                                                                \
    X(OPEN, "open")                                                                                                    \
    X(FREE, "free")                                                                                                    \
    X(ADDRESSED, "addressed")                                                                                          \
    X(LEASES, "leases")                                                                                                \
    X(HOLDERS, "holders")                                                                                              \
    X(DEADLINES, "deadlines")                                                                                          \
    X(LAPSED, "lapsed")                                                                                                \
    X(CHUNKS, "chunks")                                                                                                \
    X(EVALUATIONS, "evaluations")                                                                                      \
    X(QUEUED, "queued")                                                                                                \
    X(WORKERS, "workers")                                                                                              \
    X(IDENTITIES, "identities")                                                                                        \
    X(CHECKS, "checks")                                                                                                \
    X(DUE, "due")

#define SAM_SCHEMA_STATE_FIELDS(X)                                                                                     \
    X(HEAD, "head")                                                                                                    \
    X(CHAIN, "chain")                                                                                                  \
    X(STATUS, "status")                                                                                                \
    X(PAST, "past")                                                                                                    \
    X(NEXT_WORKER, "next_worker")                                                                                      \
    X(LOST_LEASES, "lost_leases")                                                                                      \
    X(RECORDS, "records")                                                                                              \
    X(CREATED, "created")                                                                                              \
    X(LEASE_MS, "lease_ms")                                                                                            \
    X(QUORUM, "quorum")                                                                                                \
    X(QUORUM_MS, "quorum_ms")

/* Of worker N: "N:name", "N:seen" ... */
#define SAM_SCHEMA_WORKER_FIELDS(X)                                                                                    \
    X(NAME, "name")                                                                                                    \
    X(KERNEL, "kernel")                                                                                                \
    X(THREADS, "threads")                                                                                              \
    X(KEY, "key")                                                                                                      \
    X(JOINED, "joined")                                                                                                \
    X(SEEN, "seen")                                                                                                    \
    X(LEFT, "left")                                                                                                    \
    X(SLOTS_ONLY, "slots_only")                                                                                        \
    X(SLOTS, "slots")                                                                                                  \
    X(BUSY, "busy")                                                                                                    \
    X(LATE, "late")                                                                                                    \
    X(REFUSED, "refused")                                                                                              \
    X(STANDING, "standing")                                                                                            \
    X(AGREED, "agreed")                                                                                                \
    X(DIFFERED, "differed")                                                                                            \
    X(DIFFERED_AT, "differed_at")                                                                                      \
    X(QUARANTINED, "quarantined")

/* sam_run_status, in its order */
#define SAM_SCHEMA_RUN_STATUSES(X)                                                                                     \
    X(RUNNING, "running")                                                                                              \
    X(PAUSED, "paused")                                                                                                \
    X(COMPLETE, "complete")

#define SAM_SCHEMA_WORKER_STATUSES(X)                                                                                  \
    X(ACTIVE, "active")                                                                                                \
    X(GONE, "gone")                                                                                                    \
    X(LEFT, "left")                                                                                                    \
    X(QUARANTINED, "quarantined")

/* A worker that was not seen for so many lease times is gone. */
#define SAM_SCHEMA_GONE_LEASES      3
#define SAM_SCHEMA_GONE_LEASES_TEXT "3"

/* The one field of an entry of a stream. */
#define SAM_SCHEMA_LOG_FIELD        "b"
#define SAM_SCHEMA_SIGNATURES_FIELD "s"

#define X(name, text) SAM_KEY_##name,
typedef enum sam_schema_key { SAM_SCHEMA_KEYS(X) SAM_KEY_COUNT } sam_schema_key;
#undef X
#define X(name, text) SAM_STATE_##name,
typedef enum sam_state_field { SAM_SCHEMA_STATE_FIELDS(X) SAM_STATE_COUNT } sam_state_field;
#undef X
#define X(name, text) SAM_WORKER_##name,
typedef enum sam_worker_field { SAM_SCHEMA_WORKER_FIELDS(X) SAM_WORKER_COUNT } sam_worker_field;
#undef X
#define X(name, text) SAM_WORKER_IS_##name,
typedef enum sam_worker_status { SAM_SCHEMA_WORKER_STATUSES(X) SAM_WORKER_STATUS_COUNT } sam_worker_status;
#undef X

/* ---- keys and fields ---- */

void sam_schema_key_of(char out[SAM_SCHEMA_KEY_SIZE], const char *run_id, sam_schema_key key);
const char *sam_schema_state_name(sam_state_field field); /* "head" */
bool sam_schema_parse_state_field(sam_state_field *field, const char *text);
#define SAM_SCHEMA_WORKER_FIELD_SIZE 32
void sam_schema_worker_field_of(char out[SAM_SCHEMA_WORKER_FIELD_SIZE], uint32_t number, sam_worker_field field);
bool sam_schema_parse_worker_field(uint32_t *number, sam_worker_field *field, const char *text); /* "7:seen" */

/* "local MANIFEST, STATE ... = unpack(KEYS)". */
void sam_schema_put_lua_keys(sam_buffer *out);
/* A source with what its names of fields, statuses and kinds of work stand for in their place. (As local variables they
 * would cost each call: a function that uses one links it when it is made, and a call makes all functions.) */
void sam_schema_put_lua(sam_buffer *out, const char *source);

/* ---- statuses ---- */

const char *sam_schema_run_status_name(sam_run_status status);
bool sam_schema_parse_run_status(sam_run_status *status, const char *text);
const char *sam_schema_worker_status_name(sam_worker_status status);
/* `seen_ms` of one that waits for news is when its wait ends. */
sam_worker_status sam_schema_worker_status_of(bool quarantined, bool left, uint64_t seen_ms, uint64_t now_ms,
                                              uint32_t lease_ms);

/* ---- values ---- */

/* The entry of a round in the log, and of its signatures: "ROUND+1-0", so that the last one says how many there are. */
#define SAM_SCHEMA_ENTRY_SIZE 24
void sam_schema_entry_of(char out[SAM_SCHEMA_ENTRY_SIZE], uint64_t round);
/* What XREAD reads on from when `rounds` of them are known. */
void sam_schema_entry_after(char out[SAM_SCHEMA_ENTRY_SIZE], uint64_t rounds);
bool sam_schema_parse_entry(uint64_t *round, const char *text);

/* A finished evaluation: field "ROUND", value "EXAMPLES:CORRECT:LOSS_MICRO"; a part of it has such a value, too. */
#define SAM_SCHEMA_SUMS_SIZE 48
void sam_schema_sums_of(char out[SAM_SCHEMA_SUMS_SIZE], const sam_evaluation *evaluation);
bool sam_schema_parse_evaluation(sam_evaluation *evaluation, const char *round, const char *sums);

#endif
