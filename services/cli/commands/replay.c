/* samara replay: from a base and a log to the tuned model, at any round of its run. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct arguments {
    const char *log, *base, *out, *round;
    bool gguf;
} arguments;

static sam_status write_gguf_beside(cli_output *output, const cli_checkpoint *checkpoint, const char *folder,
                                    sam_error *err)
{
    char *path = sam_format("%s/model.gguf", folder);
    sam_status status = path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                     : cli_write_model(output, checkpoint, SAM_SNAPSHOT_GGUF_F16, path, err);
    sam_free(path);
    return status;
}

static sam_status replay(const arguments *args, sam_error *err)
{
    cli_output output = {0};
    cli_checkpoint checkpoint = {0};
    sam_status status = cli_checkpoint_open(&checkpoint, args->log, args->base, args->round, NULL, err);
    if (status == SAM_OK) {
        cli_checkpoint_print(&checkpoint);
        status = cli_write_model(&output, &checkpoint, SAM_SNAPSHOT_SAFETENSORS_F32, args->out, err);
    }
    if (status == SAM_OK && args->gguf)
        status = write_gguf_beside(&output, &checkpoint, args->out, err);
    cli_checkpoint_close(&checkpoint);
    return status;
}

sam_status cli_replay(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"log", SAM_OPTION_TEXT, &args.log, "FILE", "the run's .samlog"},
        {"base", SAM_OPTION_TEXT, &args.base, "MODEL", "the model it was trained from"},
        {"out", SAM_OPTION_TEXT, &args.out, "FOLDER", "where the tuned model goes, as safetensors (f32)"},
        {"round", SAM_OPTION_TEXT, &args.round, "N", "the state before round N; left out: the end"},
        {"gguf", SAM_OPTION_FLAG, &args.gguf, NULL, "write FOLDER/model.gguf (f16) as well"},
        {0},
    };
    const sam_command command = {"samara replay", "--log FILE --base MODEL --out FOLDER",
                                 "Rebuilds a tuned model from its base and its log, to the bit.", table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "out log base", err);
    return status == SAM_OK ? replay(&args, err) : status;
}
