/* What every command does with its arguments: parse, require, resolve. */
#include "base/shutdown.h"
#include "base/text.h"
#include "cli/cli.h"
#include "net/source.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool takes_value(const sam_command *command, const char *argument)
{
    const sam_option *option = command->options;
    if (strncmp(argument, "--", 2) != 0 || strchr(argument, '=') != NULL)
        return false;
    while (option->name != NULL && strcmp(option->name, argument + 2) != 0)
        option++;
    return option->name != NULL ? option->kind != SAM_OPTION_FLAG : strcmp(argument, "--config") == 0;
}

/* "fork RUN --at 200" is read like "fork --at 200 RUN". */
static void put_operands_last(const sam_command *command, int argc, char **argv)
{
    int end = argc; /* what stands from here on was moved */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--") == 0)
            return;
    for (int i = 1; i < end;) {
        if (argv[i][0] == '-') {
            i += takes_value(command, argv[i]) ? 2 : 1;
            continue;
        }
        char *operand = argv[i];
        memmove(argv + i, argv + i + 1, (size_t)(argc - i - 1) * sizeof *argv);
        argv[argc - 1] = operand;
        end--;
    }
}

sam_status cli_parse(const sam_command *command, int argc, char **argv, int operands, int *rest, sam_error *err)
{
    put_operands_last(command, argc, argv);
    sam_status status = sam_options_parse(command, argc, argv, rest, err);
    if (status != SAM_OK)
        return status;
    if (argc - *rest > operands)
        return sam_fail(err, SAM_INVALID, "\"%s\" is one argument too many; see %s --help", argv[*rest + operands],
                        command->name);
    if (argc - *rest < operands)
        return sam_fail(err, SAM_INVALID, "%s needs %s; see %s --help", command->name, command->synopsis,
                        command->name);
    return SAM_OK;
}

/* NULL: there is no such option, or it has no text. */
static const char *text_of(const sam_command *command, const char *name, size_t length)
{
    for (const sam_option *option = command->options; option->name != NULL; option++)
        if (option->kind == SAM_OPTION_TEXT && strlen(option->name) == length &&
            memcmp(option->name, name, length) == 0)
            return *(const char *const *)option->target;
    return NULL;
}

sam_status cli_require(const sam_command *command, const char *options, sam_error *err)
{
    for (const char *name = options; *name != 0; name += strspn(name, " ")) {
        size_t length = strcspn(name, " ");
        const char *text = text_of(command, name, length);
        if (text == NULL || text[0] == 0)
            return sam_fail(err, SAM_INVALID, "--%.*s is missing; see %s --help", (int)length, name, command->name);
        name += length;
    }
    return SAM_OK;
}

sam_status cli_parse_round(const char *option, const char *text, uint64_t *round, sam_error *err)
{
    *round = UINT64_MAX;
    if (text == NULL || text[0] == 0 || sam_parse_u64(text, round))
        return SAM_OK;
    return sam_fail(err, SAM_INVALID, "--%s: \"%s\" is not a whole number from 0 up", option, text);
}

sam_status cli_parse_rounds(const char *option, const char *text, uint64_t *from, uint64_t *to, sam_error *err)
{
    char first[24];
    const char *dots = strstr(text, "..");
    if (dots != NULL && (size_t)(dots - text) < sizeof first) {
        snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
        if (sam_parse_u64(first, from) && sam_parse_u64(dots + 2, to) && *from < *to)
            return SAM_OK;
    }
    return sam_fail(err, SAM_INVALID, "--%s: \"%s\" is not A..B, the rounds from A up to B without B", option, text);
}

static void show_progress(void *user, const char *name, uint64_t done, uint64_t total)
{
    bool *shown = user;
    if (!isatty(STDERR_FILENO))
        return;
    *shown = true;
    if (total > 0)
        fprintf(stderr, "\r\033[Kfetching %.60s: %llu of %llu MB", name, (unsigned long long)(done / 1000000),
                (unsigned long long)(total / 1000000));
    else
        fprintf(stderr, "\r\033[Kfetching %.60s: %llu MB", name, (unsigned long long)(done / 1000000));
}

static bool cancelled(void *user)
{
    (void)user;
    return sam_shutdown_requested();
}

sam_status cli_resolve(const char *source, char **path, sam_error *err)
{
    bool shown = false;
    const sam_source_options options = {.progress = show_progress, .cancelled = cancelled, .user = &shown};
    sam_status status = sam_source_resolve(source, &options, path, err);
    if (shown)
        fprintf(stderr, "\r\033[K");
    return status;
}
