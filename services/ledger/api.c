#include "ledger.h"

#include <string.h>

/* docs/formats/wire.md. `open`: no token is asked. */
static const sam_http_route ROUTES[] = {
    {"POST", "/v1/runs", ledger_post_run, NULL, false, SAM_MANIFEST_MAX + 4096},
    {"GET", "/v1/runs", ledger_get_runs, NULL, false, 0},
    {"GET", "/v1/runs/{run}", ledger_get_run, NULL, false, 0},
    {"GET", "/v1/runs/{run}/manifest", ledger_get_manifest, NULL, false, 0},
    {"POST", "/v1/runs/{run}/join", ledger_post_join, NULL, false, 4096},
    {"POST", "/v1/runs/{run}/sync", ledger_sync, NULL, false, 0},
    {"POST", "/v1/runs/{run}/pause", ledger_post_pause, NULL, false, 4096},
    {"POST", "/v1/runs/{run}/resume", ledger_post_resume, NULL, false, 4096},
    {"GET", "/v1/runs/{run}/workers", ledger_get_workers, NULL, false, 0},
    {"GET", "/v1/runs/{run}/log", ledger_get_log, NULL, false, 0},
    {"GET", "/healthz", ledger_get_health, NULL, true, 0},
    {"GET", "/readyz", ledger_get_ready, NULL, true, 0},
    {"GET", "/metrics", ledger_get_metrics, NULL, true, 0},
    {0},
};

_Static_assert(sizeof ROUTES / sizeof ROUTES[0] <= LEDGER_ROUTES_MAX, "the caller's table is too small");

void ledger_routes(ledger_service *ledger, sam_http_route routes[LEDGER_ROUTES_MAX])
{
    memcpy(routes, ROUTES, sizeof ROUTES);
    for (size_t i = 0; routes[i].method != NULL; i++)
        routes[i].user = ledger;
}
