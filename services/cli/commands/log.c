/* samara log: what stands in a log, from a file or from a ledger. */
#include "cli/cli.h"
#include "cli/shared/checkpoint.h"
#include "cli/shared/run_address.h"
#include "seed/code.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

/* ---- what is shown ---- */

typedef enum shape { FULL, ONELINE, JSON } shape;

typedef struct arguments {
    bool oneline, json;
    uint64_t worker; /* 0: all */
    const char *rounds;
    sam_access access;
} arguments;

/* The rounds that are shown, and whose records. */
typedef struct selection {
    shape as;
    uint64_t from, to;
    uint32_t worker;
} selection;

static void print_parent(const sam_parent *parent)
{
    char run[SAM_DIGEST_HEX];
    if (parent->round == 0)
        return;
    sam_digest_hex(run, &parent->run);
    printf("parent %s, its first %llu rounds\n", run, (unsigned long long)parent->round);
    for (size_t i = 0; i < parent->removal_count; i++) {
        const sam_removal *one = &parent->removals[i];
        printf("       without rounds %llu..%llu", (unsigned long long)one->from, (unsigned long long)one->to);
        if (one->worker != 0)
            printf(" of worker %u", one->worker);
        printf("\n");
    }
}

static void print_head(const sam_samlog *log, shape as)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    if (as == JSON)
        printf("%s\n", manifest->text);
    if (as != FULL)
        return;
    printf("run    %s\nname   %s\nrounds %llu of %llu, %u slots of %u probe%s%s\n", manifest->id_hex, manifest->name,
           (unsigned long long)sam_samlog_rounds(log), (unsigned long long)manifest->rounds, manifest->slots,
           manifest->probes, manifest->probes == 1 ? "" : "s",
           sam_samlog_truncated(log) ? " (cut off inside a round)" : "");
    print_parent(&manifest->parent);
    printf("\n");
}

static void format_time(uint64_t ms, char out[32])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static void print_evaluation(const sam_evaluation *one)
{
    double examples = one->examples > 0 ? (double)one->examples : 1;
    printf("    dev before round %llu: accuracy %.1f %%, loss %.4f\n", (unsigned long long)one->at,
           100 * (double)one->correct / examples, (double)one->loss_micro / 1e6 / examples);
}

static bool is_shown(const selection *shown, const sam_record *record)
{
    return shown->worker == 0 || record->author == shown->worker;
}

static bool has_shown(const selection *shown, const sam_round *round)
{
    bool has = shown->worker == 0;
    for (size_t i = 0; i < round->record_count; i++)
        has |= is_shown(shown, &round->records[i]);
    return has;
}

static void print_record(const sam_round *round, const sam_manifest *manifest, const sam_record *record)
{
    bool removed = sam_parent_removes(&manifest->parent, round->number, record->author);
    printf(removed ? " (%u:" : " %u:", record->author);
    for (uint32_t c = 0; c < record->code_count; c++)
        printf("%02x", record->codes[c]);
    if (removed)
        printf(")");
}

static void print_round(const sam_round *round, const sam_manifest *manifest, const selection *shown)
{
    char when[32], chain[SAM_DIGEST_HEX];
    format_time(round->committed_ms, when);
    sam_digest_hex(chain, &round->chain);
    printf("%llu %s %.12s", (unsigned long long)round->number, when, chain);
    for (size_t i = 0; i < round->record_count; i++)
        if (is_shown(shown, &round->records[i]))
            print_record(round, manifest, &round->records[i]);
    if (isfinite(sam_round_loss(round)))
        printf(" loss %.4f", sam_round_loss(round));
    printf("\n");
    for (size_t i = 0; shown->as == FULL && i < round->evaluation_count; i++)
        print_evaluation(&round->evaluations[i]);
}

