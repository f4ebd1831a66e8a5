/* What a command prints, written once: as aligned lines to read, or with --json as one object.
 *
 *     cli_output output = {.json = false};
 *     cli_output_text(&output, "run", "run", manifest->id_hex);
 *     cli_output_line(&output, "rounds", "rounds", json_integer(200), "200 of %u", 600);
 *     cli_output_close(&output, status == SAM_OK);
 *     // run           3f61...                        with json: {"run": "3f61...", "rounds": 200}
 *     // rounds        200 of 600
 *
 * Lines are printed at once, the object at the end, so that a command that fails does not print half an object. Thread
 * safety: one thread.
 */
#ifndef SAM_CLI_OUTPUT_H
#define SAM_CLI_OUTPUT_H

#include "base/digest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cli_output {
    bool json;
    json_t *object; /* made when the first member comes */
} cli_output;

/* A line to read, or with --json the member `key`, which takes `value`. Without a `key` there is no member, without a
 * `label` no line. */
void cli_output_line(cli_output *output, const char *label, const char *key, json_t *value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

void cli_output_member(cli_output *output, const char *key, json_t *value);

void cli_output_text(cli_output *output, const char *label, const char *key, const char *text);
void cli_output_digest(cli_output *output, const char *label, const char *key, const sam_digest *digest);

/* Prints the object where all went `good`, and frees it. */
void cli_output_close(cli_output *output, bool good);

#endif
