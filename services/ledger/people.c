/* What people and programs read and ask as JSON. */
#include "ledger/ledger.h"

#include "base/memory.h"
#include "base/text.h"
#include "run/samlog.h"
#include "run/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A reply with the log stops after about so many bytes; the header Samara-Next-Round says where to go on. */
#define LOG_BYTES_MAX  ((size_t)64 * 1024 * 1024)
#define NAME_MAX_BYTES 200
#define WORKERS_MOST   ((uint64_t)1 << 31) /* that others may have joined elsewhere */

/* What a handler does once there is a connection. It fills `answer`, or `bytes` and `type`. */
typedef struct json_errand {
    ledger_service *ledger;
    sam_redis *redis;
    sam_http_request *request;
    const ledger_run *run; /* NULL where the path names none */
    int code;
    json_t *answer;
    sam_buffer bytes;
    const char *type;
} json_errand;

typedef sam_status (*errand_function)(json_errand *errand, sam_error *err);

static sam_status run_errand(json_errand *errand, errand_function function, sam_error *err)
{
    const char *id = sam_http_parameter(errand->request, "run");
    sam_status status = SAM_OK;
    if (id != NULL)
        status = ledger_runs_find(&errand->ledger->runs, errand->redis, id, &errand->run, err);
    return status == SAM_OK ? function(errand, err) : status;
}

static sam_http_next serve(sam_http_request *request, ledger_service *ledger, errand_function function)
{
    sam_error err = {0};
    json_errand errand = {.ledger = ledger, .request = request, .code = 200};
    sam_status status = sam_redis_borrow(ledger->redis, &errand.redis, &err);
    if (status != SAM_OK)
        return sam_http_answer_error(request, &err);
    status = run_errand(&errand, function, &err);
    sam_redis_give_back(ledger->redis, errand.redis);
    ledger_note(ledger, status, &err);
    if (status == SAM_OK && errand.type != NULL)
        return sam_http_answer_buffer(request, errand.code, errand.type, &errand.bytes);
    sam_buffer_free(&errand.bytes);
    if (status == SAM_OK)
        return sam_http_answer_json(request, errand.code, errand.answer);
    json_decref(errand.answer);
    return sam_http_answer_error(request, &err);
}

/* ---- names and values ---- */

static const char *value_of(const redisReply *pairs, const char *name)
{
    for (size_t i = 0; i + 1 < pairs->elements; i += 2)
        if (strcmp(pairs->element[i]->str, name) == 0)
            return pairs->element[i + 1]->str;
    return "";
}

static uint64_t number_of(const redisReply *pairs, const char *name)
{
    uint64_t number = 0;
    return sam_parse_u64(value_of(pairs, name), &number) ? number : 0;
}

/* One worker out of the fields "N:name", "N:seen" ... */
typedef struct worker_row {
    const char *name;
    uint64_t slots, late, refused, busy, seen, agreed, differed, leases;
    bool left, quarantined;
} worker_row;

static void set_field(worker_row *row, const char *field, const char *text)
{
    uint64_t *const numbers[] = {&row->slots, &row->late,   &row->refused, &row->busy,
                                 &row->seen,  &row->agreed, &row->differed};
    static const char *const NAMES[] = {"slots", "late", "refused", "busy", "seen", "agreed", "differed"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(field, NAMES[i]) == 0)
            (void)sam_parse_u64(text, numbers[i]);
    if (strcmp(field, "name") == 0)
        row->name = text;
    if (strcmp(field, "left") == 0)
        row->left = true;
    if (strcmp(field, "quarantined") == 0)
        row->quarantined = true;
}

