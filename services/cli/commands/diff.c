/* samara diff: where two runs part, in what their manifests differ, and how far apart their weights are. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/shared/checkpoint.h"
#include "cli/shared/output.h"
#include "cli/shared/run_address.h"
#include "run/history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct arguments {
    const char *base, *at[2];
    bool json;
    sam_access access;
} arguments;

static const char *const SIDES[2] = {"a", "b"};

/* ---- the logs ---- */

static void tell_run(cli_output *output, const sam_samlog *log, int side)
{
    const sam_manifest *manifest = sam_samlog_manifest(log);
    uint64_t rounds = sam_samlog_rounds(log);
    cli_output_line(
        output, SIDES[side], SIDES[side],
        json_pack("{s:s, s:s, s:I}", "run", manifest->id_hex, "name", manifest->name, "rounds", (json_int_t)rounds),
        "%s, %llu rounds: %s", manifest->id_hex, (unsigned long long)rounds, manifest->name);
}

static char *short_text(const json_t *value)
{
    char *text = value == NULL ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (text != NULL && strlen(text) > 40)
        memcpy(text + 37, "...", 4);
    return text;
}

static void tell_field(cli_output *output, json_t *fields, const char *name, json_t *a, json_t *b)
{
    char *of_a, *of_b;
    if (a != NULL && b != NULL && json_equal(a, b))
        return;
    of_a = short_text(a);
    of_b = short_text(b);
    cli_output_line(output, "manifest", NULL, NULL, "%s: %s | %s", name, of_a == NULL ? "-" : of_a,
                    of_b == NULL ? "-" : of_b);
    sam_free(of_a);
    sam_free(of_b);
    json_array_append_new(fields, json_pack("{s:s, s:O?, s:O?}", "field", name, "a", a, "b", b));
}

/* Both texts are manifests that were parsed. */
static void tell_manifests(cli_output *output, const sam_manifest *a, const sam_manifest *b)
{
    json_t *of_a = json_loads(a->text, 0, NULL), *of_b = json_loads(b->text, 0, NULL), *value, *fields = json_array();
    const char *name;
    json_object_foreach(of_a, name, value) tell_field(output, fields, name, value, json_object_get(of_b, name));
    json_object_foreach(of_b, name, value) if (json_object_get(of_a, name) == NULL)
        tell_field(output, fields, name, NULL, value);
    cli_output_member(output, "manifest", fields);
    json_decref(of_a);
    json_decref(of_b);
}

static void tell_shared(cli_output *output, const sam_samlog *a, const sam_samlog *b)
{
    uint64_t shared = sam_history_shared(a, b);
    unsigned long long more_a = sam_samlog_rounds(a) - shared, more_b = sam_samlog_rounds(b) - shared;
    cli_output_line(output, "shared", "shared", json_integer((json_int_t)shared),
                    "the first %llu rounds have the same records; a has %llu more, b %llu", (unsigned long long)shared,
                    more_a, more_b);
}

/* ---- the states ---- */

typedef struct distance {
    uint64_t count, differing, largest; /* integers of the state; the largest difference in size */
    double apart, moved;                /* root mean square of the differences, and of a's own integers */
} distance;

static void measure(distance *d, const int64_t *a, const int64_t *b)
{
    double apart = 0, moved = 0;
    for (uint64_t i = 0; i < d->count; i++) {
        uint64_t size = a[i] > b[i] ? (uint64_t)a[i] - (uint64_t)b[i] : (uint64_t)b[i] - (uint64_t)a[i];
        d->differing += size != 0;
        d->largest = size > d->largest ? size : d->largest;
        apart += (double)size * (double)size;
        moved += (double)a[i] * (double)a[i];
    }
    d->apart = sqrt(apart / (double)d->count);
    d->moved = sqrt(moved / (double)d->count);
}

static bool same_directions(const sam_manifest *a, const sam_manifest *b)
{
    return sam_digest_equal(&a->base, &b->base) && a->seed == b->seed && a->eta_log2 == b->eta_log2 &&
           memcmp(&a->directions, &b->directions, sizeof a->directions) == 0 && a->epoch_rounds == b->epoch_rounds &&
           a->trainable.first_block == b->trainable.first_block && a->trainable.end_block == b->trainable.end_block &&
           a->trainable.norms == b->trainable.norms && a->trainable.embeddings == b->trainable.embeddings &&
           a->trainable.final_norm == b->trainable.final_norm;
}

