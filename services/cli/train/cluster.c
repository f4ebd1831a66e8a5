#include "cli/train/cluster.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/shutdown.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS      60000
#define WORKER_GRACE  20000 /* a slot may have to end first */
#define SERVICE_GRACE 10000
#define EXTRA_GRACE   5000 /* workers started by hand */
#define RESTARTS_MAX  3

enum { REDIS, LEDGER, GATEWAY, WORKER };

/* ---- finding ---- */

static sam_status find_programs(cli_cluster *cluster, sam_error *err)
{
    static const char *const NAMES[] = {"redis-server", "samara-ledger", "samara-gateway", "samara-worker"};
    for (int i = cluster->plan->redis == NULL ? REDIS : LEDGER; i <= WORKER; i++) {
        cluster->program[i] = cli_find_program(NAMES[i]);
        if (cluster->program[i] == NULL && i == REDIS)
            return sam_fail(err, SAM_NOT_FOUND,
                            "redis-server is not installed: install it (Debian and Ubuntu: apt install redis-server), "
                            "or name one that runs already with --redis HOST:PORT");
        if (cluster->program[i] == NULL)
            return sam_fail(err, SAM_NOT_FOUND, "%s stands neither beside samara nor on PATH; build it first",
                            NAMES[i]);
    }
    return SAM_OK;
}

sam_status cli_cluster_init(cli_cluster *cluster, cli_out_folder *folder, const cli_cluster_plan *plan, sam_error *err)
{
    *cluster = (cli_cluster){.folder = folder, .plan = plan};
    cluster->workers = sam_alloc(plan->workers, sizeof *cluster->workers);
    if (cluster->workers == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %llu workers", (unsigned long long)plan->workers);
    snprintf(cluster->redis.name, sizeof cluster->redis.name, "redis");
    snprintf(cluster->ledger.name, sizeof cluster->ledger.name, "ledger");
    snprintf(cluster->gateway.name, sizeof cluster->gateway.name, "gateway");
    for (uint64_t i = 0; i < plan->workers; i++)
        snprintf(cluster->workers[i].name, sizeof cluster->workers[i].name, "worker-%llu", (unsigned long long)i + 1);
    sam_status status = find_programs(cluster, err);
    /* Children take their options from flags alone, and these services are open to this machine; what they say while
     * they start is read by this program. */
    static const char *const OTHERS[] = {"SAMARA_CONFIG",   "SAMARA_TOKENS",  "SAMARA_TOKEN_FILE",
                                         "SAMARA_TLS_CERT", "SAMARA_TLS_KEY", "SAMARA_CA_FILE"};
    for (size_t i = 0; i < sizeof OTHERS / sizeof OTHERS[0]; i++)
        unsetenv(OTHERS[i]);
    setenv("SAMARA_LOG", sam_log_enabled(SAM_LOG_DEBUG) ? "debug" : "info", 1);
    return status;
}

/* ---- starting ---- */

/* In OUT/redis, so that the socket's short name fits its address however deep that folder lies. */
static sam_status start_service(cli_cluster *cluster, cli_process *process, const char *program,
                                const char *const *arguments, sam_error *err)
{
    char log[80];
    snprintf(log, sizeof log, "logs/%s.log", process->name);
    const cli_launch launch = {program, arguments, cli_out_path(cluster->folder, "redis"),
                               cli_out_path(cluster->folder, log)};
    return cli_process_start(process, &launch, err);
}

static sam_status start_redis(cli_cluster *cluster, sam_error *err)
{
    return start_service(cluster, &cluster->redis, cluster->program[REDIS], cli_private_redis(), err);
}

static const char *redis_address(const cli_cluster *cluster)
{
    return cluster->plan->redis == NULL ? "unix:redis.sock" : cluster->plan->redis;
}

static sam_status start_ledger(cli_cluster *cluster, sam_error *err)
{
    char listen[96];
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)cluster->plan->port);
    /* Started again, it must be where the workers look for it. */
    const char *address = cluster->ledger_address[0] == 0 ? listen : cluster->ledger_address;
    const char *const arguments[] = {"--listen",
                                     address,
                                     "--redis",
                                     redis_address(cluster),
                                     "--wait-redis",
                                     cluster->plan->redis == NULL ? "30" : "5",
                                     NULL};
    return start_service(cluster, &cluster->ledger, cluster->program[LEDGER], arguments, err);
}

