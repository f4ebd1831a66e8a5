/* samara-gateway: options, the order of starting and stopping. */
#include "gateway/gateway.h"

#include "base/log.h"
#include "base/shutdown.h"
#include "serving/serving.h"

#include <stdio.h>

typedef struct settings {
    serving serving;
    const char *model;
    uint64_t replicas;
} settings;

static const char ABOUT[] =
    "Follows the logs of runs in Redis and serves what people and monitors want of them: a\n"
    "dashboard, metrics, JSON, the log as a file, and the tuned model of any round as safetensors\n"
    "or GGUF, computed while it is sent. It only reads; any number of copies may run.";

/* ---- settings ---- */

static sam_status parse_options(settings *set, int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {
        SERVING_OPTIONS(&set->serving),
        {"model", SAM_OPTION_TEXT, &set->model, "PATH[,PATH...]",
         "bases of runs, .gguf files or folders; runs on others are served as log only"},
        {"replicas", SAM_OPTION_COUNT, &set->replicas, "N", "downloads of different rounds at once, 1 to 256"},
        {0}};
    const sam_command command = {"samara-gateway", "", ABOUT, table};
    int rest;
    sam_status status = sam_options_parse(&command, argc, argv, &rest, err);
    if (status != SAM_OK)
        return status;
    if (rest < argc)
        return sam_fail(err, SAM_INVALID, "\"%.80s\": samara-gateway takes options only, see --help", argv[rest]);
    if (set->replicas < 1 || set->replicas > 256)
        return sam_fail(err, SAM_INVALID, "--replicas is a number from 1 to 256");
    return serving_open(&set->serving, err);
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
    sam_http_server_options options = serving_http(&set->serving);
    options.max_body = 4096; /* nothing is posted here */
    options.observe = gateway_observe;
    options.observe_user = &gateway->gauges;
    return sam_http_server_start(server, &options, routes, err);
}

static sam_status start_follower(gateway_service *gateway, const settings *set, sam_error *err)
{
    gateway->follower.runs = &gateway->runs;
    gateway->follower.redis = serving_redis(&set->serving);
    return gateway_follower_start(&gateway->follower, set->serving.wait_redis, err);
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
    if (status == SAM_OK)
        serving_until_shutdown(server);
    sam_http_server_stop(server);
    gateway_follower_stop(&gateway->follower);
    return status;
}

int main(int argc, char **argv)
{
    settings set = {.serving = {.listen = "127.0.0.1:8643", .redis = "127.0.0.1:6379", .threads = 4}, .replicas = 4};
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
    serving_close(&set.serving);
    if (status != SAM_OK)
        fprintf(stderr, "samara-gateway: %s\n", err.text);
    return sam_exit_code(status);
}
