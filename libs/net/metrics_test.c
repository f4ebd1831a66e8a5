#include "net/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_rendered(sam_metrics *metrics, const char *expected)
{
    sam_buffer out = {0};
    sam_metrics_render(metrics, &out);
    sam_put_u8(&out, 0);
    assert_false(out.failed);
    assert_string_equal((const char *)out.bytes, expected);
    sam_buffer_free(&out);
}

static void every_kind_is_shown_in_the_text_format(void **state)
{
    (void)state;
    sam_metrics *metrics = sam_metrics_new();
    sam_metric *total = sam_metrics_counter(metrics, "a_total", "Line\nbreak \\ \"q\".", "route,code");
    sam_metric *gauge = sam_metrics_gauge(metrics, "b", "Gauge.", NULL);
    sam_metric *seconds = sam_metrics_histogram(metrics, "c", "Time.", "r", (double[]){0.1, 1}, 2);
    sam_metric_add(total, 2, (const char *[]){"a\"\\\n", "200"});
    sam_metric_add(total, 0.5, (const char *[]){"a\"\\\n", "200"});
    sam_metric_add(total, -1, (const char *[]){"a\"\\\n", "200"});
    sam_metric_set(gauge, -3, NULL);
    sam_metric_observe(seconds, 0.1, (const char *[]){"x"});
    sam_metric_observe(seconds, 0.5, (const char *[]){"x"});
    sam_metric_observe(seconds, 7, (const char *[]){"x"});
    assert_rendered(metrics,
                    "# HELP a_total Line\\nbreak \\\\ \"q\".\n# TYPE a_total counter\n"
                    "a_total{route=\"a\\\"\\\\\\n\",code=\"200\"} 2.5\n"
                    "# HELP b Gauge.\n# TYPE b gauge\nb -3\n"
                    "# HELP c Time.\n# TYPE c histogram\n"
                    "c_bucket{r=\"x\",le=\"0.1\"} 1\nc_bucket{r=\"x\",le=\"1\"} 2\n"
                    "c_bucket{r=\"x\",le=\"+Inf\"} 3\nc_sum{r=\"x\"} 7.5999999999999996\nc_count{r=\"x\"} 3\n");
    sam_metrics_free(metrics);
}

static void names_that_are_none_are_refused(void **state)
{
    (void)state;
    sam_metrics *metrics = sam_metrics_new();
    assert_non_null(sam_metrics_gauge(metrics, "a", "A.", NULL));
    assert_null(sam_metrics_gauge(metrics, "a", "Again.", NULL));
    static const char *const BAD[] = {"", "1a", "a-b", "a b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_null(sam_metrics_counter(metrics, BAD[i], "Bad.", NULL));
    assert_null(sam_metrics_counter(metrics, "b", "Bad.", "x,"));
    assert_null(sam_metrics_histogram(metrics, "h", "Bad.", NULL, (double[]){2, 1}, 2));
    sam_metric_add(NULL, 1, NULL);
    sam_metrics_free(metrics);
}

static void labels_from_outside_cannot_fill_the_memory(void **state)
{
    (void)state;
    sam_metrics *metrics = sam_metrics_new();
    sam_metric *total = sam_metrics_counter(metrics, "a", "A.", "x");
    for (int i = 0; i < 3 * SAM_METRIC_SERIES; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        sam_metric_add(total, 1, (const char *[]){text});
    }
    sam_buffer out = {0};
    sam_metrics_render(metrics, &out);
    size_t lines = 0;
    for (size_t i = 0; i < out.length; i++)
        lines += out.bytes[i] == '\n';
    assert_int_equal(lines, SAM_METRIC_SERIES + 2);
    sam_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.bytes, "a{x=\"other\"} 20001\n"));
    sam_buffer_free(&out);
    sam_metrics_free(metrics);
}

static void *count_up(void *argument)
{
    for (int i = 0; i < 10000; i++)
        sam_metric_add(argument, 1, (const char *[]){i % 2 ? "odd" : "even"});
    return NULL;
}

static void threads_lose_no_count(void **state)
{
    (void)state;
    sam_metrics *metrics = sam_metrics_new();
    sam_metric *total = sam_metrics_counter(metrics, "a", "A.", "x");
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count_up, total);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    sam_buffer out = {0};
    sam_metrics_render(metrics, &out);
    sam_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.bytes, "a{x=\"odd\"} 20000\n"));
    assert_non_null(strstr((const char *)out.bytes, "a{x=\"even\"} 20000\n"));
    sam_buffer_free(&out);
    sam_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_shown_in_the_text_format),
        cmocka_unit_test(names_that_are_none_are_refused),
        cmocka_unit_test(labels_from_outside_cannot_fill_the_memory),
        cmocka_unit_test(threads_lose_no_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
