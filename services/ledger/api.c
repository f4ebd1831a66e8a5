#include "ledger/exchange.h"

/* docs/formats/wire.md. Each names the least role whose token it takes. */
static const struct {
    const char *method, *pattern;
    ledger_route_function function; /* or a handler of its own */
    sam_http_handler handler;
    sam_role role;
    size_t max_body;
} ROUTES[] = {
    {"POST", "/v1/runs", ledger_post_run, NULL, SAM_ROLE_ADMIN, SAM_MANIFEST_MAX + 4096},
    {"GET", "/v1/runs", ledger_get_runs, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}", ledger_get_run, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}/manifest", ledger_get_manifest, NULL, SAM_ROLE_READER, 0},
    {"POST", "/v1/runs/{run}/join", ledger_post_join, NULL, SAM_ROLE_WORKER, 4096},
    {"POST", "/v1/runs/{run}/sync", NULL, ledger_sync, SAM_ROLE_WORKER, SAM_SYNC_REQUEST_BYTES_MAX},
    {"POST", "/v1/runs/{run}/pause", ledger_post_pause, NULL, SAM_ROLE_ADMIN, 4096},
    {"POST", "/v1/runs/{run}/resume", ledger_post_resume, NULL, SAM_ROLE_ADMIN, 4096},
    {"GET", "/v1/runs/{run}/workers", ledger_get_workers, NULL, SAM_ROLE_READER, 0},
    {"POST", "/v1/runs/{run}/workers/{worker}/leave", ledger_post_leave, NULL, SAM_ROLE_ADMIN, 4096},
    {"GET", "/v1/runs/{run}/log", ledger_get_log, NULL, SAM_ROLE_READER, 0},
    {"GET", "/v1/runs/{run}/signatures", ledger_get_signatures, NULL, SAM_ROLE_READER, 0},
    {"POST", "/v1/runs/{run}/log", ledger_post_log, NULL, SAM_ROLE_ADMIN, LEDGER_IMPORT_BYTES_MAX},
    {"GET", "/healthz", NULL, ledger_get_health, SAM_ROLE_ANYONE, 0},
    {"GET", "/readyz", ledger_get_ready, NULL, SAM_ROLE_ANYONE, 0},
    {"GET", "/metrics", NULL, ledger_get_metrics, SAM_ROLE_ANYONE, 0},
};

#define COUNT (sizeof ROUTES / sizeof ROUTES[0])
_Static_assert(COUNT < LEDGER_ROUTES_MAX, "the table of the service is too small");

void ledger_routes(ledger_service *ledger)
{
    for (size_t i = 0; i < COUNT; i++) {
        ledger->route[i] = (ledger_route){ledger, ROUTES[i].function};
        ledger->routes[i] = (sam_http_route){.method = ROUTES[i].method,
                                             .pattern = ROUTES[i].pattern,
                                             .handler = ROUTES[i].handler,
                                             .user = ledger,
                                             .role = ROUTES[i].role,
                                             .max_body = ROUTES[i].max_body};
        if (ROUTES[i].function != NULL) {
            ledger->routes[i].handler = ledger_exchange_handle;
            ledger->routes[i].user = &ledger->route[i];
        }
    }
}
