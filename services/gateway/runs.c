#include "gateway/runs.h"

#include "base/log.h"
#include "base/memory.h"

#include <string.h>

void gateway_runs_init(gateway_runs *runs)
{
    *runs = (gateway_runs){0};
    pthread_mutex_init(&runs->lock, NULL);
}

void gateway_runs_free(gateway_runs *runs)
{
    for (gateway_run *run = runs->first, *next; run != NULL; run = next) {
        next = run->next;
        gateway_run_free(run);
    }
    for (size_t i = 0; i < runs->model_count; i++)
        sam_model_close(runs->models[i]);
    pthread_mutex_destroy(&runs->lock);
}

/* ---- bases ---- */

static sam_status open_model(gateway_runs *runs, const char *path, sam_error *err)
{
    if (runs->model_count == GATEWAY_MODELS_MAX)
        return sam_fail(err, SAM_INVALID, "--model: more than %u bases", GATEWAY_MODELS_MAX);
    sam_status status = sam_model_open(&runs->models[runs->model_count], path, err);
    if (status != SAM_OK)
        return status;
    char digest[SAM_DIGEST_HEX];
    sam_digest_hex(digest, sam_model_digest(runs->models[runs->model_count++]));
    sam_log_info("base %.12s is %s", digest, path);
    return SAM_OK;
}

sam_status gateway_runs_open_models(gateway_runs *runs, const char *paths, sam_error *err)
{
    sam_status status = SAM_OK;
    while (paths != NULL && *paths != 0 && status == SAM_OK) {
        size_t length = strcspn(paths, ",");
        char *path = sam_strndup(paths, length);
        status =
            path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory opening a base") : open_model(runs, path, err);
        sam_free(path);
        paths += length + (paths[length] == ',');
    }
    return status;
}

static const sam_model *model_of(const gateway_runs *runs, const sam_manifest *manifest)
{
    for (size_t i = 0; i < runs->model_count; i++)
        if (sam_digest_equal(sam_model_digest(runs->models[i]), &manifest->base))
            return runs->models[i];
    return NULL;
}

/* ---- runs ---- */

gateway_run *gateway_runs_first(gateway_runs *runs)
{
    pthread_mutex_lock(&runs->lock);
    gateway_run *first = runs->first;
    pthread_mutex_unlock(&runs->lock);
    return first;
}

gateway_run *gateway_runs_find(gateway_runs *runs, const char *id)
{
    gateway_run *run = gateway_runs_first(runs);
    while (run != NULL && strcmp(run->id, id) != 0)
        run = run->next;
    return run;
}

static void put_first(gateway_runs *runs, gateway_run *run)
{
    pthread_mutex_lock(&runs->lock);
    run->next = runs->first;
    runs->first = run;
    pthread_mutex_unlock(&runs->lock);
    runs->count++;
    sam_log_info("run %.12s (%s): %s", run->id, run->manifest->name,
                 run->model == NULL ? "log only, its base is not among --model" : "with snapshots");
}

sam_status gateway_runs_add(gateway_runs *runs, const char *id, const char *text, size_t length, sam_error *err)
{
    sam_manifest *manifest = NULL;
    sam_status status = sam_manifest_parse(&manifest, text, length, err);
    if (status == SAM_OK && strcmp(manifest->id_hex, id) != 0)
        status = sam_fail(err, SAM_MISMATCH, "the manifest stored there is that of run %.12s", manifest->id_hex);
    gateway_run *run = status == SAM_OK ? gateway_run_new(manifest) : NULL;
    if (status == SAM_OK && run == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for a run");
    if (run == NULL) {
        sam_manifest_free(manifest);
        return status;
    }
    run->model = model_of(runs, manifest);
    put_first(runs, run);
    return SAM_OK;
}
