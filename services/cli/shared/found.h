/* What a command found, said once: as aligned lines for people, or with --json as one object.
 *
 *     cli_found found = {.json = asked.json};
 *     cli_found_text(&found, "run", "run", manifest->id_hex);
 *     cli_found_say(&found, "rounds", "rounds", json_integer(200), "200 of %llu", planned);
 *     cli_found_close(&found, status == SAM_OK);
 *     // run           3f61...                        {"run": "3f61...", "rounds": 200}
 *     // rounds        200 of 600
 *
 * Lines are printed at once, the object at the end, so that a command that fails does not print half an object. Thread
 * safety: one thread.
 */
#ifndef SAM_CLI_FOUND_H
#define SAM_CLI_FOUND_H

#include "base/digest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cli_found {
    bool json;
    json_t *object; /* made when the first member comes */
} cli_found;

/* `value` is taken. A line without a `key` is for people alone, a member without a `label` for programs alone. */
void cli_found_say(cli_found *found, const char *label, const char *key, json_t *value, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

void cli_found_text(cli_found *found, const char *label, const char *key, const char *text);
void cli_found_digest(cli_found *found, const char *label, const char *key, const sam_digest *digest);

/* Prints the object where all went `good`, and frees it. */
void cli_found_close(cli_found *found, bool good);

#endif