static sam_status start_gateway(cli_cluster *cluster, sam_error *err)
{
    char listen[96];
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)cluster->plan->gateway_port);
    const char *address = cluster->gateway_address[0] == 0 ? listen : cluster->gateway_address;
    const char *const arguments[] = {"--listen",           address, "--redis", redis_address(cluster), "--model",
                                     cluster->plan->model, NULL};
    return start_service(cluster, &cluster->gateway, cluster->program[GATEWAY], arguments, err);
}

static sam_status died_at_start(const cli_process *process, sam_error *err)
{
    char ending[400];
    cli_process_describe_end(process, ending, sizeof ending);
    return sam_fail(err, SAM_UNAVAILABLE, "the %s %s (its output: %s)", process->name, ending, process->log);
}

/* Until it says where it listens. */
static sam_status wait_for_address(cli_cluster *cluster, cli_process *process, char *address, size_t size,
                                   sam_error *err)
{
    for (uint64_t until = sam_monotonic_ms() + START_MS; sam_monotonic_ms() < until; sam_sleep_ms(20)) {
        if (sam_shutdown_requested())
            return sam_fail(err, SAM_CANCELLED, "stopped while the services started");
        if (cli_process_ended(process))
            return died_at_start(process, err);
        if (cli_process_ended(&cluster->redis))
            return died_at_start(&cluster->redis, err);
        if (cli_process_address(process, address, size))
            return SAM_OK;
    }
    return sam_fail(err, SAM_TIMEOUT, "the %s did not start within %d s (its output: %s)", process->name,
                    START_MS / 1000, process->log);
}

sam_status cli_cluster_start_services(cli_cluster *cluster, sam_error *err)
{
    sam_status status = cluster->plan->redis == NULL ? start_redis(cluster, err) : SAM_OK;
    if (status == SAM_OK)
        status = start_ledger(cluster, err);
    if (status == SAM_OK)
        status =
            wait_for_address(cluster, &cluster->ledger, cluster->ledger_address, sizeof cluster->ledger_address, err);
    if (status == SAM_OK)
        status = start_gateway(cluster, err);
    if (status == SAM_OK)
        status = wait_for_address(cluster, &cluster->gateway, cluster->gateway_address, sizeof cluster->gateway_address,
                                  err);
    return status;
}

/* ---- workers ---- */

typedef struct worker_arguments {
    char ledger[96], threads[24];
    const char *list[32];
    size_t count;
} worker_arguments;

/* The list ends after it. */
static void add_argument(worker_arguments *arguments, const char *option, const char *value)
{
    arguments->list[arguments->count++] = option;
    arguments->list[arguments->count++] = value;
    arguments->list[arguments->count] = NULL;
}

static void set_worker_arguments(worker_arguments *arguments, cli_cluster *cluster, const char *name)
{
    const cli_cluster_plan *plan = cluster->plan;
    char file[96];
    snprintf(file, sizeof file, "workers/%s.json", name);
    const char *status = cli_out_path(cluster->folder, file);
    snprintf(file, sizeof file, "keys/%s.key", name);
    const char *key = cli_out_path(cluster->folder, file);
    snprintf(arguments->ledger, sizeof arguments->ledger, "http://%s", cluster->ledger_address);
    snprintf(arguments->threads, sizeof arguments->threads, "%llu", (unsigned long long)plan->threads);
    const char *const all[] = {
        "--ledger",  arguments->ledger, "--run",   plan->run,   "--model",          plan->model,   "--train",
        plan->train, "--dev",           plan->dev, "--threads", arguments->threads, "--precision", plan->precision,
        "--cache",   plan->cache,       "--name",  name,        "--status-file",    status,        NULL};
    arguments->count = sizeof all / sizeof all[0] - 1;
    memcpy(arguments->list, all, sizeof all);
    if (plan->signs)
        add_argument(arguments, "--key", key);
    if (plan->kernel != NULL)
        add_argument(arguments, "--kernel", plan->kernel);
}

