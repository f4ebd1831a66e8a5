/* samara evaluate: accuracy, loss and area under ROC of a model, as it is or at a round of a run. */
#include "base/memory.h"
#include "base/shutdown.h"
#include "cli/cli.h"
#include "cli/shared/checkpoint.h"
#include "cli/shared/engine_options.h"
#include "cli/shared/material.h"
#include "cli/shared/run_address.h"
#include "cli/shared/view.h"
#include "client/run_client.h"
#include "train/defaults.h"
#include "train/evaluation.h"
#include "train/quality/quality.h"

#include <stdio.h>
#include <string.h>

typedef struct arguments {
    const char *model, *task, *data, *log, *round, *kernel;
    uint64_t threads;
    sam_precision precision;
    bool json;
} arguments;

typedef struct work {
    arguments args;
    cli_material material;
    sam_samlog *log;
    sam_manifest *plain; /* of a run that nobody made, where there is no log */
    const sam_manifest *manifest;
    sam_replica *replica;
    cli_view view;
} work;

static sam_status open_plain(work *w, sam_error *err)
{
    sam_manifest draft;
    char name[] = "evaluation";
    sam_default_manifest(&draft, w->material.model, SAM_OBJECTIVE_CHOICE);
    draft.name = name;
    draft.task = sam_strdup(sam_task_json(w->material.task));
    sam_status status = draft.task == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                           : sam_manifest_compose(&w->plain, &draft, err);
    sam_free(draft.task);
    w->manifest = w->plain;
    return status == SAM_OK ? sam_replica_new(&w->replica, w->material.model, w->plain, err) : status;
}

static sam_status open_log(work *w, sam_error *err)
{
    uint64_t round;
    sam_status status = cli_parse_round("round", w->args.round, &round, err);
    if (status == SAM_OK)
        status = cli_run_open(&w->log, w->args.log, NULL, err);
    if (status != SAM_OK)
        return status;
    w->manifest = sam_samlog_manifest(w->log);
    return cli_checkpoint_restore(&w->replica, w->material.model, w->log, round, err);
}

static sam_status open_all(work *w, sam_error *err)
{
    sam_status status = cli_material_open_task(&w->material, w->args.task, err);
    if (status == SAM_OK)
        status = cli_material_open_model(&w->material, w->args.model, err);
    if (status == SAM_OK)
        status = cli_material_open_data(&w->material, CLI_TEST, w->args.data, err);
    if (status == SAM_OK)
        status = w->args.log == NULL ? open_plain(w, err) : open_log(w, err);
    return status;
}

static bool step(void *user, size_t done, size_t total)
{
    work *w = user;
    cli_view_step(&w->view, "evaluating", done, total);
    return !sam_shutdown_requested();
}

static void print_score(work *w, const sam_quality *score)
{
    cli_view_end(&w->view);
    if (w->args.json) {
        json_t *json = sam_quality_json(score);
        (void)json_dumpf(json, stdout, JSON_COMPACT);
        printf("\n");
        json_decref(json);
        return;
    }
    printf("examples %zu\naccuracy %.4f\nloss     %.6f\n", score->examples, score->accuracy, score->loss);
    if (sam_quality_f1_name(score) != NULL)
        printf("%-8s %.4f\n", sam_quality_f1_name(score), score->f1);
    if (score->two_options)
        printf("auc      %.4f\naccuracy with the threshold that is best on these same examples (%.4f): %.4f\n",
               score->auc, score->threshold, score->calibrated_accuracy);
}

static sam_status judge(work *w, sam_trainer *trainer, sam_error *err)
{
    const sam_dataset *data = w->material.data[CLI_TEST];
    const sam_progress watcher = {step, w};
    sam_outcome *outcomes = sam_alloc(sam_dataset_count(data), sizeof *outcomes);
    if (outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    sam_status status = sam_evaluate(trainer, data, outcomes, &watcher, err);
    if (status == SAM_OK) {
        const double threshold = sam_quality_threshold(data, outcomes);
        const sam_quality score = sam_quality_of(data, outcomes, threshold, sam_task_metric(w->material.task));
        print_score(w, &score);
    }
    sam_free(outcomes);
    return status;
}

static sam_status evaluate(work *w, sam_error *err)
{
    const sam_engine_options options = {
        .threads = (unsigned)w->args.threads,
        .precision = w->args.precision,
        .kernel = w->args.kernel,
    };
    sam_engine *engine = NULL;
    sam_trainer *trainer = NULL;
    sam_status status = sam_engine_new(&engine, w->material.model, &options, err);
    const sam_trainer_parts parts = {.engine = engine, .replica = w->replica, .manifest = w->manifest};
    if (status == SAM_OK)
        status = sam_trainer_new(&trainer, &parts, err);
    if (status == SAM_OK)
        status = judge(w, trainer, err);
    sam_trainer_free(trainer);
    sam_engine_free(engine);
    return status;
}

static sam_status check(const sam_command *command, const arguments *args, sam_error *err)
{
    sam_status status = cli_require(command, "model task data", err);
    if (status == SAM_OK && args->round != NULL) /* a round of what? */
        status = cli_require(command, "log", err);
    if (status == SAM_OK && args->threads > 1024)
        status = sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    return status;
}

sam_status cli_evaluate(int argc, char **argv, sam_error *err)
{
    work w = {.args = {.precision = SAM_PRECISION_BF16}};
    arguments *args = &w.args;
    const sam_option table[] = {
        {"model", SAM_OPTION_TEXT, &args->model, "MODEL", "a GGUF file, a folder, or a source"},
        {"task", SAM_OPTION_TEXT, &args->task, "FILE", "how a row becomes a question"},
        {"data", SAM_OPTION_TEXT, &args->data, "FILE", ".jsonl, .tsv or .csv"},
        {"log", SAM_OPTION_TEXT, &args->log, "FILE", "log of a run on this model: the tuned model is evaluated"},
        {"round", SAM_OPTION_TEXT, &args->round, "N", "with --log: the state before round N"},
        CLI_ENGINE_OPTIONS(args),
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        {0},
    };
    const sam_command command = {"samara evaluate", "--model MODEL --task FILE --data FILE",
                                 "Measures the accuracy and loss of a model on a data set.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, args, err);
    cli_view_init(&w.view, args->json);
    if (status == SAM_OK)
        status = open_all(&w, err);
    if (status == SAM_OK)
        status = evaluate(&w, err);
    sam_replica_free(w.replica);
    sam_samlog_close(w.log);
    sam_manifest_free(w.plain);
    cli_material_close(&w.material);
    return status;
}
