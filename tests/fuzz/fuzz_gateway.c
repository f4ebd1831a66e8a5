/* libFuzzer target: whatever Redis answers, the gateway reads the state and the log of a run, and what it then holds
 * can be told: names are UTF-8, and the log is chained.
 *
 * The first byte chooses: state, or log; the rest is what a connection answers to all that is sent on it. */
#include "gateway/ledger_state.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "folder.h"
#include "peer.h"
#include "sketch.h"
#include "store/stream.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_peer peer;

static void start(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s/redis", fuzz_folder());
    fuzz_peer_start(&peer, path);
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

/* As follow.c does. */
static sam_status take_round(void *user, const sam_stream_entry *entry, sam_error *err)
{
    const sam_stream_field *bytes = sam_stream_field_named(entry, "b");
    if (bytes == NULL)
        return sam_fail(err, SAM_CORRUPT, "an entry has no field b");
    return gateway_run_append(user, (const uint8_t *)bytes->value, bytes->value_length, err);
}

static void must_be_told(gateway_run *run)
{
    for (size_t i = 0; i < run->worker_count; i++) {
        const gateway_worker *one = &run->workers[i];
        if (!sam_utf8_valid(one->name, strlen(one->name)) || !sam_utf8_valid(one->kernel, strlen(one->kernel)) ||
            (i > 0 && run->workers[i - 1].number >= one->number))
            __builtin_trap();
    }
    for (size_t i = 1; i < run->evaluation_count; i++)
        if (run->evaluations[i - 1].sums.at >= run->evaluations[i].sums.at)
            __builtin_trap();
    (void)gateway_run_active_workers(run, 1);
    (void)gateway_run_probes_per_second(run, 1);
    (void)gateway_run_codes_rms(run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const sam_redis_options options = {
        .address = peer.address, .connect_timeout_ms = FUZZ_PATIENCE_MS, .command_timeout_ms = FUZZ_PATIENCE_MS};
    sam_redis *redis;
    sam_stream_id cursor = {0, 0};
    size_t seen;
    sam_error err = {0};
    if (length == 0 || fuzz_peer_refers(bytes, length))
        return 0;
    if (peer.address[0] == 0)
        start();
    fuzz_peer_set(&peer, bytes + 1, length - 1);
    if (sam_redis_open(&redis, &options, &err) != SAM_OK)
        __builtin_trap();
    gateway_run *run = gateway_run_new(fuzz_sketch());
    if (run == NULL)
        __builtin_trap();
    sam_status status = (bytes[0] & 1) == 0 ? gateway_ledger_state_read(redis, run, &err)
                                            : sam_stream_read(redis, "log", &cursor, 8, take_round, run, &seen, &err);
    if (status != SAM_OK && err.text[0] == 0)
        __builtin_trap();
    must_be_told(run);
    gateway_run_free(run);
    sam_redis_close(redis);
    fuzz_peer_set(&peer, NULL, 0);
    return 0;
}
