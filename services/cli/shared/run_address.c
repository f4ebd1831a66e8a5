#include "cli/shared/run_address.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

bool cli_is_url(const char *run)
{
    return strstr(run, "://") != NULL;
}

sam_status cli_split_url(const char *url, char **service, const char **path, sam_error *err)
{
    *path = strstr(url, "/v1/runs");
    *service = sam_strndup(url, *path == NULL ? strlen(url) : (size_t)(*path - url));
    return *service == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : SAM_OK;
}

/* The one run of a ledger, where the URL names none. */
static sam_status only_run(sam_run_client *client, char id[SAM_DIGEST_HEX], sam_error *err)
{
    json_t *answer;
    sam_status status = sam_run_get(client, "/v1/runs", &answer, err);
    if (status != SAM_OK)
        return status;
    const json_t *runs = json_object_get(answer, "runs");
    const char *run = json_string_value(json_object_get(json_array_get(runs, 0), "run"));
    if (json_array_size(runs) == 1 && run != NULL)
        snprintf(id, SAM_DIGEST_HEX, "%s", run);
    else
        status = sam_fail(err, SAM_INVALID, "the ledger has %zu runs; name one: URL/v1/runs/ID", json_array_size(runs));
    json_decref(answer);
    return status;
}

/* A client for the service of a URL, and which run is meant. */
static sam_status open_client(sam_run_client **client, const char *url, char id[SAM_DIGEST_HEX],
                              const sam_access *access, sam_error *err)
{
    static const char RUN[] = "/v1/runs/";
    char *service;
    const char *path;
    sam_status status = cli_split_url(url, &service, &path, err);
    if (status == SAM_OK)
        status = sam_run_client_new(client, service, access, err);
    sam_free(service);
    if (status == SAM_OK && path != NULL && strncmp(path, RUN, strlen(RUN)) == 0)
        snprintf(id, SAM_DIGEST_HEX, "%.64s", path + strlen(RUN));
    else if (status == SAM_OK)
        status = only_run(*client, id, err);
    return status;
}

static sam_status fetch(sam_samlog **log, const char *url, const sam_access *access, sam_error *err)
{
    char id[SAM_DIGEST_HEX];
    sam_run_client *client = NULL;
    sam_buffer bytes = {0};
    uint64_t rounds;
    sam_status status = open_client(&client, url, id, access, err);
    if (status == SAM_OK)
        status = sam_run_fetch_log(client, id, &bytes, &rounds, err);
    if (status == SAM_OK)
        status = sam_samlog_parse(log, bytes.bytes, bytes.length, err);
    sam_buffer_free(&bytes);
    sam_run_client_free(client);
    return status;
}

sam_status cli_run_open(sam_samlog **log, const char *run, const sam_access *access, sam_error *err)
{
    return cli_is_url(run) ? fetch(log, run, access, err) : sam_samlog_open(log, run, err);
}
