#include "cli/shared/score.h"

#include "base/memory.h"
#include "cli/shared/confusion.h"
#include "cli/shared/margins.h"

#include <math.h>

#define STEP 64 /* examples between two looks at the watcher */

sam_status cli_outcomes(sam_trainer *trainer, const sam_dataset *data, sam_outcome *outcomes,
                        const cli_score_watcher *watcher, sam_error *err)
{
    size_t total = sam_dataset_count(data);
    for (size_t done = 0; done < total; done += STEP) {
        if (!watcher->step(watcher->user, done, total))
            return sam_fail(err, SAM_CANCELLED, "the evaluation was stopped");
        size_t count = total - done < STEP ? total - done : STEP;
        sam_status status = sam_trainer_evaluate(trainer, data, done, count, outcomes + done, err);
        if (status != SAM_OK)
            return status;
    }
    return watcher->step(watcher->user, total, total) ? SAM_OK
                                                      : sam_fail(err, SAM_CANCELLED, "the evaluation was stopped");
}

/* ---- margins of two options ---- */

static bool has_two_options(const sam_dataset *data, const sam_outcome *outcomes)
{
    for (size_t i = 0; i < sam_dataset_count(data); i++)
        if (sam_dataset_at(data, i)->option_count != 2 || !isfinite(outcomes[i].margin))
            return false;
    return true;
}

/* Examples from the smallest margin up; NULL where there are not two options. */
static cli_margin *rank(const sam_dataset *data, const sam_outcome *outcomes)
{
    size_t count = sam_dataset_count(data);
    cli_margin *list = has_two_options(data, outcomes) ? sam_alloc(count, sizeof *list) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = (cli_margin){outcomes[i].margin, sam_dataset_at(data, i)->label == 1};
    cli_margins_sort(list, count);
    return list;
}

double cli_best_threshold(const sam_dataset *data, const sam_outcome *outcomes)
{
    cli_margin *list = rank(data, outcomes);
    double threshold = list == NULL ? (double)NAN : cli_margins_threshold(list, sam_dataset_count(data));
    sam_free(list);
    return threshold;
}

cli_score cli_score_of(const sam_dataset *data, const sam_outcome *outcomes, double threshold, sam_metric metric)
{
    size_t count = sam_dataset_count(data), correct = 0, calibrated = 0;
    cli_confusion answers = {0};
    cli_score score = {.known = true, .examples = count, .threshold = threshold, .metric = metric};
    for (size_t i = 0; i < count; i++) {
        uint32_t label = sam_dataset_at(data, i)->label;
        cli_confusion_add(&answers, label, outcomes[i].answer);
        correct += outcomes[i].answer == label;
        calibrated += (outcomes[i].margin > threshold) == (label == 1);
        score.loss += outcomes[i].loss / (double)count;
    }
    score.accuracy = (double)correct / (double)count;
    score.f1 = metric == SAM_METRIC_MACRO_F1 ? cli_confusion_macro_f1(&answers) : cli_confusion_f1(&answers, 1);
    cli_margin *list = isfinite(threshold) ? rank(data, outcomes) : NULL;
    if (list != NULL) {
        score.two_options = true;
        score.calibrated_accuracy = (double)calibrated / (double)count;
        score.auc = cli_margins_area(list, count);
    }
    sam_free(list);
    return score;
}

/* ---- JSON ---- */

static const char *const F1_NAMES[] = {[SAM_METRIC_F1] = "f1", [SAM_METRIC_MACRO_F1] = "macro_f1"};

const char *cli_score_f1_name(const cli_score *score)
{
    return F1_NAMES[score->metric];
}

json_t *cli_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *cli_score_json(const cli_score *score)
{
    if (!score->known)
        return json_null();
    json_t *json = json_pack("{s:I,s:o,s:o}", "examples", (json_int_t)score->examples, "accuracy",
                             cli_json_real(score->accuracy), "loss", cli_json_real(score->loss));
    if (cli_score_f1_name(score) != NULL)
        json_object_set_new(json, cli_score_f1_name(score), cli_json_real(score->f1));
    if (score->two_options)
        json_object_update_new(json, json_pack("{s:o,s:o,s:o}", "calibrated_accuracy",
                                               cli_json_real(score->calibrated_accuracy), "threshold",
                                               cli_json_real(score->threshold), "auc", cli_json_real(score->auc)));
    return json;
}

static double real_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

cli_score cli_score_from_json(const json_t *json)
{
    if (!json_is_object(json))
        return (cli_score){0};
    cli_score score = {
        .known = true,
        .two_options = json_object_get(json, "threshold") != NULL,
        .examples = (size_t)json_integer_value(json_object_get(json, "examples")),
        .accuracy = real_of(json, "accuracy"),
        .loss = real_of(json, "loss"),
        .threshold = real_of(json, "threshold"),
        .calibrated_accuracy = real_of(json, "calibrated_accuracy"),
        .auc = real_of(json, "auc"),
    };
    for (sam_metric metric = SAM_METRIC_F1; metric <= SAM_METRIC_MACRO_F1; metric++) {
        if (json_object_get(json, F1_NAMES[metric]) != NULL) {
            score.metric = metric;
            score.f1 = real_of(json, F1_NAMES[metric]);
        }
    }
    return score;
}
