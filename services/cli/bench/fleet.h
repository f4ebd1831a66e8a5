/* Simulated workers: thousands of kept-open HTTP connections on one thread, each of which syncs as fast as its ledger
 * answers. They compute nothing: the codes of a slot are a function of its round and number.
 *
 *     const cli_fleet_plan plan = {.port = 8642, .run = manifest->id_hex, .workers = 1000, .slots = 8, .probes = 2};
 *     cli_fleet *fleet;
 *     if (cli_fleet_open(&fleet, &plan, err) != SAM_OK)   // connects, joins, leaves all connections open
 *         return err->status;
 *     cli_fleet_figures figures;
 *     cli_fleet_run(fleet, 10.0, &figures, err);          // of ten seconds
 *     uint64_t rounds;
 *     cli_fleet_settle(fleet, &rounds, err);              // was each slot of the log acknowledged exactly once?
 *     cli_fleet_close(fleet);
 *
 * Bytes are counted where they pass the socket, with the header fields. A worker whose slots are not wanted waits in
 * its sync, as real ones do. Thread safety: one thread.
 */
#ifndef SAM_CLI_BENCH_FLEET_H
#define SAM_CLI_BENCH_FLEET_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cli_fleet cli_fleet;

typedef struct cli_fleet_plan {
    unsigned port;   /* of the ledger, on 127.0.0.1 */
    const char *run; /* id */
    size_t workers;
    uint32_t slots, probes;  /* of a round, of a slot */
    uint32_t slots_per_sync; /* at most CLI_FLEET_SLOTS_MAX */
} cli_fleet_plan;

#define CLI_FLEET_SLOTS_MAX 1024u

typedef struct cli_fleet_figures {
    double seconds;
    uint64_t rounds;                     /* that were committed meanwhile */
    uint64_t syncs, acknowledged, late;  /* answers; results that they took, and did not */
    uint64_t bytes_sent, bytes_received; /* all of them */
    uint64_t bytes_of_rounds;            /* of those, committed rounds handed to each worker */
    double p50_ms, p99_ms;               /* from the request to the end of its answer */
} cli_fleet_figures;

sam_status cli_fleet_open(cli_fleet **fleet, const cli_fleet_plan *plan, sam_error *err);
sam_status cli_fleet_run(cli_fleet *fleet, double seconds, cli_fleet_figures *figures, sam_error *err);
/* Sends no more results, and waits until all answers about committed rounds are in. MISMATCH where a slot of one was
 * acknowledged twice or never. `rounds`: the committed ones. */
sam_status cli_fleet_settle(cli_fleet *fleet, uint64_t *rounds, sam_error *err);
void cli_fleet_close(cli_fleet *fleet); /* NULL is fine */

#endif
