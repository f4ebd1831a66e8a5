/* samara fork, revert: a new run that begins with the rounds of another, all of them or without some records. */
#include "base/memory.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/shared/moment.h"
#include "cli/shared/transfer.h"
#include "run/history.h"

#include <stdio.h>
#include <string.h>

typedef struct request {
    const char *at, *name, *train, *dev, *rounds_out, *out, *ledger, *base;
    uint64_t worker, rounds;
    bool json;
    sam_access access;
} request;

#define OUTPUT_OPTIONS(asked)                                                                                          \
    {"name", SAM_OPTION_TEXT, &(asked).name, "TEXT", "of the new run; left out: the same"},                            \
        {"out", SAM_OPTION_TEXT, &(asked).out, "FILE", "write it as .samlog"},                                         \
        {"ledger", SAM_OPTION_TEXT, &(asked).ledger, "URL", "bring it to this ledger; left out: where RUN is"},        \
        {"base", SAM_OPTION_TEXT, &(asked).base, "MODEL", "say the digest of its state as well"},                      \
        {"json", SAM_OPTION_FLAG, &(asked).json, NULL, "one JSON object"}, SAM_ACCESS_OPTIONS(&(asked).access)

static sam_status read_at(const char *text, const sam_samlog *log, uint64_t *at, sam_error *err)
{
    *at = sam_samlog_rounds(log);
    if (text == NULL || sam_parse_u64(text, at))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--at: \"%s\" is not a whole number from 1 up", text);
}

/* The ledger of a URL, where RUN is one and nothing else was asked for. */
static sam_status home_of(const char *run, char **home, sam_error *err)
{
    const char *path = strstr(run, "/v1/runs");
    *home = sam_strndup(run, path == NULL ? strlen(run) : (size_t)(path - run));
    return *home == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : SAM_OK;
}

static sam_status deliver(cli_found *found, const sam_samlog *made, const request *asked, const char *run,
                          sam_error *err)
{
    char *home = NULL;
    sam_status status = SAM_OK;
    if (asked->out != NULL)
        status = cli_log_to_file(found, made, asked->out, err);
    if (status == SAM_OK && asked->ledger == NULL && asked->out == NULL)
        status = home_of(run, &home, err);
    const char *ledger = asked->ledger != NULL ? asked->ledger : home;
    if (status == SAM_OK && ledger != NULL)
        status = cli_log_to_ledger(found, made, ledger, 0, &asked->access, err);
    sam_free(home);
    return status;
}

static json_t *removal_json(const sam_removal *removal)
{
    return json_pack("{s:I, s:I, s:I}", "from", (json_int_t)removal->from, "to", (json_int_t)removal->to, "worker",
                     (json_int_t)removal->worker);
}

static void tell_parent(cli_found *found, const sam_manifest *manifest)
{
    const sam_parent *parent = &manifest->parent;
    json_t *removals = json_array();
    char run[SAM_DIGEST_HEX];
    sam_digest_hex(run, &parent->run);
    cli_found_say(found, "parent", "parent", json_string(run), "%s, its first %llu rounds", run,
                  (unsigned long long)parent->round);
    cli_found_say(found, NULL, "parent_rounds", json_integer((json_int_t)parent->round), " ");
    for (size_t i = 0; i < parent->removal_count; i++) {
        const sam_removal *one = &parent->removals[i];
        char whose[40] = "of everybody";
        if (one->worker != 0)
            snprintf(whose, sizeof whose, "of worker %u", one->worker);
        json_array_append_new(removals, removal_json(one));
        cli_found_say(found, "without", NULL, NULL, "rounds %llu..%llu %s", (unsigned long long)one->from,
                      (unsigned long long)one->to, whose);
    }
    cli_found_say(found, NULL, "without", removals, " ");
}

static sam_status tell_state(cli_found *found, const sam_samlog *made, const char *base, sam_error *err)
{
    char *path = NULL;
    sam_model *model = NULL;
    sam_replica *replica = NULL;
    sam_digest digest;
    sam_status status = cli_resolve(base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&model, path, err);
    if (status == SAM_OK)
        status = cli_moment_restore(&replica, model, made, UINT64_MAX, err);
    if (status == SAM_OK) {
        sam_replica_digest(replica, &digest);
        cli_found_digest(found, "state digest", "state_digest", &digest);
    }
    sam_replica_free(replica);
    sam_model_close(model);
    sam_free(path);
    return status;
}

/* Forks `log`, says so, and sends the fork where it was asked for. */
static sam_status make(const sam_samlog *log, const sam_fork *fork, const request *asked, const char *run,
                       sam_error *err)
{
    sam_buffer bytes = {0};
    sam_samlog *made = NULL;
    cli_found found = {.json = asked->json};
    sam_status status = sam_history_fork(&bytes, log, fork, err);
    if (status == SAM_OK)
        status = sam_samlog_parse(&made, bytes.bytes, bytes.length, err);
    sam_buffer_free(&bytes);
    if (status == SAM_OK) {
        cli_found_log(&found, made);
        tell_parent(&found, sam_samlog_manifest(made));
    }
    if (status == SAM_OK && asked->base != NULL)
        status = tell_state(&found, made, asked->base, err);
    if (status == SAM_OK)
        status = deliver(&found, made, asked, run, err);
    cli_found_close(&found, status == SAM_OK);
    sam_samlog_close(made);
    return status;
}