static json_t *record_json(const sam_round *round, const sam_manifest *manifest, const sam_record *record)
{
    json_t *values = json_array();
    for (uint32_t c = 0; c < record->code_count; c++)
        json_array_append_new(values, sam_code_has_value(record->codes[c])
                                          ? json_integer(sam_code_value(record->codes[c]))
                                          : json_null());
    json_t *value = json_pack("{s:I, s:I, s:o}", "slot", (json_int_t)record->place, "worker",
                              (json_int_t)record->author, "values", values);
    if (record->loss != SAM_LOSS_NONE)
        json_object_set_new(value, "loss", json_real(sam_loss_in_nats(record->loss)));
    if (sam_parent_removes(&manifest->parent, round->number, record->author))
        json_object_set_new(value, "removed", json_true());
    return value;
}

static void print_json(const sam_round *round, const sam_manifest *manifest, const selection *shown)
{
    char chain[SAM_DIGEST_HEX];
    json_t *records = json_array(), *evaluations = json_array();
    sam_digest_hex(chain, &round->chain);
    for (size_t i = 0; i < round->record_count; i++)
        if (is_shown(shown, &round->records[i]))
            json_array_append_new(records, record_json(round, manifest, &round->records[i]));
    for (size_t i = 0; i < round->evaluation_count; i++) {
        const sam_evaluation *one = &round->evaluations[i];
        json_array_append_new(evaluations, json_pack("{s:I, s:I, s:I, s:I}", "round", (json_int_t)one->at, "examples",
                                                     (json_int_t)one->examples, "correct", (json_int_t)one->correct,
                                                     "loss_micro", (json_int_t)one->loss_micro));
    }
    json_t *line =
        json_pack("{s:I, s:I, s:s, s:o, s:o}", "round", (json_int_t)round->number, "committed_ms",
                  (json_int_t)round->committed_ms, "chain", chain, "records", records, "evaluations", evaluations);
    if (isfinite(sam_round_loss(round)))
        json_object_set_new(line, "loss", json_real(sam_round_loss(round)));
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(line);
}

static sam_status print_log(const sam_samlog *log, const selection *shown, sam_error *err)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    print_head(log, shown->as);
    for (uint64_t r = shown->from; r < shown->to; r++) {
        sam_round round = {0};
        sam_status status = sam_samlog_decode(log, r, &round, err);
        if (status != SAM_OK)
            return status;
        if (has_shown(shown, &round)) {
            if (shown->as == JSON)
                print_json(&round, manifest, shown);
            else
                print_round(&round, manifest, shown);
        }
        sam_round_free(&round);
    }
    return SAM_OK;
}

static sam_status show(const arguments *args, const char *run, sam_error *err)
{
    sam_samlog *log = NULL;
    selection shown = {.as = args->json ? JSON : args->oneline ? ONELINE : FULL, .worker = (uint32_t)args->worker};
    sam_status status = cli_run_open(&log, run, &args->access, err);
    if (status == SAM_OK) {
        uint64_t there = sam_samlog_rounds(log);
        shown.to = there;
        if (args->rounds != NULL)
            status = cli_parse_rounds("rounds", args->rounds, &shown.from, &shown.to, err);
        shown.to = shown.to < there ? shown.to : there;
    }
    if (status == SAM_OK)
        status = print_log(log, &shown, err);
    sam_samlog_close(log);
    return status;
}

sam_status cli_log(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"oneline", SAM_OPTION_FLAG, &args.oneline, NULL, "a line for each round: number, time, chain, worker:codes"},
        {"worker", SAM_OPTION_COUNT, &args.worker, "W", "only this worker's records, and rounds that have one"},
        {"rounds", SAM_OPTION_TEXT, &args.rounds, "A..B", "from round A up to B, without B; left out: all"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "the manifest, then one JSON object for each round"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {"samara log", "RUN",
                                 "Shows the rounds of a run, oldest first. RUN is a .samlog file, or a URL at a ledger "
                                 "or gateway\n(http://HOST:PORT/v1/runs/ID, or http://HOST:PORT where there is one run "
                                 "alone). Records that a revert\ntook out are in brackets.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK && args.worker > UINT32_MAX)
        status = sam_fail(err, SAM_INVALID, "--worker: there is no worker %llu", (unsigned long long)args.worker);
    return status == SAM_OK ? show(&args, argv[rest], err) : status;
}
