/* samara bench ledger: how many contributions a second a ledger takes in, and what a worker costs it.
 *
 *     fleet (this process) --HTTP, loopback--> samara-ledger --unix socket--> redis-server, fsync always
 *
 * Both are private ones in a folder that is removed at the end. The run is as large as rounds may be, so that a commit
 * is rare beside what leads to it. At the end the log is read: each of its codes must be what a worker sent, and each
 * slot must have been acknowledged exactly once. */
#include "cli/bench/bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/usage.h"
#include "cli/bench/fleet.h"
#include "cli/cli.h"
#include "cli/shared/processes.h"
#include "client/run_client.h"
#include "run/round.h"
#include "run/samlog.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define START_MS    30000
#define GRACE_MS    10000
#define WARM_UP_S   1.0
#define SPARE_FILES 64

typedef struct arguments {
    uint64_t workers, seconds, slots_per_sync, probes, slots;
    const char *folder;
    bool json;
} arguments;

typedef struct stage {
    arguments args;
    char folder[512];
    cli_process redis, ledger;
    char address[80];
    sam_run_client *client;
    sam_manifest *manifest;
    cli_fleet *fleet;
} stage;

/* ---- services ---- */

static sam_status start(stage *s, cli_process *process, const char *name, const char *program, const char *const *argv,
                        sam_error *err)
{
    char log[600];
    char *path = cli_find_program(program);
    if (path == NULL)
        return sam_fail(err, SAM_NOT_FOUND, "%s stands neither beside samara nor on PATH", program);
    snprintf(process->name, sizeof process->name, "%s", name);
    snprintf(log, sizeof log, "%s/%s.log", s->folder, name);
    sam_status status = cli_process_start(process, &(cli_launch){path, argv, s->folder, log}, err);
    sam_free(path);
    return status;
}

static sam_status wait_for_ledger(stage *s, sam_error *err)
{
    char ending[400];
    for (uint64_t until = sam_monotonic_ms() + START_MS; sam_monotonic_ms() < until; sam_sleep_ms(10)) {
        if (cli_process_address(&s->ledger, s->address, sizeof s->address))
            return SAM_OK;
        if (cli_process_ended(&s->ledger)) {
            cli_process_describe_end(&s->ledger, ending, sizeof ending);
            return sam_fail(err, SAM_UNAVAILABLE, "the ledger %s", ending);
        }
    }
    return sam_fail(err, SAM_TIMEOUT, "the ledger did not start within %d s", START_MS / 1000);
}

static sam_status start_services(stage *s, sam_error *err)
{
    char connections[24];
    const char *const argv[] = {"--listen",          "127.0.0.1:0", "--redis", "unix:redis.sock", "--wait-redis", "30",
                                "--max-connections", connections,   NULL};
    const char *parent = s->args.folder != NULL ? s->args.folder : getenv("TMPDIR");
    snprintf(s->folder, sizeof s->folder, "%s/samara-bench-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(s->folder) == NULL) {
        s->folder[0] = 0;
        return sam_fail_errno(err, SAM_IO, errno, "cannot make a folder in %s", parent == NULL ? "/tmp" : parent);
    }
    snprintf(connections, sizeof connections, "%llu", (unsigned long long)s->args.workers + 256);
    sam_status status = start(s, &s->redis, "redis", "redis-server", cli_private_redis(), err);
    if (status == SAM_OK)
        status = start(s, &s->ledger, "ledger", "samara-ledger", argv, err);
    return status == SAM_OK ? wait_for_ledger(s, err) : status;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info, (void)type, (void)at;
    return remove(path);
}

