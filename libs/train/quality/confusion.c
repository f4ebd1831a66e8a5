#include "train/quality/confusion.h"

void sam_confusion_add(sam_confusion *counts, uint32_t label, uint32_t answer)
{
    counts->labels[label]++;
    counts->answered[answer]++;
    counts->right[label] += label == answer;
}

double sam_confusion_f1(const sam_confusion *counts, uint32_t option)
{
    size_t both = counts->answered[option] + counts->labels[option];
    return both == 0 ? 0 : 2 * (double)counts->right[option] / (double)both;
}

double sam_confusion_macro_f1(const sam_confusion *counts)
{
    double sum = 0;
    size_t seen = 0;
    for (uint32_t option = 0; option < SAM_OPTIONS_MAX; option++) {
        sum += sam_confusion_f1(counts, option);
        seen += counts->answered[option] + counts->labels[option] > 0;
    }
    return seen == 0 ? 0 : sum / (double)seen;
}
