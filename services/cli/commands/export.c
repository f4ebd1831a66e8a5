/* samara export: a tuned model, at any moment of its run, as the kind of file you name. */
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct request {
    const char *log, *base, *out, *round;
    sam_snapshot_kind kind;
} request;

static sam_status check(const sam_command *command, const request *asked, sam_error *err)
{
    sam_status status = cli_require(command, "out", asked->out, err);
    if (status == SAM_OK)
        status = cli_require(command, "log", asked->log, err);
    return status == SAM_OK ? cli_require(command, "base", asked->base, err) : status;
}

sam_status cli_export(int argc, char **argv, sam_error *err)
{
    request asked = {.kind = SAM_SNAPSHOT_SAFETENSORS_F32};
    const sam_option table[] = {
        {"log", SAM_OPTION_TEXT, &asked.log, "FILE", "the run's .samlog"},
        {"base", SAM_OPTION_TEXT, &asked.base, "MODEL", "the model it was trained from"},
        {"out", SAM_OPTION_TEXT, &asked.out, "PATH", "a folder, or for gguf-f16 a file"},
        {"round", SAM_OPTION_TEXT, &asked.round, "N", "the state before round N; left out: the end"},
        {"kind", SAM_OPTION_CHOICE, &asked.kind, CLI_MODEL_KINDS, "what is written"},
        {0},
    };
    const sam_command command = {"samara export", "--log FILE --base MODEL --out PATH",
                                 "Writes a tuned model, at any moment of its run, as the kind of file you name.",
                                 table};
    int rest;
    cli_found found = {0};
    cli_moment moment = {0};
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = check(&command, &asked, err);
    if (status == SAM_OK)
        status = cli_moment_open(&moment, asked.log, asked.base, asked.round, NULL, err);
    if (status == SAM_OK) {
        cli_moment_print(&moment);
        status = cli_write_model(&found, &moment, asked.kind, asked.out, err);
    }
    cli_moment_close(&moment);
    return status;
}
