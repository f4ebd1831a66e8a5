#include "worker/worker.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "base/usage.h"
#include "client/pipeline.h"
#include "client/session.h"
#include "train/dataset.h"
#include "train/replica.h"
#include "train/trainer.h"
#include "worker/key.h"
#include "worker/run_log.h"
#include "worker/startup_timing.h"

#include <stdio.h>
#include <string.h>

/* The status file is rewritten at most so often, after the first slot. */
#define STATUS_MS 250u

typedef struct sam_worker {
    const sam_worker_options *options;
    sam_session *session;
    sam_received received;
    const sam_manifest *manifest;
    sam_model *model;
    sam_task *task;
    sam_dataset *train, *dev;
    sam_engine *engine;
    sam_replica *replica;
    sam_trainer *trainer;
    sam_signing_key key;
    sam_run_log *log; /* NULL: it is written nowhere */

    sam_pipeline *pipeline;

    uint64_t slots, evaluations, status_ms; /* when the status file was written last */
    sam_startup_timing startup;
} sam_worker;

/* ---- telling how it goes ---- */

static void write_status(sam_worker *worker)
{
    if (worker->options->status_file == NULL)
        return;
    worker->status_ms = sam_monotonic_ms();
    sam_traffic traffic = sam_session_traffic(worker->session);
    sam_pipeline_figures figures = sam_pipeline_look(worker->pipeline);
    char text[480];
    int length = snprintf(
        text, sizeof text,
        "{\"worker\":%u,\"round\":%llu,\"slots\":%llu,\"evaluations\":%llu,\"late\":%llu,\"dropped\":%llu,"
        "\"computing_s\":%.3f,\"applying_s\":%.3f,\"waiting_s\":%.3f,\"bytes_sent\":%llu,"
        "\"bytes_received\":%llu,\"rss_mb\":%llu}\n",
        traffic.worker, (unsigned long long)sam_replica_rounds(worker->replica), (unsigned long long)worker->slots,
        (unsigned long long)worker->evaluations, (unsigned long long)figures.late, (unsigned long long)figures.dropped,
        figures.computing_s, figures.applying_s, figures.waiting_s, (unsigned long long)traffic.bytes_sent,
        (unsigned long long)traffic.bytes_received,
        (unsigned long long)sam_usage_kb("/proc/self/status", "VmRSS") / 1024);
    sam_error err;
    if (sam_file_write(worker->options->status_file, text, (size_t)length, &err) != SAM_OK)
        sam_log_warn("%s", err.text);
}

/* The pipeline's callback. The file is synced to the disk, which takes longer than a small slot. */
static void progress(void *user)
{
    sam_worker *worker = user;
    sam_startup_step(&worker->startup, "join");
    if (worker->slots <= 1 || sam_monotonic_ms() - worker->status_ms >= STATUS_MS)
        write_status(worker);
}

/* ---- rounds ---- */

/* The pipeline's callback, on a thread of its own: rounds are in the file before the ledger hears that they are here.
 */
static void received(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t count)
{
    sam_worker *worker = user;
    sam_run_log_add(worker->log, rounds, lengths, count);
}

/* The state moves with the next lease, to where that needs it: so a long log is one move. */
static sam_status apply(void *user, const uint8_t *const *rounds, const size_t *lengths, size_t count, sam_error *err)
{
    sam_worker *worker = user;
    return sam_replica_put_encoded(worker->replica, rounds, lengths, count, err);
}

/* ---- leases ---- */

