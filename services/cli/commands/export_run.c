/* samara export-run: a run of a ledger as one .samlog file. */
#include "cli/cli.h"
#include "cli/shared/transfer.h"

sam_status cli_export_run(int argc, char **argv, sam_error *err)
{
    cli_transfer args = {0};
    const sam_option table[] = {
        {"out", SAM_OPTION_TEXT, &args.out, "FILE", "where the run goes, as .samlog"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {"samara export-run", "RUN --out FILE",
                                 "Fetches a run, manifest and all rounds, as one .samlog file. RUN is its URL at a "
                                 "ledger or a gateway:\nhttp://HOST:PORT/v1/runs/ID, or http://HOST:PORT where there "
                                 "is one run alone.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "out", err);
    return status == SAM_OK ? cli_transfer_run(&args, argv[rest], err) : status;
}
