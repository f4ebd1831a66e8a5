/* samara-gateway: options, the order of starting and stopping. */
#include "gateway.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/shutdown.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

typedef struct settings {
    const char *listen, *model, *tokens, *tls_cert, *tls_key;
    const char *redis, *redis_user, *redis_user_file, *redis_password, *redis_password_file;
    uint64_t replicas, threads, wait_redis, max_connections, max_per_client, rate;
    char *secrets[2]; /* contents of files, for the life of the process */
    sam_access *access;
} settings;

static const char ABOUT[] =
    "Follows the logs of runs in Redis and serves what people and monitors want of them: a\n"
    "dashboard, metrics, JSON, the log as a file, and the tuned model of any round as safetensors\n"
    "or GGUF, computed while it is sent. It only reads; any number of copies may run.";

/* ---- settings ---- */

/* The lines of a file, in place: `lines` borrow from *content. Empty lines and # comments are left out. */
static sam_status read_lines(const char *path, char **content, const char **lines, size_t most, size_t *count,
                             sam_error *err)
{
    sam_file_map file;
    char *rest = NULL;
    *count = 0;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    *content = sam_strndup((const char *)file.bytes, file.length);
    sam_file_map_close(&file);
    if (*content == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path);
    for (char *line = strtok_r(*content, "\r\n", &rest); line != NULL; line = strtok_r(NULL, "\r\n", &rest)) {
        if (line[0] == '#')
            continue;
        if (*count == most)
            return sam_fail(err, SAM_TOO_LARGE, "%s has more than %zu lines", path, most);
        lines[(*count)++] = line;
    }
    /* an empty file must not open the door */
    return *count > 0 ? SAM_OK : sam_fail(err, SAM_INVALID, "%s is empty", path);
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
    for (size_t i = 0; i < sizeof set->secrets / sizeof *set->secrets; i++)
        sam_free(set->secrets[i]);
    sam_access_free(set->access);
}

static sam_status parse_options(settings *set, int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {
        {"listen", SAM_OPTION_TEXT, &set->listen, "ADDRESS", "where to serve HTTP; port 0: any free one"},
        {"redis", SAM_OPTION_TEXT, &set->redis, "ADDRESS", "host:port, unix:/path, redis://... or sentinel://..."},
        {"redis-user", SAM_OPTION_TEXT, &set->redis_user, "NAME", "user of Redis"},
        {"redis-user-file", SAM_OPTION_TEXT, &set->redis_user_file, "FILE", "file whose first line is that user"},
        {"redis-password", SAM_OPTION_TEXT, &set->redis_password, "TEXT", "password (other users can see flags)"},
        {"redis-password-file", SAM_OPTION_TEXT, &set->redis_password_file, "FILE", "file with the password"},
        {"wait-redis", SAM_OPTION_COUNT, &set->wait_redis, "SECONDS", "how long to try to reach Redis at start"},
        {"model", SAM_OPTION_TEXT, &set->model, "PATH[,PATH...]",
         "bases of runs, .gguf files or folders; runs on others are served as log only"},
        {"replicas", SAM_OPTION_COUNT, &set->replicas, "N", "downloads of different rounds at once, 1 to 256"},
        {"threads", SAM_OPTION_COUNT, &set->threads, "N", "threads that serve, 1 to 256"},
        {"tokens", SAM_OPTION_TEXT, &set->tokens, "FILE",
         "bearer tokens with roles (docs/operations.md), read again when it changes; none: open to all"},
        {"tls-cert", SAM_OPTION_TEXT, &set->tls_cert, "FILE", "certificate and its chain in PEM: serve HTTPS"},
        {"tls-key", SAM_OPTION_TEXT, &set->tls_key, "FILE", "its private key in PEM"},
        {"rate", SAM_OPTION_COUNT, &set->rate, "N", "requests a second that one address may send; 0: any number"},
        {"max-connections", SAM_OPTION_COUNT, &set->max_connections, "N", "HTTP connections at a time; 0: 10000"},
        {"max-per-client", SAM_OPTION_COUNT, &set->max_per_client, "N",
         "HTTP connections of one address at a time; 0: any number"},
        {0}};
    const sam_command command = {"samara-gateway", "", ABOUT, table};
    int rest;
    sam_status status = sam_options_parse(&command, argc, argv, &rest, err);
    if (status != SAM_OK)
        return status;
    if (rest < argc)
        return sam_fail(err, SAM_INVALID, "\"%.80s\": samara-gateway takes options only, see --help", argv[rest]);
    if (set->replicas < 1 || set->replicas > 256 || set->threads < 1 || set->threads > 256)
        return sam_fail(err, SAM_INVALID, "--replicas and --threads are numbers from 1 to 256");
    if (set->max_connections > 1000000 || set->max_per_client > 1000000)
        return sam_fail(err, SAM_INVALID, "--max-connections and --max-per-client are at most 1000000");
    return read_secrets(set, err);
}

