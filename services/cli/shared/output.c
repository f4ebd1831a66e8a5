#include "cli/shared/output.h"

#include <stdarg.h>
#include <stdio.h>

void cli_output_member(cli_output *output, const char *key, json_t *value)
{
    if (!output->json || key == NULL) {
        json_decref(value);
        return;
    }
    if (output->object == NULL)
        output->object = json_object();
    json_object_set_new(output->object, key, value);
}

void cli_output_line(cli_output *output, const char *label, const char *key, json_t *value, const char *format, ...)
{
    cli_output_member(output, key, value);
    if (output->json || label == NULL)
        return;
    va_list arguments;
    va_start(arguments, format);
    printf("%-13s ", label);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void cli_output_text(cli_output *output, const char *label, const char *key, const char *text)
{
    cli_output_line(output, label, key, json_string(text), "%s", text);
}

void cli_output_digest(cli_output *output, const char *label, const char *key, const sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, digest);
    cli_output_text(output, label, key, hex);
}

void cli_output_close(cli_output *output, bool good)
{
    if (good && output->object != NULL) {
        (void)json_dumpf(output->object, stdout, JSON_COMPACT);
        printf("\n");
    }
    json_decref(output->object);
    output->object = NULL;
}
