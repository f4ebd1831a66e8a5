#include "cli/shared/view.h"

#include "base/clock.h"
#include "model/files/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_MS    200
#define LINE_MS   10000
#define JSON_MS   1000
#define BAR_LEAST 6
#define BAR_MOST  24
#define NARROW    115 /* columns below which the line is shortened */

/* ---- texts ---- */

cli_text cli_bytes_text(uint64_t bytes)
{
    cli_text out;
    if (bytes < 10000)
        snprintf(out.text, sizeof out.text, "%llu B", (unsigned long long)bytes);
    else if (bytes < 10000000)
        snprintf(out.text, sizeof out.text, "%.1f kB", (double)bytes / 1e3);
    else
        snprintf(out.text, sizeof out.text, "%.1f MB", (double)bytes / 1e6);
    return out;
}

cli_text cli_time_text(double seconds)
{
    cli_text out;
    unsigned long long whole = seconds > 0 ? (unsigned long long)(seconds + 0.5) : 0;
    if (whole < 60)
        snprintf(out.text, sizeof out.text, "%llu s", whole);
    else if (whole < 3600)
        snprintf(out.text, sizeof out.text, "%llu min %02llu s", whole / 60, whole % 60);
    else
        snprintf(out.text, sizeof out.text, "%llu h %02llu min", whole / 3600, whole / 60 % 60);
    return out;
}

/* ---- lines ---- */

void cli_view_init(cli_view *view, bool json)
{
    *view = (cli_view){.kind = json ? CLI_VIEW_JSON : isatty(STDOUT_FILENO) ? CLI_VIEW_TERMINAL : CLI_VIEW_LINES};
}

void cli_view_end(cli_view *view)
{
    if (view->drawn)
        printf("\r\033[K");
    view->drawn = false;
    fflush(stdout);
}

void cli_view_object(cli_view *view, const char *type, json_t *object)
{
    if (view->kind == CLI_VIEW_JSON && object != NULL) {
        json_t *line = json_pack("{s:s}", "type", type);
        json_object_update(line, object);
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        printf("\n");
        fflush(stdout);
        json_decref(line);
    }
    json_decref(object);
}

static bool due(cli_view *view, uint64_t interval_ms)
{
    uint64_t now = sam_monotonic_ms();
    if (now < view->next_ms)
        return false;
    view->next_ms = now + interval_ms;
    return true;
}

static int terminal_width(void)
{
    struct winsize size = {0};
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col - 1 : 79;
}

/* A bar and a text in place of the last line: the bar gets what the text leaves, the terminal's edge cuts both. */
static void draw(cli_view *view, double fraction, const char *text)
{
    char bar[BAR_MOST + 3];
    int width = terminal_width(), room = width - 3 - (int)strlen(text);
    room = room < BAR_LEAST ? BAR_LEAST : room > BAR_MOST ? BAR_MOST : room;
    int full = fraction <= 0 ? 0 : fraction >= 1 ? room : (int)(fraction * room);
    bar[0] = '[';
    memset(bar + 1, '#', (size_t)full);
    memset(bar + 1 + full, '.', (size_t)(room - full));
    bar[room + 1] = ']';
    bar[room + 2] = 0;
    printf("\r\033[K%s %.*s", bar, width - room - 3, text);
    fflush(stdout);
    view->drawn = true;
}

/* What is most wanted, where a line has to fit 80 columns. */
static void write_short(char *out, size_t size, const cli_progress *at)
{
    char dev[48] = "dev -", left[48] = "";
    if (at->evaluated)
        snprintf(dev, sizeof dev, "dev %.3f %.1f%%", at->dev_loss, 100 * at->dev_accuracy);
    if (at->seconds_left >= 0)
        snprintf(left, sizeof left, "  %s left", cli_time_text(at->seconds_left).text);
    snprintf(out, size, "round %llu  %s  %.0f probes/s  %llu workers  %s%s", (unsigned long long)at->round, dev,
             at->probes_per_second, (unsigned long long)at->workers, cli_bytes_text(at->bytes_sent).text, left);
}

