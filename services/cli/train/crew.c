#include "cli/train/crew.h"

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

static sam_status find_programs(cli_crew *crew, sam_error *err)
{
    static const char *const NAMES[] = {"redis-server", "samara-ledger", "samara-gateway", "samara-worker"};
    for (int i = crew->plan->redis == NULL ? REDIS : LEDGER; i <= WORKER; i++) {
        crew->program[i] = cli_find_program(NAMES[i]);
        if (crew->program[i] == NULL && i == REDIS)
            return sam_fail(err, SAM_NOT_FOUND,
                            "redis-server is not installed: install it (Debian and Ubuntu: apt install redis-server), "
                            "or name one that runs already with --redis HOST:PORT");
        if (crew->program[i] == NULL)
            return sam_fail(err, SAM_NOT_FOUND, "%s stands neither beside samara nor on PATH; build it first",
                            NAMES[i]);
    }
    return SAM_OK;
}

sam_status cli_crew_init(cli_crew *crew, cli_out_folder *folder, const cli_crew_plan *plan, sam_error *err)
{
    *crew = (cli_crew){.folder = folder, .plan = plan};
    crew->workers = sam_alloc(plan->workers, sizeof *crew->workers);
    if (crew->workers == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %llu workers", (unsigned long long)plan->workers);
    snprintf(crew->redis.name, sizeof crew->redis.name, "redis");
    snprintf(crew->ledger.name, sizeof crew->ledger.name, "ledger");
    snprintf(crew->gateway.name, sizeof crew->gateway.name, "gateway");
    for (uint64_t i = 0; i < plan->workers; i++)
        snprintf(crew->workers[i].name, sizeof crew->workers[i].name, "worker-%llu", (unsigned long long)i + 1);
    sam_status status = find_programs(crew, err);
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
static sam_status start_service(cli_crew *crew, cli_process *process, const char *program, const char *const *words,
                                sam_error *err)
{
    char log[80];
    snprintf(log, sizeof log, "logs/%s.log", process->name);
    const cli_launch launch = {program, words, cli_out_path(crew->folder, "redis"), cli_out_path(crew->folder, log)};
    return cli_process_start(process, &launch, err);
}

const char *const *cli_private_redis(void)
{
    static const char *const WORDS[] = {"--port",
                                        "0",
                                        "--unixsocket",
                                        "redis.sock",
                                        "--unixsocketperm",
                                        "700",
                                        "--dir",
                                        ".",
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "yes",
                                        "--appendfsync",
                                        "always",
                                        "--daemonize",
                                        "no",
                                        "--loglevel",
                                        "notice",
                                        NULL};
    return WORDS;
}

static sam_status start_redis(cli_crew *crew, sam_error *err)
{
    return start_service(crew, &crew->redis, crew->program[REDIS], cli_private_redis(), err);
}

static const char *redis_address(const cli_crew *crew)
{
    return crew->plan->redis == NULL ? "unix:redis.sock" : crew->plan->redis;
}

static sam_status start_ledger(cli_crew *crew, sam_error *err)
{
    char listen[96];
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)crew->plan->port);
    /* Started again, it must be where the workers look for it. */
    const char *address = crew->ledger_address[0] == 0 ? listen : crew->ledger_address;
    const char *const words[] = {
        "--listen", address, "--redis", redis_address(crew), "--wait-redis", crew->plan->redis == NULL ? "30" : "5",
        NULL};
    return start_service(crew, &crew->ledger, crew->program[LEDGER], words, err);
}

static sam_status start_gateway(cli_crew *crew, sam_error *err)
{
    char listen[96];
    snprintf(listen, sizeof listen, "127.0.0.1:%llu", (unsigned long long)crew->plan->gateway_port);
    const char *address = crew->gateway_address[0] == 0 ? listen : crew->gateway_address;
    const char *const words[] = {"--listen", address,           "--redis", redis_address(crew),
                                 "--model",  crew->plan->model, NULL};
    return start_service(crew, &crew->gateway, crew->program[GATEWAY], words, err);
}

static sam_status died_at_start(const cli_process *process, sam_error *err)
{
    char words[400];
    cli_process_last_words(process, words, sizeof words);
    return sam_fail(err, SAM_UNAVAILABLE, "the %s %s (its output: %s)", process->name, words, process->log);
}

/* Until it says where it listens. */
static sam_status wait_for_address(cli_crew *crew, cli_process *process, char *address, size_t size, sam_error *err)
{
    for (uint64_t until = sam_monotonic_ms() + START_MS; sam_monotonic_ms() < until; sam_sleep_ms(20)) {
        if (sam_shutdown_asked())
            return sam_fail(err, SAM_CANCELLED, "stopped while the services started");
        if (cli_process_ended(process))
            return died_at_start(process, err);
        if (cli_process_ended(&crew->redis))
            return died_at_start(&crew->redis, err);
        if (cli_process_address(process, address, size))
            return SAM_OK;
    }
    return sam_fail(err, SAM_TIMEOUT, "the %s did not start within %d s (its output: %s)", process->name,
                    START_MS / 1000, process->log);
}

