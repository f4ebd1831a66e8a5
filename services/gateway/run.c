#include "gateway/run.h"

#include "base/memory.h"
#include "run/samlog.h"
#include "seed/code.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

gateway_run *gateway_run_new(sam_manifest *manifest)
{
    gateway_run *run = sam_alloc(1, sizeof *run);
    if (run == NULL)
        return NULL;
    run->places = sam_alloc(1, sizeof *run->places);
    sam_samlog_put_head(&run->log, manifest);
    if (run->places == NULL || run->log.failed) {
        sam_buffer_free(&run->log);
        sam_free(run->places);
        sam_free(run);
        return NULL;
    }
    pthread_mutex_init(&run->lock, NULL);
    run->places[0] = run->log.length;
    run->tally.train_loss = (double)NAN;
    run->manifest = manifest;
    run->shape = sam_manifest_shape(manifest);
    memcpy(run->id, manifest->id_hex, sizeof run->id);
    return run;
}

void gateway_run_free(gateway_run *run)
{
    if (run == NULL)
        return;
    pthread_mutex_destroy(&run->lock);
    sam_manifest_free(run->manifest);
    sam_buffer_free(&run->log);
    sam_free(run->places);
    sam_free(run->workers);
    sam_free(run->evaluations);
    sam_free(run);
}

/* ---- lists that grow, sorted ---- */

/* Room for one element more in a list of `count`. */
static bool grow(void **list, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return true;
    size_t wanted = *room == 0 ? 8 : 2 * *room;
    void *grown = sam_realloc(*list, wanted, size);
    if (grown == NULL)
        return false;
    *list = grown;
    *room = wanted;
    return true;
}

