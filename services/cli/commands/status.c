/* samara status: what the runs of a ledger are doing. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/run_address.h"

#include <stdio.h>

static const char *text(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value == NULL ? "?" : value;
}

static long long number(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

static void print_runs(const json_t *answer)
{
    const json_t *runs = json_object_get(answer, "runs");
    if (json_array_size(runs) == 0)
        printf("no runs\n");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        const json_t *run = json_array_get(runs, i);
        printf("%.12s  %-9s round %lld of %lld, %lld workers  %s\n", text(run, "run"), text(run, "status"),
               number(run, "head"), number(run, "rounds"), number(run, "workers"), text(run, "name"));
    }
}

static void print_run(const json_t *run)
{
    static const char *const FIGURES[] = {"head",    "rounds",   "slots",  "records",
                                          "workers", "unleased", "leased", "lost_leases"};
    printf("%-12s %s\n%-12s %s\n%-12s %s\n", "run", text(run, "run"), "name", text(run, "name"), "status",
           text(run, "status"));
    for (size_t i = 0; i < sizeof FIGURES / sizeof FIGURES[0]; i++)
        printf("%-12s %lld\n", FIGURES[i], number(run, FIGURES[i]));
    const json_t *privacy = json_object_get(run, "privacy");
    if (privacy != NULL)
        printf("%-12s epsilon %.3f at delta %g\n", "privacy", json_number_value(json_object_get(privacy, "epsilon")),
               json_number_value(json_object_get(privacy, "delta")));
    const json_t *quarantined = json_object_get(run, "quarantined");
    for (size_t i = 0; i < json_array_size(quarantined); i++)
        printf("%-12s worker %lld\n", "quarantined", (long long)json_integer_value(json_array_get(quarantined, i)));
}

static void print_answer(const json_t *answer, bool json)
{
    if (json) {
        (void)json_dumpf(answer, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (json_object_get(answer, "runs") != NULL) {
        print_runs(answer);
    } else {
        print_run(answer);
    }
}

sam_status cli_status(int argc, char **argv, sam_error *err)
{
    bool json = false;
    sam_access access = {0};
    const sam_option table[] = {
        {"json", SAM_OPTION_FLAG, &json, NULL, "as the ledger says it"},
        SAM_ACCESS_OPTIONS(&access),
        {0},
    };
    const sam_command command = {"samara status", "URL",
                                 "Lists the runs of a ledger (http://HOST:PORT), or one of them "
                                 "(http://HOST:PORT/v1/runs/ID).",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status != SAM_OK)
        return status;
    char *service = NULL;
    const char *path;
    sam_run_client *client = NULL;
    json_t *answer = NULL;
    status = cli_split_url(argv[rest], &service, &path, err);
    if (status == SAM_OK)
        status = sam_run_client_new(&client, service, &access, err);
    if (status == SAM_OK)
        status = sam_run_get(client, path == NULL ? "/v1/runs" : path, &answer, err);
    if (status == SAM_OK)
        print_answer(answer, json);
    json_decref(answer);
    sam_run_client_free(client);
    sam_free(service);
    return status;
}
