/* samara average: the mean of a run's states over rounds, as a model. */
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct arguments {
    const char *base, *out, *from, *to;
    sam_snapshot_kind kind;
    bool json;
    sam_access access;
} arguments;

static void tell_mean(cli_output *output, const cli_checkpoint *checkpoint, uint64_t from, uint64_t to)
{
    sam_digest digest;
    uint64_t states = to - from + 1;
    sam_replica_digest(checkpoint->replica, &digest);
    cli_output_text(output, "run", "run", sam_samlog_manifest(checkpoint->log)->id_hex);
    cli_output_line(output, "mean of", "states", json_integer((json_int_t)states),
                    "the %llu states before rounds %llu to %llu", (unsigned long long)states, (unsigned long long)from,
                    (unsigned long long)to);
    cli_output_member(output, "from", json_integer((json_int_t)from));
    cli_output_member(output, "to", json_integer((json_int_t)to));
    cli_output_digest(output, "state digest", "state_digest", &digest);
}

static sam_status average(const arguments *args, const char *run, sam_error *err)
{
    uint64_t from, to;
    cli_checkpoint checkpoint = {0};
    cli_output output = {.json = args->json};
    sam_status status = cli_parse_round("from", args->from, &from, err);
    if (status == SAM_OK)
        status = cli_parse_round("to", args->to, &to, err);
    if (status == SAM_OK)
        status = cli_checkpoint_open(&checkpoint, run, args->base, NULL, &args->access, err);
    if (status == SAM_OK) {
        to = to == UINT64_MAX ? checkpoint.rounds : to;
        status = sam_replica_average(checkpoint.replica, from, to, err);
    }
    if (status == SAM_OK)
        tell_mean(&output, &checkpoint, from, to);
    if (status == SAM_OK && args->out != NULL)
        status = cli_write_model(&output, &checkpoint, args->kind, args->out, err);
    cli_output_close(&output, status == SAM_OK);
    cli_checkpoint_close(&checkpoint);
    return status;
}

sam_status cli_average(int argc, char **argv, sam_error *err)
{
    arguments args = {.kind = SAM_SNAPSHOT_SAFETENSORS_F32};
    const sam_option table[] = {
        {"base", SAM_OPTION_TEXT, &args.base, "MODEL", "the model the run was trained from"},
        {"from", SAM_OPTION_TEXT, &args.from, "A", "the first state: that before round A"},
        {"to", SAM_OPTION_TEXT, &args.to, "B", "the last state: that before round B; left out: the end"},
        {"out", SAM_OPTION_TEXT, &args.out, "PATH", "a folder, or for gguf-f16 a file; left out: the digest alone"},
        {"kind", SAM_OPTION_CHOICE, &args.kind, CLI_MODEL_KINDS, "what is written"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {
        "samara average", "RUN --base MODEL --from A --to B",
        "Computes the mean of the weights before rounds A, A + 1, ... B: each integer of the state is "
        "the mean of the integers,\nrounded to the nearest. RUN is a .samlog file, or a URL "
        "(http://HOST:PORT/v1/runs/ID).",
        table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "base from", err);
    return status == SAM_OK ? average(&args, argv[rest], err) : status;
}
