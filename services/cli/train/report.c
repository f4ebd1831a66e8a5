#include "cli/train/training.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "cli/shared/checkpoint.h"
#include "model/export.h"
#include "model/files/json.h"
#include "run/samlog.h"
#include "train/evaluation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- scores ---- */

typedef struct scoring {
    cli_training *training;
    const char *when, *split;
} scoring;

static bool step(void *user, size_t done, size_t total)
{
    const scoring *now = user;
    char what[64];
    snprintf(what, sizeof what, "%s, %s", now->when, now->split);
    cli_view_step(&now->training->view, what, done, total);
    return !sam_shutdown_requested();
}

/* Scores one split; `threshold` is set from dev, which comes first. */
static sam_status score_split(scoring *now, sam_trainer *trainer, const sam_dataset *data, double *threshold,
                              sam_quality *score, sam_error *err)
{
    const sam_progress watcher = {step, now};
    sam_outcome *outcomes = sam_alloc(sam_dataset_count(data), sizeof *outcomes);
    if (outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for the outcomes of %zu examples", sam_dataset_count(data));
    sam_status status = sam_evaluate(trainer, data, outcomes, &watcher, err);
    if (status == SAM_OK && data == now->training->material.data[CLI_DEV])
        *threshold = sam_quality_threshold(data, outcomes);
    if (status == SAM_OK) {
        *score = sam_quality_of(data, outcomes, *threshold, sam_task_metric(now->training->material.task));
        cli_view_score(&now->training->view, now->when, now->split, score);
    }
    sam_free(outcomes);
    return status;
}

static sam_status score_all(cli_training *t, const char *when, sam_trainer *trainer, sam_quality *scores,
                            sam_error *err)
{
    double threshold = 0;
    sam_status status = SAM_OK;
    for (cli_split split = CLI_DEV; status == SAM_OK && split <= CLI_TEST; split++) {
        scoring now = {t, when, CLI_SPLIT_NAMES[split]};
        if (t->material.data[split] != NULL)
            status = score_split(&now, trainer, t->material.data[split], &threshold, &scores[split - CLI_DEV], err);
    }
    return status;
}

/* With all cores, in this process; `scores` are of dev and test. */
static sam_status score_state(cli_training *t, const char *when, sam_replica *replica, sam_quality *scores,
                              sam_error *err)
{
    const sam_engine_options options = {.precision = t->settings.precision, .kernel = t->kernel};
    sam_engine *engine = NULL;
    sam_trainer *trainer = NULL;
    sam_status status = sam_engine_new(&engine, t->material.model, &options, err);
    const sam_trainer_parts parts = {
        .engine = engine, .replica = replica, .manifest = t->manifest, .cache_folder = t->cache};
    if (status == SAM_OK)
        status = sam_trainer_new(&trainer, &parts, err);
    if (status == SAM_OK)
        status = score_all(t, when, trainer, scores, err);
    sam_trainer_free(trainer);
    sam_engine_free(engine);
    return status;
}

static void test_digest(const cli_training *t, char hex[SAM_DIGEST_HEX])
{
    hex[0] = 0;
    if (t->material.data[CLI_TEST] != NULL)
        sam_digest_hex(hex, sam_dataset_digest(t->material.data[CLI_TEST]));
}

sam_status cli_report_zero_shot(cli_training *t, sam_error *err)
{
    char test[SAM_DIGEST_HEX];
    sam_replica *replica = NULL;
    test_digest(t, test);
    if (t->folder.zero_shot[0].known && strcmp(test, t->folder.test) == 0)
        return SAM_OK;
    t->folder.zero_shot[1] = (sam_quality){0};
    sam_status status = sam_replica_new(&replica, t->material.model, t->manifest, err);
    if (status == SAM_OK)
        status = score_state(t, "before training", replica, t->folder.zero_shot, err);
    sam_replica_free(replica);
    if (status != SAM_OK)
        return status;
    memcpy(t->folder.test, test, sizeof t->folder.test);
    return cli_out_save(&t->folder, err);
}

/* ---- results ---- */

typedef struct run_results {
    sam_quality final[2];
    sam_digest state;
    uint64_t rounds, records, log_bytes;
} run_results;

static sam_status count_records(const sam_samlog *log, run_results *results, sam_error *err)
{
    results->rounds = sam_samlog_rounds(log);
    for (uint64_t r = 0; r < results->rounds; r++) {
        sam_round round;
        sam_status status = sam_samlog_decode(log, r, &round, err);
        if (status != SAM_OK)
            return status;
        results->records += round.record_count;
        sam_round_free(&round);
    }
    return SAM_OK;
}

static sam_status size_of_log(cli_training *t, run_results *results, sam_error *err)
{
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, cli_out_path(&t->folder, "run.samlog"), err);
    if (status != SAM_OK)
        return status;
    results->log_bytes = file.length;
    sam_file_map_close(&file);
    return SAM_OK;
}

