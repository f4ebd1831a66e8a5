/* How good a model is on a data set: accuracy, loss, the metric that its task names, and for two options what moving
 * the decision threshold would give.
 *
 *     sam_outcome outcomes[1000];
 *     cli_outcomes(trainer, dev, outcomes, &watcher, err);
 *     cli_score score = cli_score_of(dev, outcomes, cli_best_threshold(dev, outcomes), sam_task_metric(task));
 *
 * The margin of an example is the score of option 1 less that of option 0; option 1 is the plain answer where it is
 * above 0. A base model may lean to one option whatever the text: then the threshold that is best on the dev set shows
 * what it knows, and the area under the ROC curve says so without any threshold. Pure functions but for the first.
 */
#ifndef SAM_CLI_SCORE_H
#define SAM_CLI_SCORE_H

#include "train/task.h"
#include "train/trainer.h"

#include <jansson.h>

typedef struct cli_score {
    bool known;       /* false: there is no such data set */
    bool two_options; /* threshold, calibrated_accuracy and auc mean something */
    size_t examples;
    double accuracy, loss, threshold, calibrated_accuracy, auc;
    sam_metric metric; /* what `f1` is: of option 1, or the mean over all options; means nothing with ACCURACY */
    double f1;
} cli_score;

/* Told after each batch; false ends the evaluation (CANCELLED). */
typedef struct cli_score_watcher {
    bool (*step)(void *user, size_t done, size_t total);
    void *user;
} cli_score_watcher;

/* outcomes[count of data], at the present state of the trainer's replica. */
sam_status cli_outcomes(sam_trainer *trainer, const sam_dataset *data, sam_outcome *outcomes,
                        const cli_score_watcher *watcher, sam_error *err);

double cli_best_threshold(const sam_dataset *data, const sam_outcome *outcomes); /* NaN unless there are two options */
cli_score cli_score_of(const sam_dataset *data, const sam_outcome *outcomes, double threshold, sam_metric metric);
const char *cli_score_f1_name(const cli_score *score); /* "f1" or "macro_f1"; NULL where accuracy is the metric */

json_t *cli_score_json(const cli_score *score); /* null where it is not known */
cli_score cli_score_from_json(const json_t *json);
json_t *cli_json_real(double value); /* null where it is not finite */

#endif
