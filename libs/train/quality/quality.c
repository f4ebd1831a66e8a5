#include "train/quality/quality.h"

#include "base/memory.h"
#include "model/files/json.h"
#include "train/quality/confusion.h"
#include "train/quality/margins.h"

#include <math.h>

/* ---- margins of two options ---- */

static bool has_two_options(const sam_dataset *data, const sam_outcome *outcomes)
{
    for (size_t i = 0; i < sam_dataset_count(data); i++)
        if (sam_dataset_at(data, i)->option_count != 2 || !isfinite(outcomes[i].margin))
            return false;
    return true;
}

/* Examples from the smallest margin up; NULL where there are not two options. */
static sam_margin *rank(const sam_dataset *data, const sam_outcome *outcomes)
{
    size_t count = sam_dataset_count(data);
    sam_margin *list = has_two_options(data, outcomes) ? sam_alloc(count, sizeof *list) : NULL;
    if (list == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        list[i] = (sam_margin){outcomes[i].margin, sam_dataset_at(data, i)->label == 1};
    sam_margins_sort(list, count);
    return list;
}

double sam_quality_threshold(const sam_dataset *data, const sam_outcome *outcomes)
{
    sam_margin *list = rank(data, outcomes);
    double threshold = list == NULL ? (double)NAN : sam_margins_threshold(list, sam_dataset_count(data));
    sam_free(list);
    return threshold;
}

/* ---- all figures ---- */

static void add_calibrated(sam_quality *quality, const sam_dataset *data, const sam_outcome *outcomes)
{
    size_t count = quality->examples, right = 0;
    sam_margin *list = isfinite(quality->threshold) ? rank(data, outcomes) : NULL;
    if (list == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        right += (list[i].margin > quality->threshold) == list[i].positive;
    quality->two_options = true;
    quality->calibrated_accuracy = (double)right / (double)count;
    quality->auc = sam_margins_area(list, count);
    sam_free(list);
}

sam_quality sam_quality_of(const sam_dataset *data, const sam_outcome *outcomes, double threshold,
                           sam_quality_metric metric)
{
    size_t count = sam_dataset_count(data), correct = 0;
    sam_confusion answers = {0};
    sam_quality quality = {.known = true, .examples = count, .threshold = threshold, .metric = metric};
    for (size_t i = 0; i < count; i++) {
        uint32_t label = sam_dataset_at(data, i)->label;
        sam_confusion_add(&answers, label, outcomes[i].answer);
        correct += outcomes[i].answer == label;
        quality.loss += outcomes[i].loss / (double)count;
    }
    quality.accuracy = (double)correct / (double)count;
    quality.f1 = metric == SAM_METRIC_MACRO_F1 ? sam_confusion_macro_f1(&answers) : sam_confusion_f1(&answers, 1);
    add_calibrated(&quality, data, outcomes);
    return quality;
}

/* ---- JSON ---- */

static const char *const F1_NAMES[] = {[SAM_METRIC_F1] = "f1", [SAM_METRIC_MACRO_F1] = "macro_f1"};

const char *sam_quality_f1_name(const sam_quality *quality)
{
    return F1_NAMES[quality->metric];
}

json_t *sam_quality_json(const sam_quality *quality)
{
    if (!quality->known)
        return json_null();
    json_t *json = json_pack("{s:I,s:o,s:o}", "examples", (json_int_t)quality->examples, "accuracy",
                             sam_json_real(quality->accuracy), "loss", sam_json_real(quality->loss));
    if (sam_quality_f1_name(quality) != NULL)
        json_object_set_new(json, sam_quality_f1_name(quality), sam_json_real(quality->f1));
    if (quality->two_options)
        json_object_update_new(json, json_pack("{s:o,s:o,s:o}", "calibrated_accuracy",
                                               sam_json_real(quality->calibrated_accuracy), "threshold",
                                               sam_json_real(quality->threshold), "auc", sam_json_real(quality->auc)));
    return json;
}

static double real_of(const json_t *json, const char *name)
{
    const json_t *value = json_object_get(json, name);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

sam_quality sam_quality_from_json(const json_t *json)
{
    if (!json_is_object(json))
        return (sam_quality){0};
    sam_quality quality = {
        .known = true,
        .two_options = json_object_get(json, "threshold") != NULL,
        .examples = (size_t)json_integer_value(json_object_get(json, "examples")),
        .accuracy = real_of(json, "accuracy"),
        .loss = real_of(json, "loss"),
        .threshold = real_of(json, "threshold"),
        .calibrated_accuracy = real_of(json, "calibrated_accuracy"),
        .auc = real_of(json, "auc"),
    };
    for (sam_quality_metric metric = SAM_METRIC_F1; metric <= SAM_METRIC_MACRO_F1; metric++) {
        if (json_object_get(json, F1_NAMES[metric]) != NULL) {
            quality.metric = metric;
            quality.f1 = real_of(json, F1_NAMES[metric]);
        }
    }
    return quality;
}