/* [next_worker + 1], by number; NULL: out of memory. */
static worker_row *rows_of(const ledger_view *view)
{
    worker_row *rows = sam_alloc(view->next_worker + 1, sizeof *rows);
    if (rows == NULL)
        return NULL;
    for (size_t i = 0; i + 1 < view->workers->elements; i += 2) {
        const char *name = view->workers->element[i]->str, *colon = strchr(name, ':');
        char number[24];
        uint64_t worker;
        snprintf(number, sizeof number, "%.*s", colon == NULL ? 0 : (int)(colon - name), name);
        if (colon != NULL && sam_parse_u64(number, &worker) && worker <= view->next_worker)
            set_field(&rows[worker], colon + 1, view->workers->element[i + 1]->str);
    }
    for (size_t i = 0; i + 1 < view->holders->elements; i += 2) {
        uint64_t worker;
        if (sam_parse_u64(view->holders->element[i + 1]->str, &worker) && worker <= view->next_worker)
            rows[worker].leases++;
    }
    return rows;
}

static const char *status_of_worker(const worker_row *row, const ledger_run *run, uint64_t now_ms)
{
    if (row->quarantined)
        return "quarantined";
    if (row->left)
        return "left";
    return now_ms > row->seen && now_ms - row->seen > 3 * (uint64_t)run->lease_ms ? "gone" : "active";
}

static uint64_t count_quarantined(const ledger_view *view)
{
    uint64_t count = 0;
    for (size_t i = 0; i + 1 < view->workers->elements; i += 2) {
        const char *colon = strchr(view->workers->element[i]->str, ':');
        count += colon != NULL && strcmp(colon + 1, "quarantined") == 0;
    }
    return count;
}

static uint64_t count_active(const ledger_view *view, const ledger_run *run)
{
    worker_row *rows = rows_of(view);
    uint64_t count = 0;
    for (uint64_t i = 1; rows != NULL && i <= view->next_worker; i++)
        count += rows[i].name != NULL && strcmp(status_of_worker(&rows[i], run, view->now_ms), "active") == 0;
    sam_free(rows);
    return count;
}

void ledger_view_of(ledger_view *view, const ledger_run *run, const redisReply *reply)
{
    const redisReply *state = reply->element[3];
    *view = (ledger_view){
        .status = value_of(state, "status"),
        .head = number_of(state, "head"),
        .past = number_of(state, "past"),
        .lost_leases = number_of(state, "lost_leases"),
        .records = number_of(state, "records"),
        .next_worker = number_of(state, "next_worker"),
        .workers = reply->element[4],
        .holders = reply->element[5],
        .evaluations = reply->element[6],
    };
    (void)sam_redis_u64(reply->element[0], "describe", &view->now_ms, NULL);
    (void)sam_redis_u64(reply->element[1], "describe", &view->unleased, NULL);
    (void)sam_redis_u64(reply->element[2], "describe", &view->leased, NULL);
    view->active_workers = count_active(view, run);
    view->quarantined_workers = count_quarantined(view);
}

/* ---- runs ---- */

static sam_status post_run(json_errand *errand, sam_error *err)
{
    size_t length;
    uint64_t past, workers;
    sam_manifest *manifest;
    bool created;
    const char *body = (const char *)sam_http_body(errand->request, &length);
    sam_status status = sam_http_query_u64(errand->request, "past", 0, SAM_ROUNDS_MAX, &past, err);
    if (status == SAM_OK)
        status = sam_http_query_u64(errand->request, "workers", 0, WORKERS_MOST, &workers, err);
    if (status == SAM_OK)
        status = sam_manifest_parse(&manifest, body, length, err);
    if (status != SAM_OK)
        return status;
    status = past > manifest->rounds
                 ? sam_fail(err, SAM_INVALID, "past: the run has %" PRIu64 " rounds in all", manifest->rounds)
                 : ledger_create(errand->ledger, errand->redis, manifest, past, workers, &created, err);
    if (status == SAM_OK) {
        errand->code = created ? 201 : 200;
        errand->answer = json_pack("{s:s}", "run", manifest->id_hex);
    }
    sam_manifest_free(manifest);
    return status;
}

static json_t *summary(const ledger_run *run, const ledger_view *view)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "run", run->id, "name", run->name, "status", view->status,
                     "head", (json_int_t)view->head, "rounds", (json_int_t)run->rounds, "slots",
                     (json_int_t)run->shape.places, "workers", (json_int_t)view->active_workers);
}

