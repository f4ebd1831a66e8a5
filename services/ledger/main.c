/* samara-ledger: keeps the logs of runs, for workers and people. See ledger.h for how it works inside. */
#include "ledger/ledger.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/shutdown.h"
#include "serving/serving.h"

#include <stdio.h>
#include <strings.h>

/* A request line with its fields, and what libmicrohttpd keeps for each connection, used or not. */
#define HEADER_MAX 8192

typedef struct settings {
    serving serving;
    uint64_t replicas, wait_ms_max;
} settings;

/* ---- settings ---- */

static sam_status parse(settings *set, int argc, char **argv, sam_error *err)
{
    const sam_option table[] = {
        SERVING_OPTIONS(&set->serving),
        {"redis-replicas", SAM_OPTION_COUNT, &set->replicas, "N",
         "replicas of Redis that must have what is acknowledged, 0 to 16 (Sentinel, Cluster)"},
        {"wait-ms-max", SAM_OPTION_COUNT, &set->wait_ms_max, "MS", "longest time a sync request is held"},
        {0},
    };
    const sam_command command = {"samara-ledger", "", "Keeps the logs of runs in Redis and hands out their slots.",
                                 table};
    int rest;
    sam_status status = sam_options_parse(&command, argc, argv, &rest, err);
    if (status == SAM_OK && rest < argc)
        return sam_fail(err, SAM_INVALID, "\"%s\" is no option; see --help", argv[rest]);
    if (status == SAM_OK && set->wait_ms_max > 3600000)
        return sam_fail(err, SAM_INVALID, "--wait-ms-max is at most 3600000");
    if (status == SAM_OK && set->replicas > 16)
        return sam_fail(err, SAM_INVALID, "--redis-replicas is at most 16");
    return status == SAM_OK ? serving_open(&set->serving, err) : status;
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
    while (status == SAM_UNAVAILABLE && sam_monotonic_ms() < until && !sam_shutdown_requested()) {
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
    const sam_redis_options options = serving_redis(&set->serving);
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
    return status == SAM_OK ? reach_redis(ledger, set->serving.wait_redis, err) : status;
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

static sam_status serve(ledger_service *ledger, const settings *set, sam_error *err)
{
    sam_http_server *server = NULL;
    ledger_routes(ledger);
    sam_http_server_options options = serving_http(&set->serving);
    options.max_header = HEADER_MAX;
    options.no_date = true;
    options.observe = ledger_observe;
    options.observe_user = ledger;
    sam_status status = sam_http_server_start(&server, &options, ledger->routes, err);
    if (status != SAM_OK)
        return status;
    status = ledger_group_start(&ledger->group, server, err);
    if (status == SAM_OK)
        status = ledger_follower_start(&ledger->follower, server, err);
    if (status == SAM_OK)
        serving_until_shutdown(server);
    ledger_follower_stop(&ledger->follower);
    ledger_group_stop(&ledger->group);
    sam_http_server_stop(server);
    return status;
}

int main(int argc, char **argv)
{
    settings set = {.serving = {.listen = "127.0.0.1:8642", .redis = "127.0.0.1:6379", .threads = 2},
                    .wait_ms_max = 60000};
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
    serving_close(&set.serving);
    if (status != SAM_OK)
        fprintf(stderr, "samara-ledger: %s\n", err.text);
    return sam_exit_code(status);
}