static sam_status tell_distance(cli_output *output, const sam_replica *a, const sam_replica *b, int eta_log2,
                                sam_error *err)
{
    uint64_t count_a = sam_replica_state_count(a), count_b = sam_replica_state_count(b);
    distance d = {.count = count_a > count_b ? count_a : count_b}; /* an epoch that has not begun is all zero */
    int64_t *of_a = sam_alloc(d.count, sizeof *of_a), *of_b = sam_alloc(d.count, sizeof *of_b);
    sam_status status = SAM_OK;
    if (of_a != NULL && of_b != NULL) {
        sam_replica_state_get(a, of_a);
        sam_replica_state_get(b, of_b);
        measure(&d, of_a, of_b);
        cli_output_line(output, "state", "differing", json_integer((json_int_t)d.differing),
                        "%llu of %llu integers differ, by at most %llu", (unsigned long long)d.differing,
                        (unsigned long long)d.count, (unsigned long long)d.largest);
        cli_output_member(output, "integers", json_integer((json_int_t)d.count));
        cli_output_member(output, "largest", json_integer((json_int_t)d.largest));
        cli_output_line(output, "weights", "weights_rms", json_real(ldexp(d.apart, eta_log2)),
                        "%.3g apart (root mean square); a is %.3g from the base", ldexp(d.apart, eta_log2),
                        ldexp(d.moved, eta_log2));
        cli_output_member(output, "a_moved_rms", json_real(ldexp(d.moved, eta_log2)));
    } else {
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory for two states");
    }
    sam_free(of_a);
    sam_free(of_b);
    return status;
}

static void tell_digest(cli_output *output, const sam_replica *replica, int side)
{
    static const char *const LABELS[2] = {"digest of a", "digest of b"}, *const KEYS[2] = {"a_digest", "b_digest"};
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_replica_digest(replica, &digest);
    sam_digest_hex(hex, &digest);
    cli_output_line(output, LABELS[side], KEYS[side], json_string(hex), "%s, before round %llu", hex,
                    (unsigned long long)sam_replica_round(replica));
}

static sam_status tell_states(cli_output *output, const arguments *args, sam_samlog *const logs[2], sam_error *err)
{
    const sam_manifest *manifests[2] = {sam_samlog_manifest(logs[0]), sam_samlog_manifest(logs[1])};
    sam_model *model = NULL;
    sam_replica *replicas[2] = {NULL, NULL};
    char *path = NULL;
    sam_status status = cli_resolve(args->base, &path, err);
    if (status == SAM_OK)
        status = sam_model_open(&model, path, err);
    for (int side = 0; side < 2 && status == SAM_OK; side++) {
        uint64_t round;
        status = cli_parse_round(side == 0 ? "a-round" : "b-round", args->at[side], &round, err);
        if (status == SAM_OK)
            status = cli_checkpoint_restore(&replicas[side], model, logs[side], round, err);
        if (status == SAM_OK)
            tell_digest(output, replicas[side], side);
    }
    if (status == SAM_OK && same_directions(manifests[0], manifests[1]))
        status = tell_distance(output, replicas[0], replicas[1], manifests[0]->eta_log2, err);
    else if (status == SAM_OK)
        cli_output_line(output, "weights", NULL, NULL, "moved along other directions; their states cannot be compared");
    sam_replica_free(replicas[0]);
    sam_replica_free(replicas[1]);
    sam_model_close(model);
    sam_free(path);
    return status;
}

/* ---- the command ---- */

static sam_status diff(const arguments *args, char *const *runs, sam_error *err)
{
    sam_samlog *logs[2] = {NULL, NULL};
    cli_output output = {.json = args->json};
    sam_status status = SAM_OK;
    for (int side = 0; side < 2 && status == SAM_OK; side++) {
        status = cli_run_open(&logs[side], runs[side], &args->access, err);
        if (status == SAM_OK)
            tell_run(&output, logs[side], side);
    }
    if (status == SAM_OK) {
        tell_manifests(&output, sam_samlog_manifest(logs[0]), sam_samlog_manifest(logs[1]));
        tell_shared(&output, logs[0], logs[1]);
    }
    if (status == SAM_OK && args->base != NULL)
        status = tell_states(&output, args, logs, err);
    cli_output_close(&output, status == SAM_OK);
    sam_samlog_close(logs[0]);
    sam_samlog_close(logs[1]);
    return status;
}

sam_status cli_diff(int argc, char **argv, sam_error *err)
{
    arguments args = {0};
    const sam_option table[] = {
        {"base", SAM_OPTION_TEXT, &args.base, "MODEL", "the model both were trained from: compare the states too"},
        {"a-round", SAM_OPTION_TEXT, &args.at[0], "N", "with --base: the state of A before round N; left out: the end"},
        {"b-round", SAM_OPTION_TEXT, &args.at[1], "N", "the same for B, which may be the same run"},
        {"json", SAM_OPTION_FLAG, &args.json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&args.access),
        {0},
    };
    const sam_command command = {"samara diff", "A B",
                                 "Shows how two runs differ: their manifests, the round where their records part, "
                                 "and with --base how far\napart their weights are. A and B are .samlog files, or URLs "
                                 "(http://HOST:PORT/v1/runs/ID).",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 2, &rest, err);
    if (status == SAM_OK && args.base == NULL && (args.at[0] != NULL || args.at[1] != NULL))
        status = sam_fail(err, SAM_INVALID, "--a-round and --b-round are of states: they need --base MODEL");
    return status == SAM_OK ? diff(&args, argv + rest, err) : status;
}
