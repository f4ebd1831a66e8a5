/* samara export-run, import-run: a run as one .samlog file, from one ledger to another, over an air gap if need be. */
#include "cli/cli.h"
#include "cli/shared/transfer.h"

typedef struct request {
    const char *out, *ledger;
    bool json;
    sam_access access;
} request;

static sam_status carry(const request *asked, const char *run, sam_error *err)
{
    sam_samlog *log = NULL;
    cli_found found = {.json = asked->json};
    sam_status status = sam_run_open(&log, run, &asked->access, err);
    if (status == SAM_OK) {
        cli_found_log(&found, log);
        status = asked->out != NULL ? cli_log_to_file(&found, log, asked->out, err)
                                    : cli_log_to_ledger(&found, log, asked->ledger, 0, &asked->access, err);
    }
    cli_found_close(&found, status == SAM_OK);
    sam_samlog_close(log);
    return status;
}

sam_status cli_export_run(int argc, char **argv, sam_error *err)
{
    request asked = {0};
    const sam_option table[] = {
        {"out", SAM_OPTION_TEXT, &asked.out, "FILE", "where the run goes, as .samlog"},
        {"json", SAM_OPTION_FLAG, &asked.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&asked.access),
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
        status = cli_require(&command, "out", asked.out, err);
    return status == SAM_OK ? carry(&asked, argv[rest], err) : status;
}

sam_status cli_import_run(int argc, char **argv, sam_error *err)
{
    request asked = {0};
    const sam_option table[] = {
        {"ledger", SAM_OPTION_TEXT, &asked.ledger, "URL", "where the run goes"},
        {"json", SAM_OPTION_FLAG, &asked.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&asked.access),
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
        status = cli_require(&command, "ledger", asked.ledger, err);
    return status == SAM_OK ? carry(&asked, argv[rest], err) : status;
}
