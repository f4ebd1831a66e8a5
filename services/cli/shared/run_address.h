/* RUN as a command line names it: a .samlog file, or the URL of a run at a ledger or gateway
 * ("http://HOST:PORT/v1/runs/ID", or "http://HOST:PORT" where there is one run alone).
 *
 *     sam_samlog *log;
 *     cli_run_open(&log, "http://127.0.0.1:8642", &access, err);
 *     sam_samlog_close(log);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLI_RUN_ADDRESS_H
#define SAM_CLI_RUN_ADDRESS_H

#include "client/run_client.h"

/* The log of RUN, with its chain checked. */
sam_status cli_run_open(sam_samlog **log, const char *run, const sam_access *access, sam_error *err);

bool cli_is_url(const char *run);

/* Cuts a URL before "/v1/runs": `service` is new memory, `path` points at the rest in `url`, NULL where there is none.
 */
sam_status cli_split_url(const char *url, char **service, const char **path, sam_error *err);

#endif
