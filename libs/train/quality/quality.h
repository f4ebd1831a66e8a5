/* How good a model is on a data set: accuracy, loss, the metric that its task names, and for two options what moving
 * the decision threshold would give.
 *
 *     sam_outcome *outcomes = sam_alloc(sam_dataset_count(dev), sizeof *outcomes);
 *     sam_evaluate(trainer, dev, outcomes, NULL, err);                                     // train/evaluation.h
 *     double threshold = sam_quality_threshold(dev, outcomes);
 *     sam_quality quality = sam_quality_of(dev, outcomes, threshold, sam_task_metric(task));
 *     printf("accuracy %.3f, loss %.3f\n", quality.accuracy, quality.loss);
 *
 * The margin of an example is the score of option 1 less that of option 0; option 1 is the plain answer where it is
 * above 0. A base model may lean to one option whatever the text: then the threshold that is best on the dev set shows
 * what it knows, and the area under the ROC curve says so without any threshold. Pure functions.
 */
#ifndef SAM_TRAIN_QUALITY_H
#define SAM_TRAIN_QUALITY_H

#include "train/objectives/objective.h"

#include <jansson.h>

typedef struct sam_quality {
    bool known;       /* false: there is no such data set */
    bool two_options; /* threshold, calibrated_accuracy and auc mean something */
    size_t examples;
    double accuracy, loss, threshold, calibrated_accuracy, auc;
    sam_quality_metric metric; /* what `f1` is: of option 1, or the mean over all options; nothing with ACCURACY */
    double f1;
} sam_quality;

/* outcomes[count of data]; a threshold that is not finite: there is none. */
sam_quality sam_quality_of(const sam_dataset *data, const sam_outcome *outcomes, double threshold,
                           sam_quality_metric metric);
/* The threshold that gets most examples right; NaN unless there are two options. */
double sam_quality_threshold(const sam_dataset *data, const sam_outcome *outcomes);
const char *sam_quality_f1_name(const sam_quality *quality); /* "f1" or "macro_f1"; NULL where accuracy is the metric */

json_t *sam_quality_json(const sam_quality *quality); /* null where it is not known */
sam_quality sam_quality_from_json(const json_t *json);

#endif
