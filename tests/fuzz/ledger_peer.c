#include "ledger_peer.h"

#include "base/log.h"
#include "folder.h"
#include "sketch.h"

#include <stdio.h>
#include <string.h>

static void start(fuzz_ledger *it)
{
    char path[100];
    sam_error err;
    snprintf(path, sizeof path, "%s/redis", fuzz_folder());
    fuzz_peer_start(&it->peer, path);
    it->run.manifest = fuzz_sketch();
    it->run.shape = sam_manifest_shape(it->run.manifest);
    memset(it->run.id, 'a', SAM_DIGEST_HEX - 1);
    it->run.shape = sam_manifest_shape(it->run.manifest);
    sam_schema_key_of(it->run.log_key, it->run.id, SAM_KEY_LOG);
    ledger_runs_init(&it->ledger.runs);
    ledger_follower_init(&it->ledger.follower, &it->ledger);
    if (ledger_scripts_init(&it->ledger.scripts, &err) != SAM_OK || ledger_gauges_init(&it->ledger, &err) != SAM_OK)
        __builtin_trap();
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

fuzz_ledger *fuzz_ledger_start(void)
{
    static fuzz_ledger it = {.run = {.reach = 8}};
    if (it.peer.address[0] == 0)
        start(&it);
    return &it;
}

sam_redis *fuzz_ledger_open(fuzz_ledger *it, const uint8_t *bytes, size_t length)
{
    const sam_redis_options options = {
        .address = it->peer.address, .connect_timeout_ms = FUZZ_PATIENCE_MS, .command_timeout_ms = FUZZ_PATIENCE_MS};
    sam_redis *redis;
    sam_error err;
    fuzz_peer_set(&it->peer, bytes, length);
    it->run.recent = ledger_recent_new(it->run.reach);
    if (it->run.recent == NULL || sam_redis_open(&redis, &options, &err) != SAM_OK)
        __builtin_trap();
    return redis;
}

void fuzz_ledger_close(fuzz_ledger *it, sam_redis *redis)
{
    sam_redis_close(redis);
    ledger_recent_free(it->run.recent);
    fuzz_peer_set(&it->peer, NULL, 0);
}
