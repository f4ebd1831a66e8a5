/* samara replay: from a base and a log to the tuned model, at any moment of its run. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct request {
    const char *log, *base, *out, *round;
    bool gguf;
} request;

static sam_status check(const sam_command *command, const request *asked, sam_error *err)
{
    sam_status status = cli_require(command, "out", asked->out, err);
    if (status == SAM_OK)
        status = cli_require(command, "log", asked->log, err);
    return status == SAM_OK ? cli_require(command, "base", asked->base, err) : status;
}

static sam_status write_gguf_beside(cli_found *found, const cli_moment *moment, const char *folder, sam_error *err)
{
    char *path = sam_format("%s/model.gguf", folder);
    sam_status status = path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                     : cli_write_model(found, moment, SAM_SNAPSHOT_GGUF_F16, path, err);
    sam_free(path);
    return status;
}

static sam_status replay(const request *asked, sam_error *err)
{
    cli_found found = {0};
    cli_moment moment = {0};
    sam_status status = cli_moment_open(&moment, asked->log, asked->base, asked->round, NULL, err);
    if (status == SAM_OK) {
        cli_moment_print(&moment);
        status = cli_write_model(&found, &moment, SAM_SNAPSHOT_SAFETENSORS_F32, asked->out, err);
    }
    if (status == SAM_OK && asked->gguf)
        status = write_gguf_beside(&found, &moment, asked->out, err);
    cli_moment_close(&moment);
    return status;
}

sam_status cli_replay(int argc, char **argv, sam_error *err)
{
    request asked = {0};
    const sam_option table[] = {
        {"log", SAM_OPTION_TEXT, &asked.log, "FILE", "the run's .samlog"},
        {"base", SAM_OPTION_TEXT, &asked.base, "MODEL", "the model it was trained from"},
        {"out", SAM_OPTION_TEXT, &asked.out, "FOLDER", "where the tuned model goes, as safetensors (f32)"},
        {"round", SAM_OPTION_TEXT, &asked.round, "N", "the state before round N; left out: the end"},
        {"gguf", SAM_OPTION_FLAG, &asked.gguf, NULL, "write FOLDER/model.gguf (f16) as well"},
        {0},
    };
    const sam_command command = {"samara replay", "--log FILE --base MODEL --out FOLDER",
                                 "Rebuilds a tuned model from its base and its log, to the bit.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, &asked, err);
    return status == SAM_OK ? replay(&asked, err) : status;
}
