/* Metrics: counters as things happen, the gauges of each run when they are asked for. */
#include "ledger/view.h"

#include <stdio.h>

static const double SECONDS[] = {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2};

sam_status ledger_gauges_init(ledger_service *ledger, sam_error *err)
{
    sam_metrics *m = ledger->metrics = sam_metrics_new();
    if (m == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for metrics");
    ledger->gauge.head = sam_metrics_gauge(m, "samara_run_rounds", "Committed rounds.", "run,name");
    ledger->gauge.unleased = sam_metrics_gauge(
        m, "samara_run_unleased", "Slots and chunks that any worker may have now; scale workers by it.", "run,name");
    ledger->gauge.leased =
        sam_metrics_gauge(m, "samara_run_leased", "Slots and chunks that a worker holds.", "run,name");
    ledger->gauge.workers =
        sam_metrics_gauge(m, "samara_run_workers", "Workers seen within three lease times.", "run,name");
    ledger->gauge.waiting =
        sam_metrics_gauge(m, "samara_run_waiting", "Sync requests this copy holds without news.", "run,name");
    ledger->gauge.quarantined = sam_metrics_gauge(m, "samara_run_quarantined",
                                                  "Workers whose codes were not those others computed.", "run,name");
    ledger->gauge.epsilon =
        sam_metrics_gauge(m, "samara_run_epsilon",
                          "What the committed rounds of a private run tell of an example, at delta 1e-5.", "run,name");
    ledger->gauge.syncs = sam_metrics_counter(m, "samara_ledger_syncs_total", "Sync requests.", NULL);
    ledger->gauge.refused =
        sam_metrics_counter(m, "samara_ledger_refused_results_total", "Results that were late or malformed.", NULL);
    ledger->gauge.commit_seconds =
        sam_metrics_histogram(m, "samara_ledger_commit_seconds", "From a full round to its entry in the log.", NULL,
                              SECONDS, sizeof SECONDS / sizeof SECONDS[0]);
    ledger->gauge.redis_errors =
        sam_metrics_counter(m, "samara_ledger_redis_errors_total", "Calls that found no Redis.", NULL);
    ledger->gauge.requests = sam_metrics_counter(m, "samara_ledger_requests_total", "HTTP requests.", "route,code");
    return SAM_OK;
}

void ledger_observe(void *user, const sam_http_event *event)
{
    ledger_service *ledger = user;
    char code[12];
    snprintf(code, sizeof code, "%d", event->code);
    sam_metric_add(ledger->gauge.requests, 1, (const char *[]){event->pattern, code});
}

static sam_status set_gauges(ledger_service *ledger, sam_redis *redis, const char *id, sam_error *err)
{
    const ledger_run *run;
    ledger_view view;
    sam_status status = ledger_runs_find(&ledger->runs, redis, id, &run, err);
    if (status == SAM_OK)
        status = ledger_view_read(&view, ledger, redis, run, err);
    if (status != SAM_OK)
        return status == SAM_NOT_FOUND ? SAM_OK : status;
    const char *const labels[] = {run->id, run->manifest->name};
    sam_metric_set(ledger->gauge.head, (double)view.head, labels);
    sam_metric_set(ledger->gauge.unleased, (double)view.unleased, labels);
    sam_metric_set(ledger->gauge.leased, (double)view.leased, labels);
    sam_metric_set(ledger->gauge.workers, (double)view.by_status[SAM_WORKER_IS_ACTIVE], labels);
    if (run->manifest->privacy.clip > 0)
        sam_metric_set(ledger->gauge.epsilon, ledger_epsilon(run, view.head), labels);
    sam_metric_set(ledger->gauge.quarantined, (double)view.by_status[SAM_WORKER_IS_QUARANTINED], labels);
    sam_metric_set(ledger->gauge.waiting, (double)ledger_follower_waiting(&ledger->follower, run), labels);
    ledger_view_free(&view);
    return SAM_OK;
}

static sam_status set_all(ledger_service *ledger, sam_redis *redis, sam_error *err)
{
    redisReply *ids;
    sam_status status = ledger_run_ids(redis, &ids, err);
    for (size_t i = 0; status == SAM_OK && i < ids->elements; i++)
        status = set_gauges(ledger, redis, ids->element[i]->str, err);
    sam_redis_reply_free(ids);
    return status;
}

/* Without Redis the counters are still told: that is when someone looks. */
sam_http_next ledger_get_metrics(sam_http_request *request, void *user)
{
    ledger_service *ledger = user;
    sam_redis *redis;
    sam_error err = {0};
    sam_buffer text = {0};
    if (sam_redis_borrow(ledger->redis, &redis, &err) == SAM_OK) {
        ledger_note(ledger, set_all(ledger, redis, &err), &err);
        sam_redis_give_back(ledger->redis, redis);
    }
    sam_metrics_render(ledger->metrics, &text);
    return sam_http_answer_buffer(request, 200, SAM_METRICS_TYPE, &text);
}

double ledger_epsilon(const ledger_run *run, uint64_t head)
{
    return sam_privacy_epsilon(&run->manifest->privacy, run->shape.codes_most, head * run->shape.places);
}
