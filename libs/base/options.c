#include "base/options.h"

#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sam_option *find(const sam_command *command, const char *name, size_t length)
{
    for (const sam_option *option = command->options; option->name != NULL; option++)
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

static bool parse_flag(const char *text, bool *value)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0 || strcmp(text, "yes") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "0") == 0 || strcmp(text, "no") == 0;
    if (yes || no)
        *value = yes;
    return yes || no;
}

/* The word of a choice at `choices`, which ends at '|' or NUL. */
static size_t word_length(const char *choices)
{
    return strcspn(choices, "|");
}

static bool choose(const char *choices, const char *text, unsigned *index)
{
    for (unsigned i = 0;; i++) {
        size_t length = word_length(choices);
        if (strlen(text) == length && memcmp(choices, text, length) == 0) {
            *index = i;
            return true;
        }
        if (choices[length] == 0)
            return false;
        choices += length + 1;
    }
}

static sam_status set(const sam_option *option, const char *text, const char *source, sam_error *err)
{
    bool good = true;
    const char *expected = "";
    switch (option->kind) {
    case SAM_OPTION_FLAG:
        good = parse_flag(text, option->target);
        expected = "true or false";
        break;
    case SAM_OPTION_TEXT:
        *(const char **)option->target = text;
        break;
    case SAM_OPTION_COUNT:
        good = sam_parse_u64(text, option->target);
        expected = "a whole number from 0 up";
        break;
    case SAM_OPTION_NUMBER:
        good = sam_parse_double(text, option->target);
        expected = "a number";
        break;
    case SAM_OPTION_CHOICE:
        good = choose(option->value_name, text, option->target);
        expected = option->value_name;
        break;
    }
    if (!good)
        return sam_fail(err, SAM_INVALID, "%s%s: \"%s\" is not %s%s", source, option->name, text,
                        option->kind == SAM_OPTION_CHOICE ? "one of " : "", expected);
    return SAM_OK;
}

static void environment_name(char *out, size_t size, const char *name)
{
    size_t used = (size_t)snprintf(out, size, "SAMARA_");
    for (; *name != 0 && used + 1 < size; name++)
        out[used++] = *name == '-' ? '_' : (char)toupper((unsigned char)*name);
    out[used] = 0;
}

static sam_status apply_environment(const sam_command *command, sam_error *err)
{
    for (const sam_option *option = command->options; option->name != NULL; option++) {
        char name[64];
        environment_name(name, sizeof name, option->name);
        const char *value = getenv(name);
        if (value == NULL || value[0] == 0)
            continue;
        sam_status status = set(option, value, "environment: ", err);
        if (status != SAM_OK)
            return status;
    }
    return SAM_OK;
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = 0;
    return text;
}

static sam_status apply_line(const sam_command *command, const char *path, int number, char *line, sam_error *err)
{
    char *text = trim(line);
    if (*text == 0 || *text == '#')
        return SAM_OK;
    char *equals = strchr(text, '=');
    if (equals == NULL)
        return sam_fail(err, SAM_INVALID, "%s:%d: expected \"name = value\"", path, number);
    *equals = 0;
    char *name = trim(text), *value = trim(equals + 1);
    const sam_option *option = find(command, name, strlen(name));
    if (option == NULL)
        return sam_fail(err, SAM_INVALID, "%s:%d: %s has no option \"%s\"", path, number, command->name, name);
    if (option->kind == SAM_OPTION_TEXT && (value = sam_strdup(value)) == NULL) /* the target will point at it */
        return sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", path);
    char source[320];
    snprintf(source, sizeof source, "%s:%d: ", path, number);
    return set(option, value, source, err);
}

static sam_status apply_file(const sam_command *command, const char *path, sam_error *err)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return sam_fail_errno(err, SAM_NOT_FOUND, errno, "cannot open the configuration file %s", path);
    sam_status status = SAM_OK;
    char line[4096];
    for (int number = 1; status == SAM_OK && fgets(line, sizeof line, file) != NULL; number++) {
        if (strlen(line) == sizeof line - 1 && line[sizeof line - 2] != '\n') /* its tail would be read as a line */
            status =
                sam_fail(err, SAM_INVALID, "%s:%d: the line is longer than %zu bytes", path, number, sizeof line - 2);
        else
            status = apply_line(command, path, number, line, err);
    }
    fclose(file);
    return status;
}