/* A base that is a Hugging Face folder has no GGUF to carry over; that is no failure of the training. */
static sam_status export_all(cli_training *t, const sam_replica *replica, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(replica);
    cli_view_step(&t->view, "writing the tuned model", 0, 1);
    sam_status status = sam_export_folder(t->material.model, &weights, SAM_SNAPSHOT_SAFETENSORS_F32,
                                          cli_out_path(&t->folder, "model"), err);
    if (status != SAM_OK)
        return status;
    status = sam_export_gguf(t->material.model, &weights, cli_out_path(&t->folder, "model.gguf"), err);
    if (status != SAM_UNSUPPORTED)
        return status;
    cli_view_event(&t->view, "no model.gguf: %s", err->text);
    return SAM_OK;
}

static sam_status get_results(cli_training *t, run_results *results, sam_error *err)
{
    sam_samlog *log = NULL;
    sam_replica *replica = NULL;
    sam_status status = sam_samlog_open(&log, cli_out_path(&t->folder, "run.samlog"), err);
    if (status == SAM_OK)
        status = count_records(log, results, err);
    if (status == SAM_OK)
        status = size_of_log(t, results, err);
    if (status == SAM_OK)
        status = cli_checkpoint_restore(&replica, t->material.model, log, UINT64_MAX, err);
    if (status == SAM_OK) {
        sam_replica_digest(replica, &results->state);
        status = score_state(t, "after training", replica, results->final, err);
    }
    if (status == SAM_OK)
        status = export_all(t, replica, err);
    sam_replica_free(replica);
    sam_samlog_close(log);
    return status;
}

/* ---- summary.json ---- */

static void put_score(json_t *summary, const char *when, const sam_quality *score)
{
    const struct {
        const char *name;
        double value;
        bool known;
    } figures[] = {{"accuracy", score->accuracy, true},
                   {"calibrated_accuracy", score->calibrated_accuracy, score->two_options},
                   {"auc", score->auc, score->two_options},
                   {"loss", score->loss, true},
                   {sam_quality_f1_name(score), score->f1, true}};
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] && figures[i].name != NULL; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s_%s", when, figures[i].name);
        json_object_set_new(summary, key, figures[i].known ? sam_json_real(figures[i].value) : json_null());
    }
}

static json_t *bytes_by_worker(const cli_out_folder *folder)
{
    json_t *bytes = json_object(), *value;
    const char *name;
    json_object_foreach(folder->workers, name, value)
        json_object_set(bytes, name, json_object_get(value, "bytes_sent"));
    return bytes;
}

/* What the rounds of the log tell of one example. */
static double epsilon_of(const cli_training *t, const run_results *results)
{
    const sam_manifest *manifest = t->manifest;
    return sam_privacy_epsilon(&manifest->privacy, manifest->probes, results->rounds * manifest->slots);
}

static json_t *summary_of(const cli_training *t, const run_results *results)
{
    char state[SAM_DIGEST_HEX], base[SAM_DIGEST_HEX];
    size_t split = t->material.data[CLI_TEST] != NULL; /* what the figures are of: test where it is given */
    sam_digest_hex(state, &results->state);
    sam_digest_hex(base, sam_model_digest(t->material.model));
    json_t *summary = json_pack("{s:s, s:s, s:s, s:s}", "name", t->manifest->name, "run", t->manifest->id_hex, "base",
                                base, "split", split ? "test" : "dev");
    put_score(summary, "zero_shot", &t->folder.zero_shot[split]);
    put_score(summary, "final", &results->final[split]);
    put_score(summary, "dev_zero_shot", &t->folder.zero_shot[0]);
    put_score(summary, "dev_final", &results->final[0]);
    json_object_update_new(
        summary, json_pack("{s:I, s:I, s:I, s:o, s:O, s:f, s:s, s:I, s:I}", "rounds", (json_int_t)results->rounds,
                           "records", (json_int_t)results->records, "log_bytes", (json_int_t)results->log_bytes,
                           "worker_bytes_sent", bytes_by_worker(&t->folder), "worker_counts", t->folder.workers,
                           "seconds", t->folder.seconds, "state_digest", state, "workers",
                           (json_int_t)t->settings.workers, "workers_lost", (json_int_t)t->folder.workers_lost));
    json_object_update_new(summary, json_pack("{s:s, s:s, s:O, s:s}", "kernel", t->kernel, "precision",
                                              sam_precision_name(t->settings.precision), "objective",
                                              json_object_get(t->folder.manifest, "objective"), "out", t->folder.root));
    if (t->manifest->privacy.clip > 0)
        json_object_set_new(summary, "privacy",
                            json_pack("{s:f, s:f}", "epsilon", epsilon_of(t, results), "delta", SAM_PRIVACY_DELTA));
    json_object_set_new(summary, "seed", json_sprintf("%llu", (unsigned long long)t->manifest->seed));
    return summary;
}

