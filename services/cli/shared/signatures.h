/* The part of samara verify that holds a log against the signatures of its workers. */
#ifndef SAM_CLI_SIGNATURES_H
#define SAM_CLI_SIGNATURES_H

#include "cli/shared/output.h"
#include "run/samlog.h"

/* Says how many records of a log are signed in a .samsig; MISMATCH unless all are. */
sam_status cli_check_signatures(cli_output *output, const sam_samlog *log, const char *path, sam_error *err);

#endif
