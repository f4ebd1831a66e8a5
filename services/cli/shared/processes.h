/* Child processes that never outlive this one.
 *
 *     const char *arguments[] = {"--port", "0", NULL};
 *     const cli_launch launch = {.program = "/usr/bin/redis-server", .arguments = arguments, .log = "redis.log"};
 *     cli_process redis = {.name = "redis"};
 *     if (cli_process_start(&redis, &launch, err) != SAM_OK)
 *         return err->status;
 *     char how[200];
 *     if (cli_process_ended(&redis)) {
 *         cli_process_describe_end(&redis, how, sizeof how);
 *         printf("redis %s\n", how);                       // "redis was killed (signal 9)"
 *     }
 *     cli_process_stop(&redis, 10000);
 *
 * Each child is in a process group of its own, so that Ctrl-C reaches only this process, which then stops the others in
 * order; and the kernel kills it when this process dies, however that happens. Both outputs of a child go to its log
 * file. Thread safety: from the main thread only, since the kernel ties children to the thread that made them.
 */
#ifndef SAM_CLI_PROCESSES_H
#define SAM_CLI_PROCESSES_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct cli_process {
    char name[64];
    pid_t pid; /* 0: not running */
    char log[1024];
    off_t log_from; /* where the output of this start begins */
    int ending;     /* as waitpid gave it, once it has ended */
} cli_process;

typedef struct cli_launch {
    const char *program;          /* path */
    const char *const *arguments; /* NULL at the end */
    const char *folder;           /* to run in; NULL: this one's */
    const char *log;              /* appended to */
} cli_launch;

sam_status cli_process_start(cli_process *process, const cli_launch *launch, sam_error *err);

/* Has it ended since the last look? (Once true, it is not running any more, and this is false again.) */
bool cli_process_ended(cli_process *process);
bool cli_process_failed(const cli_process *process); /* by a signal, or with an exit code that is not 0 */
bool cli_process_killed(const cli_process *process); /* by a signal */

/* SIGTERM to all, SIGKILL to those that are still there after `grace_ms`. */
void cli_processes_stop(cli_process *processes, size_t count, uint32_t grace_ms);
void cli_process_stop(cli_process *process, uint32_t grace_ms);

/* The word after the last "listening on " in its output: its address without http://. False: not there yet. */
bool cli_process_address(const cli_process *process, char *out, size_t size);
/* How it ended, and the last line it wrote: "was killed (signal 9)", "ended: cannot listen on ...". */
void cli_process_describe_end(const cli_process *process, char *out, size_t size);

/* Beside this program, or on PATH. New memory; NULL: nowhere. */
char *cli_find_program(const char *name);

/* Arguments of a Redis in the folder that it runs in: socket redis.sock, fsync always. NULL at the end. */
const char *const *cli_private_redis(void);

#endif
