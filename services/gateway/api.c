/* Runs, rounds, records, workers and evaluations as JSON. Answered from memory: no request waits for Redis. */
#include "gateway/gateway.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "seed/code.h"

#include <math.h>
#include <string.h>

#define ROUNDS_DEFAULT    100u
#define ROUNDS_MOST       1000u
#define ROUNDS_MOST_BYTES ((size_t)256 << 10) /* of log that one answer tells about; then it ends early, see "next" */

static json_t *number(uint64_t value)
{
    return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *hex_text(const void *bytes, size_t count)
{
    char text[2 * SAM_PROBES_MAX + 1];
    sam_hex(text, bytes, count); /* count: a digest, or the codes of a slot */
    return json_string(text);
}

/* Sets members, and forgets the object where one of them is NULL: the answer is a 500 then. */
typedef struct member {
    const char *name;
    json_t *value;
} member;

static json_t *object_of(const member *members, size_t count)
{
    json_t *object = json_object();
    bool good = object != NULL;
    for (size_t i = 0; i < count; i++)
        good = json_object_set_new(object, members[i].name, members[i].value) == 0 && good;
    if (good)
        return object;
    json_decref(object);
    return NULL;
}

#define OBJECT(...) object_of((const member[]){__VA_ARGS__}, sizeof((const member[]){__VA_ARGS__}) / sizeof(member))

static json_t *append(json_t *list, json_t *value)
{
    if (json_array_append_new(list, value) == 0)
        return list;
    json_decref(list);
    return NULL;
}

/* ---- evaluations ---- */

static double mean_loss(const sam_evaluation *sums)
{
    return sums->examples == 0 ? 0 : (double)sums->loss_micro / 1e6 / sums->examples;
}

static double accuracy(const sam_evaluation *sums)
{
    return sums->examples == 0 ? 0 : (double)sums->correct / sums->examples;
}

static json_t *evaluation_json(const sam_evaluation *sums)
{
    return OBJECT({"round", number(sums->at)}, {"examples", number(sums->examples)}, {"correct", number(sums->correct)},
                  {"loss_micro", number(sums->loss_micro)}, {"loss", json_real(mean_loss(sums))},
                  {"accuracy", json_real(accuracy(sums))});
}

sam_http_next gateway_show_evaluations(sam_http_request *request, void *user)
{
    gateway_run *run;
    if (!gateway_find_run(user, request, &run))
        return SAM_HTTP_ANSWERED;
    json_t *list = json_array();
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->evaluation_count && list != NULL; i++) {
        json_t *one = evaluation_json(&run->evaluations[i].sums);
        json_object_set_new(one, "in_log", json_boolean(run->evaluations[i].in_log));
        list = append(list, one);
    }
    pthread_mutex_unlock(&run->lock);
    return sam_http_answer_json(request, 200, OBJECT({"evaluations", list}));
}

/* ---- workers ---- */

static const char *worker_status(const gateway_run *run, const gateway_worker *worker, uint64_t now)
{
    if (!worker->listed)
        return "unknown"; /* the log names it, the ledger does not */
    return sam_schema_worker_status_name(gateway_worker_status(run, worker, now));
}

static json_t *worker_json(const gateway_run *run, const gateway_worker *w, uint64_t now)
{
    return OBJECT({"worker", number(w->number)}, {"name", json_string(w->name)}, {"kernel", json_string(w->kernel)},
                  {"threads", number(w->threads)}, {"status", json_string(worker_status(run, w, now))},
                  {"records", number(w->records)},
                  {"last_round", w->records == 0 ? json_null() : number(w->last_round)}, {"slots", number(w->slots)},
                  {"late", number(w->late)}, {"refused", number(w->refused)},
                  {"mean_ms", number(w->slots == 0 ? 0 : w->busy_ms / w->slots)},
                  {"seen_ms", number(w->seen_ms < now ? w->seen_ms : now)}, {"leases", number(w->leases)});
}

sam_http_next gateway_show_workers(sam_http_request *request, void *user)
{
    gateway_run *run;
    if (!gateway_find_run(user, request, &run))
        return SAM_HTTP_ANSWERED;
    json_t *list = json_array();
    uint64_t now = sam_wall_ms();
    pthread_mutex_lock(&run->lock);
    for (size_t i = 0; i < run->worker_count && list != NULL; i++)
        list = append(list, worker_json(run, &run->workers[i], now));
    pthread_mutex_unlock(&run->lock);
    return sam_http_answer_json(request, 200, OBJECT({"workers", list}));
}

static json_t *loss_json(double nats)
{
    return isfinite(nats) ? json_real(nats) : json_null();
}

/* ---- runs ---- */

