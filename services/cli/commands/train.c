/* samara train: one command from a model and a few data files to a tuned model. */
#include "base/files.h"
#include "base/shutdown.h"
#include "base/threads.h"
#include "cli/cli.h"
#include "cli/train/training.h"

#include <stdio.h>
#include <string.h>

/* ---- before ---- */

static sam_status open_material(cli_training *t, sam_error *err)
{
    const cli_settings *set = &t->settings;
    sam_status status = cli_material_open_task(&t->material, set->task, err);
    if (status == SAM_OK)
        status = cli_material_open_model(&t->material, set->model, err);
    for (cli_split split = CLI_TRAIN; status == SAM_OK && split < CLI_SPLITS; split++)
        if (set->data[split] != NULL)
            status = cli_material_open_data(&t->material, split, set->data[split], err);
    return status;
}

static sam_status open_folder(cli_training *t, sam_error *err)
{
    const char *out = t->settings.out;
    if (out == NULL) {
        snprintf(t->out_hint, sizeof t->out_hint, "out/%.48s", sam_task_name(t->material.task));
        out = t->out_hint;
    }
    sam_status status = cli_out_open(&t->folder, out, t->settings.fresh, err);
    return status == SAM_OK ? cli_out_begin(&t->folder, t->manifest, err) : status;
}

static sam_status choose_kernel(cli_training *t, sam_error *err)
{
    const sam_kernels *kernels;
    sam_status status = sam_kernels_choose(&kernels, t->settings.precision, t->settings.kernel, err);
    if (status == SAM_OK)
        t->kernel = kernels->name;
    return status;
}

static sam_status prepare(cli_training *t, sam_error *err)
{
    sam_status status = choose_kernel(t, err);
    if (status == SAM_OK)
        status = open_material(t, err);
    if (status == SAM_OK)
        status = cli_settings_manifest(&t->settings, &t->material, &t->manifest, err);
    if (status == SAM_OK)
        status = open_folder(t, err);
    if (status == SAM_OK)
        status = sam_cache_path(&t->cache, "activations", err);
    if (status != SAM_OK)
        return status;
    t->plan = (cli_cluster_plan){
        .redis = t->settings.redis,
        .port = t->settings.port,
        .gateway_port = t->settings.gateway_port,
        .workers = t->settings.workers,
        .threads = t->settings.threads,
        .run = t->manifest->id_hex,
        .model = t->material.model_path,
        .train = t->material.data_path[CLI_TRAIN],
        .dev = t->material.data_path[CLI_DEV],
        .precision = sam_precision_name(t->settings.precision),
        .kernel = t->kernel,
        .cache = t->cache,
        .signs = t->manifest->signed_records,
    };
    return cli_cluster_init(&t->cluster, &t->folder, &t->plan, err);
}

/* ---- the run ---- */

/* Goes on with what Redis has. Where that is empty although rounds were counted, it is not the same Redis. */
static sam_status take_over(cli_training *t, sam_error *err)
{
    sam_run_view run;
    sam_status status = sam_run_look(t->client, t->manifest->id_hex, &run, err);
    if (status != SAM_OK)
        return status;
    if (run.head >= t->folder.head) /* workers of an earlier session are gone, but may have left leases behind */
        return t->settings.redis == NULL ? sam_run_leave_all(t->client, t->manifest->id_hex, err) : SAM_OK;
    return sam_fail(err, SAM_CONFLICT,
                    "%s had %llu rounds, but its Redis holds %llu; bring its data back, or start anew with --fresh",
                    t->folder.root, (unsigned long long)t->folder.head, (unsigned long long)run.head);
}

static void announce(cli_training *t)
{
    cli_view_object(&t->view, "start",
                    json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b}", "run", t->manifest->id_hex, "out",
                              t->folder.root, "ledger", t->cluster.ledger_address, "gateway",
                              t->cluster.gateway_address, "workers", (json_int_t)t->plan.workers, "kernel", t->kernel,
                              "model", t->material.model_path, "resumed", t->folder.resumed));
    if (t->view.kind == CLI_VIEW_JSON)
        return;
    if (t->folder.head > 0)
        cli_view_event(&t->view, "goes on after round %llu", (unsigned long long)t->folder.head);
    cli_view_event(&t->view,
                   "run %.12s: %llu workers, kernel %s, dashboard http://%s/, one more worker: %s/add-worker.sh",
                   t->manifest->id_hex, (unsigned long long)t->plan.workers, t->kernel, t->cluster.gateway_address,
                   t->folder.root);
}

