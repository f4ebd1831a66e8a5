/* Counters, gauges and histograms, shown in the Prometheus text format 0.0.4.
 *
 *     sam_metrics *metrics = sam_metrics_new();
 *     sam_metric *requests = sam_metrics_counter(metrics, "samara_requests_total", "Requests answered.", "route,code");
 *     sam_metric *seconds = sam_metrics_histogram(metrics, "samara_request_seconds", "Time to answer.", "route",
 *                                                 (double[]){0.001, 0.01, 0.1, 1}, 4);
 *     sam_metric_add(requests, 1, (const char *[]){"/v1/runs", "200"});
 *     sam_metric_observe(seconds, 0.02, (const char *[]){"/v1/runs"});
 *     sam_buffer text = {0};
 *     sam_metrics_render(metrics, &text);          // Content-Type: SAM_METRICS_TYPE
 *
 * Label values are given in the order of the names at creation, as many as there are names (NULL where none).
 * A series exists from its first use; one metric without labels from its creation. Each metric has at most
 * SAM_METRIC_SERIES series: what comes beyond is counted under the label values "other" of that metric, so that a
 * label fed from outside cannot fill the memory. Where memory is out, values are dropped.
 * Thread safety: all functions, from any thread; one lock for each registry.
 */
#ifndef SAM_NET_METRICS_H
#define SAM_NET_METRICS_H

#include "base/bytes.h"

#include <stddef.h>

#define SAM_METRICS_TYPE  "text/plain; version=0.0.4; charset=utf-8"
#define SAM_METRIC_SERIES 10000

typedef struct sam_metrics sam_metrics;
typedef struct sam_metric sam_metric; /* owned by its registry */

sam_metrics *sam_metrics_new(void); /* NULL: out of memory */
void sam_metrics_free(sam_metrics *metrics);

/* Names: [a-zA-Z_:][a-zA-Z0-9_:]*, labels: comma-separated or NULL. NULL is returned for a bad or second name and out
 * of memory; adding to a NULL metric does nothing. */
sam_metric *sam_metrics_counter(sam_metrics *metrics, const char *name, const char *help, const char *labels);
sam_metric *sam_metrics_gauge(sam_metrics *metrics, const char *name, const char *help, const char *labels);
sam_metric *sam_metrics_histogram(sam_metrics *metrics, const char *name, const char *help, const char *labels,
                                  const double *bounds, size_t bound_count); /* bounds rise; +Inf is added */

void sam_metric_add(sam_metric *metric, double amount, const char *const *values); /* counter (>= 0), gauge */
void sam_metric_set(sam_metric *metric, double value, const char *const *values);  /* gauge; counter kept elsewhere */
void sam_metric_observe(sam_metric *metric, double value, const char *const *values); /* histogram */

void sam_metrics_render(sam_metrics *metrics, sam_buffer *out);

#endif
