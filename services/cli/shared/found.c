#include "cli/shared/found.h"

#include <stdarg.h>
#include <stdio.h>

static void keep(cli_found *found, const char *key, json_t *value)
{
    if (!found->json || key == NULL) {
        json_decref(value);
        return;
    }
    if (found->object == NULL)
        found->object = json_object();
    json_object_set_new(found->object, key, value);
}

void cli_found_say(cli_found *found, const char *label, const char *key, json_t *value, const char *format, ...)
{
    keep(found, key, value);
    if (found->json || label == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%-13s ", label);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void cli_found_text(cli_found *found, const char *label, const char *key, const char *text)
{
    cli_found_say(found, label, key, json_string(text), "%s", text);
}

void cli_found_digest(cli_found *found, const char *label, const char *key, const sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, digest);
    cli_found_text(found, label, key, hex);
}

void cli_found_close(cli_found *found, bool good)
{
    if (good && found->object != NULL) {
        (void)json_dumpf(found->object, stdout, JSON_COMPACT);
        printf("\n");
    }
    json_decref(found->object);
    found->object = NULL;
}