/* With the run's lock held. */
static json_t *summary_json(const gateway_run *run)
{
    const sam_manifest *manifest = run->manifest;
    uint64_t now = sam_wall_ms();
    const sam_evaluation *last = run->evaluation_count == 0 ? NULL : &run->evaluations[run->evaluation_count - 1].sums;
    return OBJECT({"run", json_string(run->id)}, {"name", json_string(manifest->name)},
                  {"status", json_string(gateway_run_status_name(run))}, {"head", number(run->rounds)},
                  {"rounds", number(manifest->rounds)}, {"workers", number(gateway_run_active_workers(run, now))},
                  {"slots", number(manifest->slots)}, {"probes", number(manifest->probes)},
                  {"records", number(run->tally.records)},
                  {"probes_per_second", json_real(gateway_run_probes_per_second(run, now))},
                  {"committed_ms", number(run->tally.committed_ms)}, {"log_bytes", number(run->log.length)},
                  {"train_loss", loss_json(run->tally.train_loss)}, {"snapshots", json_boolean(run->model != NULL)},
                  {"evaluation", last == NULL ? json_null() : evaluation_json(last)});
}

sam_http_next gateway_show_runs(sam_http_request *request, void *user)
{
    gateway_service *gateway = user;
    json_t *list = json_array();
    for (gateway_run *run = gateway_runs_first(&gateway->runs); run != NULL && list != NULL; run = run->next) {
        pthread_mutex_lock(&run->lock);
        list = append(list, summary_json(run));
        pthread_mutex_unlock(&run->lock);
    }
    return sam_http_answer_json(
        request, 200, OBJECT({"runs", list}, {"redis", json_boolean(gateway_follower_redis_up(&gateway->follower))}));
}

static json_t *details_json(const gateway_run *run)
{
    const uint8_t *chain =
        run->rounds == 0 ? run->manifest->id.bytes : run->log.bytes + run->log.length - SAM_DIGEST_BYTES;
    double rms = gateway_run_codes_rms(run);
    return OBJECT({"base", hex_text(run->manifest->base.bytes, SAM_DIGEST_BYTES)},
                  {"chain", hex_text(chain, SAM_DIGEST_BYTES)}, {"no_value_slots", number(run->tally.no_value_slots)},
                  {"probes_done", number(run->tally.probes)}, {"codes_rms", json_real(rms)},
                  {"gradient_rms", json_real(ldexp(rms, run->manifest->quantum_log2))},
                  {"unleased", number(run->ledger.free)}, {"leased", number(run->ledger.leased)},
                  {"lost_leases", number(run->ledger.lost_leases)},
                  {"fault", run->fault[0] == 0 ? json_null() : json_string(run->fault)});
}

sam_http_next gateway_show_run(sam_http_request *request, void *user)
{
    gateway_run *run;
    if (!gateway_find_run(user, request, &run))
        return SAM_HTTP_ANSWERED;
    pthread_mutex_lock(&run->lock);
    json_t *all = summary_json(run), *details = details_json(run);
    pthread_mutex_unlock(&run->lock);
    if (details == NULL || json_object_update(all, details) != 0) {
        json_decref(all);
        all = NULL;
    }
    json_decref(details);
    return sam_http_answer_json(request, 200, all);
}

sam_http_next gateway_show_manifest(sam_http_request *request, void *user)
{
    gateway_run *run;
    if (!gateway_find_run(user, request, &run))
        return SAM_HTTP_ANSWERED;
    return sam_http_answer_bytes(request, 200, "application/json", run->manifest->text, run->manifest->text_length);
}

/* ---- rounds ---- */

static json_t *evaluations_of(const sam_round *round)
{
    json_t *list = json_array();
    for (size_t i = 0; i < round->evaluation_count && list != NULL; i++)
        list = append(list, evaluation_json(&round->evaluations[i]));
    return list;
}

static json_t *record_json(const sam_record *record)
{
    return OBJECT({"place", number(record->place)}, {"worker", number(record->author)},
                  {"loss", loss_json(sam_loss_in_nats(record->loss))},
                  {"codes", hex_text(record->codes, record->code_count)});
}

static json_t *round_json(const sam_round *round)
{
    json_t *records = json_array();
    for (size_t i = 0; i < round->record_count && records != NULL; i++)
        records = append(records, record_json(&round->records[i]));
    return OBJECT({"round", number(round->number)}, {"committed_ms", number(round->committed_ms)},
                  {"loss", loss_json(sam_round_loss(round))}, {"records", records},
                  {"evaluations", evaluations_of(round)}, {"chain", hex_text(round->chain.bytes, SAM_DIGEST_BYTES)});
}

typedef json_t *(*round_teller)(json_t *list, const gateway_run *run, const sam_round *round);

