#include "ledger/runs.h"

#include "base/memory.h"
#include "ledger/public_keys.h"
#include "run/wire.h"

#include <string.h>

/* Bytes of rounds in one sync reply, roughly: a worker that catches up gets them in pieces of this size. */
#define REPLY_BYTES ((size_t)8 * 1024 * 1024)

void ledger_runs_init(ledger_runs *runs)
{
    *runs = (ledger_runs){0};
    pthread_mutex_init(&runs->lock, NULL);
}

void ledger_run_free(ledger_run *run)
{
    if (run == NULL)
        return;
    ledger_recent_free(run->recent);
    ledger_public_keys_free(run->public_keys);
    sam_manifest_free(run->manifest);
    sam_free(run);
}

void ledger_runs_free(ledger_runs *runs)
{
    while (runs->first != NULL) {
        ledger_run *run = runs->first;
        runs->first = run->next;
        ledger_run_free(run);
    }
    pthread_mutex_destroy(&runs->lock);
}

const ledger_run *ledger_runs_known(ledger_runs *runs, const char *id)
{
    pthread_mutex_lock(&runs->lock);
    ledger_run *run = runs->first;
    while (run != NULL && strcmp(run->id, id) != 0)
        run = run->next;
    pthread_mutex_unlock(&runs->lock);
    return run;
}

static sam_status no_run(sam_error *err, const char *id)
{
    return sam_fail(err, SAM_NOT_FOUND, "there is no run %.64s", id);
}

static sam_status read_manifest(sam_redis *redis, const char *id, sam_manifest **manifest, sam_error *err)
{
    char key[SAM_SCHEMA_KEY_SIZE];
    redisReply *reply;
    const char *text;
    size_t length;
    sam_digest digest;
    if (!sam_digest_parse(&digest, id))
        return no_run(err, id);
    sam_schema_key_of(key, id, SAM_KEY_MANIFEST);
    sam_status status = sam_redis_words(redis, &reply, err, "GET", key, NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_bytes(reply, "the manifest", &text, &length, err);
    if (status == SAM_OK && sam_manifest_parse(manifest, text, length, err) != SAM_OK)
        status = sam_fail_context(err, "run %.64s in Redis", id);
    sam_redis_reply_free(reply);
    return status == SAM_NOT_FOUND ? no_run(err, id) : status;
}

static uint32_t reach_of(const sam_round_shape *shape)
{
    size_t fit = REPLY_BYTES / sam_round_longest(shape);
    return fit < 1 ? 1 : fit > SAM_SYNC_ROUNDS_MAX ? SAM_SYNC_ROUNDS_MAX : (uint32_t)fit;
}

ledger_run *ledger_run_new(sam_manifest *manifest)
{
    ledger_run *run = sam_alloc(1, sizeof *run);
    if (run == NULL) {
        sam_manifest_free(manifest);
        return NULL;
    }
    memcpy(run->id, manifest->id_hex, sizeof run->id);
    run->manifest = manifest;
    run->shape = sam_manifest_shape(manifest);
    run->reach = reach_of(&run->shape);
    run->public_keys = ledger_public_keys_new();
    run->recent = ledger_recent_new(run->reach);
    sam_schema_key_of(run->log_key, run->id, SAM_KEY_LOG);
    if (run->recent == NULL || run->public_keys == NULL) {
        ledger_run_free(run);
        return NULL;
    }
    return run;
}

/* Two threads may have read the same manifest: the first entry stays. */
static const ledger_run *insert(ledger_runs *runs, ledger_run *made)
{
    pthread_mutex_lock(&runs->lock);
    ledger_run *run = runs->first;
    while (run != NULL && strcmp(run->id, made->id) != 0)
        run = run->next;
    if (run == NULL) {
        made->next = runs->first;
        runs->first = made;
    }
    pthread_mutex_unlock(&runs->lock);
    if (run == NULL)
        return made;
    ledger_run_free(made);
    return run;
}

sam_status ledger_runs_find(ledger_runs *runs, sam_redis *redis, const char *id, const ledger_run **run, sam_error *err)
{
    sam_manifest *manifest;
    *run = ledger_runs_known(runs, id);
    if (*run != NULL)
        return SAM_OK;
    sam_status status = read_manifest(redis, id, &manifest, err);
    if (status == SAM_OK && strcmp(manifest->id_hex, id) != 0) {
        sam_manifest_free(manifest);
        return sam_fail(err, SAM_CORRUPT, "the manifest that Redis keeps for run %.64s is of another run", id);
    }
    ledger_run *made = status == SAM_OK ? ledger_run_new(manifest) : NULL;
    if (status == SAM_OK && made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for run %.64s", id);
    if (status == SAM_OK)
        *run = insert(runs, made);
    return status;
}
