/* The processes of a training on one machine: a private Redis, a ledger, a gateway and workers.
 *
 *     cli_crew crew;
 *     sam_status status = cli_crew_init(&crew, &out_folder, &plan, err);
 *     if (status == SAM_OK)
 *         status = cli_crew_start_services(&crew, err);   // crew.ledger_address is known then
 *     if (status == SAM_OK)
 *         status = cli_crew_start_workers(&crew, err);
 *     while (status == SAM_OK && cli_crew_running_workers(&crew) > 0)
 *         status = cli_crew_tend(&crew, &view, err);      // says who died; mends what can be mended
 *     cli_crew_stop_workers(&crew);
 *     cli_crew_stop(&crew);                               // on every path; nothing is left running
 *
 *     workers --HTTP--> ledger --unix socket in OUT/redis--> redis <-- gateway
 *
 * A dead Redis, ledger or gateway is started again: what they knew is in the append-only file. A dead worker is not:
 * the run goes on with the others; only when none is left is one started again. Thread safety: main thread only.
 */
#ifndef SAM_CLI_CREW_H
#define SAM_CLI_CREW_H

#include "cli/train/out_folder.h"
#include "cli/train/processes.h"
#include "cli/train/view.h"

typedef struct cli_crew_plan {   /* all borrowed */
    const char *redis;           /* address of one that runs already; NULL: a private one */
    uint64_t port, gateway_port; /* 0: any */
    uint64_t workers, threads;   /* threads of each */
    const char *run, *model, *train, *dev, *precision, *kernel, *cache; /* kernel may be NULL */
    bool signs;                                                         /* each worker has a key of its own */
} cli_crew_plan;

typedef struct cli_crew {
    cli_out_folder *folder;
    const cli_crew_plan *plan;
    cli_process redis, ledger, gateway;
    cli_process *workers; /* [plan->workers] */
    char ledger_address[80], gateway_address[80];
    char *program[4]; /* of redis, ledger, gateway, worker */
    unsigned restarts, lost;
    uint32_t departed[64]; /* numbers of workers whose leases are to be given back */
    size_t departed_count;
} cli_crew;

/* Words for a Redis of one's own, in the folder that it runs in: socket redis.sock, fsync always. NULL at the end. */
const char *const *cli_private_redis(void);

/* Finds the programs: NOT_FOUND says what to install. */
sam_status cli_crew_init(cli_crew *crew, cli_out_folder *folder, const cli_crew_plan *plan, sam_error *err);
sam_status cli_crew_start_services(cli_crew *crew, sam_error *err);
sam_status cli_crew_start_workers(cli_crew *crew, sam_error *err);
sam_status cli_crew_tend(cli_crew *crew, cli_view *view, sam_error *err);
/* Starts one worker where none is left, though the run is not complete. */
sam_status cli_crew_revive(cli_crew *crew, cli_view *view, sam_error *err);
size_t cli_crew_running_workers(const cli_crew *crew);
void cli_crew_stop_workers(cli_crew *crew);
void cli_crew_stop(cli_crew *crew); /* also of a zeroed one */

#endif
