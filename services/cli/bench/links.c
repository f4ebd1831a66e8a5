/* samara bench links: what a long way to the ledger costs, and what workers that compute and talk at the same time make
 * of it.
 *
 *     simulated workers (threads) --HTTP--> slow link --> samara-ledger --unix socket--> redis-server, fsync always
 *
 * Each worker is the pipeline and the transport of samara-worker (client/pipeline.h); to compute is to sleep. Measured
 * are slots a second, from the times of commit in the log, for each lag, with the round trip and without it; before: in
 * turn, as a worker without leases ahead does it. At the end of each part the log is read: each of its codes must be
 * what a worker sent. */
#include "cli/bench/bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "cli/bench/private_ledger.h"
#include "cli/bench/slow_link.h"
#include "cli/cli.h"
#include "client/pipeline.h"
#include "client/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LAGS              3u /* 0, 1, 2 */
#define WARM_UP_MS        3000u
#define WAIT_MS           20000u
#define SPARE_CONNECTIONS 64u

typedef struct arguments {
    uint64_t workers, slots, slot_ms, round_trip_ms, seconds, ahead;
    const char *folder;
    bool json;
} arguments;

typedef struct worker {
    const arguments *args;
    char address[48];
    const sam_manifest *manifest;
    uint32_t ahead;
    pthread_t thread;
    sam_session *session;
    sam_pipeline *pipeline;
    sam_status status;
    sam_error err;
} worker;

/* One measurement. */
typedef struct part {
    uint32_t lag, ahead, round_trip_ms;
    double slots_per_s;
} part;

/* ---- a simulated worker ---- */

static sam_status apply(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t count, sam_error *err)
{
    (void)user, (void)rounds, (void)lengths, (void)count, (void)err;
    return SAM_OK;
}

/* As long as it is said, whatever else the machine does. */
static void sleep_from(uint64_t began_ns, uint64_t ms)
{
    uint64_t end = began_ns + ms * 1000000;
    const struct timespec until = {(time_t)(end / 1000000000), (long)(end % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR && !sam_shutdown_requested())
        ;
}

static sam_status compute(void *user, const sam_lease *lease, sam_result *result, sam_error *err)
{
    const worker *own = user;
    uint64_t began = sam_monotonic_ns();
    result->code_count = own->manifest->probes;
    result->codes = sam_alloc(result->code_count, 1);
    if (result->codes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %u codes", result->code_count);
    for (uint32_t p = 0; p < result->code_count; p++)
        result->codes[p] = cli_bench_code(lease->round, lease->index, p);
    result->weight = 1;
    sleep_from(began, own->args->slot_ms);
    return SAM_OK;
}

static sam_status open_worker(worker *own, sam_error *err)
{
    const sam_session_options where = {.ledger = own->address, .run = own->manifest->id_hex};
    sam_status status = sam_session_open(&own->session, &where, err);
    if (status != SAM_OK)
        return status;
    const sam_pipeline_options options = {
        .transport = &sam_http_transport,
        .state = own->session,
        .member = {.name = "bench", .kernel = "none", .threads = 1},
        .received = {0, own->manifest->id},
        .ahead = own->ahead,
        .wait_ms = WAIT_MS,
        .work = {.apply = apply, .compute = compute, .user = own},
    };
    return sam_pipeline_new(&own->pipeline, &options, err);
}

static void *work(void *argument)
{
    worker *own = argument;
    own->status = sam_pipeline_run(own->pipeline, &own->err);
    return NULL;
}

static void close_worker(worker *own)
{
    sam_pipeline_free(own->pipeline);
    sam_session_close(own->session);
}

/* ---- one part ---- */

static sam_status start_workers(worker *workers, uint64_t count, uint64_t *started, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint64_t i = 0; i < count && status == SAM_OK; i++)
        status = open_worker(&workers[i], err);
    for (*started = 0; *started < count && status == SAM_OK; ++*started) {
        int failure = pthread_create(&workers[*started].thread, NULL, work, &workers[*started]);
        if (failure != 0)
            return sam_fail_errno(err, SAM_UNAVAILABLE, failure, "no thread for simulated worker %llu",
                                  (unsigned long long)*started + 1);
    }
    return status;
}

static sam_status stop_workers(worker *workers, uint64_t started, sam_error *err)
{
    sam_status status = SAM_OK;
    for (uint64_t i = 0; i < started; i++)
        sam_pipeline_stop(workers[i].pipeline);
    for (uint64_t i = 0; i < started; i++) {
        pthread_join(workers[i].thread, NULL);
        if (workers[i].status != SAM_OK && status == SAM_OK) {
            status = workers[i].status;
            *err = workers[i].err;
        }
    }
    return status;
}

static sam_status sleep_or_stop(uint64_t ms, sam_error *err)
{
    for (uint64_t until = sam_monotonic_ms() + ms; sam_monotonic_ms() < until; sam_sleep_ms(20))
        if (sam_shutdown_requested())
            return sam_fail(err, SAM_CANCELLED, "told to stop");
    return SAM_OK;
}

/* Of the rounds that were committed from `from` until `to`, by the ledger's clock. */
static sam_status rate_of(const sam_samlog *log, uint64_t from_ms, uint64_t to_ms, uint32_t slots, double *rate,
                          sam_error *err)
{
    uint64_t rounds = 0, first_ms = 0, last_ms = 0;
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        sam_round round;
        sam_status status = sam_samlog_decode(log, r, &round, err);
        if (status != SAM_OK)
            return status;
        bool within = round.committed_ms >= from_ms && round.committed_ms < to_ms;
        first_ms = within && rounds == 0 ? round.committed_ms : first_ms;
        last_ms = within ? round.committed_ms : last_ms;
        rounds += within;
        sam_round_free(&round);
    }
    if (rounds < 2 || last_ms <= first_ms)
        return sam_fail(err, SAM_INVALID, "only %llu rounds were committed; measure for longer",
                        (unsigned long long)rounds);
    *rate = (double)((rounds - 1) * slots) * 1000 / (double)(last_ms - first_ms);
    return SAM_OK;
}

