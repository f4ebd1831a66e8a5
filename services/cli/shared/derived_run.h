/* A new run that begins with the rounds of another: made, described, and sent where the command line says.
 *
 *     cli_derivation derivation = {.out = "fork.samlog"};
 *     sam_samlog *log;
 *     sam_fork fork = {.name = "from round 200"};
 *     cli_derivation_open(&log, &derivation, "run.samlog", err);
 *     cli_derivation_at("200", log, &fork.at, err);
 *     cli_derive(log, &fork, &derivation, "run.samlog", err);
 *     sam_samlog_close(log);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLI_DERIVED_RUN_H
#define SAM_CLI_DERIVED_RUN_H

#include "client/run_client.h"
#include "run/history.h"

typedef struct cli_derivation {
    const char *name;         /* of the new run; NULL: as its parent's */
    const char *out, *ledger; /* where it goes; both NULL: to the ledger where RUN is */
    const char *base;         /* NULL: the digest of its state is not told */
    bool json;
    sam_access access;
} cli_derivation;

/* Rows of an option table. */
#define CLI_DERIVATION_OPTIONS(derivation)                                                                             \
    {"name", SAM_OPTION_TEXT, &(derivation)->name, "TEXT", "name of the new run; left out: that of RUN"},              \
        {"out", SAM_OPTION_TEXT, &(derivation)->out, "FILE",                                                           \
         "write it as .samlog; without --out and --ledger it goes to the ledger of RUN"},                              \
        {"ledger", SAM_OPTION_TEXT, &(derivation)->ledger, "URL", "bring it to this ledger"},                          \
        {"base", SAM_OPTION_TEXT, &(derivation)->base, "MODEL", "print the digest of its state, too"},                 \
        {"json", SAM_OPTION_FLAG, &(derivation)->json, NULL, "one JSON object"},                                       \
        SAM_ACCESS_OPTIONS(&(derivation)->access)

/* The log of RUN. INVALID where it is a file and nothing says where the new run goes. */
sam_status cli_derivation_open(sam_samlog **log, const cli_derivation *derivation, const char *run, sam_error *err);

/* The text of --at: how many rounds of `log` the new run keeps; NULL: all. */
sam_status cli_derivation_at(const char *text, const sam_samlog *log, uint64_t *at, sam_error *err);

/* Makes the new run, tells what it is, and sends it. */
sam_status cli_derive(const sam_samlog *log, const sam_fork *fork, const cli_derivation *derivation, const char *run,
                      sam_error *err);

#endif
