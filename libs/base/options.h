/* Options: one table drives flags, environment, --help and the reference page.
 *
 *     struct { const char *listen; uint64_t threads; bool json; } set = {.listen = "127.0.0.1:8642"};
 *     const sam_option table[] = {
 *         {"listen", SAM_OPTION_TEXT, &set.listen, "ADDRESS", "where to serve HTTP"},
 *         {"threads", SAM_OPTION_COUNT, &set.threads, "N", "threads that compute; 0: one for each core"},
 *         {"json", SAM_OPTION_FLAG, &set.json, NULL, "one JSON object a line"},
 *         {0}};
 *     const sam_command command = {"samara-worker", "--run RUN", "Computes slots for a ledger.", table};
 *     int rest;                                                  // index of the first word that is not an option
 *     sam_status status = sam_options_parse(&command, argc, argv, &rest, err);   // CANCELLED: --help was printed
 *
 * Order of precedence: flag, then environment (SAMARA_LISTEN for "listen"), then the file that --config names
 * (lines "listen = 127.0.0.1:8642", # comments), then the default that stands in the target.
 * TEXT targets borrow from argv and the environment; what comes from a config file lives until the process ends.
 */
#ifndef SAM_BASE_OPTIONS_H
#define SAM_BASE_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sam_option_kind {
    SAM_OPTION_FLAG,   /* bool: --json, --no-json, or --json=true */
    SAM_OPTION_TEXT,   /* const char * */
    SAM_OPTION_COUNT,  /* uint64_t */
    SAM_OPTION_NUMBER, /* double; NaN: --help shows no default */
    SAM_OPTION_CHOICE, /* an enum from 0 up, or unsigned: which of the words in value_name, "bf16|f32" */
} sam_option_kind;

typedef struct sam_option {
    const char *name; /* without the dashes; NULL ends the table */
    sam_option_kind kind;
    void *target;
    const char *value_name; /* in --help: "N", "FILE" */
    const char *help;
} sam_option;

typedef struct sam_command {
    const char *name;
    const char *synopsis; /* words after the name, before "[options]" */
    const char *about;    /* a paragraph */
    const sam_option *options;
} sam_command;

sam_status sam_options_parse(const sam_command *command, int argc, char **argv, int *rest, sam_error *err);

#endif
