/* The gateway: what people and monitors see of the runs.
 *
 *     Redis --XREAD--> follow.c --> run.c (the log, its figures) --> api.c       JSON
 *       ^ read only                   |                              gauges.c    /metrics
 *                                     |                              pages.c     the dashboard, health
 *                                     +--> replicas.c --snapshot--> downloads.c  model.safetensors, model.gguf
 *
 * A process that owns nothing: all of it is read again at the next start, any number of copies may run, none writes.
 * Snapshots are computed while they are sent; nothing is stored.
 * Thread safety: the follower writes runs, the threads of the server read them; each part says what guards it.
 */
#ifndef SAM_GATEWAY_H
#define SAM_GATEWAY_H

#include "gateway/follow.h"
#include "gateway/replicas.h"
#include "gateway/runs.h"
#include "net/http_server.h"
#include "net/metrics.h"

typedef struct gateway_gauges {
    sam_metrics *metrics;
    sam_metric *rounds, *rounds_planned, *records, *probes, *no_value, *log_bytes, *workers, *free, *leased, *lost;
    sam_metric *train_loss, *eval_loss, *eval_accuracy, *eval_round, *codes_rms, *probe_rate, *since_commit, *faulty,
        *replica_round;
    sam_metric *snapshot_bytes, *replicas, *replicas_in_use, *redis_up, *redis_failures, *requests, *request_seconds;
} gateway_gauges;

typedef struct gateway_service {
    gateway_runs runs;
    gateway_follower follower;
    gateway_replicas replicas;
    gateway_gauges gauges;
} gateway_service;

/* ---- api.c, downloads.c, pages.c, gauges.c: handlers; `user` is the gateway ---- */
sam_http_next gateway_show_runs(sam_http_request *request, void *user);
sam_http_next gateway_show_run(sam_http_request *request, void *user);
sam_http_next gateway_show_manifest(sam_http_request *request, void *user);
sam_http_next gateway_show_rounds(sam_http_request *request, void *user);
sam_http_next gateway_show_round(sam_http_request *request, void *user);
sam_http_next gateway_show_records(sam_http_request *request, void *user);
sam_http_next gateway_show_workers(sam_http_request *request, void *user);
sam_http_next gateway_show_evaluations(sam_http_request *request, void *user);

sam_http_next gateway_send_log(sam_http_request *request, void *user);
sam_http_next gateway_send_file(sam_http_request *request, void *user);
sam_http_next gateway_show_digest(sam_http_request *request, void *user);

sam_http_next gateway_show_page(sam_http_request *request, void *user);
sam_http_next gateway_show_health(sam_http_request *request, void *user);
sam_http_next gateway_show_readiness(sam_http_request *request, void *user);
sam_http_next gateway_show_metrics(sam_http_request *request, void *user);

sam_status gateway_gauges_init(gateway_gauges *gauges, sam_error *err);
void gateway_gauges_free(gateway_gauges *gauges);
void gateway_observe(void *user, const sam_http_event *event); /* user: the gauges */

/* ---- parameters.c: what the path and query of a request name; false: an answer was given ---- */
bool gateway_find_run(gateway_service *gateway, sam_http_request *request, gateway_run **run);
/* "latest" or a number of rounds, at most those of the log. */
bool gateway_find_round(sam_http_request *request, gateway_run *run, const char *text, uint64_t *round);

#endif
