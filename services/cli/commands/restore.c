/* samara restore: runs back on a ledger, from the logs that their replicas have.
 *
 * A gateway has the log in memory, a worker with --log in a file. Of each run the longest log is taken; the others must
 * be its beginning. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/run_address.h"
#include "cli/shared/transfer.h"
#include "run/history.h"

#include <stdio.h>
#include <string.h>

typedef struct arguments {
    const char *from, *ledger;
    bool json;
    sam_access access;
} arguments;

typedef struct rescued {
    sam_samlog *log;
    char *source;
    uint32_t workers; /* the highest number that was given to one */
} rescued;

typedef struct rescue {
    const arguments *args;
    rescued *runs;
    size_t count;
} rescue;

/* ---- gathering ---- */

static rescued *run_named(const rescue *all, const char *id)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(sam_samlog_manifest(all->runs[i].log)->id_hex, id) == 0)
            return &all->runs[i];
    return NULL;
}

static sam_status check_same(const rescued *a, const rescued *b, sam_error *err)
{
    uint64_t of_a = sam_samlog_rounds(a->log), of_b = sam_samlog_rounds(b->log);
    uint64_t shorter = of_a < of_b ? of_a : of_b, shared = sam_history_shared(a->log, b->log);
    if (shared == shorter)
        return SAM_OK;
    return sam_fail(err, SAM_CONFLICT,
                    "%s and %s have different logs of run %.12s, from round %llu on; give the one that you trust alone",
                    a->source, b->source, sam_samlog_manifest(a->log)->id_hex, (unsigned long long)shared);
}

static void drop(rescued *run)
{
    sam_samlog_close(run->log);
    sam_free(run->source);
}

static sam_status add(rescue *all, const rescued *run, sam_error *err)
{
    rescued *runs = sam_realloc(all->runs, all->count + 1, sizeof *runs);
    if (runs == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu runs", all->count + 1);
    all->runs = runs;
    runs[all->count++] = *run;
    return SAM_OK;
}

/* Takes log and source, also where it fails. */
static sam_status keep(rescue *all, rescued *run, sam_error *err)
{
    rescued *other = run_named(all, sam_samlog_manifest(run->log)->id_hex), shorter = *run;
    sam_status status = SAM_OK;
    if (other == NULL) {
        status = add(all, run, err);
        if (status != SAM_OK)
            drop(run);
        return status;
    }
    status = check_same(other, run, err);
    uint32_t workers = other->workers > run->workers ? other->workers : run->workers;
    if (status == SAM_OK && sam_samlog_rounds(run->log) > sam_samlog_rounds(other->log)) {
        shorter = *other;
        *other = *run;
    }
    other->workers = workers;
    drop(&shorter);
    return status;
}

/* `workers`: what is known of their numbers beside the log. */
static sam_status open_one(rescue *all, const char *source, uint32_t workers, sam_error *err)
{
    rescued run = {.source = sam_strndup(source, strlen(source)), .workers = workers};
    sam_status status = run.source == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                           : cli_run_open(&run.log, source, &all->args->access, err);
    if (status == SAM_OK)
        return keep(all, &run, err);
    drop(&run);
    return status;
}

static sam_status open_at(rescue *all, sam_run_client *client, const char *base, const char *id, sam_error *err)
{
    uint32_t workers = 0;
    char *url = sam_format("%s/v1/runs/%s", base, id);
    sam_status status =
        url == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : sam_run_highest_worker(client, id, &workers, err);
    if (status == SAM_OK)
        status = open_one(all, url, workers, err);
    sam_free(url);
    return status;
}

/* The run of a URL, or all runs there. */
static sam_status open_all_at(rescue *all, const char *url, sam_error *err)
{
    static const char RUN[] = "/v1/runs/";
    char *base = NULL;
    const char *path;
    sam_run_client *client = NULL;
    json_t *answer = NULL, *each;
    size_t i;
    sam_status status = cli_split_url(url, &base, &path, err);
    if (status == SAM_OK)
        status = sam_run_client_new(&client, base, &all->args->access, err);
    if (status == SAM_OK && path != NULL && strncmp(path, RUN, strlen(RUN)) == 0)
        status = open_at(all, client, base, path + strlen(RUN), err);
    else if (status == SAM_OK)
        status = sam_run_get(client, "/v1/runs", &answer, err);
    json_array_foreach(json_object_get(answer, "runs"), i, each)
    {
        const char *id = json_string_value(json_object_get(each, "run"));
        if (status == SAM_OK && id != NULL)
            status = open_at(all, client, base, id, err);
    }
    json_decref(answer);
    sam_run_client_free(client);
    sam_free(base);
    return status;
}

static sam_status gather(rescue *all, sam_error *err)
{
    sam_status status = SAM_OK;
    for (const char *rest = all->args->from; rest != NULL && status == SAM_OK;) {
        const char *comma = strchr(rest, ',');
        char *source = sam_strndup(rest, comma == NULL ? strlen(rest) : (size_t)(comma - rest));
        if (source == NULL)
            status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
        else
            status = cli_is_url(source) ? open_all_at(all, source, err) : open_one(all, source, 0, err);
        sam_free(source);
        rest = comma == NULL ? NULL : comma + 1;
    }
    if (status == SAM_OK && all->count == 0)
        status = sam_fail(err, SAM_NOT_FOUND, "%s has no runs", all->args->from);
    return status;
}

/* ---- bringing back ---- */

static sam_status bring(const rescued *run, const arguments *args, sam_error *err)
{
    cli_output output = {.json = args->json};
    cli_output_log(&output, run->log);
    cli_output_text(&output, "from", "from", run->source);
    sam_status status = cli_log_to_ledger(&output, run->log, args->ledger, run->workers, &args->access, err);
    cli_output_close(&output, status == SAM_OK);
    return status;
}

static sam_status restore(const arguments *args, sam_error *err)
{
    rescue all = {.args = args};
    sam_status status = gather(&all, err);
    for (size_t i = 0; i < all.count; i++) {
        if (status == SAM_OK)
            status = bring(&all.runs[i], args, err);
        drop(&all.runs[i]);
    }
    sam_free(all.runs);
    return status;
}

sam_status cli_restore(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"from", SAM_OPTION_TEXT, &args.from, "SOURCE[,SOURCE...]",
         "a gateway's URL, with all its runs; that of one run there; a worker's --log file"},
        {"ledger", SAM_OPTION_TEXT, &args.ledger, "URL", "where the runs come back"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object for each run"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {"samara restore", "--from SOURCE --ledger URL",
                                 "Rebuilds runs on a ledger whose Redis lost them, or has an older copy, from the logs "
                                 "of replicas. Where\nseveral sources have a run, the longest log is taken and the "
                                 "others must agree with it. May be repeated.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "from ledger", err);
    return status == SAM_OK ? restore(&args, err) : status;
}
