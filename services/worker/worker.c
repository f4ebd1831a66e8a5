#include "worker/worker.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/shutdown.h"
#include "client/received.h"
#include "client/session.h"
#include "train/dataset.h"
#include "train/replica.h"
#include "train/trainer.h"
#include "worker/key.h"
#include "worker/run_log.h"
#include "worker/startup_timing.h"

#include <stdio.h>
#include <string.h>

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

    /* what the next sync carries, and what the last one gave */
    sam_result result;
    bool finished; /* `result` holds something */
    uint8_t *codes;
    sam_lease *leases;
    size_t lease_count, next_lease;
    bool complete;

    uint64_t slots, evaluations;
    sam_startup_timing startup;
} sam_worker;

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

static sam_status join(sam_worker *worker, sam_error *err)
{
    const sam_member member = {.name = worker->options->name,
                               .kernel = sam_engine_kernels(worker->engine)->name,
                               .threads = sam_engine_threads(worker->engine),
                               .evaluates = worker->options->dev != NULL,
                               .key = worker->manifest->signed_records ? &worker->key : NULL};
    return sam_http_transport.join(worker->session, &member, err);
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
    if (status == SAM_OK && (worker->codes = sam_alloc(sam_mode_codes(worker->manifest), 1)) == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    if (status == SAM_OK && worker->manifest->signed_records)
        status = open_key(worker, err);
    if (status == SAM_OK)
        status = join(worker, err);
    sam_startup_step(&worker->startup, "engine and join");
    return status;
}

static void close_parts(sam_worker *worker)
{
    sam_trainer_free(worker->trainer);
    sam_engine_free(worker->engine);
    sam_replica_free(worker->replica);
    sam_dataset_free(worker->train);
    sam_dataset_free(worker->dev);
    sam_task_free(worker->task);
    sam_model_close(worker->model);
    sam_run_log_close(worker->log);
    sam_session_close(worker->session);
    sam_free(worker->codes);
    sam_free(worker->leases);
    sam_signing_key_wipe(&worker->key);
}

/* ---- a turn ---- */

static long resident_mb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * 4 / 1024;
}

static void write_status(const sam_worker *worker)
{
    if (worker->options->status_file == NULL)
        return;
    sam_traffic traffic = sam_session_traffic(worker->session);
    char text[320];
    int length =
        snprintf(text, sizeof text,
                 "{\"worker\":%u,\"round\":%llu,\"slots\":%llu,\"evaluations\":%llu,\"bytes_sent\":%llu,"
                 "\"bytes_received\":%llu,\"rss_mb\":%ld}\n",
                 traffic.worker, (unsigned long long)sam_replica_rounds(worker->replica),
                 (unsigned long long)worker->slots, (unsigned long long)worker->evaluations,
                 (unsigned long long)traffic.bytes_sent, (unsigned long long)traffic.bytes_received, resident_mb());
    sam_error err;
    if (sam_file_write(worker->options->status_file, text, (size_t)length, &err) != SAM_OK)
        sam_log_warn("%s", err.text);
}

