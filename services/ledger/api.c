#include "ledger/ledger.h"

#include <string.h>

/* docs/formats/wire.md. Each names the least role whose token it takes. */
static const sam_http_route ROUTES[] = {
    {"POST", "/v1/runs", ledger_post_run, NULL, SAM_ROLE_ADMIN, SAM_MANIFEST_MAX + 4096},
    {"GET", "/v1/runs", ledger_get_runs, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}", ledger_get_run, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}/manifest", ledger_get_manifest, NULL, SAM_ROLE_READER, 0},
    {"POST", "/v1/runs/{run}/join", ledger_post_join, NULL, SAM_ROLE_WORKER, 4096},
    {"POST", "/v1/runs/{run}/sync", ledger_sync, NULL, SAM_ROLE_WORKER, SAM_SYNC_REQUEST_BYTES_MAX},
    {"POST", "/v1/runs/{run}/pause", ledger_post_pause, NULL, SAM_ROLE_ADMIN, 4096},
    {"POST", "/v1/runs/{run}/resume", ledger_post_resume, NULL, SAM_ROLE_ADMIN, 4096},
    {"GET", "/v1/runs/{run}/workers", ledger_get_workers, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}/log", ledger_get_log, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}/signatures", ledger_get_signatures, NULL, SAM_ROLE_READER, 0},
    {"POST", "/v1/runs/{run}/log", ledger_post_log, NULL, SAM_ROLE_ADMIN, LEDGER_IMPORT_BYTES_MAX},
    {"GET", "/healthz", ledger_get_health, NULL, SAM_ROLE_ANYONE, 0},
    {"GET", "/readyz", ledger_get_ready, NULL, SAM_ROLE_ANYONE, 0},
    {"GET", "/metrics", ledger_get_metrics, NULL, SAM_ROLE_ANYONE, 0},
    {0},
};

_Static_assert(sizeof ROUTES / sizeof ROUTES[0] <= LEDGER_ROUTES_MAX, "the caller's table is too small");

void ledger_routes(ledger_service *ledger, sam_http_route routes[LEDGER_ROUTES_MAX])
{
    memcpy(routes, ROUTES, sizeof ROUTES);
    for (size_t i = 0; routes[i].method != NULL; i++)
        routes[i].user = ledger;
}
