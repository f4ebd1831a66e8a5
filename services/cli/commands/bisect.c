/* samara bisect: which round made a dev metric fall, by evaluations at midpoints. */
#include "base/memory.h"
#include "base/shutdown.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/shared/engine_options.h"
#include "cli/shared/evaluator.h"
#include "cli/shared/output.h"
#include "cli/shared/view.h"
#include "model/files/json.h"
#include "train/evaluation.h"
#include "train/quality/quality.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ACCURACY, LOSS };

typedef struct arguments {
    cli_evaluator_options evaluator;
    const char *good, *bad;
    unsigned metric; /* of a loss what falls is what grows */
    double limit;    /* NaN: the middle of both ends */
    bool json;
} arguments;

typedef struct search {
    const arguments *args;
    cli_evaluator evaluator;
    cli_view view;
    cli_output output;
    json_t *evaluated; /* one element for each evaluation */
    sam_outcome *outcomes;
    unsigned evaluations;
} search;

static bool step(void *user, size_t done, size_t total)
{
    search *s = user;
    cli_view_step(&s->view, "evaluating", done, total);
    return !sam_shutdown_requested();
}

/* The metric of the state before `round`. */
static sam_status measure(search *s, uint64_t round, double *value, sam_error *err)
{
    const sam_progress watcher = {step, s};
    sam_status status = sam_replica_seek(s->evaluator.checkpoint.replica, round, err);
    if (status == SAM_OK)
        status = sam_evaluate(s->evaluator.trainer, s->evaluator.data, s->outcomes, &watcher, err);
    if (status != SAM_OK)
        return status;
    const sam_quality score = sam_quality_of(s->evaluator.data, s->outcomes, (double)NAN, SAM_METRIC_ACCURACY);
    *value = s->args->metric == LOSS ? score.loss : score.accuracy;
    s->evaluations++;
    cli_view_end(&s->view);
    json_array_append_new(s->evaluated, json_pack("{s:I, s:o, s:o}", "round", (json_int_t)round, "accuracy",
                                                  sam_json_real(score.accuracy), "loss", sam_json_real(score.loss)));
    if (!s->output.json)
        printf("round %-8llu accuracy %.4f  loss %.6f\n", (unsigned long long)round, score.accuracy, score.loss);
    return SAM_OK;
}

static bool fell(const search *s, double value, double limit)
{
    return s->args->metric == LOSS ? value > limit : value < limit;
}

static sam_status check_ends(const search *s, const uint64_t ends[2], const double values[2], double limit,
                             sam_error *err)
{
    if (fell(s, values[0], limit))
        return sam_fail(err, SAM_INVALID, "it had fallen already before round %llu (%.6f, the limit is %.6f)",
                        (unsigned long long)ends[0], values[0], limit);
    if (!fell(s, values[1], limit))
        return sam_fail(err, SAM_INVALID, "it had not fallen before round %llu (%.6f, the limit is %.6f)",
                        (unsigned long long)ends[1], values[1], limit);
    return SAM_OK;
}

/* ends[0] is good, ends[1] is bad, and they close in on each other. */
static sam_status close_in(search *s, uint64_t ends[2], double values[2], sam_error *err)
{
    sam_status status = measure(s, ends[0], &values[0], err);
    if (status == SAM_OK)
        status = measure(s, ends[1], &values[1], err);
    double limit = isnan(s->args->limit) ? (values[0] + values[1]) / 2 : s->args->limit;
    if (status == SAM_OK)
        status = check_ends(s, ends, values, limit, err);
    while (status == SAM_OK && ends[1] - ends[0] > 1) {
        uint64_t middle = ends[0] + (ends[1] - ends[0]) / 2;
        double value;
        status = measure(s, middle, &value, err);
        if (status != SAM_OK)
            return status;
        size_t end = fell(s, value, limit) ? 1 : 0;
        ends[end] = middle;
        values[end] = value;
    }
    return status;
}

static void tell_record(cli_output *output, json_t *records, const sam_record *record)
{
    char *codes = sam_alloc(2 * (size_t)record->code_count + 1, 1);
    if (codes == NULL)
        return;
    sam_hex(codes, record->codes, record->code_count);
    json_array_append_new(records, json_pack("{s:I, s:I, s:s}", "slot", (json_int_t)record->place, "worker",
                                             (json_int_t)record->author, "codes", codes));
    cli_output_line(output, "record", NULL, NULL, "slot %u of worker %u, codes %s", record->place, record->author,
                    codes);
    sam_free(codes);
}