static sam_status take_reply(sam_worker *worker, const sam_sync_reply *reply, sam_error *err)
{
    sam_status status =
        sam_replica_put_encoded(worker->replica, reply->rounds, reply->round_lengths, reply->round_count, err);
    uint64_t rounds = sam_replica_rounds(worker->replica);
    if (status == SAM_OK && rounds >= reply->head) /* else the next reply brings more, and one move does for all */
        status = sam_replica_seek(worker->replica, rounds, err);
    if (status != SAM_OK)
        return status;
    sam_run_log_add(worker->log, reply->rounds, reply->round_lengths, reply->round_count);
    sam_free(worker->leases);
    worker->leases = sam_alloc(reply->lease_count, sizeof *worker->leases);
    if (worker->leases == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu leases", reply->lease_count);
    if (reply->lease_count > 0)
        memcpy(worker->leases, reply->leases, reply->lease_count * sizeof *worker->leases);
    worker->lease_count = reply->lease_count;
    worker->next_lease = 0;
    worker->complete = reply->status == SAM_RUN_COMPLETE && reply->lease_count == 0 &&
                       sam_replica_rounds(worker->replica) >= reply->head;
    return SAM_OK;
}

/* Says what is finished, and takes rounds and leases. */
static sam_status sync(sam_worker *worker, bool leaving, sam_error *err)
{
    sam_sync_request request = {
        .cursor = sam_replica_rounds(worker->replica),
        .wants = leaving ? 0 : 1,
        .wait_ms = leaving ? 0 : worker->options->wait_ms,
        .leaving = leaving,
        .results = &worker->result,
        .result_count = worker->finished ? 1 : 0,
    };
    sam_sync_reply reply = {0};
    sam_status status = leaving ? sam_http_transport.leave(worker->session, &request, &reply, err)
                                : sam_http_transport.turn(worker->session, 0, &request, &reply, err);
    if (status == SAM_OK)
        status = sam_received_add(&worker->received, request.cursor, &reply, err);
    if (status != SAM_OK) {
        sam_sync_reply_free(&reply);
        return status;
    }
    worker->finished = false;
    if (reply.refused > 0)
        sam_log_info("%u result came too late", reply.refused);
    status = leaving ? SAM_OK : take_reply(worker, &reply, err);
    sam_sync_reply_free(&reply);
    return status;
}

static sam_status compute_slot(sam_worker *worker, const sam_lease *lease, sam_error *err)
{
    sam_record record = {.round = lease->round, .place = lease->index};
    sam_status status = sam_trainer_record(worker->trainer, &record, err);
    if (status != SAM_OK)
        return status;
    memcpy(worker->codes, record.codes, record.code_count);
    worker->result.codes = worker->codes;
    worker->result.code_count = record.code_count;
    worker->result.weight = record.weight;
    worker->result.loss = record.loss;
    worker->slots++;
    sam_startup_step(&worker->startup, "slot");
    sam_startup_finish(&worker->startup);
    sam_log_debug("round %llu slot %u: loss %.4f", (unsigned long long)lease->round, lease->index,
                  sam_loss_in_nats(record.loss));
    return SAM_OK;
}

/* Chunk c of n holds examples [count c / n, count (c + 1) / n). */
static sam_status evaluate_chunk(sam_worker *worker, const sam_lease *lease, sam_error *err)
{
    size_t total = sam_dataset_count(worker->dev), chunks = worker->manifest->evaluation.chunks;
    size_t first = total * lease->index / chunks, count = total * (lease->index + (size_t)1) / chunks - first;
    sam_outcome *outcomes = sam_alloc(count, sizeof *outcomes);
    if (outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory evaluating %zu examples", count);
    sam_status status = sam_trainer_evaluate(worker->trainer, worker->dev, first, count, outcomes, err);
    if (status == SAM_OK) {
        worker->result.evaluation = sam_evaluation_of(worker->dev, first, count, outcomes, lease->round);
        worker->evaluations++;
        sam_startup_step(&worker->startup, "an evaluation");
    }
    sam_free(outcomes);
    return status;
}

static bool can_do(const sam_worker *worker, const sam_lease *lease)
{
    if (lease->kind == SAM_WORK_EVALUATION)
        return worker->dev != NULL && lease->round <= sam_replica_rounds(worker->replica) &&
               lease->index < worker->manifest->evaluation.chunks;
    if (lease->kind == SAM_WORK_CHECK)
        return lease->round <= sam_replica_rounds(worker->replica);
    return lease->kind == SAM_WORK_SLOT && lease->round == sam_replica_rounds(worker->replica);
}

/* Computes one lease into `result`, and leaves the replica at the head. */
static sam_status work(sam_worker *worker, const sam_lease *lease, sam_error *err)
{
    if (!can_do(worker, lease)) {
        sam_log_warn("a lease for %s %u of round %llu cannot be done here; it will expire",
                     lease->kind == SAM_WORK_EVALUATION ? "evaluation" : "slot", lease->index,
                     (unsigned long long)lease->round);
        return SAM_OK;
    }
    uint64_t began = sam_monotonic_ms(), head = sam_replica_rounds(worker->replica);
    worker->result = (sam_result){.kind = lease->kind, .round = lease->round, .index = lease->index};
    sam_startup_step(&worker->startup, "rounds and lease");
    sam_status status = sam_replica_seek(worker->replica, lease->round, err);
    if (status == SAM_OK)
        status =
            lease->kind == SAM_WORK_EVALUATION ? evaluate_chunk(worker, lease, err) : compute_slot(worker, lease, err);
    if (status == SAM_OK)
        status = sam_replica_seek(worker->replica, head, err);
    worker->result.elapsed_ms = (uint32_t)(sam_monotonic_ms() - began);
    worker->finished = status == SAM_OK;
    return status;
}

static sam_status loop(sam_worker *worker, sam_error *err)
{
    sam_status status = SAM_OK;
    while (status == SAM_OK && !worker->complete && !sam_shutdown_asked()) {
        if (worker->next_lease < worker->lease_count && !worker->finished)
            status = work(worker, &worker->leases[worker->next_lease++], err);
        else
            status = sync(worker, false, err);
        write_status(worker);
    }
    return status == SAM_CANCELLED && sam_shutdown_asked() ? SAM_OK : status;
}

/* For whoever compares replicas: the same rounds must have led every one of them here. */
static void say_digest(const sam_worker *worker)
{
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_replica_digest(worker->replica, &digest);
    sam_digest_hex(hex, &digest);
    sam_log_info("the state after %llu rounds has the digest %s",
                 (unsigned long long)sam_replica_round(worker->replica), hex);
}

sam_status sam_worker_run(const sam_worker_options *options, sam_error *err)
{
    sam_worker worker = {.options = options};
    sam_startup_begin(&worker.startup);
    sam_status status = open_parts(&worker, err);
    bool joined = status == SAM_OK;
    if (status == SAM_OK)
        status = loop(&worker, err);
    else if (status == SAM_CANCELLED && sam_shutdown_asked())
        status = SAM_OK;
    sam_error goodbye;
    bool dismissed = status == SAM_FORBIDDEN; /* in quarantine, or without a token: no goodbye is heard */
    if (joined && !worker.complete && !dismissed && sync(&worker, true, &goodbye) != SAM_OK)
        sam_log_warn("could not say goodbye: %s", goodbye.text);
    if (joined) {
        write_status(&worker);
        say_digest(&worker);
        sam_log_info("leaves after %llu slots and %llu evaluations, %llu bytes sent", (unsigned long long)worker.slots,
                     (unsigned long long)worker.evaluations,
                     (unsigned long long)sam_session_traffic(worker.session).bytes_sent);
    }
    close_parts(&worker);
    return status;
}
