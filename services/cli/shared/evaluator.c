#include "cli/shared/evaluator.h"

#include "base/memory.h"
#include "cli/cli.h"

#include <string.h>

static sam_status check_data(const sam_dataset *data, const sam_manifest *manifest, const char *name, sam_error *err)
{
    char ours[SAM_DIGEST_HEX], theirs[SAM_DIGEST_HEX];
    if (sam_digest_equal(sam_dataset_digest(data), &manifest->train))
        return SAM_OK;
    sam_digest_hex(ours, sam_dataset_digest(data));
    sam_digest_hex(theirs, &manifest->train);
    return sam_fail(err, SAM_MISMATCH,
                    "%s is not the run's training data: its digest is %.12s..., the run needs %.12s...", name, ours,
                    theirs);
}

static sam_status open_data(cli_evaluator *evaluator, const cli_evaluator_options *options, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(evaluator->checkpoint.log);
    const sam_model *model = evaluator->checkpoint.model;
    const sam_tokenizer *tokenizer = sam_model_tokenizer(model);
    char *path = NULL;
    if (tokenizer == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s has no tokenizer, so no text can be given to it", options->base);
    sam_status status =
        sam_task_parse(&evaluator->task, manifest->task, strlen(manifest->task), "the manifest's task", err);
    if (status == SAM_OK)
        status = cli_resolve(options->data, &path, err);
    if (status == SAM_OK)
        status = sam_dataset_load(&evaluator->data, evaluator->task, tokenizer, sam_model_configuration(model)->context,
                                  path, err);
    if (status == SAM_OK && sam_dataset_count(evaluator->data) == 0)
        status = sam_fail(err, SAM_INVALID, "%s has no examples", options->data);
    if (status == SAM_OK && options->computes_slots)
        status = check_data(evaluator->data, manifest, options->data, err);
    sam_free(path);
    return status;
}

static sam_status open_trainer(cli_evaluator *evaluator, const cli_evaluator_options *options, sam_error *err)
{
    const char *pinned = sam_samlog_manifest(evaluator->checkpoint.log)->kernel;
    const sam_engine_options engine = {.threads = (unsigned)options->threads,
                                       .precision = options->precision,
                                       .kernel = options->kernel != NULL ? options->kernel : pinned};
    if (options->threads > 1024)
        return sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    sam_status status = sam_engine_new(&evaluator->engine, evaluator->checkpoint.model, &engine, err);
    if (status != SAM_OK)
        return status;
    const sam_trainer_parts parts = {.engine = evaluator->engine,
                                     .replica = evaluator->checkpoint.replica,
                                     .manifest = sam_samlog_manifest(evaluator->checkpoint.log),
                                     .train = options->computes_slots ? evaluator->data : NULL};
    return sam_trainer_new(&evaluator->trainer, &parts, err);
}

sam_status cli_evaluator_open(cli_evaluator *evaluator, const cli_evaluator_options *options, sam_error *err)
{
    sam_status status =
        cli_checkpoint_open(&evaluator->checkpoint, options->log, options->base, NULL, &options->access, err);
    if (status == SAM_OK)
        status = open_data(evaluator, options, err);
    return status == SAM_OK ? open_trainer(evaluator, options, err) : status;
}

void cli_evaluator_close(cli_evaluator *evaluator)
{
    sam_trainer_free(evaluator->trainer);
    sam_engine_free(evaluator->engine);
    sam_dataset_free(evaluator->data);
    sam_task_free(evaluator->task);
    cli_checkpoint_close(&evaluator->checkpoint);
    *evaluator = (cli_evaluator){0};
}