sam_status cli_crew_start_services(cli_crew *crew, sam_error *err)
{
    sam_status status = crew->plan->redis == NULL ? start_redis(crew, err) : SAM_OK;
    if (status == SAM_OK)
        status = start_ledger(crew, err);
    if (status == SAM_OK)
        status = wait_for_address(crew, &crew->ledger, crew->ledger_address, sizeof crew->ledger_address, err);
    if (status == SAM_OK)
        status = start_gateway(crew, err);
    if (status == SAM_OK)
        status = wait_for_address(crew, &crew->gateway, crew->gateway_address, sizeof crew->gateway_address, err);
    return status;
}

/* ---- workers ---- */

typedef struct worker_words {
    char ledger[96], threads[24];
    const char *word[32];
} worker_words;

static size_t add_word(worker_words *words, size_t count, const char *option, const char *value)
{
    words->word[count++] = option;
    words->word[count++] = value;
    words->word[count] = NULL;
    return count;
}

static void write_worker_words(worker_words *words, cli_crew *crew, const char *name)
{
    const cli_crew_plan *plan = crew->plan;
    char file[96];
    snprintf(file, sizeof file, "workers/%s.json", name);
    const char *status = cli_out_path(crew->folder, file);
    snprintf(file, sizeof file, "keys/%s.key", name);
    const char *key = cli_out_path(crew->folder, file);
    snprintf(words->ledger, sizeof words->ledger, "http://%s", crew->ledger_address);
    snprintf(words->threads, sizeof words->threads, "%llu", (unsigned long long)plan->threads);
    const char *const all[] = {"--ledger",      words->ledger,   "--run",   plan->run,   "--model",   plan->model,
                               "--train",       plan->train,     "--dev",   plan->dev,   "--threads", words->threads,
                               "--precision",   plan->precision, "--cache", plan->cache, "--name",    name,
                               "--status-file", status,          NULL};
    size_t count = sizeof all / sizeof all[0] - 1;
    memcpy(words->word, all, sizeof all);
    if (plan->signs)
        count = add_word(words, count, "--key", key);
    if (plan->kernel != NULL)
        count = add_word(words, count, "--kernel", plan->kernel);
}

static sam_status start_worker(cli_crew *crew, cli_process *worker, sam_error *err)
{
    worker_words words;
    char log[96];
    write_worker_words(&words, crew, worker->name);
    snprintf(log, sizeof log, "logs/%s.log", worker->name);
    const cli_launch launch = {crew->program[WORKER], words.word, NULL, cli_out_path(crew->folder, log)};
    return cli_process_start(worker, &launch, err);
}

static void put_quoted(sam_buffer *out, const char *word)
{
    sam_put_text(out, "'");
    for (; *word != 0; word++)
        sam_put_format(out, *word == '\'' ? "'\\''" : "%c", *word);
    sam_put_text(out, "'");
}

/* The words of a worker whose name is in the shell's $name. */
static void put_extra_worker(cli_crew *crew, sam_buffer *script)
{
    worker_words words;
    write_worker_words(&words, crew, "extra");
    put_quoted(script, crew->program[WORKER]);
    for (size_t i = 0; words.word[i] != NULL; i += 2) {
        sam_put_format(script, " \\\n    %s ", words.word[i]);
        if (strcmp(words.word[i], "--name") == 0) {
            sam_put_text(script, "\"$name\"");
        } else if (strcmp(words.word[i], "--status-file") == 0) {
            sam_put_text(script, "\"$out/workers/$name.json\"");
        } else if (strcmp(words.word[i], "--key") == 0) {
            sam_put_text(script, "\"$out/keys/$name.key\"");
        } else {
            put_quoted(script, words.word[i + 1]);
        }
    }
}

/* OUT/add-worker.sh starts one more worker, which ends with the training: when the script is removed, or this process
 * is gone. */
static sam_status write_add_worker(cli_crew *crew, sam_error *err)
{
    sam_buffer script = {0};
    sam_put_text(&script, "#!/bin/sh\n# One more worker for the training that runs now: add-worker.sh [NAME]\n"
                          "name=${1:-extra-$$}\nout=");
    put_quoted(&script, crew->folder->root);
    sam_put_text(&script, "\n: > \"$out/workers/$name.running\"\n");
    put_extra_worker(crew, &script);
    sam_put_format(
        &script,
        " &\nworker=$!\ntrap 'kill $worker 2> /dev/null' INT TERM\n"
        "while kill -0 $worker 2> /dev/null && kill -0 %ld 2> /dev/null && [ -e \"$out/add-worker.sh\" ]; do\n"
        "    sleep 0.2\ndone\nkill $worker 2> /dev/null\nwait $worker\ncode=$?\n"
        "rm -f \"$out/workers/$name.running\"\nexit $code\n",
        (long)getpid());
    const char *path = cli_out_path(crew->folder, "add-worker.sh");
    sam_status status = script.failed ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                      : sam_file_write(path, script.bytes, script.length, err);
    if (status == SAM_OK)
        (void)chmod(path, 0755);
    sam_buffer_free(&script);
    return status;
}

