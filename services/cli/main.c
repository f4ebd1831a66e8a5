/* samara: fine-tuning from the command line. One table drives dispatch, `samara --help` and `samara help COMMAND`. */
#include "base/log.h"
#include "base/shutdown.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct command {
    const char *name;
    sam_status (*run)(int argc, char **argv, sam_error *err);
    const char *summary;
} command;

static const command COMMANDS[] = {
    {"train", cli_train, "fine-tune a model on this machine"},
    {"replay", cli_replay, "rebuild a tuned model from its base and its log"},
    {"export", cli_export, "write a tuned model as the kind of file you name"},
    {"evaluate", cli_evaluate, "measure the accuracy and loss of a model on a data set"},
    {"log", cli_log, "show the rounds of a run"},
    {"verify", cli_verify, "check a log, the state it leads to, and a share of its codes"},
    {"diff", cli_diff, "show where two runs part, and how far apart they are"},
    {"fork", cli_fork, "make a new run that shares the past of another"},
    {"revert", cli_revert, "make a new run without some records of another"},
    {"average", cli_average, "average the weights over rounds"},
    {"bisect", cli_bisect, "find the round with which a dev metric fell"},
    {"export-run", cli_export_run, "fetch a run of a ledger as one .samlog file"},
    {"import-run", cli_import_run, "bring a run from a .samlog file or another ledger to a ledger"},
    {"restore", cli_restore, "bring runs back to a ledger that lost them, from replicas"},
    {"status", cli_status, "show what the runs of a ledger are doing"},
    {"fetch", cli_fetch, "bring a model or data file into the cache, and print its path"},
    {"bench", cli_bench, "measure this machine, and Samara on it"},
    {"doctor", cli_doctor, "show what this machine offers: kernels, libraries, programs, memory"},
    {"version", cli_version, "print the version"},
};
#define COMMAND_COUNT (sizeof COMMANDS / sizeof COMMANDS[0])

static void print_help(FILE *to)
{
    fprintf(to, "usage: samara COMMAND [options]\n\nFine-tunes language models by seeds and one-byte scalars.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-11s %s\n", COMMANDS[i].name, COMMANDS[i].summary);
    fprintf(to, "\nsamara help COMMAND (or samara COMMAND --help) lists the options of one.\n");
}

static const command *find(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static int refuse(const char *name)
{
    fprintf(stderr, "samara: there is no command \"%s\"; samara --help lists them\n", name);
    return sam_exit_code(SAM_INVALID);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(const command *chosen, int argc, char **argv)
{
    sam_error err = {0};
    sam_status status = chosen->run(argc, argv, &err);
    if (status == SAM_OK || asks_for_help(argc, argv))
        return 0;
    fflush(stdout);
    if (err.text[0] != 0)
        fprintf(stderr, "samara: %s\n", err.text);
    return sam_exit_code(status);
}

static int help(int argc, char **argv)
{
    if (argc < 3) {
        print_help(stdout);
        return 0;
    }
    const command *chosen = find(argv[2]);
    char flag[] = "--help", *arguments[] = {argv[2], flag, NULL};
    return chosen == NULL ? refuse(argv[2]) : run(chosen, 2, arguments);
}

int main(int argc, char **argv)
{
    sam_log_init("samara", SAM_LOG_WARN, SAM_LOG_TEXT);
    unsetenv("SAMARA_LOG"); /* its level; not to be taken for the option --log of several commands */
    if (argc < 2) {
        print_help(stderr);
        return sam_exit_code(SAM_INVALID);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "help") == 0)
        return help(argc, argv);
    const command *chosen = find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
    if (chosen == NULL)
        return refuse(argv[1]);
    sam_shutdown_catch();
    return run(chosen, argc - 1, argv + 1);
}
