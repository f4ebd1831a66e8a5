/* What Prometheus reads. Figures of runs are set when they are asked for; requests and bytes are counted as they go. */
#include "gateway/gateway.h"

#include "base/clock.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

typedef enum kind { COUNTER, GAUGE } kind;

#define AT(member) offsetof(gateway_gauges, member)

static const struct {
    size_t at;
    kind kind;
    const char *name, *help, *labels;
} METRICS[] = {
    {AT(rounds), COUNTER, "samara_rounds_total", "Rounds committed.", "run"},
    {AT(rounds_planned), GAUGE, "samara_rounds_planned", "Rounds after which the run is complete.", "run"},
    {AT(records), COUNTER, "samara_records_total", "Slots that a worker computed.", "run"},
    {AT(probes), COUNTER, "samara_probes_total", "Probes that yielded a value.", "run"},
    {AT(no_value), COUNTER, "samara_no_value_slots_total", "Slots committed without any value.", "run"},
    {AT(log_bytes), GAUGE, "samara_log_bytes", "Size of the run as a .samlog file.", "run"},
    {AT(workers), GAUGE, "samara_workers", "Workers that the ledger heard of within three lease times.", "run"},
    {AT(free), GAUGE, "samara_unleased_slots", "Pieces of work that nobody holds.", "run"},
    {AT(leased), GAUGE, "samara_leased_slots", "Pieces of work that a worker holds.", "run"},
    {AT(lost), COUNTER, "samara_lost_leases_total", "Leases that ended without a result.", "run"},
    {AT(train_loss), GAUGE, "samara_train_loss", "Mean training loss of the last round, in nats.", "run"},
    {AT(eval_loss), GAUGE, "samara_eval_loss", "Mean loss over the dev set, in nats, at the last evaluation.", "run"},
    {AT(eval_accuracy), GAUGE, "samara_eval_accuracy", "Share of the dev set answered correctly, of 1.", "run"},
    {AT(eval_round), GAUGE, "samara_eval_round", "Round of the last evaluation.", "run"},
    {AT(codes_rms), GAUGE, "samara_codes_rms", "Root-mean-square of the codes of the last rounds, in quanta.", "run"},
    {AT(probe_rate), GAUGE, "samara_probes_per_second", "Estimated from the commits of the last rounds.", "run"},
    {AT(since_commit), GAUGE, "samara_seconds_since_commit", "Age of the last committed round.", "run"},
    {AT(faulty), GAUGE, "samara_run_faulty", "1 where the log does not continue as its chain demands.", "run"},
    {AT(replica_round), GAUGE, "samara_replica_round", "Where the replica used last stands.", "run"},
    {AT(snapshot_bytes), COUNTER, "samara_snapshot_bytes_total", "Bytes of snapshots computed and sent.", "run"},
    {AT(replicas), GAUGE, "samara_replicas", "Replicas that downloads may use at once.", NULL},
    {AT(replicas_in_use), GAUGE, "samara_replicas_in_use", "Replicas in use by downloads.", NULL},
    {AT(redis_up), GAUGE, "samara_redis_up", "1 while Redis answers.", NULL},
    {AT(redis_failures), COUNTER, "samara_redis_failures_total", "Times that Redis did not answer.", NULL},
    {AT(requests), COUNTER, "samara_http_requests_total", "Requests, by route and status.", "route,code"},
};