/* Where the worker stands, or would stand. */
static size_t place_of(const gateway_run *run, uint32_t number)
{
    size_t low = 0, high = run->worker_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run->workers[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

gateway_worker *gateway_run_known_worker(gateway_run *run, uint32_t number)
{
    size_t place = place_of(run, number);
    return place < run->worker_count && run->workers[place].number == number ? &run->workers[place] : NULL;
}

gateway_worker *gateway_run_worker(gateway_run *run, uint32_t number)
{
    size_t place = place_of(run, number);
    if (place < run->worker_count && run->workers[place].number == number)
        return &run->workers[place];
    void *list = run->workers;
    if (!grow(&list, run->worker_count, &run->worker_room, sizeof *run->workers))
        return NULL;
    run->workers = list;
    memmove(run->workers + place + 1, run->workers + place, (run->worker_count - place) * sizeof *run->workers);
    run->workers[place] = (gateway_worker){.number = number};
    run->worker_count++;
    return &run->workers[place];
}

sam_worker_status gateway_worker_status(const gateway_run *run, const gateway_worker *worker, uint64_t now_ms)
{
    return sam_schema_worker_status_of(worker->quarantined, worker->left, worker->seen_ms, now_ms,
                                       run->manifest->lease_ms);
}

size_t gateway_run_active_workers(const gateway_run *run, uint64_t now_ms)
{
    size_t count = 0;
    for (size_t i = 0; i < run->worker_count; i++)
        count += run->workers[i].listed && gateway_worker_status(run, &run->workers[i], now_ms) == SAM_WORKER_IS_ACTIVE;
    return count;
}

bool gateway_run_evaluated(gateway_run *run, const sam_evaluation *sums, bool in_log)
{
    size_t at = run->evaluation_count;
    while (at > 0 && run->evaluations[at - 1].sums.at >= sums->at)
        at--;
    if (at < run->evaluation_count && run->evaluations[at].sums.at == sums->at) {
        if (in_log || !run->evaluations[at].in_log)
            run->evaluations[at] = (gateway_evaluation){*sums, in_log};
        return true;
    }
    void *list = run->evaluations;
    if (!grow(&list, run->evaluation_count, &run->evaluation_room, sizeof *run->evaluations))
        return false;
    run->evaluations = list;
    memmove(run->evaluations + at + 1, run->evaluations + at, (run->evaluation_count - at) * sizeof *run->evaluations);
    run->evaluations[at] = (gateway_evaluation){*sums, in_log};
    run->evaluation_count++;
    return true;
}

/* ---- appending ---- */

static const uint8_t *chain_of(const gateway_run *run, uint64_t round)
{
    return round == 0 ? run->manifest->id.bytes : run->log.bytes + run->places[round] - SAM_DIGEST_BYTES;
}

/* All the memory that a round needs, before anything is changed. */
static bool make_room(gateway_run *run, const sam_round *round)
{
    if (run->rounds + 1 >= run->room) {
        uint64_t room = run->room == 0 ? 256 : 2 * run->room;
        size_t *places = sam_realloc(run->places, room + 1, sizeof *places);
        if (places == NULL)
            return false;
        run->places = places;
        run->room = room;
    }
    for (size_t i = 0; i < round->record_count; i++)
        if (gateway_run_worker(run, round->records[i].author) == NULL)
            return false;
    return true;
}

static void tally_round(gateway_run *run, const sam_round *round)
{
    gateway_tally *tally = &run->tally;
    gateway_figures figures = {.committed_ms = round->committed_ms};
    tally->no_value_slots += run->shape.places - round->record_count;
    for (size_t i = 0; i < round->record_count; i++) {
        const sam_record *record = &round->records[i];
        uint32_t valued = 0;
        for (uint32_t c = 0; c < record->code_count; c++) {
            double value = (double)sam_code_value(record->codes[c]);
            figures.squares += value * value;
            valued += sam_code_has_value(record->codes[c]);
        }
        figures.probes += valued;
        tally->no_value_slots += valued == 0;
        gateway_worker *worker = gateway_run_worker(run, record->author);
        if (worker != NULL) {
            tally->records++;
            worker->records++;
            worker->last_round = round->number;
        }
    }
    tally->probes += figures.probes;
    tally->committed_ms = round->committed_ms;
    tally->train_loss = sam_round_loss(round);
    tally->recent[round->number % GATEWAY_RECENT] = figures;
}

static sam_status append_checked(gateway_run *run, const sam_round *round, const uint8_t *bytes, size_t length,
                                 sam_error *err)
{
    bool good = make_room(run, round);
    for (size_t i = 0; good && i < round->evaluation_count; i++)
        good = gateway_run_evaluated(run, &round->evaluations[i], true);
    uint8_t *place = good ? sam_buffer_extend(&run->log, length + 4) : NULL;
    if (place == NULL) {
        run->log.failed = false; /* what is there is whole */
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for round %" PRIu64 " of run %.12s", round->number, run->id);
    }
    sam_store_u32(place, (uint32_t)length);
    memcpy(place + 4, bytes, length);
    run->places[++run->rounds] = run->log.length;
    tally_round(run, round);
    return SAM_OK;
}

sam_status gateway_run_append(gateway_run *run, const uint8_t *bytes, size_t length, sam_error *err)
{
    sam_round round = {0};
    sam_digest previous;
    pthread_mutex_lock(&run->lock);
    memcpy(previous.bytes, chain_of(run, run->rounds), sizeof previous.bytes);
    sam_status status = sam_round_decode(&round, &run->shape, bytes, length, err);
    if (status == SAM_OK && round.number != run->rounds)
        status = sam_fail(err, SAM_CONFLICT, "round %" PRIu64 " stands where round %" PRIu64 " comes next",
                          round.number, run->rounds);
    if (status == SAM_OK)
        status = sam_round_verify(bytes, length, &previous, NULL, err);
    if (status == SAM_OK)
        status = append_checked(run, &round, bytes, length, err);
    pthread_mutex_unlock(&run->lock);
    sam_round_free(&round);
    return status;
}

/* ---- reading ---- */

static sam_status beyond(const gateway_run *run, uint64_t round, sam_error *err)
{
    return sam_fail(err, SAM_NOT_FOUND, "run %.12s has no round %" PRIu64 " yet: %" PRIu64 " are committed", run->id,
                    round, run->rounds);
}

sam_status gateway_run_page(gateway_run *run, uint64_t from, uint64_t to, size_t most, sam_buffer *page,
                            uint64_t *count, sam_error *err)
{
    sam_status status = SAM_OK;
    *count = 0;
    pthread_mutex_lock(&run->lock);
    if (to > run->rounds || from >= to) {
        status = beyond(run, from >= to ? from : to - 1, err);
    } else {
        uint64_t end = from + 1;
        while (end < to && run->places[end + 1] - run->places[from] <= most)
            end++;
        sam_put_bytes(page, run->log.bytes + run->places[from], run->places[end] - run->places[from]);
        *count = end - from;
        if (page->failed)
            status = sam_fail(err, SAM_NO_MEMORY, "out of memory for %" PRIu64 " rounds", *count);
    }
    pthread_mutex_unlock(&run->lock);
    return status;
}

sam_status gateway_run_chain(gateway_run *run, uint64_t round, sam_digest *chain, sam_error *err)
{
    sam_status status = SAM_OK;
    pthread_mutex_lock(&run->lock);
    if (round > run->rounds)
        status = beyond(run, round - 1, err);
    else
        memcpy(chain->bytes, chain_of(run, round), sizeof chain->bytes);
    pthread_mutex_unlock(&run->lock);
    return status;
}

uint64_t gateway_run_rounds(gateway_run *run)
{
    pthread_mutex_lock(&run->lock);
    uint64_t rounds = run->rounds;
    pthread_mutex_unlock(&run->lock);
    return rounds;
}

static sam_run_status status_of(const gateway_run *run)
{
    if (run->rounds >= run->manifest->rounds)
        return SAM_RUN_COMPLETE;
    return run->ledger.known ? run->ledger.status : SAM_RUN_RUNNING;
}

const char *gateway_run_status_name(const gateway_run *run)
{
    return run->fault[0] != 0 ? "faulty" : sam_schema_run_status_name(status_of(run));
}

/* ---- figures of the last rounds ---- */

double gateway_run_codes_rms(const gateway_run *run)
{
    uint64_t probes = 0;
    double squares = 0;
    for (uint64_t i = 0; i < GATEWAY_RECENT && i < run->rounds; i++) {
        probes += run->tally.recent[i].probes;
        squares += run->tally.recent[i].squares;
    }
    return probes == 0 ? 0 : sqrt(squares / (double)probes);
}

/* From the oldest remembered commit until now, so that it falls while nothing comes. */
double gateway_run_probes_per_second(const gateway_run *run, uint64_t now_ms)
{
    uint64_t known = run->rounds < GATEWAY_RECENT ? run->rounds : GATEWAY_RECENT, probes = 0;
    if (known < 2 || status_of(run) == SAM_RUN_COMPLETE)
        return 0;
    uint64_t begin = run->tally.recent[(run->rounds - known) % GATEWAY_RECENT].committed_ms;
    for (uint64_t r = run->rounds - known + 1; r < run->rounds; r++)
        probes += run->tally.recent[r % GATEWAY_RECENT].probes;
    uint64_t end = now_ms > run->tally.committed_ms ? now_ms : run->tally.committed_ms;
    return end <= begin ? 0 : 1000.0 * (double)probes / (double)(end - begin);
}