static sam_status let_work(const arguments *args, worker *workers, uint64_t *from_ms, uint64_t *to_ms, sam_error *err)
{
    uint64_t started;
    sam_error end = {0};
    sam_status status = start_workers(workers, args->workers, &started, err);
    if (status == SAM_OK)
        status = sleep_or_stop(WARM_UP_MS, err);
    *from_ms = sam_wall_ms();
    if (status == SAM_OK)
        status = sleep_or_stop(args->seconds * 1000, err);
    *to_ms = sam_wall_ms();
    sam_status ended = stop_workers(workers, started, &end);
    if (status == SAM_OK && ended != SAM_OK) {
        *err = end;
        status = ended;
    }
    return status;
}

static sam_status measure_with(const arguments *args, cli_private_ledger *own, cli_slow_link *link,
                               const sam_manifest *manifest, part *now, sam_error *err)
{
    uint64_t from_ms, to_ms;
    sam_samlog *log = NULL;
    worker *workers = sam_alloc(args->workers, sizeof *workers);
    if (workers == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for simulated workers");
    for (uint64_t i = 0; i < args->workers; i++) {
        workers[i] = (worker){.args = args, .manifest = manifest, .ahead = now->ahead};
        snprintf(workers[i].address, sizeof workers[i].address, "http://127.0.0.1:%u", cli_slow_link_port(link));
    }
    sam_status status = let_work(args, workers, &from_ms, &to_ms, err);
    if (status == SAM_OK)
        status = cli_private_ledger_log(own, manifest, 0, &log, err);
    if (status == SAM_OK)
        status = rate_of(log, from_ms, to_ms, manifest->slots, &now->slots_per_s, err);
    sam_samlog_close(log);
    for (uint64_t i = 0; i < args->workers; i++)
        close_worker(&workers[i]);
    sam_free(workers);
    return status;
}

static sam_status measure(const arguments *args, cli_private_ledger *own, part *now, sam_error *err)
{
    cli_slow_link *link = NULL;
    sam_manifest *manifest = NULL;
    const cli_bench_run run = {.slots = (uint32_t)args->slots,
                               .probes = 1,
                               .lag = now->lag,
                               .seed = (uint64_t)now->ahead << 32 | now->round_trip_ms};
    sam_status status = cli_private_ledger_run(own, &run, &manifest, err);
    if (status == SAM_OK)
        status = cli_slow_link_open(&link, own->port, now->round_trip_ms, err);
    if (status == SAM_OK)
        status = measure_with(args, own, link, manifest, now, err);
    cli_slow_link_close(link);
    sam_manifest_free(manifest);
    return status;
}

/* ---- all of them ---- */

/* Against the same workers without the round trip; the parts come in twos, the undelayed one first. */
static double share_of(const part *parts, size_t i)
{
    return parts[i].slots_per_s / parts[i - i % 2].slots_per_s;
}

static sam_status print_json(const arguments *args, const part *parts, size_t count, sam_error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:f, s:f}", "ahead", (int)parts[i].ahead, "lag",
                                              (int)parts[i].lag, "round_trip_ms", (int)parts[i].round_trip_ms,
                                              "slots_per_s", parts[i].slots_per_s, "share", share_of(parts, i)));
    return cli_bench_print(json_pack("{s:I, s:I, s:I, s:I, s:o}", "workers", (json_int_t)args->workers, "slots",
                                     (json_int_t)args->slots, "slot_ms", (json_int_t)args->slot_ms, "seconds",
                                     (json_int_t)args->seconds, "parts", list),
                           true, err);
}