static sam_status write_summary(cli_training *t, const json_t *summary, sam_error *err)
{
    char *text = json_dumps(summary, JSON_INDENT(2));
    if (text == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory writing summary.json");
    sam_status status = sam_file_write(cli_out_path(&t->folder, "summary.json"), text, strlen(text), err);
    free(text);
    return status;
}

/* ---- for people ---- */

static void print_scores(const cli_training *t, const run_results *results)
{
    size_t split = t->material.data[CLI_TEST] != NULL;
    const sam_quality *before = &t->folder.zero_shot[split], *after = &results->final[split];
    printf("\n%s, %zu examples of %s\n", t->manifest->name, after->examples, split ? "test" : "dev");
    printf("  accuracy before             %5.1f %%\n", 100 * before->accuracy);
    if (before->two_options)
        printf("  before, threshold from dev  %5.1f %%\n", 100 * before->calibrated_accuracy);
    printf("  accuracy after              %5.1f %%\n", 100 * after->accuracy);
    if (sam_quality_f1_name(after) != NULL)
        printf("  %-27s %.3f -> %.3f\n", sam_quality_f1_name(after), before->f1, after->f1);
    if (before->two_options && after->two_options)
        printf("  area under ROC              %.3f -> %.3f\n", before->auc, after->auc);
    printf("  loss                        %.4f -> %.4f\n", before->loss, after->loss);
}

static void print_cost(const cli_training *t, const run_results *results)
{
    char state[SAM_DIGEST_HEX];
    const char *name;
    json_t *value;
    sam_digest_hex(state, &results->state);
    printf("\n  rounds %llu, records %llu, log %s, %s of training with %llu workers",
           (unsigned long long)results->rounds, (unsigned long long)results->records,
           cli_bytes_text(results->log_bytes).text, cli_time_text(t->folder.seconds).text,
           (unsigned long long)t->settings.workers);
    if (t->folder.workers_lost > 0)
        printf(" (%llu lost on the way)", (unsigned long long)t->folder.workers_lost);
    printf("\n  sent");
    json_object_foreach(t->folder.workers, name, value) printf(
        "  %s: %s", name, cli_bytes_text((uint64_t)json_integer_value(json_object_get(value, "bytes_sent"))).text);
    printf("\n  state digest %s\n", state);
    if (t->manifest->privacy.clip > 0)
        printf("  privacy: epsilon %.2f at delta %g\n", epsilon_of(t, results), SAM_PRIVACY_DELTA);
}

static void print_summary(cli_training *t, const run_results *results)
{
    cli_view_end(&t->view);
    print_scores(t, results);
    print_cost(t, results);
    printf("\n  %s/\n    model/        for transformers (safetensors, f32)\n", t->folder.root);
    if (sam_file_exists(cli_out_path(&t->folder, "model.gguf")))
        printf("    model.gguf    for llama.cpp (f16)\n");
    printf("    run.samlog    the fine-tune itself; with the base it gives the model again: samara replay\n"
           "%s    summary.json  these figures\n",
           t->manifest->signed_records ? "    run.samsig    who signed what: samara verify --signatures\n" : "");
}

sam_status cli_report(cli_training *t, sam_error *err)
{
    run_results results = {0};
    sam_status status = get_results(t, &results, err);
    if (status != SAM_OK)
        return status;
    json_t *summary = summary_of(t, &results);
    status = write_summary(t, summary, err);
    if (t->view.kind == CLI_VIEW_JSON)
        cli_view_object(&t->view, "summary", json_incref(summary));
    else
        print_summary(t, &results);
    json_decref(summary);
    return status;
}
