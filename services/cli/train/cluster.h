/* The processes of a training on one machine: a private Redis, a ledger, a gateway and workers.
 *
 *     cli_cluster cluster;
 *     sam_status status = cli_cluster_init(&cluster, &out_folder, &plan, err);
 *     if (status == SAM_OK)
 *         status = cli_cluster_start_services(&cluster, err);   // cluster.ledger_address is known then
 *     if (status == SAM_OK)
 *         status = cli_cluster_start_workers(&cluster, err);
 *     while (status == SAM_OK && cli_cluster_running_workers(&cluster) > 0)
 *         status = cli_cluster_supervise(&cluster, &view, err);      // says what ended; restarts what can be
 *     cli_cluster_stop_workers(&cluster);
 *     cli_cluster_stop(&cluster);                               // on every path; nothing is left running
 *
 *     workers --HTTP--> ledger --unix socket in OUT/redis--> redis <-- gateway
 *
 * A dead Redis, ledger or gateway is started again: what they knew is in the append-only file. A dead worker is not:
 * the run goes on with the others; only when none is left is one started again. Thread safety: main thread only.
 */
#ifndef SAM_CLI_CLUSTER_H
#define SAM_CLI_CLUSTER_H

#include "cli/shared/processes.h"
#include "cli/shared/view.h"
#include "cli/train/out_folder.h"

typedef struct cli_cluster_plan { /* all borrowed */
    const char *redis;            /* address of one that runs already; NULL: a private one */
    uint64_t port, gateway_port;  /* 0: any */
    uint64_t workers, threads;    /* threads of each */
    const char *run, *model, *train, *dev, *precision, *kernel, *cache; /* kernel may be NULL */
    bool signs;                                                         /* each worker has a key of its own */
} cli_cluster_plan;

typedef struct cli_cluster {
    cli_out_folder *folder;
    const cli_cluster_plan *plan;
    cli_process redis, ledger, gateway;
    cli_process *workers; /* [plan->workers] */
    char ledger_address[80], gateway_address[80];
    char *program[4]; /* of redis, ledger, gateway, worker */
    unsigned restarts, lost;
    uint32_t departed[64]; /* numbers of workers whose leases are to be given back */
    size_t departed_count;
} cli_cluster;

/* Finds the programs: NOT_FOUND says what to install. */
sam_status cli_cluster_init(cli_cluster *cluster, cli_out_folder *folder, const cli_cluster_plan *plan, sam_error *err);
sam_status cli_cluster_start_services(cli_cluster *cluster, sam_error *err);
sam_status cli_cluster_start_workers(cli_cluster *cluster, sam_error *err);
sam_status cli_cluster_supervise(cli_cluster *cluster, cli_view *view, sam_error *err);
/* Starts one worker where none is left, though the run is not complete. */
sam_status cli_cluster_restart_worker(cli_cluster *cluster, cli_view *view, sam_error *err);
size_t cli_cluster_running_workers(const cli_cluster *cluster);
void cli_cluster_stop_workers(cli_cluster *cluster);
void cli_cluster_stop(cli_cluster *cluster); /* also of a zeroed one */

#endif
