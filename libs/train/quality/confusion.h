/* Which option was answered where which was right, and the F1 scores of that.
 *
 *     sam_confusion counts = {0};
 *     sam_confusion_add(&counts, 1, 0);                // option 1 was right, option 0 was answered
 *     double f1 = sam_confusion_f1(&counts, 1);        // 2 right answers / (times answered + times it was the label)
 *     double macro = sam_confusion_macro_f1(&counts);
 *
 * Pure functions. As scikit-learn defines them, with 0 where nothing is to be divided.
 */
#ifndef SAM_TRAIN_CONFUSION_H
#define SAM_TRAIN_CONFUSION_H

#include "train/task.h"

#include <stddef.h>

typedef struct sam_confusion { /* empty when zeroed */
    size_t right[SAM_OPTIONS_MAX], answered[SAM_OPTIONS_MAX], labels[SAM_OPTIONS_MAX];
} sam_confusion;

/* Both below SAM_OPTIONS_MAX. */
void sam_confusion_add(sam_confusion *counts, uint32_t label, uint32_t answer);

double sam_confusion_f1(const sam_confusion *counts, uint32_t option);
double sam_confusion_macro_f1(const sam_confusion *counts); /* mean over the options that were answered or right */

#endif