static void close_all(stage *s)
{
    cli_fleet_close(s->fleet);
    sam_run_client_free(s->client);
    sam_manifest_free(s->manifest);
    cli_process_stop(&s->ledger, GRACE_MS);
    cli_process_stop(&s->redis, GRACE_MS);
    if (s->folder[0] != 0)
        (void)nftw(s->folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- the run ---- */

static sam_status create_run(stage *s, sam_error *err)
{
    static char name[] = "bench", task[] = "{}";
    const arguments *args = &s->args;
    const sam_manifest draft = {.name = name,
                                .mode = &sam_mode_sync,
                                .task = task,
                                .seed = 1,
                                .rounds = 1000000000,
                                .slots = (uint32_t)args->slots,
                                .probes = (uint32_t)args->probes,
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
    sam_status status = sam_manifest_compose(&s->manifest, &draft, err);
    if (status == SAM_OK)
        status = sam_run_client_new(&s->client, s->address, NULL, err);
    return status == SAM_OK ? sam_run_create(s->client, s->manifest, err) : status;
}

/* Workers are connections, and those are open files. */
static sam_status raise_open_files(uint64_t wanted, sam_error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot ask for the limit of open files");
    if (limit.rlim_max < wanted + SPARE_FILES)
        return sam_fail(err, SAM_INVALID, "--workers %llu: this process may open %llu files; raise ulimit -Hn",
                        (unsigned long long)wanted, (unsigned long long)limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return SAM_OK;
}

static sam_status open_fleet(stage *s, sam_error *err)
{
    unsigned port = 0;
    const char *colon = strrchr(s->address, ':');
    if (colon == NULL || sscanf(colon, ":%u", &port) != 1)
        return sam_fail(err, SAM_INTERNAL, "the ledger listens on \"%s\"", s->address);
    const cli_fleet_plan plan = {.port = port,
                                 .run = s->manifest->id_hex,
                                 .workers = s->args.workers,
                                 .slots = s->manifest->slots,
                                 .probes = s->manifest->probes,
                                 .slots_per_sync = (uint32_t)s->args.slots_per_sync};
    return cli_fleet_open(&s->fleet, &plan, err);
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
            wrong += round.records[i].codes[p] != cli_fleet_code(number, round.records[i].place, p);
    sam_round_free(&round);
    return wrong == 0 ? SAM_OK
                      : sam_fail(err, SAM_MISMATCH, "round %llu of the log has %zu codes that nobody sent",
                                 (unsigned long long)number, wrong);
}

/* Parsing checks the chain. */
static sam_status check_log(stage *s, uint64_t rounds, sam_error *err)
{
    sam_buffer bytes = {0};
    sam_samlog *log = NULL;
    uint64_t fetched;
    sam_status status = sam_run_fetch_log(s->client, s->manifest->id_hex, &bytes, &fetched, err);
    if (status == SAM_OK && fetched < rounds)
        status = sam_fail(err, SAM_MISMATCH, "the log has %llu rounds, but %llu were told of",
                          (unsigned long long)fetched, (unsigned long long)rounds);
    if (status == SAM_OK)
        status = sam_samlog_parse(&log, bytes.bytes, bytes.length, err);
    for (uint64_t r = 0; r < rounds && status == SAM_OK; r++)
        status = check_round(log, r, err);
    sam_samlog_close(log);
    sam_buffer_free(&bytes);
    return status;
}

/* ---- figures ---- */

static double resident_kb(const cli_process *process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/status", (long)process->pid);
    return (double)sam_usage_kb(path, "VmRSS");
}

typedef struct cpu_use {
    double redis, ledger, fleet;
} cpu_use;

static cpu_use look_at_cpu(const stage *s)
{
    return (cpu_use){sam_usage_cpu_seconds(s->redis.pid), sam_usage_cpu_seconds(s->ledger.pid),
                     sam_usage_cpu_seconds(getpid())};
}

static json_t *figures_of(const stage *s, const cli_fleet_figures *f, const cpu_use *from, const cpu_use *to,
                          double rss)
{
    double committed = (double)f->rounds * s->manifest->slots, seconds = f->seconds;
    double taken = f->acknowledged > 0 ? (double)f->acknowledged : 1;
    double bytes = (double)(f->bytes_sent + f->bytes_received - f->bytes_of_rounds);
    return json_pack("{s:f, s:f, s:f, s:f, s:I, s:f, s:f, s:f, s:I, s:I, s:f, s:f, s:f}", "contributions_per_s",
                     committed / seconds, "p50_ms", f->p50_ms, "p99_ms", f->p99_ms, "bytes_per_contribution",
                     bytes / taken, "connections", (json_int_t)s->args.workers, "rss_per_connection_kb",
                     rss / (double)s->args.workers, "syncs_per_s", (double)f->syncs / seconds,
                     "round_bytes_per_contribution", (double)f->bytes_of_rounds / taken, "slots_per_sync",
                     (json_int_t)s->args.slots_per_sync, "slots_per_round", (json_int_t)s->manifest->slots,
                     "redis_cores", (to->redis - from->redis) / seconds, "ledger_cores",
                     (to->ledger - from->ledger) / seconds, "bench_cores", (to->fleet - from->fleet) / seconds);
}

static sam_status measure(stage *s, sam_error *err)
{
    cli_fleet_figures figures;
    cpu_use from, to;
    uint64_t rounds = 0;
    double rss = resident_kb(&s->ledger);
    sam_status status = open_fleet(s, err);
    if (status == SAM_OK)
        status = cli_fleet_run(s->fleet, WARM_UP_S, &figures, err);
    from = look_at_cpu(s);
    if (status == SAM_OK)
        status = cli_fleet_run(s->fleet, (double)s->args.seconds, &figures, err);
    to = look_at_cpu(s);
    rss = resident_kb(&s->ledger) - rss;
    if (status == SAM_OK)
        status = cli_fleet_settle(s->fleet, &rounds, err);
    if (status == SAM_OK)
        status = check_log(s, rounds, err);
    return status == SAM_OK ? cli_bench_print(figures_of(s, &figures, &from, &to, rss), s->args.json, err) : status;
}

/* As large as a round may be: a worker that finds no free slot waits for the commit. */
static uint64_t default_slots(const arguments *args)
{
    uint64_t all = 4 * args->workers * args->slots_per_sync;
    return all < 256 ? 256 : all > SAM_SLOTS_MAX ? SAM_SLOTS_MAX : all;
}

static sam_status check(arguments *args, sam_error *err)
{
    if (args->workers == 0 || args->workers > 50000 || args->seconds == 0 || args->slots_per_sync == 0 ||
        args->slots_per_sync > CLI_FLEET_SLOTS_MAX || args->probes == 0 || args->probes > SAM_PROBES_MAX)
        return sam_fail(err, SAM_INVALID,
                        "--workers is 1 to 50000, --seconds at least 1, --slots-per-sync 1 to %u, --probes 1 to %u",
                        CLI_FLEET_SLOTS_MAX, SAM_PROBES_MAX);
    if (args->slots == 0)
        args->slots = default_slots(args);
    if (args->slots > SAM_SLOTS_MAX)
        return sam_fail(err, SAM_INVALID, "--slots is at most %u", SAM_SLOTS_MAX);
    return raise_open_files(args->workers, err);
}

sam_status cli_bench_ledger(int argc, char **argv, sam_error *err)
{
    stage s = {.args = {.workers = 1000, .seconds = 10, .slots_per_sync = 1, .probes = 1}};
    arguments *args = &s.args;
    const sam_option table[] = {
        {"workers", SAM_OPTION_COUNT, &args->workers, "N", "simulated workers, each with a connection"},
        {"seconds", SAM_OPTION_COUNT, &args->seconds, "S", "seconds to measure, after one to warm up"},
        {"slots-per-sync", SAM_OPTION_COUNT, &args->slots_per_sync, "M", "results and leases of one request"},
        {"slots", SAM_OPTION_COUNT, &args->slots, "N",
         "slots of a round; 0: four for each worker's sync, at most 4096"},
        {"probes", SAM_OPTION_COUNT, &args->probes, "N", "codes of a slot"},
        {"folder", SAM_OPTION_TEXT, &args->folder, "FOLDER", "where Redis writes; left out: $TMPDIR or /tmp"},
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {
        "samara bench ledger", "",
        "Starts a private Redis (fsync always) and a ledger, and lets simulated workers contribute as fast as they\n"
        "are answered. bytes_per_contribution: both ways, with HTTP headers, without the committed rounds that each\n"
        "worker is handed (round_bytes_per_contribution).",
        table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(args, err);
    if (status == SAM_OK)
        status = start_services(&s, err);
    if (status == SAM_OK)
        status = create_run(&s, err);
    if (status == SAM_OK)
        status = measure(&s, err);
    close_all(&s);
    return status;
}