static sam_status start_worker(cli_cluster *cluster, cli_process *worker, sam_error *err)
{
    worker_arguments arguments;
    char log[96];
    set_worker_arguments(&arguments, cluster, worker->name);
    snprintf(log, sizeof log, "logs/%s.log", worker->name);
    const cli_launch launch = {cluster->program[WORKER], arguments.list, NULL, cli_out_path(cluster->folder, log)};
    return cli_process_start(worker, &launch, err);
}

static void put_quoted(sam_buffer *out, const char *word)
{
    sam_put_text(out, "'");
    for (; *word != 0; word++)
        sam_put_format(out, *word == '\'' ? "'\\''" : "%c", *word);
    sam_put_text(out, "'");
}

/* The command line of a worker whose name is in the shell's $name. */
static void put_extra_worker(cli_cluster *cluster, sam_buffer *script)
{
    worker_arguments arguments;
    set_worker_arguments(&arguments, cluster, "extra");
    put_quoted(script, cluster->program[WORKER]);
    for (size_t i = 0; arguments.list[i] != NULL; i += 2) {
        sam_put_format(script, " \\\n    %s ", arguments.list[i]);
        if (strcmp(arguments.list[i], "--name") == 0) {
            sam_put_text(script, "\"$name\"");
        } else if (strcmp(arguments.list[i], "--status-file") == 0) {
            sam_put_text(script, "\"$out/workers/$name.json\"");
        } else if (strcmp(arguments.list[i], "--key") == 0) {
            sam_put_text(script, "\"$out/keys/$name.key\"");
        } else {
            put_quoted(script, arguments.list[i + 1]);
        }
    }
}

/* OUT/add-worker.sh starts one more worker, which ends with the training: when the script is removed, or this process
 * is gone. */
static sam_status write_add_worker(cli_cluster *cluster, sam_error *err)
{
    sam_buffer script = {0};
    sam_put_text(&script, "#!/bin/sh\n# One more worker for the training that runs now: add-worker.sh [NAME]\n"
                          "name=${1:-extra-$$}\nout=");
    put_quoted(&script, cluster->folder->root);
    sam_put_text(&script, "\n: > \"$out/workers/$name.running\"\n");
    put_extra_worker(cluster, &script);
    sam_put_format(
        &script,
        " &\nworker=$!\ntrap 'kill $worker 2> /dev/null' INT TERM\n"
        "while kill -0 $worker 2> /dev/null && kill -0 %ld 2> /dev/null && [ -e \"$out/add-worker.sh\" ]; do\n"
        "    sleep 0.2\ndone\nkill $worker 2> /dev/null\nwait $worker\ncode=$?\n"
        "rm -f \"$out/workers/$name.running\"\nexit $code\n",
        (long)getpid());
    const char *path = cli_out_path(cluster->folder, "add-worker.sh");
    sam_status status = script.failed ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                      : sam_file_write(path, script.bytes, script.length, err);
    if (status == SAM_OK)
        (void)chmod(path, 0755);
    sam_buffer_free(&script);
    return status;
}

sam_status cli_cluster_start_workers(cli_cluster *cluster, sam_error *err)
{
    cli_out_forget_extra_workers(cluster->folder);
    sam_status status = write_add_worker(cluster, err);
    for (uint64_t i = 0; status == SAM_OK && i < cluster->plan->workers; i++)
        status = start_worker(cluster, &cluster->workers[i], err);
    return status;
}

size_t cli_cluster_running_workers(const cli_cluster *cluster)
{
    size_t running = 0;
    for (uint64_t i = 0; i < cluster->plan->workers; i++)
        running += cluster->workers[i].pid != 0;
    return running;
}

/* ---- supervising ---- */

