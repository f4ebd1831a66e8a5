/* The program `samara`: one function for each command (cli/commands), and what all of them do with their arguments.
 *
 *     sam_status cli_fetch(int argc, char **argv, sam_error *err)
 *     {
 *         static const sam_option table[] = {{0}};
 *         const sam_command command = {"samara fetch", "SOURCE", "Fetches a file or model.", table};
 *         int rest;
 *         sam_status status = cli_parse(&command, argc, argv, 1, &rest, err);     // argv[0] is "fetch"
 *         if (status != SAM_OK)
 *             return status;
 *         char *path;
 *         status = cli_resolve(argv[rest], &path, err);
 *         if (status == SAM_OK)
 *             puts(path);
 *         return status;
 *     }
 *
 * main.c has the table of commands; it prints the sentence of a failed one and turns its status into the exit code.
 * Results are printed on stdout; progress, and what went wrong, on stderr.
 */
#ifndef SAM_CLI_H
#define SAM_CLI_H

#include "base/options.h"
#include "base/status.h"

#include <stdint.h>

sam_status cli_train(int argc, char **argv, sam_error *err);
sam_status cli_replay(int argc, char **argv, sam_error *err);
sam_status cli_export(int argc, char **argv, sam_error *err);
sam_status cli_verify(int argc, char **argv, sam_error *err);
sam_status cli_fork(int argc, char **argv, sam_error *err);
sam_status cli_revert(int argc, char **argv, sam_error *err);
sam_status cli_diff(int argc, char **argv, sam_error *err);
sam_status cli_average(int argc, char **argv, sam_error *err);
sam_status cli_bisect(int argc, char **argv, sam_error *err);
sam_status cli_export_run(int argc, char **argv, sam_error *err);
sam_status cli_import_run(int argc, char **argv, sam_error *err);
sam_status cli_restore(int argc, char **argv, sam_error *err);
sam_status cli_evaluate(int argc, char **argv, sam_error *err);
sam_status cli_log(int argc, char **argv, sam_error *err);
sam_status cli_status(int argc, char **argv, sam_error *err);
sam_status cli_fetch(int argc, char **argv, sam_error *err);
sam_status cli_bench(int argc, char **argv, sam_error *err);
sam_status cli_doctor(int argc, char **argv, sam_error *err);
sam_status cli_version(int argc, char **argv, sam_error *err);

/* Options, and `operands` arguments that are not options, which may stand among them: argv[*rest] is the first. INVALID
 * where there are more or fewer. */
sam_status cli_parse(const sam_command *command, int argc, char **argv, int operands, int *rest, sam_error *err);

/* The texts of these options, "log base out", must be given: INVALID names the first that is missing. */
sam_status cli_require(const sam_command *command, const char *options, sam_error *err);

/* The text of an option that names a round: NULL or "" is the end, UINT64_MAX. */
sam_status cli_parse_round(const char *option, const char *text, uint64_t *round, sam_error *err);

/* The text of an option "A..B": the rounds from A up to B, without B. */
sam_status cli_parse_rounds(const char *option, const char *text, uint64_t *from, uint64_t *to, sam_error *err);

/* A name for a file or model (net/source.h) as a local path, new memory; progress on stderr where that is a terminal.
 */
sam_status cli_resolve(const char *source, char **path, sam_error *err);

#endif
