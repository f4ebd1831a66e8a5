#include "cli/bench/private_ledger.h"

#include "base/clock.h"
#include "base/memory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START_MS 30000
#define GRACE_MS 10000

uint8_t cli_bench_code(uint64_t round, uint32_t slot, uint32_t probe)
{
    return (uint8_t)((round * 31 + (uint64_t)slot * 7 + probe * 3) % 127 + 1);
}

/* ---- services ---- */

static sam_status start(cli_private_ledger *own, cli_process *process, const char *name, const char *program,
                        const char *const *arguments, sam_error *err)
{
    char log[600];
    char *path = cli_find_program(program);
    if (path == NULL)
        return sam_fail(err, SAM_NOT_FOUND, "%s stands neither beside samara nor on PATH", program);
    snprintf(process->name, sizeof process->name, "%s", name);
    snprintf(log, sizeof log, "%s/%s.log", own->folder, name);
    sam_status status = cli_process_start(process, &(cli_launch){path, arguments, own->folder, log}, err);
    sam_free(path);
    return status;
}

static sam_status take_port(cli_private_ledger *own, sam_error *err)
{
    const char *colon = strrchr(own->address, ':');
    if (colon == NULL || sscanf(colon, ":%u", &own->port) != 1)
        return sam_fail(err, SAM_INTERNAL, "the ledger listens on \"%s\"", own->address);
    return SAM_OK;
}

static sam_status wait_for_ledger(cli_private_ledger *own, sam_error *err)
{
    char ending[400];
    for (uint64_t until = sam_monotonic_ms() + START_MS; sam_monotonic_ms() < until; sam_sleep_ms(10)) {
        if (cli_process_address(&own->ledger, own->address, sizeof own->address))
            return take_port(own, err);
        if (cli_process_ended(&own->ledger)) {
            cli_process_describe_end(&own->ledger, ending, sizeof ending);
            return sam_fail(err, SAM_UNAVAILABLE, "the ledger %s", ending);
        }
    }
    return sam_fail(err, SAM_TIMEOUT, "the ledger did not start within %d s", START_MS / 1000);
}

static sam_status make_folder(cli_private_ledger *own, const char *parent, sam_error *err)
{
    if (parent == NULL)
        parent = getenv("TMPDIR");
    if (parent == NULL)
        parent = "/tmp";
    snprintf(own->folder, sizeof own->folder, "%s/samara-bench-XXXXXX", parent);
    if (mkdtemp(own->folder) != NULL)
        return SAM_OK;
    own->folder[0] = 0;
    return sam_fail_errno(err, SAM_IO, errno, "cannot make a folder in %s", parent);
}

sam_status cli_private_ledger_open(cli_private_ledger *own, const char *parent, uint64_t connections, sam_error *err)
{
    char most[24];
    const char *const arguments[] = {
        "--listen", "127.0.0.1:0", "--redis", "unix:redis.sock", "--wait-redis", "30", "--max-connections", most, NULL};
    snprintf(most, sizeof most, "%llu", (unsigned long long)connections);
    sam_status status = make_folder(own, parent, err);
    if (status == SAM_OK)
        status = start(own, &own->redis, "redis", "redis-server", cli_private_redis(), err);
    if (status == SAM_OK)
        status = start(own, &own->ledger, "ledger", "samara-ledger", arguments, err);
    if (status == SAM_OK)
        status = wait_for_ledger(own, err);
    return status == SAM_OK ? sam_run_client_new(&own->client, own->address, NULL, err) : status;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

void cli_private_ledger_close(cli_private_ledger *own)
{
    sam_run_client_free(own->client);
    cli_process_stop(&own->ledger, GRACE_MS);
    cli_process_stop(&own->redis, GRACE_MS);
    if (own->folder[0] != 0)
        (void)nftw(own->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- runs ---- */

sam_status cli_private_ledger_run(cli_private_ledger *own, const cli_bench_run *run, sam_manifest **manifest,
                                  sam_error *err)
{
    static char name[] = "bench", task[] = "{}";
    const sam_manifest draft = {.name = name,
                                .mode = &sam_mode_sync,
                                .task = task,
                                .seed = run->seed,
                                .rounds = 1000000000,
                                .slots = run->slots,
                                .probes = run->probes,
                                .lag = run->lag,
                                .batch = 16,
                                .epsilon_log2 = -9,
                                .epsilon_units = 3,
                                .quantum_log2 = -8,
                                .directions.log2_k = 20,
                                .eta_log2 = -30,
                                .trainable = {.end_block = 1},
                                .size = {.rate = 1, .clip = 1024, .scale = {.kind = SAM_SCALE_FIXED, .rms = 256}},
                                .evaluation = {.chunks = 1},
                                .lease_ms = 3600000};
    sam_status status = sam_manifest_compose(manifest, &draft, err);
    return status == SAM_OK ? sam_run_create(own->client, *manifest, err) : status;
}

static sam_status check_round(const sam_samlog *log, uint64_t number, sam_error *err)
{
    size_t wrong = 0;
    sam_round round;
    sam_status status = sam_samlog_decode(log, number, &round, err);
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < round.record_count; i++)
        for (uint32_t p = 0; p < round.records[i].code_count; p++)
            wrong += round.records[i].codes[p] != cli_bench_code(number, round.records[i].place, p);
    sam_round_free(&round);
    return wrong == 0 ? SAM_OK
                      : sam_fail(err, SAM_MISMATCH, "round %llu of the log has %zu codes that nobody sent",
                                 (unsigned long long)number, wrong);
}

sam_status cli_private_ledger_log(cli_private_ledger *own, const sam_manifest *manifest, uint64_t rounds,
                                  sam_samlog **log, sam_error *err)
{
    sam_buffer bytes = {0};
    uint64_t fetched;
    *log = NULL;
    sam_status status = sam_run_fetch_log(own->client, manifest->id_hex, &bytes, &fetched, err);
    if (status == SAM_OK && fetched < rounds)
        status = sam_fail(err, SAM_MISMATCH, "the log has %llu rounds, but %llu were told of",
                          (unsigned long long)fetched, (unsigned long long)rounds);
    if (status == SAM_OK)
        status = sam_samlog_parse(log, bytes.bytes, bytes.length, err);
    for (uint64_t r = 0; r < rounds && status == SAM_OK; r++)
        status = check_round(*log, r, err);
    sam_buffer_free(&bytes);
    if (status == SAM_OK)
        return SAM_OK;
    sam_samlog_close(*log);
    *log = NULL;
    return status;
}
