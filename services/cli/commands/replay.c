/* samara replay, export: from a base and a log to the tuned model, at any moment of its run. */
#include "cli/cli.h"
#include "cli/shared/moment.h"
#include "model/export.h"

#include <stdio.h>

#define KINDS "safetensors-f32, safetensors-bf16, safetensors-f16 or gguf-f16"

typedef struct request {
    const char *log, *base, *out, *round, *kind;
    bool gguf;
} request;

static sam_status open_asked(const sam_command *command, const request *asked, cli_moment *moment, sam_error *err)
{
    uint64_t round;
    sam_status status = cli_require(command, "log", asked->log, err);
    if (status == SAM_OK)
        status = cli_require(command, "base", asked->base, err);
    if (status == SAM_OK)
        status = cli_moment_round("round", asked->round, &round, err);
    if (status == SAM_OK)
        status = cli_moment_open(moment, asked->log, asked->base, round, NULL, err);
    return status;
}

static sam_status write_gguf(const cli_moment *moment, const char *path, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(moment->replica);
    sam_status status = sam_export_gguf(moment->model, &weights, path, err);
    if (status == SAM_OK)
        printf("wrote         %s\n", path);
    return status;
}

static sam_status write_folder(const cli_moment *moment, sam_snapshot_kind kind, const char *folder, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(moment->replica);
    sam_status status = sam_export_folder(moment->model, &weights, kind, folder, err);
    if (status == SAM_OK)
        printf("wrote         %s (%s)\n", folder, sam_snapshot_kind_name(kind));
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
    cli_moment moment = {0};
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "out", asked.out, err);
    if (status == SAM_OK)
        status = open_asked(&command, &asked, &moment, err);
    if (status == SAM_OK) {
        cli_moment_print(&moment);
        status = write_folder(&moment, SAM_SNAPSHOT_SAFETENSORS_F32, asked.out, err);
    }
    char gguf[4096];
    snprintf(gguf, sizeof gguf, "%s/model.gguf", asked.out == NULL ? "" : asked.out);
    if (status == SAM_OK && asked.gguf)
        status = write_gguf(&moment, gguf, err);
    cli_moment_close(&moment);
    return status;
}

sam_status cli_export(int argc, char **argv, sam_error *err)
{
    request asked = {.kind = "safetensors-f32"};
    const sam_option table[] = {
        {"log", SAM_OPTION_TEXT, &asked.log, "FILE", "the run's .samlog"},
        {"base", SAM_OPTION_TEXT, &asked.base, "MODEL", "the model it was trained from"},
        {"out", SAM_OPTION_TEXT, &asked.out, "PATH", "a folder, or for gguf-f16 a file"},
        {"round", SAM_OPTION_TEXT, &asked.round, "N", "the state before round N; left out: the end"},
        {"kind", SAM_OPTION_TEXT, &asked.kind, "KIND", KINDS},
        {0},
    };
    const sam_command command = {"samara export", "--log FILE --base MODEL --out PATH",
                                 "Writes a tuned model, at any moment of its run, as the kind of file you name.",
                                 table};
    int rest;
    cli_moment moment = {0};
    sam_snapshot_kind kind = SAM_SNAPSHOT_SAFETENSORS_F32;
    sam_status status = cli_parse(&command, argc, argv, 0, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "out", asked.out, err);
    if (status == SAM_OK && !sam_snapshot_kind_of(asked.kind, &kind))
        status = sam_fail(err, SAM_INVALID, "--kind: there is no kind \"%s\"; there are " KINDS, asked.kind);
    if (status == SAM_OK)
        status = open_asked(&command, &asked, &moment, err);
    if (status == SAM_OK) {
        cli_moment_print(&moment);
        status = kind == SAM_SNAPSHOT_GGUF_F16 ? write_gguf(&moment, asked.out, err)
                                               : write_folder(&moment, kind, asked.out, err);
    }
    cli_moment_close(&moment);
    return status;
}