static int by_round(const void *left, const void *right)
{
    const sam_evaluation *a = left, *b = right;
    return (a->at > b->at) - (a->at < b->at);
}

/* All finished evaluations by round: those of the log, and those that came after the last commit. */
static json_t *evaluations_of(const ledger_view *view)
{
    size_t count = view->evaluations->elements / 2;
    sam_evaluation *all = sam_alloc(count, sizeof *all);
    json_t *list = all == NULL ? NULL : json_array();
    for (size_t i = 0; i < count && list != NULL; i++) {
        (void)sam_parse_u64(view->evaluations->element[2 * i]->str, &all[i].at);
        (void)sscanf(view->evaluations->element[2 * i + 1]->str, "%" SCNu32 ":%" SCNu32 ":%" SCNu64, &all[i].examples,
                     &all[i].correct, &all[i].loss_micro);
    }
    if (list != NULL)
        qsort(all, count, sizeof *all, by_round);
    for (size_t i = 0; i < count && list != NULL; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I}", "round", (json_int_t)all[i].at, "examples",
                                              (json_int_t)all[i].examples, "correct", (json_int_t)all[i].correct,
                                              "loss_micro", (json_int_t)all[i].loss_micro));
    sam_free(all);
    return list;
}

double ledger_epsilon(const ledger_run *run, uint64_t head)
{
    return sam_privacy_epsilon(&run->privacy, run->shape.codes_most, head * run->shape.places);
}

/* Numbers of the workers whose codes do not stand up. */
static json_t *quarantined_of(const ledger_view *view)
{
    worker_row *rows = rows_of(view);
    json_t *list = rows == NULL ? NULL : json_array();
    for (uint64_t i = 1; list != NULL && i <= view->next_worker; i++)
        if (rows[i].quarantined)
            json_array_append_new(list, json_integer((json_int_t)i));
    sam_free(rows);
    return list;
}

static sam_status get_run(json_errand *errand, sam_error *err)
{
    redisReply *reply;
    ledger_view view;
    sam_status status = ledger_describe(errand->ledger, errand->redis, errand->run, &reply, err);
    if (status != SAM_OK)
        return status;
    ledger_view_of(&view, errand->run, reply);
    json_t *answer = summary(errand->run, &view);
    json_object_set_new(answer, "past", json_integer((json_int_t)view.past));
    json_object_set_new(answer, "unleased", json_integer((json_int_t)view.unleased));
    json_object_set_new(answer, "leased", json_integer((json_int_t)view.leased));
    json_object_set_new(answer, "lost_leases", json_integer((json_int_t)view.lost_leases));
    json_object_set_new(answer, "records", json_integer((json_int_t)view.records));
    json_object_set_new(answer, "quarantined", quarantined_of(&view));
    if (errand->run->privacy.clip > 0)
        json_object_set_new(
            answer, "privacy",
            json_pack("{s:f, s:f}", "epsilon", ledger_epsilon(errand->run, view.head), "delta", SAM_PRIVACY_DELTA));
    json_object_set_new(answer, "evaluations", evaluations_of(&view));
    errand->answer = answer;
    sam_redis_reply_free(reply);
    return SAM_OK;
}

sam_status ledger_run_ids(sam_redis *redis, redisReply **reply, sam_error *err)
{
    redisReply *const *each;
    const char *id;
    size_t count, length;
    sam_status status = sam_redis_words(redis, reply, err, "SORT", LEDGER_RUNS_KEY, "ALPHA", NULL);
    if (status != SAM_OK)
        return status;
    status = sam_redis_array(*reply, "the list of runs", 0, &each, &count, err);
    for (size_t i = 0; i < count && status == SAM_OK; i++)
        status = sam_redis_bytes(each[i], "the list of runs", &id, &length, err);
    if (status != SAM_OK) {
        sam_redis_reply_free(*reply);
        *reply = NULL;
    }
    return status;
}

