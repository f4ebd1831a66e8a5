/* Examples of two options by their margin: where to put the threshold, and how well any threshold could do.
 *
 *     sam_margin list[] = {{-0.5, false}, {0.1, true}, {0.2, false}, {0.9, true}};
 *     sam_margins_sort(list, 4);
 *     double threshold = sam_margins_threshold(list, 4);      // -0.2: above it positive, 3 of 4 right
 *     double area = sam_margins_area(list, 4);                // 0.75 of the pairs in the right order
 *
 * Both want the list sorted. Pure functions.
 */
#ifndef SAM_TRAIN_MARGINS_H
#define SAM_TRAIN_MARGINS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct sam_margin {
    double margin; /* finite; the larger, the more it speaks for option 1 */
    bool positive; /* option 1 is the right one */
} sam_margin;

void sam_margins_sort(sam_margin *list, size_t count);

/* The lowest of those that get most examples right, in the middle between two margins. count > 0. */
double sam_margins_threshold(const sam_margin *list, size_t count);

/* Area under the ROC curve: the share of (positive, negative) pairs in the right order, a tie counting half. NaN where
 * all are of one kind. */
double sam_margins_area(const sam_margin *list, size_t count);

#endif