static void write_long(char *out, size_t size, const cli_progress *at)
{
    char dev[64] = "dev -", left[48] = "";
    if (at->evaluated)
        snprintf(dev, sizeof dev, "dev loss %.4f acc %.1f%%", at->dev_loss, 100 * at->dev_accuracy);
    if (at->seconds_left >= 0)
        snprintf(left, sizeof left, "  %s left", cli_time_text(at->seconds_left).text);
    snprintf(out, size, "round %llu  %s  %.1f probes/s  %llu workers  %s sent%s", (unsigned long long)at->round, dev,
             at->probes_per_second, (unsigned long long)at->workers, cli_bytes_text(at->bytes_sent).text, left);
}

static json_t *progress_json(const cli_progress *at)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o, s:f, s:I, s:I, s:f, s:o}", "round", (json_int_t)at->round, "rounds",
                     (json_int_t)at->rounds, "fraction", sam_json_real(at->fraction), "dev_loss",
                     at->evaluated ? sam_json_real(at->dev_loss) : json_null(), "dev_accuracy",
                     at->evaluated ? sam_json_real(at->dev_accuracy) : json_null(), "probes_per_second",
                     at->probes_per_second, "workers", (json_int_t)at->workers, "bytes_sent",
                     (json_int_t)at->bytes_sent, "seconds", at->seconds, "seconds_left",
                     at->seconds_left >= 0 ? sam_json_real(at->seconds_left) : json_null());
}

void cli_view_progress(cli_view *view, const cli_progress *progress)
{
    static const uint64_t INTERVAL[] = {BAR_MS, LINE_MS, JSON_MS};
    if (!due(view, INTERVAL[view->kind]))
        return;
    char text[256];
    bool narrow = view->kind == CLI_VIEW_TERMINAL && terminal_width() < NARROW;
    (narrow ? write_short : write_long)(text, sizeof text, progress);
    if (view->kind == CLI_VIEW_JSON)
        cli_view_object(view, "progress", progress_json(progress));
    else if (view->kind == CLI_VIEW_TERMINAL)
        draw(view, progress->fraction, text);
    else
        printf("%s\n", text);
    fflush(stdout);
}

void cli_view_step(cli_view *view, const char *what, size_t done, size_t total)
{
    char text[128];
    if (view->kind != CLI_VIEW_TERMINAL || !due(view, BAR_MS))
        return;
    snprintf(text, sizeof text, "%s: %zu of %zu", what, done, total);
    draw(view, total == 0 ? 0 : (double)done / (double)total, text);
}

void cli_view_event(cli_view *view, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_view_end(view);
    if (view->kind == CLI_VIEW_JSON)
        cli_view_object(view, "event", json_pack("{s:s%}", "text", text, strlen(text)));
    else
        printf("%s\n", text);
    fflush(stdout);
}

void cli_view_evaluation(cli_view *view, const sam_evaluation *evaluation)
{
    double accuracy = (double)evaluation->correct / (double)evaluation->examples;
    double loss = (double)evaluation->loss_micro / 1e6 / (double)evaluation->examples;
    if (view->kind == CLI_VIEW_JSON) {
        cli_view_object(view, "evaluation",
                        json_pack("{s:I, s:f, s:f, s:I}", "round", (json_int_t)evaluation->at, "accuracy", accuracy,
                                  "loss", loss, "examples", (json_int_t)evaluation->examples));
        return;
    }
    cli_view_end(view);
    printf("round %-6llu dev accuracy %5.1f %%   dev loss %.4f\n", (unsigned long long)evaluation->at, 100 * accuracy,
           loss);
    fflush(stdout);
}

void cli_view_score(cli_view *view, const char *when, const char *split, const sam_quality *score)
{
    if (view->kind == CLI_VIEW_JSON) {
        json_t *object = sam_quality_json(score);
        json_object_set_new(object, "when", json_string(when));
        json_object_set_new(object, "split", json_string(split));
        cli_view_object(view, "score", object);
        return;
    }
    char f1[40] = "", more[96] = "";
    if (sam_quality_f1_name(score) != NULL)
        snprintf(f1, sizeof f1, ", %s %.3f", sam_quality_f1_name(score), score->f1);
    if (score->two_options)
        snprintf(more, sizeof more, ", %.1f %% with the threshold set on dev, AUC %.3f",
                 100 * score->calibrated_accuracy, score->auc);
    cli_view_end(view);
    printf("%s, %s: accuracy %.1f %%%s%s, loss %.4f\n", when, split, 100 * score->accuracy, f1, more, score->loss);
    fflush(stdout);
}