/* The value of --config, found ahead of the other flags since it must lose to them. */
static const char *config_path(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    const char *path = getenv("SAMARA_CONFIG");
    return path == NULL || path[0] == 0 ? NULL : path;
}

static sam_status apply_flag(const sam_command *command, int argc, char **argv, int *at, sam_error *err)
{
    const char *word = argv[*at] + 2, *equals = strchr(word, '=');
    size_t length = equals == NULL ? strlen(word) : (size_t)(equals - word);
    if (length == 6 && strncmp(word, "config", 6) == 0) {
        if (equals == NULL && ++*at >= argc)
            return sam_fail(err, SAM_INVALID, "--config needs a value: --config FILE");
        return SAM_OK;
    }
    const sam_option *option = find(command, word, length);
    if (option == NULL && strncmp(word, "no-", 3) == 0) {
        option = find(command, word + 3, length - 3);
        if (option != NULL && option->kind == SAM_OPTION_FLAG && equals == NULL) {
            *(bool *)option->target = false;
            return SAM_OK;
        }
        option = NULL;
    }
    if (option == NULL)
        return sam_fail(err, SAM_INVALID, "%s has no option --%.*s; see %s --help", command->name, (int)length, word,
                        command->name);
    if (equals != NULL)
        return set(option, equals + 1, "--", err);
    if (option->kind == SAM_OPTION_FLAG) {
        *(bool *)option->target = true;
        return SAM_OK;
    }
    if (*at + 1 >= argc)
        return sam_fail(err, SAM_INVALID, "--%s needs a value: --%s %s", option->name, option->name,
                        option->value_name);
    *at += 1;
    return set(option, argv[*at], "--", err);
}

static void print_choice(const char *choices, unsigned index)
{
    for (; index > 0 && choices[word_length(choices)] != 0; index--)
        choices += word_length(choices) + 1;
    printf(" [%.*s]", (int)word_length(choices), choices);
}

static void print_default(const sam_option *option)
{
    if (option->kind == SAM_OPTION_TEXT && *(const char *const *)option->target != NULL)
        printf(" [%s]", *(const char *const *)option->target);
    else if (option->kind == SAM_OPTION_COUNT)
        printf(" [%llu]", (unsigned long long)*(const uint64_t *)option->target);
    else if (option->kind == SAM_OPTION_NUMBER && !isnan(*(const double *)option->target))
        printf(" [%g]", *(const double *)option->target);
    else if (option->kind == SAM_OPTION_CHOICE)
        print_choice(option->value_name, *(const unsigned *)option->target);
}

static void print_help(const sam_command *command)
{
    printf("usage: %s%s%s [options]\n\n%s\n\n", command->name, command->synopsis[0] == 0 ? "" : " ", command->synopsis,
           command->about);
    for (const sam_option *option = command->options; option->name != NULL; option++) {
        char left[128];
        snprintf(left, sizeof left, "--%s%s%s", option->name, option->value_name == NULL ? "" : " ",
                 option->value_name == NULL ? "" : option->value_name);
        printf("  %-24s%s%s", left, strlen(left) > 24 ? "\n                           " : " ", option->help);
        print_default(option);
        printf("\n");
    }
    printf("  %-24s %s\n  %-24s %s\n", "--config FILE", "read options from FILE, lines \"name = value\"", "--help",
           "show this and exit");
    printf("\nEach option can also be set in the environment: --name is SAMARA_NAME. In [brackets]: the value as it is "
           "now.\n");
}

sam_status sam_options_parse(const sam_command *command, int argc, char **argv, int *rest, sam_error *err)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(command);
            return sam_fail(err, SAM_CANCELLED, "help was printed");
        }
    }
    const char *config = config_path(argc, argv);
    sam_status status = config == NULL ? SAM_OK : apply_file(command, config, err);
    if (status == SAM_OK)
        status = apply_environment(command, err);
    int at = 1;
    for (; status == SAM_OK && at < argc; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strncmp(argv[at], "--", 2) != 0)
            break;
        status = apply_flag(command, argc, argv, &at, err);
    }
    *rest = at < argc ? at : argc;
    return status;
}