static json_t *tell_round(json_t *list, const gateway_run *run, const sam_round *round)
{
    (void)run;
    return append(list, round_json(round));
}

static json_t *values_json(const uint8_t *codes, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count && list != NULL; i++)
        list = append(list, sam_code_has_value(codes[i]) ? json_integer(sam_code_value(codes[i])) : json_null());
    return list;
}

/* A record for each slot that somebody computed. */
static json_t *tell_records(json_t *list, const gateway_run *run, const sam_round *round)
{
    for (size_t i = 0; i < round->record_count && list != NULL; i++) {
        const sam_record *record = &round->records[i];
        const sam_step step = run->manifest->mode->number(run->manifest, record->round, record->place, 0);
        list = append(list, OBJECT({"round", number(round->number)}, {"place", number(record->place)},
                                   {"worker", number(record->author)}, {"first_probe", number(step.direction)},
                                   {"loss", loss_json(sam_loss_in_nats(record->loss))},
                                   {"codes", hex_text(record->codes, record->code_count)},
                                   {"values", values_json(record->codes, record->code_count)}));
    }
    return list;
}

/* Decodes a page and tells each of its rounds. */
static sam_status tell_page(const gateway_run *run, const sam_buffer *page, uint64_t count, round_teller tell,
                            json_t **list, sam_error *err)
{
    sam_reader in = sam_reader_of(page->bytes, page->length);
    sam_status status = SAM_OK;
    for (uint64_t i = 0; i < count && status == SAM_OK; i++) {
        sam_round round = {0};
        size_t length = sam_get_u32(&in);
        const uint8_t *bytes = sam_get_bytes(&in, length);
        status = sam_round_decode(&round, &run->shape, bytes, length, err);
        if (status == SAM_OK)
            *list = tell(*list, run, &round);
        sam_round_free(&round);
    }
    return status;
}

/* Rounds [from, to) or the first of them, told; `*next`: the round after the last told. */
static sam_status tell_rounds(gateway_run *run, uint64_t from, uint64_t to, round_teller tell, json_t **list,
                              uint64_t *next, sam_error *err)
{
    sam_buffer page = {0};
    uint64_t count = 0;
    sam_status status = SAM_OK;
    *list = json_array();
    if (from < to)
        status = gateway_run_page(run, from, to, ROUNDS_MOST_BYTES, &page, &count, err);
    if (status == SAM_OK)
        status = tell_page(run, &page, count, tell, list, err);
    *next = from + count;
    sam_buffer_free(&page);
    if (status != SAM_OK)
        json_decref(*list);
    return status;
}

/* ?from= and ?limit=; "next" in the answer is where to go on, null at the end. */
static sam_http_next show_range(sam_http_request *request, void *user, const char *name, round_teller tell)
{
    gateway_run *run;
    uint64_t from, limit, next;
    json_t *list;
    sam_error err = {0};
    if (!gateway_find_run(user, request, &run))
        return SAM_HTTP_ANSWERED;
    if (sam_http_query_u64(request, "from", 0, UINT64_MAX, &from, &err) != SAM_OK ||
        sam_http_query_u64(request, "limit", ROUNDS_DEFAULT, ROUNDS_MOST, &limit, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    uint64_t rounds = gateway_run_rounds(run), to = from < rounds && limit < rounds - from ? from + limit : rounds;
    if (tell_rounds(run, from, to, tell, &list, &next, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    return sam_http_answer_json(
        request, 200,
        OBJECT({name, list}, {"head", number(rounds)}, {"next", next < rounds ? number(next) : json_null()}));
}

sam_http_next gateway_show_rounds(sam_http_request *request, void *user)
{
    return show_range(request, user, "rounds", tell_round);
}

sam_http_next gateway_show_records(sam_http_request *request, void *user)
{
    return show_range(request, user, "records", tell_records);
}

sam_http_next gateway_show_round(sam_http_request *request, void *user)
{
    gateway_run *run;
    uint64_t round, next;
    json_t *list;
    sam_error err = {0};
    const char *text = sam_http_parameter(request, "round");
    if (!gateway_find_run(user, request, &run) || !gateway_find_round(request, run, text, &round))
        return SAM_HTTP_ANSWERED;
    if (strcmp(text, "latest") == 0 && round > 0)
        round--; /* the last committed one */
    if (round == gateway_run_rounds(run))
        return sam_http_answer_fail(request, SAM_NOT_FOUND, "run %.12s has no round %s yet", run->id, text);
    if (tell_rounds(run, round, round + 1, tell_round, &list, &next, &err) != SAM_OK)
        return sam_http_answer_error(request, &err);
    json_t *one = json_incref(json_array_get(list, 0));
    json_decref(list);
    return sam_http_answer_json(request, 200, one);
}
