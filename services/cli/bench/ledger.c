/* samara bench ledger: how many contributions a second a ledger takes in, and what a worker costs it.
 *
 *     fleet (this process) --HTTP, loopback--> samara-ledger --unix socket--> redis-server, fsync always
 *
 * Both are private ones in a folder that is removed at the end. The run is as large as rounds may be, so that a commit
 * is rare beside what leads to it. At the end the log is read: each of its codes must be what a worker sent, and each
 * slot must have been acknowledged exactly once. */
#include "cli/bench/bench.h"

#include "base/usage.h"
#include "cli/bench/fleet.h"
#include "cli/bench/private_ledger.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define WARM_UP_S         1.0
#define SPARE_FILES       64
#define SPARE_CONNECTIONS 256

typedef struct arguments {
    uint64_t workers, seconds, slots_per_sync, probes, slots;
    const char *folder;
    bool json;
} arguments;

typedef struct stage {
    arguments args;
    cli_private_ledger own;
    sam_manifest *manifest;
    cli_fleet *fleet;
} stage;

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
    const cli_fleet_plan plan = {.port = s->own.port,
                                 .run = s->manifest->id_hex,
                                 .workers = s->args.workers,
                                 .slots = s->manifest->slots,
                                 .probes = s->manifest->probes,
                                 .slots_per_sync = (uint32_t)s->args.slots_per_sync};
    return cli_fleet_open(&s->fleet, &plan, err);
}

static sam_status check_log(stage *s, uint64_t rounds, sam_error *err)
{
    sam_samlog *log;
    sam_status status = cli_private_ledger_log(&s->own, s->manifest, rounds, &log, err);
    sam_samlog_close(log);
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
    return (cpu_use){sam_usage_cpu_seconds(s->own.redis.pid), sam_usage_cpu_seconds(s->own.ledger.pid),
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
    double rss = resident_kb(&s->own.ledger);
    sam_status status = open_fleet(s, err);
    if (status == SAM_OK)
        status = cli_fleet_run(s->fleet, WARM_UP_S, &figures, err);
    from = look_at_cpu(s);
    if (status == SAM_OK)
        status = cli_fleet_run(s->fleet, (double)s->args.seconds, &figures, err);
    to = look_at_cpu(s);
    rss = resident_kb(&s->own.ledger) - rss;
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
        status = cli_private_ledger_open(&s.own, args->folder, args->workers + SPARE_CONNECTIONS, err);
    const cli_bench_run run = {.slots = (uint32_t)args->slots, .probes = (uint32_t)args->probes, .seed = 1};
    if (status == SAM_OK)
        status = cli_private_ledger_run(&s.own, &run, &s.manifest, err);
    if (status == SAM_OK)
        status = measure(&s, err);
    cli_fleet_close(s.fleet);
    cli_private_ledger_close(&s.own);
    sam_manifest_free(s.manifest);
    return status;
}