static sam_status begin(cli_training *t, sam_error *err)
{
    sam_status status = cli_cluster_start_services(&t->cluster, err);
    if (status == SAM_OK)
        status = sam_run_client_new(&t->client, t->cluster.ledger_address, NULL, err);
    if (status == SAM_OK)
        status = sam_run_create(t->client, t->manifest, err);
    if (status == SAM_OK)
        status = take_over(t, err);
    if (status == SAM_OK)
        status = cli_cluster_start_workers(&t->cluster, err);
    if (status == SAM_OK)
        announce(t);
    return status;
}

static sam_status keep_signatures(cli_training *t, sam_error *err)
{
    sam_buffer signatures = {0};
    sam_status status = sam_run_fetch_signatures(t->client, t->manifest->id_hex, &signatures, err);
    if (status == SAM_OK)
        status = sam_file_write(cli_out_path(&t->folder, "run.samsig"), signatures.bytes, signatures.length, err);
    sam_buffer_free(&signatures);
    return status;
}

static sam_status keep_log(cli_training *t, sam_error *err)
{
    sam_buffer log = {0};
    uint64_t rounds;
    sam_status status = sam_run_fetch_log(t->client, t->manifest->id_hex, &log, &rounds, err);
    if (status == SAM_OK)
        status = sam_file_write(cli_out_path(&t->folder, "run.samlog"), log.bytes, log.length, err);
    if (status == SAM_OK)
        t->folder.head = rounds; /* more may have come since the last look */
    sam_buffer_free(&log);
    if (status == SAM_OK && t->manifest->signed_records)
        status = keep_signatures(t, err);
    return status;
}

/* Everything that needs processes: from the first to the last of them. */
static sam_status run(cli_training *t, sam_error *err)
{
    sam_error later = {0};
    sam_status status = begin(t, err);
    bool begun = status == SAM_OK;
    if (begun)
        status = cli_watch(t, err);
    cli_cluster_stop_workers(&t->cluster);
    if (begun) { /* also after a failure: what is committed is the user's */
        sam_status kept = keep_log(t, &later);
        if (status == SAM_OK && kept != SAM_OK) {
            *err = later;
            status = kept;
        }
    }
    cli_cluster_stop(&t->cluster);
    cli_out_collect(&t->folder);
    (void)cli_out_save(&t->folder, &later);
    return status;
}

/* ---- after ---- */

static sam_status say_how_to_resume(cli_training *t, sam_error *err)
{
    cli_view_event(&t->view,
                   "stopped after round %llu; the same command again goes on from here\n"
                   "the model as it is now: samara replay --log %s --base %s --out FOLDER",
                   (unsigned long long)t->folder.head, cli_out_path(&t->folder, "run.samlog"), t->material.model_path);
    return sam_fail(err, SAM_CANCELLED, "interrupted; nothing is lost");
}

static void close_all(cli_training *t)
{
    cli_view_end(&t->view);
    cli_cluster_stop(&t->cluster);
    sam_run_client_free(t->client);
    cli_out_close(&t->folder);
    sam_manifest_free(t->manifest);
    cli_material_close(&t->material);
    sam_free(t->cache);
}

sam_status cli_train(int argc, char **argv, sam_error *err)
{
    cli_training t = {.folder = {.lock = -1}};
    sam_status status = cli_settings_parse(&t.settings, argc, argv, err);
    if (status != SAM_OK)
        return status;
    cli_view_init(&t.view, t.settings.json);
    status = prepare(&t, err);
    if (status == SAM_OK)
        status = cli_report_zero_shot(&t, err);
    if (status == SAM_OK)
        status = run(&t, err);
    if (status == SAM_OK && t.interrupted)
        status = say_how_to_resume(&t, err);
    else if (status == SAM_OK)
        status = cli_report(&t, err);
    close_all(&t);
    return status;
}
