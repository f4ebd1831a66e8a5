#include "cli/train/training.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/shutdown.h"

#define LOOK_MS     500
#define SAVE_MS     10000
#define PATIENCE_MS 60000 /* with a ledger that does not answer */
#define SAMPLES     40    /* of the speed: the last 20 seconds */

typedef struct sample {
    uint64_t at_ms, records, head;
} sample;

typedef struct watch {
    cli_training *training;
    uint64_t began_ms, next_look_ms, next_save_ms, answered_ms;
    double seconds_before; /* of earlier sessions */
    sam_run_view run;
    uint64_t shown; /* evaluations before this round */
    sample samples[SAMPLES];
    size_t sample_count;
} watch;

/* ---- what is shown ---- */

static void add_sample(watch *w)
{
    const sample now = {sam_monotonic_ms(), w->run.records, w->run.head};
    w->samples[w->sample_count++ % SAMPLES] = now;
}

/* Since the oldest sample that is kept, a second. */
static void speeds(const watch *w, double *records, double *rounds)
{
    size_t oldest = w->sample_count > SAMPLES ? w->sample_count % SAMPLES : 0;
    const sample *from = &w->samples[oldest], *to = &w->samples[(w->sample_count - 1) % SAMPLES];
    double seconds = (double)(to->at_ms - from->at_ms) / 1000;
    *records = seconds > 0 ? (double)(to->records - from->records) / seconds : 0;
    *rounds = seconds > 0 ? (double)(to->head - from->head) / seconds : 0;
}

static double session_seconds(const watch *w)
{
    return (double)(sam_monotonic_ms() - w->began_ms) / 1000;
}

static cli_progress progress_of(const watch *w)
{
    double records, rounds, limit = w->training->settings.minutes * 60, seconds = session_seconds(w);
    speeds(w, &records, &rounds);
    cli_progress at = {
        .round = w->run.head,
        .rounds = w->run.rounds,
        .fraction = w->run.rounds == 0 ? 0 : (double)w->run.head / (double)w->run.rounds,
        .evaluated = w->run.newest_count > 0,
        .probes_per_second = records * w->training->manifest->probes,
        .workers = cli_cluster_running_workers(&w->training->cluster),
        .bytes_sent = cli_out_bytes_sent(&w->training->folder),
        .seconds = w->seconds_before + seconds,
        .seconds_left = rounds > 0 ? (double)(w->run.rounds - w->run.head) / rounds : -1,
    };
    if (w->run.workers > at.workers) /* some were started by hand */
        at.workers = w->run.workers;
    if (at.evaluated) {
        const sam_evaluation *last = &w->run.newest[w->run.newest_count - 1];
        at.dev_loss = (double)last->loss_micro / 1e6 / (double)last->examples;
        at.dev_accuracy = (double)last->correct / (double)last->examples;
    }
    if (limit > 0 && seconds / limit > at.fraction)
        at.fraction = seconds / limit;
    if (limit > 0 && (at.seconds_left < 0 || limit - seconds < at.seconds_left))
        at.seconds_left = limit - seconds;
    return at;
}

/* Each evaluation once; of those that an earlier session made, the last. */
static void show(watch *w)
{
    const sam_run_view *run = &w->run;
    size_t first = w->sample_count == 1 && run->newest_count > 0 ? run->newest_count - 1 : 0;
    for (size_t i = first; i < run->newest_count; i++)
        if (run->newest[i].at >= w->shown) {
            w->shown = run->newest[i].at + 1;
            cli_view_evaluation(&w->training->view, &run->newest[i]);
        }
    const cli_progress at = progress_of(w);
    cli_view_progress(&w->training->view, &at);
}

/* ---- one turn ---- */

/* A ledger that is being started again may miss a few looks. */
static sam_status look(watch *w, sam_error *err)
{
    sam_run_view run;
    sam_status status = sam_run_look(w->training->client, w->training->manifest->id_hex, &run, err);
    if (status != SAM_OK)
        return sam_monotonic_ms() - w->answered_ms < PATIENCE_MS ? SAM_OK : status;
    w->answered_ms = sam_monotonic_ms();
    w->run = run;
    w->training->folder.head = run.head;
    add_sample(w);
    return SAM_OK;
}

/* What a dead worker had leased is given back in its name, so that nobody waits for its lease to expire. */
static void give_back(watch *w)
{
    cli_cluster *cluster = &w->training->cluster;
    while (cluster->departed_count > 0) {
        sam_error err;
        uint32_t worker = cluster->departed[--cluster->departed_count];
        if (sam_run_leave(w->training->client, w->training->manifest->id_hex, worker, &err) != SAM_OK)
            sam_log_info("the leases of worker %u expire by themselves: %s", worker, err.text);
    }
}

static sam_status save(watch *w, sam_error *err)
{
    w->training->folder.seconds = w->seconds_before + session_seconds(w);
    w->next_save_ms = sam_monotonic_ms() + SAVE_MS;
    return cli_out_save(&w->training->folder, err);
}

static sam_status turn(watch *w, sam_error *err)
{
    cli_training *training = w->training;
    sam_status status = cli_cluster_supervise(&training->cluster, &training->view, err);
    if (status != SAM_OK || sam_monotonic_ms() < w->next_look_ms)
        return status;
    w->next_look_ms = sam_monotonic_ms() + LOOK_MS;
    bool nobody = cli_cluster_running_workers(&training->cluster) == 0;
    give_back(w);
    status = look(w, err);
    if (status != SAM_OK || w->sample_count == 0)
        return status;
    if (nobody && !w->run.complete)
        status = cli_cluster_restart_worker(&training->cluster, &training->view, err);
    show(w);
    if (status == SAM_OK && sam_monotonic_ms() >= w->next_save_ms)
        status = save(w, err);
    return status;
}

static bool over(const watch *w)
{
    double limit = w->training->settings.minutes * 60;
    return w->run.complete || (limit > 0 && session_seconds(w) >= limit);
}

sam_status cli_watch(cli_training *training, sam_error *err)
{
    watch w = {.training = training, .began_ms = sam_monotonic_ms(), .seconds_before = training->folder.seconds};
    w.answered_ms = w.began_ms;
    w.next_save_ms = w.began_ms + SAVE_MS;
    sam_status status = SAM_OK;
    while (status == SAM_OK && !over(&w) && !sam_shutdown_requested()) {
        status = turn(&w, err);
        if (status == SAM_OK && !over(&w))
            sam_sleep_ms(50);
    }
    cli_view_end(&training->view);
    training->interrupted = sam_shutdown_requested();
    sam_error ignored;
    sam_status saved = save(&w, status == SAM_OK ? err : &ignored);
    return status == SAM_OK ? saved : status;
}
