/* A ledger and a Redis (fsync always) of one's own, for measurements: in a folder that is removed at the end.
 *
 *     cli_private_ledger own = {0};
 *     cli_private_ledger_open(&own, NULL, 256, err);
 *     sam_manifest *manifest;
 *     cli_private_ledger_run(&own, &(cli_bench_run){.slots = 8, .probes = 1}, &manifest, err);
 *     printf("a run at %s\n", own.address);
 *     sam_samlog *log;
 *     cli_private_ledger_log(&own, manifest, 0, &log, err);
 *     cli_private_ledger_close(&own);                             // after a failure too
 *
 * Thread safety: main thread only, as processes are (cli/shared/processes.h).
 */
#ifndef SAM_CLI_PRIVATE_LEDGER_H
#define SAM_CLI_PRIVATE_LEDGER_H

#include "cli/shared/processes.h"
#include "client/run_client.h"
#include "run/manifest.h"
#include "run/samlog.h"

typedef struct cli_private_ledger {
    char folder[512];
    cli_process redis, ledger;
    char address[80]; /* "127.0.0.1:8642" */
    unsigned port;
    sam_run_client *client;
} cli_private_ledger;

/* `parent`: where the folder is made; NULL: $TMPDIR or /tmp. `connections`: that the ledger must take. */
sam_status cli_private_ledger_open(cli_private_ledger *own, const char *parent, uint64_t connections, sam_error *err);
void cli_private_ledger_close(cli_private_ledger *own);

typedef struct cli_bench_run {
    uint32_t slots, probes, lag;
    uint64_t seed; /* of two runs with the same numbers, another seed makes two */
} cli_bench_run;

/* Makes a run that does not end, and in which nothing is trained: its workers send cli_bench_code. */
sam_status cli_private_ledger_run(cli_private_ledger *own, const cli_bench_run *run, sam_manifest **manifest,
                                  sam_error *err);

/* The log of a run, whose chain is checked. MISMATCH where it has less than `rounds` rounds, or one of their codes is
 * not cli_bench_code. */
sam_status cli_private_ledger_log(cli_private_ledger *own, const sam_manifest *manifest, uint64_t rounds,
                                  sam_samlog **log, sam_error *err);

/* What a simulated worker finds for a probe: a function of its place, so that a log can be held against it. */
uint8_t cli_bench_code(uint64_t round, uint32_t slot, uint32_t probe);

#endif
