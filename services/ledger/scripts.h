/* The Lua functions of the ledger, and how one is called.
 *
 *     ledger_call call;
 *     redisReply *reply;
 *     ledger_call_begin(&call, manifest->id_hex, 2);                        // room for 2 arguments
 *     ledger_call_u64(&call, 7);
 *     ledger_call_text(&call, "anna");
 *     sam_status status = ledger_call_run(&call, scripts, LEDGER_JOIN, redis, &reply, err);     // frees the call
 *
 * The keys of the run come first, in the order of store/schema.h; its names and lua/common.lua stand before each
 * function.
 */
#ifndef SAM_LEDGER_SCRIPTS_H
#define SAM_LEDGER_SCRIPTS_H

#include "base/memory.h"
#include "store/script.h"

#define LEDGER_SCRIPT_TABLE(X)                                                                                         \
    X(CREATE, create)                                                                                                  \
    X(IMPORT, import)                                                                                                  \
    X(JOIN, join)                                                                                                      \
    X(TURNS, turns)                                                                                                    \
    X(GATHER, gather)                                                                                                  \
    X(COMMIT, commit)                                                                                                  \
    X(LEAVE, leave)                                                                                                    \
    X(PAUSE, pause)                                                                                                    \
    X(TICK, tick)                                                                                                      \
    X(CHECK, check)                                                                                                    \
    X(DESCRIBE, describe)

typedef enum ledger_script {
#define X(name, file) LEDGER_##name,
    LEDGER_SCRIPT_TABLE(X)
#undef X
        LEDGER_SCRIPT_COUNT
} ledger_script;

typedef struct ledger_scripts {
    sam_script script[LEDGER_SCRIPT_COUNT];
    char *source[LEDGER_SCRIPT_COUNT];
    uint32_t replicas; /* of Redis that must have what was written before it is acknowledged */
} ledger_scripts;

sam_status ledger_scripts_init(ledger_scripts *scripts, sam_error *err);
void ledger_scripts_free(ledger_scripts *scripts);

typedef struct ledger_call {
    sam_arena arena;
    const char **arguments; /* the keys among them */
    size_t *lengths;
    int count, capacity;
    bool failed; /* out of memory */
} ledger_call;

void ledger_call_begin(ledger_call *call, const char *run_id, size_t arguments);
void ledger_call_text(ledger_call *call, const char *text);                  /* borrowed */
void ledger_call_bytes(ledger_call *call, const void *bytes, size_t length); /* borrowed */
void ledger_call_u64(ledger_call *call, uint64_t value);
void ledger_call_copy(ledger_call *call, const char *text);
void ledger_call_copy_bytes(ledger_call *call, const void *bytes, size_t length);
/* UNAVAILABLE, too, where it was done but too few replicas have it: what is called again changes nothing. */
sam_status ledger_call_run(ledger_call *call, ledger_scripts *scripts, ledger_script which, sam_redis *redis,
                           redisReply **reply, sam_error *err);

/* After a write on this connection: as ledger_call_run does it. At once where no replicas are asked for. */
sam_status ledger_await_replicas(const ledger_scripts *scripts, sam_redis *redis, sam_error *err);

#endif
