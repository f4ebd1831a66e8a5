/* samara import-run: a run from a .samlog file or another ledger to a ledger, over an air gap if need be. */
#include "cli/cli.h"
#include "cli/shared/transfer.h"

sam_status cli_import_run(int argc, char **argv, sam_error *err)
{
    cli_transfer args = {0};
    const sam_option table[] = {
        {"ledger", SAM_OPTION_TEXT, &args.ledger, "URL", "where the run goes"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {"samara import-run", "RUN --ledger URL",
                                 "Brings a run to a ledger: a .samlog file, or the URL of a run elsewhere. The log "
                                 "there has the same bytes\nand hashes. A ledger that has some of the rounds takes the "
                                 "rest; one that has them all is left as it is.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "ledger", err);
    return status == SAM_OK ? cli_transfer_run(&args, argv[rest], err) : status;
}