static sam_status restart_if_ended(cli_cluster *cluster, cli_process *service,
                                   sam_status (*start)(cli_cluster *cluster, sam_error *err), cli_view *view,
                                   sam_error *err)
{
    char ending[400];
    if (!cli_process_ended(service))
        return SAM_OK;
    cli_process_describe_end(service, ending, sizeof ending);
    if (cluster->restarts >= RESTARTS_MAX)
        return sam_fail(err, SAM_UNAVAILABLE, "the %s %s, and %u restarts are enough (its output: %s)", service->name,
                        ending, cluster->restarts, service->log);
    cluster->restarts++;
    cli_view_event(view, "the %s %s; it is started again", service->name, ending);
    return start(cluster, err);
}

static void count_loss(cli_cluster *cluster, cli_process *worker, cli_view *view)
{
    char ending[400];
    cli_worker_count count = {0};
    size_t left = cli_cluster_running_workers(cluster);
    cli_process_describe_end(worker, ending, sizeof ending);
    cluster->lost++;
    cluster->folder->workers_lost++;
    cli_view_event(view, "%s %s; %zu of %llu workers are left", worker->name, ending, left,
                   (unsigned long long)cluster->plan->workers);
    if (cli_out_read_worker(cluster->folder, worker->name, &count) && count.worker != 0 && cluster->departed_count < 64)
        cluster->departed[cluster->departed_count++] = count.worker;
}

sam_status cli_cluster_supervise(cli_cluster *cluster, cli_view *view, sam_error *err)
{
    sam_status status = restart_if_ended(cluster, &cluster->redis, start_redis, view, err);
    if (status == SAM_OK)
        status = restart_if_ended(cluster, &cluster->ledger, start_ledger, view, err);
    if (status == SAM_OK)
        status = restart_if_ended(cluster, &cluster->gateway, start_gateway, view, err);
    for (uint64_t i = 0; status == SAM_OK && i < cluster->plan->workers; i++)
        if (cli_process_ended(&cluster->workers[i]) && cli_process_failed(&cluster->workers[i]))
            count_loss(cluster, &cluster->workers[i], view);
    return status;
}

/* A worker that ended by itself with an error would say it again, so that one which was killed, or told to leave, is
 * started anew. */
sam_status cli_cluster_restart_worker(cli_cluster *cluster, cli_view *view, sam_error *err)
{
    cli_process *worker = &cluster->workers[0];
    for (uint64_t i = 0; i < cluster->plan->workers; i++)
        if (cli_process_killed(&cluster->workers[i]) || !cli_process_failed(&cluster->workers[i]))
            worker = &cluster->workers[i];
    bool said_why = cli_process_failed(worker) && !cli_process_killed(worker);
    if (said_why || cluster->restarts >= RESTARTS_MAX) {
        char ending[400];
        cli_process_describe_end(worker, ending, sizeof ending);
        return sam_fail(err, SAM_UNAVAILABLE, "no worker is left: %s %s (its output: %s)", worker->name, ending,
                        worker->log);
    }
    cluster->restarts++;
    cli_view_event(view, "no worker is left; %s is started again", worker->name);
    return start_worker(cluster, worker, err);
}

/* ---- stopping ---- */

void cli_cluster_stop_workers(cli_cluster *cluster)
{
    if (cluster->workers == NULL)
        return;
    (void)unlink(cli_out_path(cluster->folder, "add-worker.sh"));
    cli_processes_stop(cluster->workers, cluster->plan->workers, WORKER_GRACE);
    uint64_t until = sam_monotonic_ms() + EXTRA_GRACE;
    while (cli_out_extra_workers(cluster->folder) > 0 && sam_monotonic_ms() < until)
        sam_sleep_ms(50);
}

void cli_cluster_stop(cli_cluster *cluster)
{
    if (cluster->folder == NULL)
        return;
    cli_cluster_stop_workers(cluster);
    cli_process_stop(&cluster->gateway, SERVICE_GRACE);
    cli_process_stop(&cluster->ledger, SERVICE_GRACE);
    cli_process_stop(&cluster->redis, SERVICE_GRACE);
    for (int i = REDIS; i <= WORKER; i++)
        sam_free(cluster->program[i]);
    sam_free(cluster->workers);
    *cluster = (cli_cluster){0};
}