/* Whose records moved the state from good to bad. */
static sam_status tell_culprit(search *s, const uint64_t ends[2], const double values[2], sam_error *err)
{
    const sam_samlog *log = s->evaluator.checkpoint.log;
    const sam_manifest *manifest = sam_samlog_manifest(log);
    json_t *records = json_array();
    sam_round round = {0};
    sam_status status = sam_samlog_decode(log, ends[0], &round, err);
    if (status == SAM_OK) {
        cli_output_member(&s->output, "run", json_string(manifest->id_hex));
        cli_output_line(&s->output, "fell with", "round", json_integer((json_int_t)ends[0]),
                        "round %llu, from %.6f to %.6f (%u evaluations)", (unsigned long long)ends[0], values[0],
                        values[1], s->evaluations);
        cli_output_member(&s->output, "before", sam_json_real(values[0]));
        cli_output_member(&s->output, "after", sam_json_real(values[1]));
        cli_output_member(&s->output, "evaluations", json_incref(s->evaluated));
    }
    for (size_t i = 0; status == SAM_OK && i < round.record_count; i++)
        tell_record(&s->output, records, &round.records[i]);
    cli_output_member(&s->output, "records", records);
    sam_round_free(&round);
    return status;
}

static sam_status bisect(search *s, sam_error *err)
{
    uint64_t ends[2], rounds;
    double values[2] = {0, 0};
    sam_status status = cli_evaluator_open(&s->evaluator, &s->args->evaluator, err);
    if (status == SAM_OK)
        status = cli_parse_round("good", s->args->good, &ends[0], err);
    if (status == SAM_OK)
        status = cli_parse_round("bad", s->args->bad, &ends[1], err);
    if (status != SAM_OK)
        return status;
    rounds = s->evaluator.checkpoint.rounds;
    ends[1] = ends[1] == UINT64_MAX ? rounds : ends[1];
    if (ends[0] >= ends[1] || ends[1] > rounds)
        return sam_fail(err, SAM_INVALID, "--good and --bad: good must lie before bad, and the log has %llu rounds",
                        (unsigned long long)rounds);
    s->outcomes = sam_alloc(sam_dataset_count(s->evaluator.data), sizeof *s->outcomes);
    if (s->outcomes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    status = close_in(s, ends, values, err);
    return status == SAM_OK ? tell_culprit(s, ends, values, err) : status;
}

static sam_status parse(arguments *args, int argc, char **argv, sam_error *err)
{
    cli_evaluator_options *from = &args->evaluator;
    const sam_option table[] = {
        {"base", SAM_OPTION_TEXT, &from->base, "MODEL", "the model the run was trained from"},
        {"data", SAM_OPTION_TEXT, &from->data, "FILE", "data to evaluate on, such as the run's dev data"},
        {"metric", SAM_OPTION_CHOICE, &args->metric, "accuracy|loss", "which metric fell; a loss falls when it grows"},
        {"good", SAM_OPTION_TEXT, &args->good, "A", "before this round it was good"},
        {"bad", SAM_OPTION_TEXT, &args->bad, "B", "before this round it had fallen; left out: the end"},
        {"limit", SAM_OPTION_NUMBER, &args->limit, "X",
         "fallen is what is worse than this; left out: the middle between A and B"},
        CLI_ENGINE_OPTIONS(from),
        {"json", SAM_OPTION_FLAG, &args->json, NULL, "one JSON object"},
        SAM_ACCESS_OPTIONS(&from->access),
        {0},
    };
    const sam_command command = {"samara bisect", "RUN --base MODEL --data FILE",
                                 "Finds the round with which a metric fell, by evaluations at midpoints between a "
                                 "state that was good and\none that is bad: about log2(B - A) of them. As with any "
                                 "bisection, a metric that went up and down between\nthe two has more than one such "
                                 "round, and one of them is found.",
                                 table};
    int rest;
    sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);
    if (status == SAM_OK)
        status = cli_require(&command, "base data", err);
    if (status == SAM_OK)
        from->log = argv[rest];
    return status;
}

sam_status cli_bisect(int argc, char **argv, sam_error *err)
{
    arguments args = {.evaluator.precision = SAM_PRECISION_BF16, .good = "0", .limit = (double)NAN};
    search s = {.args = &args};
    sam_status status = parse(&args, argc, argv, err);
    cli_view_init(&s.view, args.json);
    s.output.json = args.json;
    s.evaluated = json_array();
    if (status == SAM_OK)
        status = bisect(&s, err);
    cli_output_close(&s.output, status == SAM_OK);
    json_decref(s.evaluated);
    cli_evaluator_close(&s.evaluator);
    sam_free(s.outcomes);
    return status;
}
