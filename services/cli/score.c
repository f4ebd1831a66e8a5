#include "score.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

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

typedef struct ranked {
    double margin;
    bool positive;
} ranked;

static int by_margin(const void *a, const void *b)
{
    double x = ((const ranked *)a)->margin, y = ((const ranked *)b)->margin;
    return (x > y) - (x < y);
}

static bool has_two_options(const sam_dataset *data, const sam_outcome *outcomes)
{
    for (size_t i = 0; i < sam_dataset_count(data); i++)
        if (sam_dataset_at(data, i)->option_count != 2 || !isfinite(outcomes[i].margin))
            return false;
    return true;
}

/* Examples from the smallest margin up; NULL where there are not two options. */
static ranked *rank(const sam_dataset *data, const sam_outcome *outcomes)
{
    size_t count = sam_dataset_count(data);
    ranked *list = has_two_options(data, outcomes) ? sam_alloc(count, sizeof *list) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = (ranked){outcomes[i].margin, sam_dataset_at(data, i)->label == 1};
    qsort(list, count, sizeof *list, by_margin);
    return list;
}

/* With i examples below the threshold, the negative ones among them and the positive ones above are right. */
double cli_best_threshold(const sam_dataset *data, const sam_outcome *outcomes)
{
    size_t count = sam_dataset_count(data), right = 0;
    ranked *list = rank(data, outcomes);
    if (list == NULL)
        return (double)NAN;
    for (size_t i = 0; i < count; i++)
        right += list[i].positive;
    size_t best = right;
    double threshold = list[0].margin - 1;
    for (size_t i = 1; i <= count; i++) {
        right += list[i - 1].positive ? (size_t)-1 : 1;
        bool between = i == count || list[i].margin > list[i - 1].margin;
        if (between && right > best) {
            best = right;
            threshold = i == count ? list[i - 1].margin + 1 : (list[i - 1].margin + list[i].margin) / 2;
        }
    }
    sam_free(list);
    return threshold;
}

/* Area under the ROC curve: the share of (positive, negative) pairs in the right order, ties counting half. */
static double area(const ranked *list, size_t count)
{
    double below = 0, pairs = 0, positives = 0;
    for (size_t i = 0; i < count;) {
        size_t end = i;
        double tied_positive = 0, tied_negative = 0;
        for (; end < count && !(list[end].margin > list[i].margin); end++) {
            tied_positive += list[end].positive;
            tied_negative += !list[end].positive;
        }
        pairs += tied_positive * (below + tied_negative / 2);
        below += tied_negative;
        positives += tied_positive;
        i = end;
    }
    return positives > 0 && below > 0 ? pairs / (positives * below) : (double)NAN;
}

cli_score cli_score_of(const sam_dataset *data, const sam_outcome *outcomes, double threshold)
{
    size_t count = sam_dataset_count(data), correct = 0, calibrated = 0;
    cli_score score = {.known = true, .examples = count, .threshold = threshold};
    for (size_t i = 0; i < count; i++) {
        uint32_t label = sam_dataset_at(data, i)->label;
        correct += outcomes[i].answer == label;
        calibrated += (outcomes[i].margin > threshold) == (label == 1);
        score.loss += outcomes[i].loss / (double)count;
    }
    score.accuracy = (double)correct / (double)count;
    ranked *list = isfinite(threshold) ? rank(data, outcomes) : NULL;
    if (list != NULL) {
        score.two_options = true;
        score.calibrated_accuracy = (double)calibrated / (double)count;
        score.auc = area(list, count);
    }
    sam_free(list);
    return score;
}

/* ---- JSON ---- */

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
    return (cli_score){
        .known = true,
        .two_options = json_object_get(json, "threshold") != NULL,
        .examples = (size_t)json_integer_value(json_object_get(json, "examples")),
        .accuracy = real_of(json, "accuracy"),
        .loss = real_of(json, "loss"),
        .threshold = real_of(json, "threshold"),
        .calibrated_accuracy = real_of(json, "calibrated_accuracy"),
        .auc = real_of(json, "auc"),
    };
}
