/* What a person, a log file or a program sees of a training while it goes on.
 *
 *     const cli_progress progress = {.round = 41, .rounds = 600, .fraction = 0.07, .workers = 2};
 *     cli_view view;
 *     cli_view_init(&view, false);                   // true: as JSON
 *     cli_view_progress(&view, &progress);           // a bar on a terminal; else a line every 10 s
 *     cli_view_event(&view, "worker-2 was killed (signal 9); the run goes on with 1 other");
 *     cli_view_end(&view);                           // leaves the cursor on a new line
 *
 * All on stdout. With --json each call is one JSON object on a line of its own, with a "type". Thread safety: one
 * thread.
 */
#ifndef SAM_CLI_VIEW_H
#define SAM_CLI_VIEW_H

#include "run/round.h"
#include "train/quality/quality.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum cli_view_kind { CLI_VIEW_TERMINAL, CLI_VIEW_LINES, CLI_VIEW_JSON } cli_view_kind;

typedef struct cli_view {
    cli_view_kind kind;
    bool drawn;       /* a bar stands on the present line */
    uint64_t next_ms; /* when the next bar, line or object is due */
} cli_view;

typedef struct cli_progress {
    uint64_t round, rounds;
    double fraction; /* of what was asked for: rounds or minutes, whichever ends first */
    bool evaluated;
    double dev_loss, dev_accuracy; /* the latest */
    double probes_per_second;
    uint64_t workers, bytes_sent;
    double seconds, seconds_left; /* negative: not known yet */
} cli_progress;

void cli_view_init(cli_view *view, bool json);
void cli_view_progress(cli_view *view, const cli_progress *progress);
void cli_view_step(cli_view *view, const char *what, size_t done, size_t total); /* of an evaluation */
void cli_view_event(cli_view *view, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cli_view_evaluation(cli_view *view, const sam_evaluation *evaluation);
void cli_view_score(cli_view *view, const char *when, const char *split, const sam_quality *score);
void cli_view_object(cli_view *view, const char *type, json_t *object); /* takes it; only shown as JSON */
void cli_view_end(cli_view *view);

/* "1.2 kB", "3 min 20 s" in `out`, which is given back. */
typedef struct cli_text {
    char text[40];
} cli_text;
cli_text cli_bytes_text(uint64_t bytes);
cli_text cli_time_text(double seconds);

#endif
