#include "cli/shared/examiner.h"

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

static sam_status open_data(cli_examiner *examiner, const cli_examination *asked, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(examiner->moment.log);
    const sam_model *model = examiner->moment.model;
    const sam_tokenizer *tokenizer = sam_model_tokenizer(model);
    char *path = NULL;
    if (tokenizer == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s has no tokenizer, so no text can be given to it", asked->base);
    sam_status status =
        sam_task_parse(&examiner->task, manifest->task, strlen(manifest->task), "the manifest's task", err);
    if (status == SAM_OK)
        status = cli_resolve(asked->data, &path, err);
    if (status == SAM_OK)
        status = sam_dataset_load(&examiner->data, examiner->task, tokenizer, sam_model_configuration(model)->context,
                                  path, err);
    if (status == SAM_OK && sam_dataset_count(examiner->data) == 0)
        status = sam_fail(err, SAM_INVALID, "%s has no examples", asked->data);
    if (status == SAM_OK && asked->computes_slots)
        status = check_data(examiner->data, manifest, asked->data, err);
    sam_free(path);
    return status;
}

static sam_status open_trainer(cli_examiner *examiner, const cli_examination *asked, sam_error *err)
{
    const char *pinned = sam_samlog_manifest(examiner->moment.log)->kernel;
    const sam_engine_options options = {.threads = (unsigned)asked->threads,
                                        .precision = asked->precision,
                                        .kernel = asked->kernel != NULL ? asked->kernel : pinned};
    if (asked->threads > 1024)
        return sam_fail(err, SAM_INVALID, "--threads is at most 1024");
    sam_status status = sam_engine_new(&examiner->engine, examiner->moment.model, &options, err);
    if (status != SAM_OK)
        return status;
    const sam_trainer_parts parts = {.engine = examiner->engine,
                                     .replica = examiner->moment.replica,
                                     .manifest = sam_samlog_manifest(examiner->moment.log),
                                     .train = asked->computes_slots ? examiner->data : NULL};
    return sam_trainer_new(&examiner->trainer, &parts, err);
}

sam_status cli_examiner_open(cli_examiner *examiner, const cli_examination *asked, sam_error *err)
{
    sam_status status = cli_moment_open(&examiner->moment, asked->log, asked->base, NULL, &asked->access, err);
    if (status == SAM_OK)
        status = open_data(examiner, asked, err);
    return status == SAM_OK ? open_trainer(examiner, asked, err) : status;
}

void cli_examiner_close(cli_examiner *examiner)
{
    sam_trainer_free(examiner->trainer);
    sam_engine_free(examiner->engine);
    sam_dataset_free(examiner->data);
    sam_task_free(examiner->task);
    cli_moment_close(&examiner->moment);
    *examiner = (cli_examiner){0};
}