/* The trainer moves the replica to where the place is computed: with a lag that is behind the head. */
static sam_status make_record(sam_worker *worker, const sam_lease *lease, sam_result *result, sam_error *err)
{
    sam_record record = {.round = lease->round, .place = lease->index};
    sam_status status = sam_trainer_record(worker->trainer, &record, err);
    if (status != SAM_OK)
        return status == SAM_NOT_FOUND || status == SAM_CONFLICT ? SAM_UNSUPPORTED : status;
    result->codes = sam_alloc(record.code_count, 1);
    if (result->codes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %u codes", record.code_count);
    memcpy(result->codes, record.codes, record.code_count);
    result->code_count = record.code_count;
    result->weight = record.weight;
    result->loss = record.loss;
    worker->slots++;
    sam_startup_step(&worker->startup, "slot");
    sam_startup_finish(&worker->startup);
    sam_log_debug("round %llu slot %u: loss %.4f", (unsigned long long)lease->round, lease->index,
                  sam_loss_in_nats(record.loss));
    return SAM_OK;
}

/* Chunk c of n holds examples [count c / n, count (c + 1) / n). */
static sam_status evaluate_chunk(sam_worker *worker, const sam_lease *lease, sam_result *result, sam_error *err)
{
    size_t total = sam_dataset_count(worker->dev), chunks = worker->manifest->evaluation.chunks;
    size_t first = total * lease->index / chunks, count = total * (lease->index + (size_t)1) / chunks - first;
    sam_outcome *outcomes = sam_alloc(count, sizeof *outcomes);
    if (outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory evaluating %zu examples", count);
    sam_status status = sam_trainer_evaluate(worker->trainer, worker->dev, first, count, outcomes, err);
    if (status == SAM_OK) {
        result->evaluation = sam_evaluation_of(worker->dev, first, count, outcomes, lease->round);
        worker->evaluations++;
        sam_startup_step(&worker->startup, "an evaluation");
    }
    sam_free(outcomes);
    return status;
}

static sam_status evaluate(sam_worker *worker, const sam_lease *lease, sam_result *result, sam_error *err)
{
    if (worker->dev == NULL || lease->round > sam_replica_rounds(worker->replica) ||
        lease->index >= worker->manifest->evaluation.chunks)
        return sam_fail(err, SAM_UNSUPPORTED, "chunk %u of the state before round %llu cannot be evaluated here",
                        lease->index, (unsigned long long)lease->round);
    sam_status status = sam_replica_seek(worker->replica, lease->round, err);
    return status == SAM_OK ? evaluate_chunk(worker, lease, result, err) : status;
}

/* The pipeline's callback. */
static sam_status compute(void *user, const sam_lease *lease, sam_result *result, sam_error *err)
{
    sam_worker *worker = user;
    sam_startup_step(&worker->startup, "rounds and lease");
    return sam_work_kind_of(lease->kind)->yields == SAM_YIELDS_RECORD ? make_record(worker, lease, result, err)
                                                                      : evaluate(worker, lease, result, err);
}

/* ---- getting ready ---- */

static sam_status check_digest(const char *what, const char *path, const sam_dataset *data, const sam_digest *expected,
                               sam_error *err)
{
    if (sam_digest_equal(sam_dataset_digest(data), expected))
        return SAM_OK;
    return sam_fail(err, SAM_MISMATCH, "%s is not the run's %s data: its digest differs from the manifest's", path,
                    what);
}

static sam_status load_data(sam_worker *worker, sam_error *err)
{
    const sam_worker_options *options = worker->options;
    const sam_tokenizer *tokenizer = sam_model_tokenizer(worker->model);
    uint32_t context = sam_model_configuration(worker->model)->context;
    if (tokenizer == NULL)
        return sam_fail(err, SAM_UNSUPPORTED, "%s has no tokenizer", options->model);
    sam_status status = sam_task_parse(&worker->task, worker->manifest->task, strlen(worker->manifest->task),
                                       "the manifest's task", err);
    if (status == SAM_OK)
        status = sam_dataset_load(&worker->train, worker->task, tokenizer, context, options->train, err);
    if (status == SAM_OK)
        status = check_digest("training", options->train, worker->train, &worker->manifest->train, err);
    if (status == SAM_OK && options->dev != NULL)
        status = sam_dataset_load(&worker->dev, worker->task, tokenizer, context, options->dev, err);
    if (status == SAM_OK && options->dev != NULL)
        status = check_digest("dev", options->dev, worker->dev, &worker->manifest->dev, err);
    return status;
}

static sam_status open_key(sam_worker *worker, sam_error *err)
{
    if (worker->options->key == NULL)
        return sam_fail(err, SAM_INVALID,
                        "the run wants signed records: name the file of this worker's key with --key; it is made there "
                        "if there is none");
    return sam_worker_key(&worker->key, worker->options->key, err);
}

/* Begins with the rounds that the log file has. */
static sam_status open_log(sam_worker *worker, sam_error *err)
{
    sam_samlog *past;
    if (worker->options->log == NULL)
        return SAM_OK;
    sam_status status = sam_run_log_open(&worker->log, worker->options->log, worker->manifest, &past, err);
    if (status != SAM_OK || past == NULL)
        return status;
    status = sam_replica_put_log(worker->replica, past, sam_samlog_rounds(past), err);
    worker->received = (sam_received){sam_samlog_rounds(past), *sam_samlog_chain(past)};
    sam_log_info("goes on after the %llu rounds in %s", (unsigned long long)sam_samlog_rounds(past),
                 worker->options->log);
    sam_samlog_close(past);
    return status;
}

static sam_status open_pipeline(sam_worker *worker, sam_error *err)
{
    const sam_pipeline_options options = {
        .transport = &sam_http_transport,
        .state = worker->session,
        .member = {.name = worker->options->name,
                   .kernel = sam_engine_kernels(worker->engine)->name,
                   .threads = sam_engine_threads(worker->engine),
                   .evaluates = worker->options->dev != NULL,
                   .key = worker->manifest->signed_records ? &worker->key : NULL},
        .received = worker->received,
        .ahead = worker->options->ahead,
        .wait_ms = worker->options->wait_ms,
        .work = {.apply = apply, .compute = compute, .received = received, .progress = progress, .user = worker},
    };
    return sam_pipeline_new(&worker->pipeline, &options, err);
}

static sam_status open_parts(sam_worker *worker, sam_error *err)
{
    const sam_worker_options *options = worker->options;
    const sam_session_options where = {options->ledger, options->run, options->token_file, options->ca_file};
    sam_status status = sam_session_open(&worker->session, &where, err);
    if (status != SAM_OK)
        return status;
    worker->manifest = sam_session_manifest(worker->session);
    worker->received = (sam_received){0, worker->manifest->id};
    sam_startup_step(&worker->startup, "manifest");
    status = sam_model_open(&worker->model, options->model, err);
    sam_startup_step(&worker->startup, "model");
    if (status == SAM_OK)
        status = sam_replica_new(&worker->replica, worker->model, worker->manifest, err);
    if (status == SAM_OK)
        status = open_log(worker, err);
    if (status == SAM_OK)
        status = load_data(worker, err);
    sam_startup_step(&worker->startup, "data");
    sam_engine_options engine = options->engine;
    if (engine.kernel == NULL)
        engine.kernel = worker->manifest->kernel;
    if (status == SAM_OK)
        status = sam_engine_new(&worker->engine, worker->model, &engine, err);
    const sam_trainer_parts parts = {worker->engine, worker->replica, worker->manifest, worker->train, options->cache};
    if (status == SAM_OK)
        status = sam_trainer_new(&worker->trainer, &parts, err);
    if (status == SAM_OK && worker->manifest->signed_records)
        status = open_key(worker, err);
    sam_startup_step(&worker->startup, "engine");
    return status == SAM_OK ? open_pipeline(worker, err) : status;
}

static void close_parts(sam_worker *worker)
{
    sam_pipeline_free(worker->pipeline);
    sam_trainer_free(worker->trainer);
    sam_engine_free(worker->engine);
    sam_replica_free(worker->replica);
    sam_dataset_free(worker->train);
    sam_dataset_free(worker->dev);
    sam_task_free(worker->task);
    sam_model_close(worker->model);
    sam_run_log_close(worker->log);
    sam_session_close(worker->session);
    sam_signing_key_wipe(&worker->key);
}

/* ---- the end ---- */

/* For whoever compares replicas: the same rounds must have led every one of them here. */
static void log_digest(sam_worker *worker)
{
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_error err;
    if (sam_replica_seek(worker->replica, sam_replica_rounds(worker->replica), &err) != SAM_OK) {
        sam_log_error("%s", err.text);
        return;
    }
    sam_replica_digest(worker->replica, &digest);
    sam_digest_hex(hex, &digest);
    sam_log_info("the state after %llu rounds has the digest %s",
                 (unsigned long long)sam_replica_round(worker->replica), hex);
}

static void log_figures(sam_worker *worker)
{
    sam_pipeline_figures figures = sam_pipeline_look(worker->pipeline);
    sam_log_info("leaves after %llu slots and %llu evaluations, %llu bytes sent", (unsigned long long)worker->slots,
                 (unsigned long long)worker->evaluations,
                 (unsigned long long)sam_session_traffic(worker->session).bytes_sent);
    sam_log_info("it computed for %.1f s, applied rounds for %.1f s, and waited for work for %.1f s; %llu results came "
                 "too late, %llu leases were out of time",
                 figures.computing_s, figures.applying_s, figures.waiting_s, (unsigned long long)figures.late,
                 (unsigned long long)figures.dropped);
}

sam_status sam_worker_run(const sam_worker_options *options, sam_error *err)
{
    sam_worker worker = {.options = options};
    sam_startup_begin(&worker.startup);
    sam_status status = open_parts(&worker, err);
    if (status == SAM_OK)
        status = sam_pipeline_run(worker.pipeline, err);
    else if (status == SAM_CANCELLED && sam_shutdown_requested())
        status = SAM_OK;
    if (worker.pipeline != NULL && sam_pipeline_look(worker.pipeline).joined) {
        write_status(&worker);
        log_digest(&worker);
        log_figures(&worker);
    }
    close_parts(&worker);
    return status;
}
