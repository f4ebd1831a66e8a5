#include "net/metrics.h"

#include "base/memory.h"

#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_LABELS 8

typedef enum kind { COUNTER, GAUGE, HISTOGRAM } kind;

typedef struct series {
    char *labels;    /* a="x",b="y", escaped, as it is shown; also the key */
    double value;    /* the sum, of a histogram */
    uint64_t count;  /* of a histogram */
    uint64_t *below; /* [bound_count], not cumulated */
} series;

struct sam_metric {
    sam_metrics *owner;
    struct sam_metric *next;
    kind kind;
    char *name, *help;
    char *label_text; /* cut at its commas */
    const char *labels[MAX_LABELS];
    size_t label_count;
    double *bounds;
    size_t bound_count;
    series *series; /* in order of their first use */
    size_t series_count, series_room;
    uint32_t *index; /* open addressing by hash of the labels; 0: empty, else series + 1 */
    size_t index_size;
};

struct sam_metrics {
    pthread_mutex_t lock; /* guards everything below, and the series of every metric */
    sam_metric *first, **last;
};

sam_metrics *sam_metrics_new(void)
{
    sam_metrics *metrics = sam_alloc(1, sizeof *metrics);
    if (metrics == NULL)
        return NULL;
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->last = &metrics->first;
    return metrics;
}

static void metric_free(sam_metric *metric)
{
    for (size_t i = 0; i < metric->series_count; i++) {
        sam_free(metric->series[i].labels);
        sam_free(metric->series[i].below);
    }
    sam_free(metric->series);
    sam_free(metric->index);
    sam_free(metric->bounds);
    sam_free(metric->label_text);
    sam_free(metric->help);
    sam_free(metric->name);
    sam_free(metric);
}

void sam_metrics_free(sam_metrics *metrics)
{
    if (metrics == NULL)
        return;
    while (metrics->first != NULL) {
        sam_metric *metric = metrics->first;
        metrics->first = metric->next;
        metric_free(metric);
    }
    pthread_mutex_destroy(&metrics->lock);
    sam_free(metrics);
}

/* ---- making ---- */

static bool is_name(const char *text)
{
    static const char REST[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";
    return text[0] != 0 && (text[0] < '0' || text[0] > '9') && text[strspn(text, REST)] == 0;
}

static bool cut_labels(sam_metric *metric, const char *labels)
{
    if (labels == NULL || labels[0] == 0)
        return true;
    char *text = metric->label_text = sam_strdup(labels);
    while (text != NULL) {
        char *comma = strchr(text, ',');
        if (comma != NULL)
            *comma++ = 0;
        if (metric->label_count == MAX_LABELS || !is_name(text) || strchr(text, ':') != NULL)
            return false;
        metric->labels[metric->label_count++] = text;
        text = comma;
    }
    return metric->label_count > 0;
}

static bool copy_bounds(sam_metric *metric, const double *bounds, size_t count)
{
    metric->bounds = sam_alloc(count, sizeof *bounds);
    if (metric->bounds == NULL)
        return false;
    metric->bound_count = count;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1]))
            return false;
        metric->bounds[i] = bounds[i];
    }
    return true;
}

static series *series_of(sam_metric *metric, const char *const *values);

static bool join(sam_metrics *metrics, sam_metric *metric)
{
    pthread_mutex_lock(&metrics->lock);
    bool is_new = true;
    for (sam_metric *other = metrics->first; other != NULL; other = other->next)
        is_new = is_new && strcmp(other->name, metric->name) != 0;
    bool good = is_new && (metric->label_count > 0 || series_of(metric, NULL) != NULL);
    if (good) {
        *metrics->last = metric;
        metrics->last = &metric->next;
    }
    pthread_mutex_unlock(&metrics->lock);
    return good;
}

static sam_metric *make(sam_metrics *metrics, kind which, const char *name, const char *help, const char *labels,
                        const double *bounds, size_t bound_count)
{
    sam_metric *metric = sam_alloc(1, sizeof *metric);
    if (metric == NULL)
        return NULL;
    metric->owner = metrics;
    metric->kind = which;
    metric->name = sam_strdup(name);
    metric->help = sam_strdup(help);
    if (metric->name == NULL || metric->help == NULL || !is_name(name) || !cut_labels(metric, labels) ||
        !copy_bounds(metric, bounds, bound_count) || !join(metrics, metric)) {
        metric_free(metric);
        return NULL;
    }
    return metric;
}

