/* samara export: a tuned model, at any round of its run, as the kind of file you name. */
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct arguments {
    const char *log, *base, *out, *round;
    sam_snapshot_kind kind;
} arguments;

sam_status cli_export(int argc, char **argv, sam_error *err)
{
    arguments args = {.kind = SAM_SNAPSHOT_SAFETENSORS_F32};
    const sam_option table[] = {
        {"log", SAM_OPTION_TEXT, &args.log, "FILE", "the run's .samlog"},
        {"base", SAM_OPTION_TEXT, &args.base, "MODEL", "the model it was trained from"},
        {"out", SAM_OPTION_TEXT, &args.out, "PATH", "a folder, or for gguf-f16 a file"},
        {"round", SAM_OPTION_TEXT, &args.round, "N", "the state before round N; left out: the end"},
        {"kind", SAM_OPTION_CHOICE, &args.kind, CLI_MODEL_KINDS, "what is written"},
        {0},
    };
    const sam_command command = {"samara export", "--log FILE --base MODEL --out PATH",
                                 "Writes a tuned model, at any round of its run, as the kind of file you name.", table};
    int rest;
    cli_output output = {0};
    cli_checkpoint checkpoint = {0};
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "out log base", err);
    if (status == SAM_OK)
        status = cli_checkpoint_open(&checkpoint, args.log, args.base, args.round, NULL, err);
    if (status == SAM_OK) {
        cli_checkpoint_print(&checkpoint);
        status = cli_write_model(&output, &checkpoint, args.kind, args.out, err);
    }
    cli_checkpoint_close(&checkpoint);
    return status;
}