static sam_status open_asked(sam_samlog **log, const request *asked, const char *run, sam_error *err)
{
    if (!cli_is_url(run) && asked->out == NULL && asked->ledger == NULL)
        return sam_fail(err, SAM_INVALID, "say where the new run goes: --out FILE, --ledger URL, or both");
    return sam_run_open(log, run, &asked->access, err);
}

/* ---- fork ---- */

static sam_status data_digest(const char *source, sam_digest *digest, sam_error *err)
{
    char *path = NULL;
    sam_status status = cli_resolve(source, &path, err);
    if (status == SAM_OK)
        status = sam_digest_file(digest, path, err);
    sam_free(path);
    return status;
}

static sam_status fork_log(const sam_samlog *log, const request *asked, const char *run, sam_error *err)
{
    sam_digest train, dev;
    sam_fork fork = {.name = asked->name, .rounds = asked->rounds};
    sam_status status = read_at(asked->at, log, &fork.at, err);
    if (status == SAM_OK && asked->train != NULL) {
        status = data_digest(asked->train, &train, err);
        fork.train = &train;
    }
    if (status == SAM_OK && asked->dev != NULL) {
        status = data_digest(asked->dev, &dev, err);
        fork.dev = &dev;
    }
    return status == SAM_OK ? make(log, &fork, asked, run, err) : status;
}

sam_status cli_fork(int argc, char **argv, sam_error *err)
{
    request asked = {0};
    const sam_option table[] = {
        {"at", SAM_OPTION_TEXT, &asked.at, "ROUND", "rounds of the past that it keeps; left out: all"},
        {"rounds", SAM_OPTION_COUNT, &asked.rounds, "N", "of the new run in all; 0: as many as RUN has"},
        {"train", SAM_OPTION_TEXT, &asked.train, "FILE", "training data from here on; left out: the same"},
        {"dev", SAM_OPTION_TEXT, &asked.dev, "FILE", "dev data from here on; left out: the same"},
        OUTPUT_OPTIONS(asked),
        {0},
    };
    const sam_command command = {"samara fork", "RUN --at ROUND",
                                 "Makes a new run that shares the past of RUN up to a round: a .samlog file, or a URL "
                                 "(http://HOST:PORT/v1/runs/ID).\nWhat its past moved stays as it was; it goes on at a "
                                 "ledger, with workers, like any run.",
                                 table};
    int rest;
    sam_samlog *log = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = open_asked(&log, &asked, argv[rest], err);
    if (status == SAM_OK)
        status = fork_log(log, &asked, argv[rest], err);
    sam_samlog_close(log);
    return status;
}

/* ---- revert ---- */

static sam_status revert_log(const sam_samlog *log, const request *asked, const char *run, sam_error *err)
{
    sam_fork fork = {.name = asked->name, .removal_count = 1};
    sam_status status = read_at(asked->at, log, &fork.at, err);
    if (status != SAM_OK)
        return status;
    sam_removal removal = {.from = 0, .to = fork.at, .worker = (uint32_t)asked->worker};
    if (asked->rounds_out != NULL)
        status = cli_moment_span("rounds", asked->rounds_out, &removal.from, &removal.to, err);
    fork.removals = &removal;
    return status == SAM_OK ? make(log, &fork, asked, run, err) : status;
}

sam_status cli_revert(int argc, char **argv, sam_error *err)
{
    request asked = {0};
    const sam_option table[] = {
        {"worker", SAM_OPTION_COUNT, &asked.worker, "W", "take out this worker's records; 0: everybody's"},
        {"rounds", SAM_OPTION_TEXT, &asked.rounds_out, "A..B", "those of rounds A to B - 1; left out: of all rounds"},
        {"at", SAM_OPTION_TEXT, &asked.at, "ROUND", "rounds of RUN that the new run keeps; left out: all"},
        OUTPUT_OPTIONS(asked),
        {0},
    };
    const sam_command command = {"samara revert", "RUN --worker W | --rounds A..B",
                                 "Makes a new run whose state is exactly that of RUN without some records: every other "
                                 "record moves what it\nmoved before. RUN is a .samlog file, or a URL "
                                 "(http://HOST:PORT/v1/runs/ID).",
                                 table};
    int rest;
    sam_samlog *log = NULL;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK && asked.worker == 0 && asked.rounds_out == NULL)
        status = sam_fail(err, SAM_INVALID, "say what is to be taken out: --worker W, --rounds A..B, or both");
    if (status == SAM_OK && asked.worker > UINT32_MAX)
        status = sam_fail(err, SAM_INVALID, "--worker: there is no worker %llu", (unsigned long long)asked.worker);
    if (status == SAM_OK)
        status = open_asked(&log, &asked, argv[rest], err);
    if (status == SAM_OK)
        status = revert_log(log, &asked, argv[rest], err);
    sam_samlog_close(log);
    return status;
}