sam_metric *sam_metrics_counter(sam_metrics *metrics, const char *name, const char *help, const char *labels)
{
    return make(metrics, COUNTER, name, help, labels, NULL, 0);
}

sam_metric *sam_metrics_gauge(sam_metrics *metrics, const char *name, const char *help, const char *labels)
{
    return make(metrics, GAUGE, name, help, labels, NULL, 0);
}

sam_metric *sam_metrics_histogram(sam_metrics *metrics, const char *name, const char *help, const char *labels,
                                  const double *bounds, size_t bound_count)
{
    return make(metrics, HISTOGRAM, name, help, labels, bounds, bound_count);
}

/* ---- series ---- */

static void put_escaped(sam_buffer *out, const char *text, bool quotes)
{
    for (; *text != 0; text++) {
        if (*text == '\\')
            sam_put_text(out, "\\\\");
        else if (*text == '\n')
            sam_put_text(out, "\\n");
        else if (*text == '"' && quotes)
            sam_put_text(out, "\\\"");
        else
            sam_put_bytes(out, text, 1);
    }
}

/* values NULL: "other" for every label. The text ends with a NUL. */
static void put_labels(sam_buffer *out, const sam_metric *metric, const char *const *values)
{
    for (size_t i = 0; i < metric->label_count; i++) {
        sam_put_format(out, "%s%s=\"", i > 0 ? "," : "", metric->labels[i]);
        put_escaped(out, values == NULL ? "other" : values[i], true);
        sam_put_u8(out, '"');
    }
    sam_put_u8(out, 0);
}

static size_t hash(const char *text)
{
    uint64_t value = 14695981039346656037u; /* FNV-1a */
    for (; *text != 0; text++)
        value = (value ^ (uint8_t)*text) * 1099511628211u;
    return (size_t)(value ^ value >> 32);
}

/* Where the series with these labels stands in the index, or the empty place where it would. */
static size_t place_of(const sam_metric *metric, const char *labels)
{
    size_t at = hash(labels) & (metric->index_size - 1);
    while (metric->index[at] != 0 && strcmp(metric->series[metric->index[at] - 1].labels, labels) != 0)
        at = (at + 1) & (metric->index_size - 1);
    return at;
}

static void index_all(sam_metric *metric)
{
    memset(metric->index, 0, metric->index_size * sizeof *metric->index);
    for (size_t i = 0; i < metric->series_count; i++)
        metric->index[place_of(metric, metric->series[i].labels)] = (uint32_t)(i + 1);
}

/* The place after the last series; NULL: out of memory. */
static series *room_for_one(sam_metric *metric)
{
    if (metric->series_count < metric->series_room)
        return &metric->series[metric->series_count];
    size_t room = metric->series_room == 0 ? 4 : metric->series_room * 2;
    series *grown = sam_realloc(metric->series, room, sizeof *grown);
    if (grown != NULL)
        metric->series = grown;
    uint32_t *index = grown == NULL ? NULL : sam_alloc(room * 2, sizeof *index);
    if (index == NULL)
        return NULL;
    sam_free(metric->index);
    metric->index = index;
    metric->index_size = room * 2;
    metric->series_room = room;
    index_all(metric);
    return &metric->series[metric->series_count];
}

static series *new_series(sam_metric *metric, const char *labels)
{
    series one = {.labels = sam_strdup(labels), .below = sam_alloc(metric->bound_count, sizeof *one.below)};
    series *made = one.labels == NULL || one.below == NULL ? NULL : room_for_one(metric);
    if (made == NULL) {
        sam_free(one.labels);
        sam_free(one.below);
        return NULL;
    }
    *made = one;
    metric->index[place_of(metric, labels)] = (uint32_t)++metric->series_count;
    return made;
}

static series *find_series(sam_metric *metric, const char *labels)
{
    uint32_t found = metric->index_size == 0 ? 0 : metric->index[place_of(metric, labels)];
    return found == 0 ? NULL : &metric->series[found - 1];
}

/* Found, made, or the one for what is too many; NULL: out of memory. */
static series *series_of(sam_metric *metric, const char *const *values)
{
    sam_buffer labels = {0};
    put_labels(&labels, metric, values);
    series *found = NULL;
    if (!labels.failed) {
        found = find_series(metric, (const char *)labels.bytes);
        bool full = metric->series_count >= SAM_METRIC_SERIES - 1 && values != NULL;
        if (found == NULL && full && metric->label_count > 0)
            found = series_of(metric, NULL);
        else if (found == NULL)
            found = new_series(metric, (const char *)labels.bytes);
    }
    sam_buffer_free(&labels);
    return found;
}