static sam_status add_summary(json_errand *errand, json_t *list, const char *id, sam_error *err)
{
    const ledger_run *run;
    redisReply *reply;
    ledger_view view;
    sam_status status = ledger_runs_find(&errand->ledger->runs, errand->redis, id, &run, err);
    if (status == SAM_OK)
        status = ledger_describe(errand->ledger, errand->redis, run, &reply, err);
    if (status == SAM_NOT_FOUND)
        return SAM_OK; /* its keys were removed by hand */
    if (status != SAM_OK)
        return status;
    ledger_view_of(&view, run, reply);
    json_array_append_new(list, summary(run, &view));
    sam_redis_reply_free(reply);
    return SAM_OK;
}

static sam_status get_runs(json_errand *errand, sam_error *err)
{
    redisReply *ids;
    json_t *list = json_array();
    sam_status status = ledger_run_ids(errand->redis, &ids, err);
    for (size_t i = 0; status == SAM_OK && i < ids->elements; i++)
        status = add_summary(errand, list, ids->element[i]->str, err);
    sam_redis_reply_free(ids);
    errand->answer = json_pack("{s:o}", "runs", list);
    return status;
}

static sam_status get_manifest(json_errand *errand, sam_error *err)
{
    sam_manifest *manifest;
    sam_status status = ledger_manifest(errand->redis, errand->run->id, &manifest, err);
    if (status != SAM_OK)
        return status;
    sam_put_bytes(&errand->bytes, manifest->text, manifest->text_length);
    errand->type = "application/json";
    sam_manifest_free(manifest);
    return SAM_OK;
}

static sam_status set_paused(json_errand *errand, bool paused, sam_error *err)
{
    sam_status status = ledger_pause(errand->ledger, errand->redis, errand->run, paused, err);
    return status == SAM_OK ? get_run(errand, err) : status;
}

static sam_status post_pause(json_errand *errand, sam_error *err)
{
    return set_paused(errand, true, err);
}

static sam_status post_resume(json_errand *errand, sam_error *err)
{
    return set_paused(errand, false, err);
}

/* ---- workers ---- */

/* A line of text, or nothing: what stands in tables, metrics and terminals must not have control characters. */
static bool is_line(const json_t *text)
{
    if (text == NULL)
        return true;
    const char *at = json_string_value(text);
    if (at == NULL || json_string_length(text) > NAME_MAX_BYTES)
        return false;
    while (*at != 0 && (unsigned char)*at >= 0x20 && *at != 0x7f)
        at++;
    return *at == 0;
}

static bool is_key(const json_t *text)
{
    sam_public_key key;
    return text == NULL || (json_is_string(text) && sam_public_key_parse(&key, json_string_value(text)));
}

static sam_status newcomer_of(ledger_newcomer *newcomer, const json_t *body, sam_error *err)
{
    const json_t *name = json_object_get(body, "name"), *threads = json_object_get(body, "threads"),
                 *kernel = json_object_get(body, "kernel"), *evaluates = json_object_get(body, "evaluates"),
                 *key = json_object_get(body, "key");
    bool good = json_is_object(body) && is_line(name) && is_line(kernel) && is_key(key) &&
                (evaluates == NULL || json_is_boolean(evaluates)) &&
                (threads == NULL || (json_is_integer(threads) && json_integer_value(threads) >= 0 &&
                                     json_integer_value(threads) <= 65536));
    if (!good)
        return sam_fail(
            err, SAM_INVALID,
            "join takes {\"name\": text, \"threads\": number, \"kernel\": text, \"evaluates\": true or false, \"key\": "
            "64 lower-case hexadecimal digits}, texts of at most %d bytes without control characters",
            NAME_MAX_BYTES);
    newcomer->name = name == NULL ? "" : json_string_value(name);
    newcomer->kernel = kernel == NULL ? "" : json_string_value(kernel);
    newcomer->key = key == NULL ? "" : json_string_value(key);
    newcomer->threads = (uint32_t)json_integer_value(threads);
    newcomer->evaluates = !json_is_false(evaluates);
    return SAM_OK;
}

