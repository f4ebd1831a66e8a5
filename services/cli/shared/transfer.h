/* Where a log that a command made or fetched goes: into a file, or to a ledger. Both print to `output` what they did.
 */
#ifndef SAM_CLI_TRANSFER_H
#define SAM_CLI_TRANSFER_H

#include "cli/shared/output.h"
#include "client/run_client.h"

typedef struct cli_transfer {
    const char *out, *ledger; /* a file or, where that is NULL, a ledger's URL */
    bool json;
    sam_access access;
} cli_transfer;

/* Opens RUN, tells what it is, and sends it there. */
sam_status cli_transfer_run(const cli_transfer *to, const char *run, sam_error *err);

/* Run, name, rounds and last chain of a log. */
void cli_output_log(cli_output *output, const sam_samlog *log);

sam_status cli_log_to_file(cli_output *output, const sam_samlog *log, const char *path, sam_error *err);

/* `workers`: numbers up to this one are given to nobody there, besides those in the log. */
sam_status cli_log_to_ledger(cli_output *output, const sam_samlog *log, const char *url, uint32_t workers,
                             const sam_access *access, sam_error *err);

#endif