sam_status gateway_gauges_init(gateway_gauges *gauges, sam_error *err)
{
    static const double BOUNDS[] = {0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 60};
    gauges->metrics = sam_metrics_new();
    if (gauges->metrics == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for metrics");
    for (size_t i = 0; i < sizeof METRICS / sizeof *METRICS; i++) {
        sam_metric **metric = (sam_metric **)((char *)gauges + METRICS[i].at);
        *metric = (METRICS[i].kind == COUNTER ? sam_metrics_counter : sam_metrics_gauge)(
            gauges->metrics, METRICS[i].name, METRICS[i].help, METRICS[i].labels);
        if (*metric == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory for metrics");
    }
    gauges->request_seconds =
        sam_metrics_histogram(gauges->metrics, "samara_http_request_seconds", "Time until an answer was sent.", "route",
                              BOUNDS, sizeof BOUNDS / sizeof *BOUNDS);
    return SAM_OK;
}

void gateway_gauges_free(gateway_gauges *gauges)
{
    if (gauges->metrics != NULL)
        sam_metrics_free(gauges->metrics);
    gauges->metrics = NULL;
}

void gateway_observe(void *user, const sam_http_event *event)
{
    const gateway_gauges *gauges = user;
    char code[12];
    snprintf(code, sizeof code, "%d", event->code);
    sam_metric_add(gauges->requests, 1, (const char *[]){event->pattern, code});
    sam_metric_observe(gauges->request_seconds, event->seconds, (const char *[]){event->pattern});
}

/* ---- of a run, with its lock held ---- */

static void set_progress(const gateway_gauges *gauges, const gateway_run *run, const char *const *of)
{
    uint64_t now = sam_wall_ms();
    sam_metric_set(gauges->rounds, (double)run->rounds, of);
    sam_metric_set(gauges->rounds_planned, (double)run->manifest->rounds, of);
    sam_metric_set(gauges->records, (double)run->tally.records, of);
    sam_metric_set(gauges->probes, (double)run->tally.probes, of);
    sam_metric_set(gauges->no_value, (double)run->tally.no_value_slots, of);
    sam_metric_set(gauges->log_bytes, (double)run->log.length, of);
    sam_metric_set(gauges->codes_rms, gateway_run_codes_rms(run), of);
    sam_metric_set(gauges->probe_rate, gateway_run_probes_per_second(run, now), of);
    sam_metric_set(gauges->faulty, run->fault[0] != 0, of);
    if (isfinite(run->tally.train_loss))
        sam_metric_set(gauges->train_loss, run->tally.train_loss, of);
    if (run->rounds > 0)
        sam_metric_set(gauges->since_commit,
                       now < run->tally.committed_ms ? 0 : (double)(now - run->tally.committed_ms) / 1000, of);
}

static void set_evaluation(const gateway_gauges *gauges, const gateway_run *run, const char *const *of)
{
    const sam_evaluation *last = run->evaluation_count == 0 ? NULL : &run->evaluations[run->evaluation_count - 1].sums;
    if (last == NULL || last->examples == 0)
        return;
    sam_metric_set(gauges->eval_loss, (double)last->loss_micro / 1e6 / last->examples, of);
    sam_metric_set(gauges->eval_accuracy, (double)last->correct / last->examples, of);
    sam_metric_set(gauges->eval_round, (double)last->at, of);
}

static void set_work(const gateway_gauges *gauges, const gateway_run *run, const char *const *of)
{
    sam_metric_set(gauges->workers, (double)gateway_run_active_workers(run, sam_wall_ms()), of);
    sam_metric_set(gauges->free, (double)run->ledger.free, of);
    sam_metric_set(gauges->leased, (double)run->ledger.leased, of);
    sam_metric_set(gauges->lost, (double)run->ledger.lost_leases, of);
}

static void set_run(gateway_service *gateway, gateway_run *run)
{
    const char *const of[] = {run->id};
    uint64_t round;
    pthread_mutex_lock(&run->lock);
    set_progress(&gateway->gauges, run, of);
    set_evaluation(&gateway->gauges, run, of);
    set_work(&gateway->gauges, run, of);
    pthread_mutex_unlock(&run->lock);
    sam_metric_add(gateway->gauges.snapshot_bytes, 0, of);
    if (gateway_replicas_round(&gateway->replicas, run, &round))
        sam_metric_set(gateway->gauges.replica_round, (double)round, of);
}

sam_http_next gateway_show_metrics(sam_http_request *request, void *user)
{
    gateway_service *gateway = user;
    const gateway_gauges *gauges = &gateway->gauges;
    sam_buffer text = {0};
    for (gateway_run *run = gateway_runs_first(&gateway->runs); run != NULL; run = run->next)
        set_run(gateway, run);
    sam_metric_set(gauges->replicas, (double)gateway->replicas.count, NULL);
    sam_metric_set(gauges->replicas_in_use, (double)gateway_replicas_in_use(&gateway->replicas), NULL);
    sam_metric_set(gauges->redis_up, gateway_follower_redis_up(&gateway->follower), NULL);
    sam_metric_set(gauges->redis_failures, (double)atomic_load(&gateway->follower.failures), NULL);
    sam_metrics_render(gauges->metrics, &text);
    return sam_http_answer_buffer(request, 200, SAM_METRICS_TYPE, &text);
}
