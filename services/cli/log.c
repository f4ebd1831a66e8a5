/* samara log: what stands in a log, from a file or from a ledger. */
#include "base/memory.h"
#include "cli.h"
#include "run/samlog.h"
#include "run_client.h"
#include "seed/code.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- where it comes from ---- */

/* The one run of a ledger, where the URL names none. */
static sam_status only_run(cli_run_client *client, char id[SAM_DIGEST_HEX], sam_error *err)
{
    json_t *answer;
    sam_status status = cli_run_get(client, "/v1/runs", &answer, err);
    if (status != SAM_OK)
        return status;
    const json_t *runs = json_object_get(answer, "runs");
    const char *run = json_string_value(json_object_get(json_array_get(runs, 0), "run"));
    if (json_array_size(runs) == 1 && run != NULL)
        snprintf(id, SAM_DIGEST_HEX, "%s", run);
    else
        status = sam_fail(err, SAM_INVALID, "the ledger has %zu runs; name one: URL/v1/runs/ID", json_array_size(runs));
    json_decref(answer);
    return status;
}

static sam_status fetch(const char *url, const cli_access *access, sam_samlog **log, sam_error *err)
{
    char id[SAM_DIGEST_HEX] = "";
    const char *path = strstr(url, "/v1/runs/");
    char *base = sam_strndup(url, path == NULL ? strlen(url) : (size_t)(path - url));
    cli_run_client *client = NULL;
    sam_buffer bytes = {0};
    uint64_t rounds;
    sam_status status =
        base == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : cli_run_client_new(&client, base, access, err);
    if (status == SAM_OK && path != NULL)
        snprintf(id, sizeof id, "%.64s", path + strlen("/v1/runs/"));
    else if (status == SAM_OK)
        status = only_run(client, id, err);
    if (status == SAM_OK)
        status = cli_run_fetch_log(client, id, &bytes, &rounds, err);
    if (status == SAM_OK)
        status = sam_samlog_parse(log, bytes.bytes, bytes.length, err);
    sam_buffer_free(&bytes);
    cli_run_client_free(client);
    sam_free(base);
    return status;
}

/* ---- what is shown ---- */

typedef enum shape { FULL, ONELINE, JSON } shape;

static void print_head(const sam_samlog *log, shape as)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    if (as == FULL)
        printf("run    %s\nname   %s\nrounds %llu of %llu, %u slots of %u probe%s%s\n\n", manifest->id_hex,
               manifest->name, (unsigned long long)sam_samlog_rounds(log), (unsigned long long)manifest->rounds,
               manifest->slots, manifest->probes, manifest->probes == 1 ? "" : "s",
               sam_samlog_truncated(log) ? " (cut off inside a round)" : "");
    else if (as == JSON)
        printf("%s\n", manifest->text);
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

static void print_round(const sam_round *round, const sam_round_shape *form, shape as)
{
    char when[32], chain[SAM_DIGEST_HEX];
    format_time(round->committed_ms, when);
    sam_digest_hex(chain, &round->chain);
    printf("%llu %s %.12s", (unsigned long long)round->number, when, chain);
    for (uint32_t slot = 0; slot < form->slots; slot++) {
        printf(" %u:", round->workers[slot]);
        for (uint32_t p = 0; p < form->probes; p++)
            printf("%02x", round->codes[(size_t)slot * form->probes + p]);
    }
    printf("\n");
    for (size_t i = 0; as == FULL && i < round->evaluation_count; i++)
        print_evaluation(&round->evaluations[i]);
}

static void print_json(const sam_round *round, const sam_round_shape *form)
{
    char chain[SAM_DIGEST_HEX];
    json_t *records = json_array(), *evaluations = json_array();
    sam_digest_hex(chain, &round->chain);
    for (uint32_t slot = 0; slot < form->slots; slot++) {
        json_t *values = json_array();
        for (uint32_t p = 0; p < form->probes; p++) {
            uint8_t code = round->codes[(size_t)slot * form->probes + p];
            json_array_append_new(values, sam_code_has_value(code) ? json_integer(sam_code_value(code)) : json_null());
        }
        json_array_append_new(records, json_pack("{s:i, s:I, s:o}", "slot", (int)slot, "worker",
                                                 (json_int_t)round->workers[slot], "values", values));
    }
    for (size_t i = 0; i < round->evaluation_count; i++) {
        const sam_evaluation *one = &round->evaluations[i];
        json_array_append_new(evaluations, json_pack("{s:I, s:I, s:I, s:I}", "round", (json_int_t)one->at, "examples",
                                                     (json_int_t)one->examples, "correct", (json_int_t)one->correct,
                                                     "loss_micro", (json_int_t)one->loss_micro));
    }
    json_t *line =
        json_pack("{s:I, s:I, s:s, s:o, s:o}", "round", (json_int_t)round->number, "committed_ms",
                  (json_int_t)round->committed_ms, "chain", chain, "records", records, "evaluations", evaluations);
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(line);
}

static sam_status print_log(const sam_samlog *log, shape as, sam_error *err)
{
    const sam_round_shape form = {sam_samlog_manifest(log)->slots, sam_samlog_manifest(log)->probes};
    print_head(log, as);
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        size_t length;
        sam_round round = {0};
        const uint8_t *bytes = sam_samlog_round(log, r, &length);
        sam_status status = sam_round_decode(&round, &form, bytes, length, err);
        if (status != SAM_OK)
            return status;
        if (as == JSON)
            print_json(&round, &form);
        else
            print_round(&round, &form, as);
        sam_round_free(&round);
    }
    return SAM_OK;
}

sam_status cli_log(int argc, char **argv, sam_error *err)
{
    bool oneline = false, json = false;
    cli_access access = {0};
    const sam_option table[] = {
        {"oneline", SAM_OPTION_FLAG, &oneline, NULL, "a line for each round: number, time, chain, worker:codes"},
        {"json", SAM_OPTION_FLAG, &json, NULL, "the manifest, then one JSON object for each round"},
        CLI_ACCESS_OPTIONS(&access),
        {0},
    };
    const sam_command command = {"samara log", "FILE_OR_URL",
                                 "Shows the rounds of a .samlog file, or of a run at a ledger (its URL, or "
                                 "URL/v1/runs/ID).\nOptions stand before the file.",
                                 table};
    int rest;
    sam_samlog *log = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = strstr(argv[rest], "://") != NULL ? fetch(argv[rest], &access, &log, err)
                                                   : sam_samlog_open(&log, argv[rest], err);
    if (status == SAM_OK)
        status = print_log(log, json ? JSON : oneline ? ONELINE : FULL, err);
    sam_samlog_close(log);
    return status;
}
