#include "cli/shared/recheck.h"

#include "base/memory.h"
#include "seed/code.h"

#include <math.h>
#include <string.h>

/* ---- which slots ---- */

bool cli_recheck_takes(const cli_recheck *check, const sam_digest *run, uint64_t round, uint32_t slot)
{
    sam_buffer text = {0};
    sam_digest digest;
    uint64_t drawn;
    sam_put_bytes(&text, run->bytes, SAM_DIGEST_BYTES);
    sam_put_u64(&text, check->seed);
    sam_put_u64(&text, round);
    sam_put_u32(&text, slot);
    sam_digest_of(&digest, text.bytes, text.length);
    sam_buffer_free(&text);
    memcpy(&drawn, digest.bytes, sizeof drawn);
    return ldexp((double)(drawn >> 11), -53) < check->share;
}

static uint64_t count_slots(const cli_recheck *check, const sam_manifest *manifest, uint64_t rounds)
{
    uint64_t count = 0;
    for (uint64_t r = check->from; r < rounds; r++)
        for (uint32_t slot = 0; slot < manifest->slots; slot++)
            count += cli_recheck_takes(check, &manifest->id, r, slot);
    return count;
}

/* ---- what came out ---- */

/* Keeps the list in ascending order. */
static cli_worker_check *worker_of(cli_recheck *check, uint32_t number)
{
    size_t at = 0;
    while (at < check->worker_count && check->workers[at].worker < number)
        at++;
    if (at < check->worker_count && check->workers[at].worker == number)
        return &check->workers[at];
    cli_worker_check *workers = sam_realloc(check->workers, check->worker_count + 1, sizeof *workers);
    if (workers == NULL)
        return NULL;
    memmove(workers + at + 1, workers + at, (check->worker_count - at) * sizeof *workers);
    workers[at] = (cli_worker_check){.worker = number};
    check->workers = workers;
    check->worker_count++;
    return &workers[at];
}

static bool keep_difference(cli_recheck *check, const cli_code_difference *difference)
{
    if (check->difference_count == check->difference_room) {
        size_t room = check->difference_room == 0 ? 64 : 2 * check->difference_room;
        cli_code_difference *differences = sam_realloc(check->differences, room, sizeof *differences);
        if (differences == NULL)
            return false;
        check->differences = differences;
        check->difference_room = room;
    }
    check->differences[check->difference_count++] = *difference;
    return true;
}

static void weigh(cli_worker_check *worker, uint8_t in_log, uint8_t here, unsigned tolerance)
{
    unsigned steps = sam_code_steps(in_log, here);
    double a = (double)sam_code_value(in_log), b = (double)sam_code_value(here);
    worker->codes++;
    worker->same += steps == 0;
    worker->near += steps > 0 && steps <= tolerance;
    worker->beyond += steps > tolerance;
    worker->largest = steps > worker->largest ? steps : worker->largest;
    worker->log_square += a * a;
    worker->here_square += b * b;
    worker->product += a * b;
}

bool cli_recheck_add(cli_recheck *check, const cli_code_difference *of, const uint8_t *in_log, const uint8_t *here,
                     uint32_t probes)
{
    cli_worker_check *worker = worker_of(check, of->worker);
    if (worker == NULL)
        return false;
    worker->slots++;
    check->slots++;
    for (uint32_t p = 0; p < probes; p++) {
        weigh(worker, in_log[p], here[p], check->tolerance);
        cli_code_difference difference = *of;
        difference.probe = p;
        difference.in_log = in_log[p];
        difference.here = here[p];
        if (in_log[p] != here[p] && !keep_difference(check, &difference))
            return false;
    }
    return true;
}

double cli_worker_agreement(const cli_worker_check *worker)
{
    double scale = sqrt(worker->log_square) * sqrt(worker->here_square);
    return scale > 0 ? worker->product / scale : (double)NAN;
}

/* ---- computing ---- */

static sam_status recheck_record(cli_recheck *check, cli_evaluator *evaluator, const sam_record *record, sam_error *err)
{
    const cli_code_difference of = {.round = record->round, .slot = record->place, .worker = record->author};
    sam_record here = {.round = record->round, .place = record->place, .author = record->author};
    sam_status status = sam_trainer_record(evaluator->trainer, &here, err);
    if (status == SAM_OK && !cli_recheck_add(check, &of, record->codes, here.codes, here.code_count))
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for what differs");
    return status;
}

typedef struct sweep {
    uint64_t done, total; /* slots of the sample */
    const sam_progress *watcher;
} sweep;

static sam_status recheck_round(cli_recheck *check, cli_evaluator *evaluator, uint64_t number, sweep *now,
                                sam_error *err)
{
    const sam_samlog *log = evaluator->checkpoint.log;
    const sam_manifest *manifest = sam_samlog_manifest(log);
    sam_round round = {0};
    sam_status status = sam_samlog_decode(log, number, &round, err);
    for (uint32_t slot = 0; status == SAM_OK && slot < manifest->slots; slot++) {
        if (!cli_recheck_takes(check, &manifest->id, number, slot))
            continue;
        const sam_record *record = sam_round_at(&round, slot);
        if (record != NULL) /* nobody computed it otherwise */
            status = recheck_record(check, evaluator, record, err);
        if (status == SAM_OK && !now->watcher->step(now->watcher->user, (size_t)++now->done, (size_t)now->total))
            status = sam_fail(err, SAM_CANCELLED, "told to stop");
    }
    sam_round_free(&round);
    return status;
}

sam_status cli_recheck_run(cli_recheck *check, cli_evaluator *evaluator, const sam_progress *watcher, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(evaluator->checkpoint.log);
    uint64_t rounds = sam_samlog_rounds(evaluator->checkpoint.log);
    sweep now = {.watcher = watcher};
    check->from = manifest->parent.round < rounds ? manifest->parent.round : rounds;
    now.total = count_slots(check, manifest, rounds);
    sam_status status = SAM_OK;
    for (uint64_t r = check->from; r < rounds && status == SAM_OK; r++)
        status = recheck_round(check, evaluator, r, &now, err);
    return status;
}

void cli_recheck_free(cli_recheck *check)
{
    sam_free(check->workers);
    sam_free(check->differences);
    *check = (cli_recheck){0};
}