static void print_part(const part *parts, size_t i)
{
    if (i == 0)
        printf("ahead  lag  round trip   slots/s   of the undelayed rate\n");
    printf("%5u  %3u  %7u ms  %8.2f   %6.1f %%\n", parts[i].ahead, parts[i].lag, parts[i].round_trip_ms,
           parts[i].slots_per_s, 100 * share_of(parts, i));
    (void)fflush(stdout);
}

static sam_status measure_all(const arguments *args, cli_private_ledger *own, sam_error *err)
{
    part parts[4 * LAGS];
    size_t count = 0;
    sam_status status = SAM_OK;
    for (uint32_t i = 0; i < 4 * LAGS && status == SAM_OK; i++) {
        parts[i] = (part){.ahead = i < 2 * LAGS ? 0 : (uint32_t)args->ahead,
                          .lag = i / 2 % LAGS,
                          .round_trip_ms = i % 2 == 0 ? 0 : (uint32_t)args->round_trip_ms};
        status = measure(args, own, &parts[i], err);
        count += status == SAM_OK;
        if (status == SAM_OK && !args->json)
            print_part(parts, i);
    }
    return status == SAM_OK && args->json ? print_json(args, parts, count, err) : status;
}

static sam_status check(const arguments *args, sam_error *err)
{
    if (args->workers == 0 || args->workers > 1000 || args->slots == 0 || args->slots > SAM_SLOTS_MAX ||
        args->slot_ms > 60000 || args->round_trip_ms == 0 || args->round_trip_ms > 60000 || args->seconds == 0 ||
        args->seconds > 3600 || args->ahead == 0 || args->ahead > 1000)
        return sam_fail(err, SAM_INVALID,
                        "--workers and --ahead are 1 to 1000, --slots 1 to %u, --slot-ms at most 60000, "
                        "--round-trip-ms 1 to 60000, --seconds 1 to 3600",
                        SAM_SLOTS_MAX);
    return SAM_OK;
}

sam_status cli_bench_links(int argc, char **argv, sam_error *err)
{
    arguments args = {
        .workers = 8, .slots = 8, .slot_ms = 250, .round_trip_ms = 200, .seconds = 10, .ahead = SAM_PIPELINE_AHEAD};
    const sam_option table[] = {
        {"workers", SAM_OPTION_COUNT, &args.workers, "N", "simulated ones"},
        {"slots", SAM_OPTION_COUNT, &args.slots, "N", "of a round"},
        {"slot-ms", SAM_OPTION_COUNT, &args.slot_ms, "MS", "that a slot takes to compute"},
        {"round-trip-ms", SAM_OPTION_COUNT, &args.round_trip_ms, "MS", "to the ledger and back"},
        {"ahead", SAM_OPTION_COUNT, &args.ahead, "N", "leases that a worker holds beside the one it computes"},
        {"seconds", SAM_OPTION_COUNT, &args.seconds, "S", "of each of the twelve parts, after three to warm up"},
        {"folder", SAM_OPTION_TEXT, &args.folder, "FOLDER", "whose disk Redis writes to; $TMPDIR or /tmp"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {
        "samara bench links", "",
        "Lets simulated workers work for a private ledger through a link that delays every byte, with leases\n"
        "ahead and without (ahead 0: a worker computes and talks in turn), for runs whose state lies 0, 1 and 2\n"
        "rounds back (lag), and says what share is left of the rate without the delay.",
        table};
    int rest;
    cli_private_ledger own = {0};
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&args, err);
    if (status == SAM_OK)
        status = cli_private_ledger_open(&own, args.folder, 4 * args.workers + SPARE_CONNECTIONS, err);
    if (status == SAM_OK)
        status = measure_all(&args, &own, err);
    cli_private_ledger_close(&own);
    return status;
}