sam_status cli_crew_start_workers(cli_crew *crew, sam_error *err)
{
    cli_out_forget_extra_workers(crew->folder);
    sam_status status = write_add_worker(crew, err);
    for (uint64_t i = 0; status == SAM_OK && i < crew->plan->workers; i++)
        status = start_worker(crew, &crew->workers[i], err);
    return status;
}

size_t cli_crew_running_workers(const cli_crew *crew)
{
    size_t running = 0;
    for (uint64_t i = 0; i < crew->plan->workers; i++)
        running += crew->workers[i].pid != 0;
    return running;
}

/* ---- tending ---- */

static sam_status mend(cli_crew *crew, cli_process *service, sam_status (*start)(cli_crew *crew, sam_error *err),
                       cli_view *view, sam_error *err)
{
    char words[400];
    if (!cli_process_ended(service))
        return SAM_OK;
    cli_process_last_words(service, words, sizeof words);
    if (crew->restarts >= RESTARTS_MAX)
        return sam_fail(err, SAM_UNAVAILABLE, "the %s %s, and %u restarts are enough (its output: %s)", service->name,
                        words, crew->restarts, service->log);
    crew->restarts++;
    cli_view_event(view, "the %s %s; it is started again", service->name, words);
    return start(crew, err);
}

static void lose(cli_crew *crew, cli_process *worker, cli_view *view)
{
    char words[400];
    cli_worker_count count = {0};
    size_t left = cli_crew_running_workers(crew);
    cli_process_last_words(worker, words, sizeof words);
    crew->lost++;
    crew->folder->workers_lost++;
    cli_view_event(view, "%s %s; %zu of %llu workers are left", worker->name, words, left,
                   (unsigned long long)crew->plan->workers);
    if (cli_out_read_worker(crew->folder, worker->name, &count) && count.worker != 0 && crew->departed_count < 64)
        crew->departed[crew->departed_count++] = count.worker;
}

sam_status cli_crew_tend(cli_crew *crew, cli_view *view, sam_error *err)
{
    sam_status status = mend(crew, &crew->redis, start_redis, view, err);
    if (status == SAM_OK)
        status = mend(crew, &crew->ledger, start_ledger, view, err);
    if (status == SAM_OK)
        status = mend(crew, &crew->gateway, start_gateway, view, err);
    for (uint64_t i = 0; status == SAM_OK && i < crew->plan->workers; i++)
        if (cli_process_ended(&crew->workers[i]) && cli_process_failed(&crew->workers[i]))
            lose(crew, &crew->workers[i], view);
    return status;
}

/* A worker that ended by itself with an error would say it again, so that one which was killed, or told to leave, is
 * started anew. */
sam_status cli_crew_revive(cli_crew *crew, cli_view *view, sam_error *err)
{
    cli_process *worker = &crew->workers[0];
    for (uint64_t i = 0; i < crew->plan->workers; i++)
        if (cli_process_killed(&crew->workers[i]) || !cli_process_failed(&crew->workers[i]))
            worker = &crew->workers[i];
    bool said_why = cli_process_failed(worker) && !cli_process_killed(worker);
    if (said_why || crew->restarts >= RESTARTS_MAX) {
        char words[400];
        cli_process_last_words(worker, words, sizeof words);
        return sam_fail(err, SAM_UNAVAILABLE, "no worker is left: %s %s (its output: %s)", worker->name, words,
                        worker->log);
    }
    crew->restarts++;
    cli_view_event(view, "no worker is left; %s is started again", worker->name);
    return start_worker(crew, worker, err);
}

/* ---- stopping ---- */

void cli_crew_stop_workers(cli_crew *crew)
{
    if (crew->workers == NULL)
        return;
    (void)unlink(cli_out_path(crew->folder, "add-worker.sh"));
    cli_processes_stop(crew->workers, crew->plan->workers, WORKER_GRACE);
    uint64_t until = sam_monotonic_ms() + EXTRA_GRACE;
    while (cli_out_extra_workers(crew->folder) > 0 && sam_monotonic_ms() < until)
        sam_sleep_ms(50);
}

void cli_crew_stop(cli_crew *crew)
{
    if (crew->folder == NULL)
        return;
    cli_crew_stop_workers(crew);
    cli_process_stop(&crew->gateway, SERVICE_GRACE);
    cli_process_stop(&crew->ledger, SERVICE_GRACE);
    cli_process_stop(&crew->redis, SERVICE_GRACE);
    for (int i = REDIS; i <= WORKER; i++)
        sam_free(crew->program[i]);
    sam_free(crew->workers);
    *crew = (cli_crew){0};
}
