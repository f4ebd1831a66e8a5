#include "ledger/scripts.h"

#include "store/schema.h"

#include <stdio.h>
#include <string.h>

/* Shorter than a worker's patience: it sends again what was not acknowledged. */
#define REPLICAS_WAIT_MS "1000"

extern const char ledger_lua_common[];
#define X(name, file) extern const char ledger_lua_##file[];
LEDGER_SCRIPT_TABLE(X)
#undef X

static const struct {
    const char *name, *source;
} OWN[LEDGER_SCRIPT_COUNT] = {
#define X(name, file) [LEDGER_##name] = {#file, ledger_lua_##file},
    LEDGER_SCRIPT_TABLE(X)
#undef X
};

/* Names of keys, lua/common.lua, and the function itself. */
static char *source_of(ledger_script which)
{
    sam_buffer text = {0};
    sam_schema_put_lua_keys(&text);
    sam_schema_put_lua(&text, ledger_lua_common);
    sam_schema_put_lua(&text, "\n");
    sam_schema_put_lua(&text, OWN[which].source);
    char *source = text.failed ? NULL : sam_strndup((const char *)text.bytes, text.length);
    sam_buffer_free(&text);
    return source;
}

sam_status ledger_scripts_init(ledger_scripts *scripts, sam_error *err)
{
    *scripts = (ledger_scripts){0};
    for (size_t i = 0; i < LEDGER_SCRIPT_COUNT; i++) {
        scripts->source[i] = source_of((ledger_script)i);
        if (scripts->source[i] == NULL) {
            ledger_scripts_free(scripts);
            return sam_fail(err, SAM_NO_MEMORY, "no memory for the ledger's Lua functions");
        }
        scripts->script[i] = (sam_script)SAM_SCRIPT(OWN[i].name, scripts->source[i]);
    }
    return SAM_OK;
}

void ledger_scripts_free(ledger_scripts *scripts)
{
    for (size_t i = 0; i < LEDGER_SCRIPT_COUNT; i++) {
        sam_free(scripts->source[i]);
        scripts->source[i] = NULL;
    }
}

/* ---- calls ---- */

void ledger_call_begin(ledger_call *call, const char *run_id, size_t arguments)
{
    *call = (ledger_call){.capacity = (int)(SAM_KEY_COUNT + arguments)};
    call->arguments = sam_arena_array(&call->arena, SAM_KEY_COUNT + arguments, sizeof *call->arguments);
    call->lengths = sam_arena_array(&call->arena, SAM_KEY_COUNT + arguments, sizeof *call->lengths);
    call->failed = call->arguments == NULL || call->lengths == NULL;
    for (size_t i = 0; i < SAM_KEY_COUNT; i++) {
        char key[SAM_SCHEMA_KEY_SIZE];
        sam_schema_key_of(key, run_id, (sam_schema_key)i);
        ledger_call_copy(call, key);
    }
}

void ledger_call_bytes(ledger_call *call, const void *bytes, size_t length)
{
    if (call->failed || bytes == NULL || call->count == call->capacity) {
        call->failed = true;
        return;
    }
    call->arguments[call->count] = bytes;
    call->lengths[call->count++] = length;
}

void ledger_call_text(ledger_call *call, const char *text)
{
    ledger_call_bytes(call, text, text == NULL ? 0 : strlen(text));
}

void ledger_call_copy_bytes(ledger_call *call, const void *bytes, size_t length)
{
    ledger_call_bytes(call, call->failed || bytes == NULL ? NULL : sam_arena_strndup(&call->arena, bytes, length),
                      length);
}

void ledger_call_copy(ledger_call *call, const char *text)
{
    ledger_call_copy_bytes(call, text, strlen(text));
}

void ledger_call_u64(ledger_call *call, uint64_t value)
{
    char text[24], *at = text + sizeof text; /* a call has thousands of them, and printf is slow */
    size_t length = 0;
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
        length++;
    } while (value > 0);
    ledger_call_bytes(call, call->failed ? NULL : sam_arena_strndup(&call->arena, at, length), length);
}

/* A failover may make any replica the primary: what only the lost one had is lost then. */
sam_status ledger_await_replicas(const ledger_scripts *scripts, sam_redis *redis, sam_error *err)
{
    char wanted[12];
    redisReply *reply;
    uint64_t have = 0;
    if (scripts->replicas == 0)
        return SAM_OK;
    snprintf(wanted, sizeof wanted, "%u", scripts->replicas);
    sam_status status = sam_redis_words(redis, &reply, err, "WAIT", wanted, REPLICAS_WAIT_MS, NULL);
    if (status == SAM_OK)
        status = sam_redis_u64(reply, "WAIT", &have, err);
    sam_redis_reply_free(reply);
    if (status == SAM_OK && have < scripts->replicas)
        return sam_fail(err, SAM_UNAVAILABLE, "%u of the %u replicas of Redis that must have it have it",
                        (unsigned)have, scripts->replicas);
    return status;
}

sam_status ledger_call_run(ledger_call *call, ledger_scripts *scripts, ledger_script which, sam_redis *redis,
                           redisReply **reply, sam_error *err)
{
    sam_status status;
    *reply = NULL;
    if (call->failed)
        status = sam_fail(err, SAM_NO_MEMORY, "no memory for a call of the Redis function %s", OWN[which].name);
    else
        status = sam_script_call(&scripts->script[which], redis, reply, err, SAM_KEY_COUNT, call->arguments,
                                 call->count, call->lengths);
    if (status == SAM_OK && which != LEDGER_GATHER && which != LEDGER_DESCRIBE)
        status = ledger_await_replicas(scripts, redis, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    sam_arena_free(&call->arena);
    return status;
}