/* With the lock held where it is not NULL. */
static series *lock_series(sam_metric *metric, const char *const *values)
{
    if (metric == NULL)
        return NULL;
    pthread_mutex_lock(&metric->owner->lock);
    series *found = metric->label_count > 0 && values == NULL ? NULL : series_of(metric, values);
    if (found == NULL)
        pthread_mutex_unlock(&metric->owner->lock);
    return found;
}

void sam_metric_add(sam_metric *metric, double amount, const char *const *values)
{
    series *one = lock_series(metric, values);
    if (one == NULL)
        return;
    if (metric->kind == GAUGE || amount >= 0)
        one->value += amount;
    pthread_mutex_unlock(&metric->owner->lock);
}

void sam_metric_set(sam_metric *metric, double value, const char *const *values)
{
    series *one = lock_series(metric, values);
    if (one == NULL)
        return;
    one->value = value;
    pthread_mutex_unlock(&metric->owner->lock);
}

void sam_metric_observe(sam_metric *metric, double value, const char *const *values)
{
    series *one = lock_series(metric, values);
    if (one == NULL)
        return;
    one->value += value;
    one->count++;
    for (size_t i = 0; i < metric->bound_count; i++) {
        if (value <= metric->bounds[i]) {
            one->below[i]++;
            break;
        }
    }
    pthread_mutex_unlock(&metric->owner->lock);
}

/* ---- showing ---- */

static void put_number(sam_buffer *out, double value)
{
    if (isnan(value))
        sam_put_text(out, "NaN");
    else if (isinf(value))
        sam_put_text(out, value > 0 ? "+Inf" : "-Inf");
    else if (value == floor(value) && fabs(value) < 1e15)
        sam_put_format(out, "%.0f", value);
    else
        sam_put_format(out, "%.17g", value);
}

static void put_sample(sam_buffer *out, const sam_metric *metric, const char *suffix, const series *one, double value)
{
    const char *open = one->labels[0] == 0 ? "" : "{", *close = one->labels[0] == 0 ? "" : "}";
    sam_put_text(out, metric->name);
    sam_put_text(out, suffix);
    sam_put_text(out, open);
    sam_put_text(out, one->labels);
    sam_put_text(out, close);
    sam_put_u8(out, ' ');
    put_number(out, value);
    sam_put_u8(out, '\n');
}

static void put_bucket(sam_buffer *out, const sam_metric *metric, const series *one, double bound, uint64_t count)
{
    char text[32];
    if (isinf(bound))
        snprintf(text, sizeof text, "+Inf");
    else
        snprintf(text, sizeof text, "%.15g", bound);
    sam_put_format(out, "%s_bucket{", metric->name);
    sam_put_text(out, one->labels);
    sam_put_format(out, "%sle=\"%s\"} %llu\n", one->labels[0] == 0 ? "" : ",", text, (unsigned long long)count);
}

static void put_series(sam_buffer *out, const sam_metric *metric, const series *one)
{
    if (metric->kind != HISTOGRAM) {
        put_sample(out, metric, "", one, one->value);
        return;
    }
    uint64_t so_far = 0;
    for (size_t i = 0; i < metric->bound_count; i++) {
        so_far += one->below[i];
        put_bucket(out, metric, one, metric->bounds[i], so_far);
    }
    put_bucket(out, metric, one, INFINITY, one->count);
    put_sample(out, metric, "_sum", one, one->value);
    put_sample(out, metric, "_count", one, (double)one->count);
}

void sam_metrics_render(sam_metrics *metrics, sam_buffer *out)
{
    static const char *const TYPES[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&metrics->lock);
    for (const sam_metric *metric = metrics->first; metric != NULL; metric = metric->next) {
        sam_put_format(out, "# HELP %s ", metric->name);
        put_escaped(out, metric->help, false);
        sam_put_format(out, "\n# TYPE %s %s\n", metric->name, TYPES[metric->kind]);
        for (size_t i = 0; i < metric->series_count; i++)
            put_series(out, metric, &metric->series[i]);
    }
    pthread_mutex_unlock(&metrics->lock);
}