static sam_status check_newcomer(const ledger_run *run, const ledger_newcomer *newcomer, sam_error *err)
{
    if (run->signed_records != (newcomer->key[0] != 0))
        return sam_fail(err, SAM_INVALID,
                        run->signed_records ? "the run wants signed records: a worker joins it with its public key; "
                                              "see samara-worker --key"
                                            : "the run does not take signed records; join it without a key");
    if (run->kernel == NULL || strcmp(run->kernel, newcomer->kernel) == 0)
        return SAM_OK;
    return sam_fail(err, SAM_INVALID,
                    "the run's manifest wants the kernel \"%s\", and this worker has \"%s\"; see "
                    "samara-worker --kernel",
                    run->kernel, newcomer->kernel);
}

static sam_status post_join(json_errand *errand, sam_error *err)
{
    json_t *body;
    ledger_newcomer newcomer;
    uint32_t worker;
    uint64_t head;
    sam_status status = sam_http_body_json(errand->request, &body, err);
    if (status != SAM_OK)
        return status;
    status = newcomer_of(&newcomer, body, err);
    if (status == SAM_OK)
        status = check_newcomer(errand->run, &newcomer, err);
    if (status == SAM_OK)
        status = ledger_join(errand->ledger, errand->redis, errand->run, &newcomer, &worker, &head, err);
    if (status == SAM_OK) {
        errand->code = 201;
        errand->answer = json_pack("{s:I, s:I}", "worker", (json_int_t)worker, "head", (json_int_t)head);
    }
    json_decref(body);
    return status;
}

static json_t *worker_json(const worker_row *row, uint64_t worker, const ledger_run *run, uint64_t now_ms)
{
    uint64_t mean = row->slots == 0 ? 0 : row->busy / row->slots;
    uint64_t seen = row->seen < now_ms ? row->seen : now_ms; /* a waiting one is seen until its wait ends */
    return json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "worker", (json_int_t)worker, "name",
                     row->name, "status", status_of_worker(row, run, now_ms), "slots", (json_int_t)row->slots, "late",
                     (json_int_t)row->late, "refused", (json_int_t)row->refused, "mean_ms", (json_int_t)mean, "seen_ms",
                     (json_int_t)seen, "leases", (json_int_t)row->leases, "agreed", (json_int_t)row->agreed, "differed",
                     (json_int_t)row->differed);
}

static sam_status get_workers(json_errand *errand, sam_error *err)
{
    redisReply *reply;
    ledger_view view;
    sam_status status = ledger_describe(errand->ledger, errand->redis, errand->run, &reply, err);
    if (status != SAM_OK)
        return status;
    ledger_view_of(&view, errand->run, reply);
    worker_row *rows = rows_of(&view);
    json_t *list = json_array();
    for (uint64_t i = 1; rows != NULL && i <= view.next_worker; i++)
        if (rows[i].name != NULL)
            json_array_append_new(list, worker_json(&rows[i], i, errand->run, view.now_ms));
    errand->answer = json_pack("{s:o}", "workers", list);
    sam_free(rows);
    sam_redis_reply_free(reply);
    return SAM_OK;
}

/* ---- the log ---- */

static sam_status add_page(json_errand *errand, uint64_t from, uint64_t *next, sam_error *err)
{
    redisReply *log;
    sam_status status = ledger_read_log(errand->redis, errand->run, from, errand->run->reach, &log, err);
    *next = from;
    if (status != SAM_OK)
        return status;
    for (size_t i = 0; i < log->elements && status == SAM_OK; i++) {
        const uint8_t *bytes;
        size_t length;
        status = ledger_round_of(log, i, from, &bytes, &length, err);
        if (status == SAM_OK)
            sam_samlog_put_round(&errand->bytes, bytes, length);
    }
    *next = from + log->elements;
    sam_redis_reply_free(log);
    return status;
}

