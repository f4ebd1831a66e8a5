/* samara-ledger: keeps the logs of runs, for workers and people. See ledger.h for how it works inside. */
#include "ledger.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/shutdown.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A request line with its fields, and what libmicrohttpd keeps for each connection, used or not. */
#define HEADER_MAX 8192

typedef struct settings {
    const char *listen, *redis, *redis_user, *redis_user_file, *redis_password, *redis_password_file, *tokens,
        *tls_cert, *tls_key;
    uint64_t replicas, max_connections, max_per_client, rate, wait_ms_max, wait_redis, threads;
    char *secrets[2]; /* contents of files, for the life of the process */
    sam_access *access;
} settings;

/* ---- settings ---- */

/* The lines of a file, in place: `lines` borrow from *content. Empty lines and # comments are left out. */
static sam_status read_lines(const char *path, char **content, const char **lines, size_t most, size_t *count,
                             sam_error *err)
{
    sam_file_map file;
    char *rest;
    *count = 0;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    *content = sam_strndup((const char *)file.bytes, file.length);
    sam_file_map_close(&file);
    if (*content == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for %s", path);
    for (char *line = strtok_r(*content, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (*count == most)
            return sam_fail(err, SAM_TOO_LARGE, "%s has more than %zu lines", path, most);
        lines[(*count)++] = line;
    }
    if (*count == 0)
        return sam_fail(err, SAM_INVALID, "%s is empty", path);
    return SAM_OK;
}

static sam_status read_secrets(settings *set, sam_error *err)
{
    size_t count;
    sam_status status = SAM_OK;
    if (set->tokens != NULL)
        status = sam_access_open(&set->access, set->tokens, err);
    if (status == SAM_OK && set->redis_password_file != NULL)
        status = read_lines(set->redis_password_file, &set->secrets[0], &set->redis_password, 1, &count, err);
    if (status == SAM_OK && set->redis_user_file != NULL)
        status = read_lines(set->redis_user_file, &set->secrets[1], &set->redis_user, 1, &count, err);
    return status;
}

static void free_secrets(settings *set)
{
    for (size_t i = 0; i < 2; i++)
        sam_free(set->secrets[i]);
    sam_access_free(set->access);
}

static sam_status parse(settings *set, int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {
        {"listen", SAM_OPTION_TEXT, &set->listen, "ADDRESS", "where to serve HTTP; port 0: any free one"},
        {"redis", SAM_OPTION_TEXT, &set->redis, "ADDRESS", "host:port, unix:/path, redis://... or sentinel://..."},
        {"redis-user", SAM_OPTION_TEXT, &set->redis_user, "NAME", "user of Redis"},
        {"redis-user-file", SAM_OPTION_TEXT, &set->redis_user_file, "FILE", "file whose first line is that user"},
        {"redis-password", SAM_OPTION_TEXT, &set->redis_password, "TEXT", "password (other users can see flags)"},
        {"redis-password-file", SAM_OPTION_TEXT, &set->redis_password_file, "FILE", "file with the password"},
        {"redis-replicas", SAM_OPTION_COUNT, &set->replicas, "N",
         "replicas of Redis that must have what is acknowledged, 0 to 16 (Sentinel, Cluster)"},
        {"tokens", SAM_OPTION_TEXT, &set->tokens, "FILE",
         "bearer tokens with roles (docs/operations.md), read again when it changes; none: open to all"},
        {"tls-cert", SAM_OPTION_TEXT, &set->tls_cert, "FILE", "certificate and its chain in PEM: serve HTTPS"},
        {"tls-key", SAM_OPTION_TEXT, &set->tls_key, "FILE", "its private key in PEM"},
        {"rate", SAM_OPTION_COUNT, &set->rate, "N", "requests a second that one address may send; 0: any number"},
        {"max-per-client", SAM_OPTION_COUNT, &set->max_per_client, "N",
         "HTTP connections of one address at a time; 0: any number"},
        {"max-connections", SAM_OPTION_COUNT, &set->max_connections, "N", "HTTP connections at a time; 0: 16000"},
        {"wait-ms-max", SAM_OPTION_COUNT, &set->wait_ms_max, "MS", "longest time a sync request is held"},
        {"wait-redis", SAM_OPTION_COUNT, &set->wait_redis, "SECONDS", "how long to try to reach Redis at start"},
        {"threads", SAM_OPTION_COUNT, &set->threads, "N", "threads that answer requests"},
        {0},
    };
    const sam_command command = {"samara-ledger", "", "Keeps the logs of runs in Redis and hands out their slots.",
                                 table};
    int rest;
    sam_status status = sam_options_parse(&command, argc, argv, &rest, err);
    if (status == SAM_OK && rest < argc)
        return sam_fail(err, SAM_INVALID, "\"%s\" is no option; see --help", argv[rest]);
    if (status == SAM_OK && (set->wait_ms_max > 3600000 || set->max_connections > 1000000 ||
                             set->max_per_client > 1000000 || set->threads > 1024))
        return sam_fail(err, SAM_INVALID,
                        "--wait-ms-max is at most 3600000, --max-connections and --max-per-client 1000000, "
                        "--threads 1024");
    if (status == SAM_OK && set->replicas > 16)
        return sam_fail(err, SAM_INVALID, "--redis-replicas is at most 16");
    return status == SAM_OK ? read_secrets(set, err) : status;
}

/* ---- Redis ---- */

static sam_status reach_redis(ledger_service *ledger, uint64_t seconds, sam_error *err)
{
    sam_redis *redis;
    uint64_t until = sam_monotonic_ms() + seconds * 1000;
    sam_status status = sam_redis_borrow(ledger->redis, &redis, err);
    if (status != SAM_OK)
        return status;
    status = sam_redis_ping(redis, err);
    while (status == SAM_UNAVAILABLE && sam_monotonic_ms() < until && !sam_shutdown_asked()) {
        sam_sleep_ms(100);
        status = sam_redis_ping(redis, err);
    }
    sam_redis_give_back(ledger->redis, redis);
    return status;
}

static void warn_unless(sam_redis *redis, const char *name, const char *wanted, const char *danger)
{
    redisReply *reply;
    sam_error err = {0};
    if (sam_redis_words(redis, &reply, &err, "CONFIG", "GET", name, NULL) != SAM_OK)
        return; /* managed services do not permit it */
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 && reply->element[1]->type == REDIS_REPLY_STRING &&
        strcasecmp(reply->element[1]->str, wanted) != 0)
        sam_log_warn("Redis runs with %s %s: %s; set it to \"%s\"", name, reply->element[1]->str, danger, wanted);
    sam_redis_reply_free(reply);
}

static void check_durability(ledger_service *ledger)
{
    sam_redis *redis;
    sam_error err = {0};
    if (sam_redis_borrow(ledger->redis, &redis, &err) != SAM_OK)
        return;
    warn_unless(redis, "appendonly", "yes", "committed rounds are lost when it stops");
    warn_unless(redis, "appendfsync", "always", "the last second of committed rounds is lost in a power cut");
    sam_redis_give_back(ledger->redis, redis);
}

/* ---- serving ---- */

static sam_status ledger_open(ledger_service *ledger, const settings *set, sam_error *err)
{
    const sam_redis_options options = {.address = set->redis, .user = set->redis_user, .password = set->redis_password};
    *ledger = (ledger_service){.wait_ms_max = (uint32_t)set->wait_ms_max};
    ledger_runs_init(&ledger->runs);
    ledger_group_init(&ledger->group, ledger);
    ledger_follower_init(&ledger->follower, ledger);
    sam_status status = ledger_gauges_init(ledger, err);
    if (status == SAM_OK)
        status = ledger_scripts_init(&ledger->scripts, err);
    if (status == SAM_OK)
        ledger->scripts.replicas = (uint32_t)set->replicas;
    if (status == SAM_OK)
        status = sam_redis_pool_new(&ledger->redis, &options, err);
    return status == SAM_OK ? reach_redis(ledger, set->wait_redis, err) : status;
}

static void ledger_close(ledger_service *ledger)
{
    ledger_follower_free(&ledger->follower);
    ledger_group_free(&ledger->group);
    if (ledger->redis != NULL)
        sam_redis_pool_free(ledger->redis);
    ledger_scripts_free(&ledger->scripts);
    ledger_runs_free(&ledger->runs);
    sam_metrics_free(ledger->metrics);
}

static void wait_for_signal(void)
{
    struct pollfd signal_fd = {.fd = sam_shutdown_fd(), .events = POLLIN};
    while (!sam_shutdown_asked())
        (void)poll(&signal_fd, 1, 1000);
}

static sam_status serve(ledger_service *ledger, const settings *set, sam_error *err)
{
    sam_http_route routes[LEDGER_ROUTES_MAX];
    sam_http_server *server = NULL;
    ledger_routes(ledger, routes);
    const sam_http_server_options options = {.listen = set->listen,
                                             .threads = (unsigned)set->threads,
                                             .max_connections = (unsigned)set->max_connections,
                                             .max_header = HEADER_MAX,
                                             .no_date = true,
                                             .max_per_client = (unsigned)set->max_per_client,
                                             .rate = set->rate,
                                             .access = set->access,
                                             .tls_cert = set->tls_cert,
                                             .tls_key = set->tls_key,
                                             .observe = ledger_observe,
                                             .observe_user = ledger};
    sam_status status = sam_http_server_start(&server, &options, routes, err);
    if (status != SAM_OK)
        return status;
    status = ledger_group_start(&ledger->group, server, err);
    if (status == SAM_OK)
        status = ledger_follower_start(&ledger->follower, server, err);
    if (status == SAM_OK) {
        printf("listening on %s://%s\n", sam_http_server_scheme(server), sam_http_server_address(server));
        fflush(stdout);
        wait_for_signal();
        sam_log_info("stopping");
    }
    ledger_follower_stop(&ledger->follower);
    ledger_group_stop(&ledger->group);
    sam_http_server_stop(server);
    return status;
}

int main(int argc, char **argv)
{
    settings set = {.listen = "127.0.0.1:8642", .redis = "127.0.0.1:6379", .wait_ms_max = 60000, .threads = 2};
    sam_error err = {0};
    ledger_service ledger;
    sam_log_init("samara-ledger", SAM_LOG_INFO, SAM_LOG_TEXT);
    sam_status status = parse(&set, argc, argv, &err);
    if (status == SAM_CANCELLED)
        return 0;
    if (status == SAM_OK) {
        sam_shutdown_catch();
        sam_hangups_catch();
        status = ledger_open(&ledger, &set, &err);
        if (status == SAM_OK) {
            check_durability(&ledger);
            status = serve(&ledger, &set, &err);
        }
        ledger_close(&ledger);
    }
    free_secrets(&set);
    if (status != SAM_OK)
        fprintf(stderr, "samara-ledger: %s\n", err.text);
    return sam_exit_code(status);
}
