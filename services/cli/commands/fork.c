/* samara fork: a new run that shares the past of another. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/derived_run.h"

typedef struct arguments {
    const char *at, *train, *dev;
    uint64_t rounds;
    cli_derivation derivation;
} arguments;

static sam_status data_digest(const char *source, sam_digest *digest, sam_error *err)
{
    char *path = NULL;
    sam_status status = cli_resolve(source, &path, err);
    if (status == SAM_OK)
        status = sam_digest_file(digest, path, err);
    sam_free(path);
    return status;
}

static sam_status fork_log(const sam_samlog *log, const arguments *args, const char *run, sam_error *err)
{
    sam_digest train, dev;
    sam_fork fork = {.name = args->derivation.name, .rounds = args->rounds};
    sam_status status = cli_derivation_at(args->at, log, &fork.at, err);
    if (status == SAM_OK && args->train != NULL) {
        status = data_digest(args->train, &train, err);
        fork.train = &train;
    }
    if (status == SAM_OK && args->dev != NULL) {
        status = data_digest(args->dev, &dev, err);
        fork.dev = &dev;
    }
    return status == SAM_OK ? cli_derive(log, &fork, &args->derivation, run, err) : status;
}

sam_status cli_fork(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"at", SAM_OPTION_TEXT, &args.at, "ROUND", "how many rounds of RUN it keeps; left out: all"},
        {"rounds", SAM_OPTION_COUNT, &args.rounds, "N", "rounds of the new run in all; 0: as many as RUN has"},
        {"train", SAM_OPTION_TEXT, &args.train, "FILE", "training data from that round on; left out: that of RUN"},
        {"dev", SAM_OPTION_TEXT, &args.dev, "FILE", "dev data from that round on; left out: that of RUN"},
        CLI_DERIVATION_OPTIONS(&args.derivation),
        {0},
    };
    const sam_command command = {"samara fork", "RUN --at ROUND",
                                 "Makes a new run that shares the past of RUN up to a round: a .samlog file, or a URL "
                                 "(http://HOST:PORT/v1/runs/ID).\nIts past stays as it was; it goes on at a "
                                 "ledger, with workers, like any run.",
                                 table};
    int rest;
    sam_samlog *log = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_derivation_open(&log, &args.derivation, argv[rest], err);
    if (status == SAM_OK)
        status = fork_log(log, &args, argv[rest], err);
    sam_samlog_close(log);
    return status;
}
