/* samara average: the mean of a run's states over rounds, as a model. */
#include "cli/cli.h"
#include "cli/shared/write_model.h"

typedef struct request {
    const char *base, *out, *from, *to;
    sam_snapshot_kind kind;
    bool json;
    sam_access access;
} request;

static void tell_mean(cli_found *found, const cli_moment *moment, uint64_t from, uint64_t to)
{
    sam_digest digest;
    sam_replica_digest(moment->replica, &digest);
    cli_found_text(found, "run", "run", sam_samlog_manifest(moment->log)->id_hex);
    cli_found_say(found, "mean of", "states", json_integer((json_int_t)(to - from + 1)),
                  "the %llu states before rounds %llu to %llu", (unsigned long long)(to - from + 1),
                  (unsigned long long)from, (unsigned long long)to);
    cli_found_say(found, NULL, "from", json_integer((json_int_t)from), " ");
    cli_found_say(found, NULL, "to", json_integer((json_int_t)to), " ");
    cli_found_digest(found, "state digest", "state_digest", &digest);
}

static sam_status average(const request *asked, const char *run, sam_error *err)
{
    uint64_t from, to;
    cli_moment moment = {0};
    cli_found found = {.json = asked->json};
    sam_status status = cli_moment_round("from", asked->from, &from, err);
    if (status == SAM_OK)
        status = cli_moment_round("to", asked->to, &to, err);
    if (status == SAM_OK)
        status = cli_moment_open(&moment, run, asked->base, NULL, &asked->access, err);
    if (status == SAM_OK) {
        to = to == UINT64_MAX ? moment.rounds : to;
        status = sam_replica_average(moment.replica, from, to, err);
    }
    if (status == SAM_OK)
        tell_mean(&found, &moment, from, to);
    if (status == SAM_OK && asked->out != NULL)
        status = cli_write_model(&found, &moment, asked->kind, asked->out, err);
    cli_found_close(&found, status == SAM_OK);
    cli_moment_close(&moment);
    return status;
}

sam_status cli_average(int argc, char **argv, sam_error *err)
{
    request asked = {.kind = SAM_SNAPSHOT_SAFETENSORS_F32};
    const sam_option table[] = {
        {"base", SAM_OPTION_TEXT, &asked.base, "MODEL", "the model the run was trained from"},
        {"from", SAM_OPTION_TEXT, &asked.from, "A", "the first state: that before round A"},
        {"to", SAM_OPTION_TEXT, &asked.to, "B", "the last state: that before round B; left out: the end"},
        {"out", SAM_OPTION_TEXT, &asked.out, "PATH", "a folder, or for gguf-f16 a file; left out: the digest alone"},
        {"kind", SAM_OPTION_CHOICE, &asked.kind, CLI_MODEL_KINDS, "what is written"},
        {"json", SAM_OPTION_FLAG, &asked.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&asked.access),
        {0},
    };
    const sam_command command = {"samara average", "RUN --base MODEL --from A --to B",
                                 "The mean of the weights before rounds A, A + 1, ... B: each integer of the state is "
                                 "the mean of the integers,\nrounded to the nearest. RUN is a .samlog file, or a URL "
                                 "(http://HOST:PORT/v1/runs/ID).",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "base", asked.base, err);
    if (status == SAM_OK)
        status = cli_require(&command, "from", asked.from, err);
    return status == SAM_OK ? average(&asked, argv[rest], err) : status;
}