static sam_status get_log(json_errand *errand, sam_error *err)
{
    uint64_t from = 0, next = 0;
    sam_manifest *manifest = NULL;
    char number[24];
    sam_status status = sam_http_query_u64(errand->request, "from", 0, SAM_ROUNDS_MAX, &from, err);
    if (status == SAM_OK && from == 0) {
        status = ledger_manifest(errand->redis, errand->run->id, &manifest, err);
        if (status == SAM_OK)
            sam_samlog_put_head(&errand->bytes, manifest);
        sam_manifest_free(manifest);
    }
    for (bool more = true; status == SAM_OK && more && errand->bytes.length < LOG_BYTES_MAX; from = next) {
        status = add_page(errand, from, &next, err);
        more = next > from;
    }
    snprintf(number, sizeof number, "%" PRIu64, from);
    sam_http_set_header(errand->request, "Samara-Next-Round", number);
    errand->type = "application/vnd.samara.log";
    return status;
}

static sam_status post_log(json_errand *errand, sam_error *err)
{
    ledger_rounds rounds;
    uint64_t head = 0;
    rounds.bytes = sam_http_body(errand->request, &rounds.length);
    sam_status status = sam_http_query_u64(errand->request, "past", 0, SAM_ROUNDS_MAX, &rounds.past, err);
    if (status == SAM_OK)
        status = sam_http_query_u64(errand->request, "workers", 0, WORKERS_MOST, &rounds.workers, err);
    if (status == SAM_OK)
        status = ledger_import(errand->ledger, errand->redis, errand->run, &rounds, &head, err);
    if (status == SAM_OK)
        errand->answer = json_pack("{s:s, s:I}", "run", errand->run->id, "head", (json_int_t)head);
    return status;
}

static sam_status get_signatures(json_errand *errand, sam_error *err)
{
    uint64_t from = 0, next = 0;
    char number[24];
    sam_digest id;
    sam_status status = sam_http_query_u64(errand->request, "from", 0, SAM_ROUNDS_MAX, &from, err);
    if (status == SAM_OK && !errand->run->signed_records)
        status = sam_fail(err, SAM_NOT_FOUND, "the records of this run are not signed");
    if (status == SAM_OK && from == 0 && sam_digest_parse(&id, errand->run->id)) {
        sam_samsig_put_head(&errand->bytes, &id);
        status = ledger_put_keys(&errand->bytes, errand->redis, errand->run, err);
    }
    for (bool more = true; status == SAM_OK && more && errand->bytes.length < LOG_BYTES_MAX; from = next) {
        status = ledger_put_signatures(&errand->bytes, errand->redis, errand->run, from, &next, err);
        more = next > from;
    }
    snprintf(number, sizeof number, "%" PRIu64, from);
    sam_http_set_header(errand->request, "Samara-Next-Round", number);
    errand->type = "application/vnd.samara.signatures";
    return status;
}

/* ---- health ---- */

static sam_status get_ready(json_errand *errand, sam_error *err)
{
    errand->answer = json_pack("{s:s}", "status", "ready");
    return sam_redis_ping(errand->redis, err);
}

sam_http_next ledger_get_health(sam_http_request *request, void *user)
{
    (void)user;
    return sam_http_answer_json(request, 200, json_pack("{s:s}", "status", "alive"));
}

#define HANDLER(name, function)                                                                                        \
    sam_http_next name(sam_http_request *request, void *user)                                                          \
    {                                                                                                                  \
        return serve(request, user, function);                                                                         \
    }
HANDLER(ledger_post_run, post_run)
HANDLER(ledger_get_runs, get_runs)
HANDLER(ledger_get_run, get_run)
HANDLER(ledger_get_manifest, get_manifest)
HANDLER(ledger_post_join, post_join)
HANDLER(ledger_post_pause, post_pause)
HANDLER(ledger_post_resume, post_resume)
HANDLER(ledger_get_workers, get_workers)
HANDLER(ledger_get_log, get_log)
HANDLER(ledger_post_log, post_log)
HANDLER(ledger_get_signatures, get_signatures)
HANDLER(ledger_get_ready, get_ready)
