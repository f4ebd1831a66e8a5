/* samara revert: a new run without some records of another. */
#include "cli/cli.h"
#include "cli/shared/checkpoint.h"
#include "cli/shared/derived_run.h"

typedef struct arguments {
    const char *at, *rounds;
    uint64_t worker;
    cli_derivation derivation;
} arguments;

static sam_status revert_log(const sam_samlog *log, const arguments *args, const char *run, sam_error *err)
{
    sam_fork fork = {.name = args->derivation.name, .removal_count = 1};
    sam_status status = cli_derivation_at(args->at, log, &fork.at, err);
    if (status != SAM_OK)
        return status;
    sam_removal removal = {.from = 0, .to = fork.at, .worker = (uint32_t)args->worker};
    if (args->rounds != NULL)
        status = cli_parse_rounds("rounds", args->rounds, &removal.from, &removal.to, err);
    fork.removals = &removal;
    return status == SAM_OK ? cli_derive(log, &fork, &args->derivation, run, err) : status;
}

sam_status cli_revert(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"worker", SAM_OPTION_COUNT, &args.worker, "W", "take out this worker's records; 0: those of all workers"},
        {"rounds", SAM_OPTION_TEXT, &args.rounds, "A..B",
         "take out records of rounds A to B - 1; left out: of all rounds"},
        {"at", SAM_OPTION_TEXT, &args.at, "ROUND", "how many rounds of RUN the new run keeps; left out: all"},
        CLI_DERIVATION_OPTIONS(&args.derivation),
        {0},
    };
    const sam_command command = {"samara revert", "RUN --worker W | --rounds A..B",
                                 "Makes a new run whose state is exactly that of RUN without some records: every other "
                                 "record moves what it\nmoved before. RUN is a .samlog file, or a URL "
                                 "(http://HOST:PORT/v1/runs/ID).",
                                 table};
    int rest;
    sam_samlog *log = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK && args.worker == 0 && args.rounds == NULL)
        status = sam_fail(err, SAM_INVALID, "say what is to be taken out: --worker W, --rounds A..B, or both");
    if (status == SAM_OK && args.worker > UINT32_MAX)
        status = sam_fail(err, SAM_INVALID, "--worker: there is no worker %llu", (unsigned long long)args.worker);
    if (status == SAM_OK)
        status = cli_derivation_open(&log, &args.derivation, argv[rest], err);
    if (status == SAM_OK)
        status = revert_log(log, &args, argv[rest], err);
    sam_samlog_close(log);
    return status;
}
