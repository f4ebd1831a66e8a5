#include "train/quality/margins.h"

#include <math.h>
#include <stdlib.h>

static int by_margin(const void *a, const void *b)
{
    double x = ((const sam_margin *)a)->margin, y = ((const sam_margin *)b)->margin;
    return (x > y) - (x < y);
}

void sam_margins_sort(sam_margin *list, size_t count)
{
    qsort(list, count, sizeof *list, by_margin);
}

/* With i examples below the threshold, the negative ones among them and the positive ones above are right. */
double sam_margins_threshold(const sam_margin *list, size_t count)
{
    size_t right = 0;
    for (size_t i = 0; i < count; i++)
        right += list[i].positive;
    size_t best = right;
    double threshold = list[0].margin - 1;
    for (size_t i = 1; i <= count; i++) {
        if (list[i - 1].positive)
            right--;
        else
            right++;
        bool between = i == count || list[i].margin > list[i - 1].margin;
        if (between && right > best) {
            best = right;
            threshold = i == count ? list[i - 1].margin + 1 : (list[i - 1].margin + list[i].margin) / 2;
        }
    }
    return threshold;
}

double sam_margins_area(const sam_margin *list, size_t count)
{
    double negatives = 0, positives = 0, pairs = 0;
    for (size_t i = 0; i < count;) {
        double tied_positives = 0, tied_negatives = 0;
        size_t end = i;
        for (; end < count && !(list[end].margin > list[i].margin); end++) {
            tied_positives += list[end].positive;
            tied_negatives += !list[end].positive;
        }
        pairs += tied_positives * (negatives + tied_negatives / 2);
        negatives += tied_negatives;
        positives += tied_positives;
        i = end;
    }
    return positives > 0 && negatives > 0 ? pairs / (positives * negatives) : (double)NAN;
}