/* ---- serving ---- */

static sam_status start_server(gateway_service *gateway, const settings *set, sam_http_server **server, sam_error *err)
{
#define RUN "/v1/runs/{run}"
    const sam_http_route routes[] = {
        {"GET", "/", gateway_show_page, gateway, SAM_ROLE_ANYONE, 0},
        {"GET", "/healthz", gateway_show_health, gateway, SAM_ROLE_ANYONE, 0},
        {"GET", "/readyz", gateway_show_readiness, gateway, SAM_ROLE_ANYONE, 0},
        {"GET", "/metrics", gateway_show_metrics, gateway, SAM_ROLE_ANYONE, 0},
        {"GET", "/v1/runs", gateway_show_runs, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN, gateway_show_run, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/manifest", gateway_show_manifest, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/rounds", gateway_show_rounds, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/rounds/{round}", gateway_show_round, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/rounds/{round}/{file}", gateway_send_file, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/records", gateway_show_records, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/workers", gateway_show_workers, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/evaluations", gateway_show_evaluations, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/log", gateway_send_log, gateway, SAM_ROLE_READER, 0},
        {"GET", RUN "/digest", gateway_show_digest, gateway, SAM_ROLE_READER, 0},
        {0}};
#undef RUN
    const sam_http_server_options options = {.listen = set->listen,
                                             .threads = (unsigned)set->threads,
                                             .max_body = 4096, /* nothing is posted here */
                                             .max_connections = (unsigned)set->max_connections,
                                             .max_per_client = (unsigned)set->max_per_client,
                                             .rate = set->rate,
                                             .access = set->access,
                                             .tls_cert = set->tls_cert,
                                             .tls_key = set->tls_key,
                                             .observe = gateway_observe,
                                             .observe_user = &gateway->gauges};
    return sam_http_server_start(server, &options, routes, err);
}

static sam_status start_follower(gateway_service *gateway, const settings *set, sam_error *err)
{
    gateway->follower.runs = &gateway->runs;
    gateway->follower.redis =
        (sam_redis_options){.address = set->redis, .user = set->redis_user, .password = set->redis_password};
    return gateway_follower_start(&gateway->follower, set->wait_redis, err);
}

static void wait_for_shutdown(void)
{
    while (!sam_shutdown_asked())
        (void)poll(&(struct pollfd){.fd = sam_shutdown_fd(), .events = POLLIN}, 1, -1);
}

static sam_status serve(gateway_service *gateway, const settings *set, sam_error *err)
{
    sam_http_server *server = NULL;
    sam_status status = gateway_gauges_init(&gateway->gauges, err);
    if (status == SAM_OK)
        status = gateway_replicas_init(&gateway->replicas, (size_t)set->replicas, err);
    if (status == SAM_OK)
        status = gateway_runs_open_models(&gateway->runs, set->model, err);
    if (status == SAM_OK)
        status = start_follower(gateway, set, err);
    if (status == SAM_OK)
        status = start_server(gateway, set, &server, err);
    if (status == SAM_OK) {
        printf("listening on %s://%s\n", sam_http_server_scheme(server), sam_http_server_address(server));
        fflush(stdout);
        wait_for_shutdown();
        sam_log_info("stopping");
    }
    sam_http_server_stop(server);
    gateway_follower_stop(&gateway->follower);
    return status;
}

int main(int argc, char **argv)
{
    settings set = {.listen = "127.0.0.1:8643", .redis = "127.0.0.1:6379", .replicas = 4, .threads = 4};
    sam_error err = {0};
    gateway_service gateway = {0};
    sam_log_init("samara-gateway", SAM_LOG_INFO, SAM_LOG_TEXT);
    gateway_runs_init(&gateway.runs);
    sam_status status = parse_options(&set, argc, argv, &err);
    if (status == SAM_OK) {
        sam_shutdown_catch();
        sam_hangups_catch();
        status = serve(&gateway, &set, &err);
    } else if (status == SAM_CANCELLED) {
        status = SAM_OK; /* --help was asked */
    }
    gateway_replicas_free(&gateway.replicas);
    gateway_gauges_free(&gateway.gauges);
    gateway_runs_free(&gateway.runs);
    free_secrets(&set);
    if (status != SAM_OK)
        fprintf(stderr, "samara-gateway: %s\n", err.text);
    return sam_exit_code(status);
}
