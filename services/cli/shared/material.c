#include "cli/shared/material.h"

#include "base/memory.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdlib.h>

const char *const CLI_SPLIT_NAMES[CLI_SPLITS] = {"train", "dev", "test"};

/* New memory, absolute. */
static sam_status place(const char *source, char **path, sam_error *err)
{
    char *local = NULL;
    sam_status status = cli_resolve(source, &local, err);
    if (status != SAM_OK)
        return status;
    char *absolute = realpath(local, NULL);
    if (absolute == NULL)
        status = sam_fail_errno(err, SAM_NOT_FOUND, errno, "cannot find %s", local);
    else if ((*path = sam_strdup(absolute)) == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    free(absolute);
    sam_free(local);
    return status;
}

sam_status cli_material_open_model(cli_material *material, const char *source, sam_error *err)
{
    sam_status status = place(source, &material->model_path, err);
    if (status != SAM_OK)
        return sam_fail_context(err, "the model");
    return sam_model_open(&material->model, material->model_path, err);
}

sam_status cli_material_open_task(cli_material *material, const char *source, sam_error *err)
{
    sam_status status = place(source, &material->task_path, err);
    if (status != SAM_OK)
        return sam_fail_context(err, "the task");
    return sam_task_load(&material->task, material->task_path, err);
}

sam_status cli_material_open_data(cli_material *material, cli_split split, const char *source, sam_error *err)
{
    const sam_tokenizer *tokenizer = sam_model_tokenizer(material->model);
    if (tokenizer == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s has no tokenizer, so no text can be given to it",
                        material->model_path);
    sam_status status = place(source, &material->data_path[split], err);
    if (status != SAM_OK)
        return sam_fail_context(err, "the %s data", CLI_SPLIT_NAMES[split]);
    status = sam_dataset_load(&material->data[split], material->task, tokenizer,
                              sam_model_configuration(material->model)->context, material->data_path[split], err);
    if (status == SAM_OK && sam_dataset_count(material->data[split]) == 0)
        status = sam_fail(err, SAM_INVALID, "%s has no examples", material->data_path[split]);
    return status;
}

void cli_material_close(cli_material *material)
{
    for (int split = 0; split < CLI_SPLITS; split++) {
        sam_dataset_free(material->data[split]);
        sam_free(material->data_path[split]);
    }
    sam_task_free(material->task);
    sam_model_close(material->model);
    sam_free(material->model_path);
    sam_free(material->task_path);
    *material = (cli_material){0};
}
