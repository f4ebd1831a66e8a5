#include "cli/shared/processes.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 64

/* ---- starting ---- */

/* In the child: only calls that are safe between fork and exec. */
static void become(const cli_launch *launch, char *const *argv, int log, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it died before the line above */
        _exit(126);
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
        _exit(126);
    if (launch->folder != NULL && chdir(launch->folder) != 0)
        _exit(126);
    execv(launch->program, argv);
    _exit(127);
}

static int open_log(cli_process *process, const char *path)
{
    snprintf(process->log, sizeof process->log, "%s", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct stat info;
    process->log_from = fd >= 0 && fstat(fd, &info) == 0 ? info.st_size : 0;
    return fd;
}

sam_status cli_process_start(cli_process *process, const cli_launch *launch, sam_error *err)
{
    const char *arguments[ARGUMENTS_MAX + 2] = {launch->program};
    for (size_t i = 0; launch->arguments[i] != NULL; i++) {
        if (i == ARGUMENTS_MAX)
            return sam_fail(err, SAM_INTERNAL, "too many arguments for %s", process->name);
        arguments[i + 1] = launch->arguments[i];
    }
    char *argv[ARGUMENTS_MAX + 2]; /* execv asks for texts that it could change, though it does not */
    memcpy(argv, arguments, sizeof argv);
    int log = open_log(process, launch->log);
    if (log < 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot open %s", launch->log);
    pid_t parent = getpid();
    process->pid = fork();
    if (process->pid == 0)
        become(launch, argv, log, parent);
    int why = errno;
    close(log);
    if (process->pid > 0)
        return SAM_OK;
    process->pid = 0;
    return sam_fail_errno(err, SAM_IO, why, "cannot start %s", process->name);
}

char *cli_find_program(const char *name)
{
    char *path = sam_sibling_program(name);
    const char *folders = getenv("PATH");
    while (path == NULL && folders != NULL && *folders != 0) {
        size_t length = strcspn(folders, ":");
        path = sam_format("%.*s/%s", (int)length, folders, name);
        if (path != NULL && (length == 0 || access(path, X_OK) != 0)) {
            sam_free(path);
            path = NULL;
        }
        folders += length + (folders[length] == ':');
    }
    return path;
}

const char *const *cli_private_redis(void)
{
    static const char *const ARGUMENTS[] = {"--port",
                                            "0",
                                            "--unixsocket",
                                            "redis.sock",
                                            "--unixsocketperm",
                                            "700",
                                            "--dir",
                                            ".",
                                            "--save",
                                            "",
                                            "--appendonly",
                                            "yes",
                                            "--appendfsync",
                                            "always",
                                            "--daemonize",
                                            "no",
                                            "--loglevel",
                                            "notice",
                                            NULL};
    return ARGUMENTS;
}

/* ---- ending ---- */

bool cli_process_ended(cli_process *process)
{
    if (process->pid == 0 || waitpid(process->pid, &process->ending, WNOHANG) != process->pid)
        return false;
    process->pid = 0;
    return true;
}

bool cli_process_failed(const cli_process *process)
{
    return !WIFEXITED(process->ending) || WEXITSTATUS(process->ending) != 0;
}

bool cli_process_killed(const cli_process *process)
{
    return WIFSIGNALED(process->ending);
}

static bool all_ended(cli_process *processes, size_t count)
{
    bool all = true;
    for (size_t i = 0; i < count; i++) {
        (void)cli_process_ended(&processes[i]);
        all = all && processes[i].pid == 0;
    }
    return all;
}

static void signal_all(const cli_process *processes, size_t count, int number)
{
    for (size_t i = 0; i < count; i++)
        if (processes[i].pid > 0)
            kill(processes[i].pid, number);
}

void cli_processes_stop(cli_process *processes, size_t count, uint32_t grace_ms)
{
    uint64_t until = sam_monotonic_ms() + grace_ms;
    signal_all(processes, count, SIGTERM);
    while (!all_ended(processes, count) && sam_monotonic_ms() < until)
        sam_sleep_ms(10);
    signal_all(processes, count, SIGKILL);
    while (!all_ended(processes, count))
        sam_sleep_ms(10);
}

void cli_process_stop(cli_process *process, uint32_t grace_ms)
{
    cli_processes_stop(process, 1, grace_ms);
}

/* ---- what it said ---- */

/* The end of what this start wrote; NUL-terminated. */
static void read_output(const cli_process *process, char *out, size_t size)
{
    out[0] = 0;
    int fd = open(process->log, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd >= 0 && fstat(fd, &info) == 0) {
        off_t from = info.st_size - (off_t)(size - 1);
        from = from > process->log_from ? from : process->log_from;
        ssize_t length = pread(fd, out, size - 1, from);
        out[length > 0 ? length : 0] = 0;
    }
    if (fd >= 0)
        close(fd);
}

bool cli_process_address(const cli_process *process, char *out, size_t size)
{
    char text[8192];
    read_output(process, text, sizeof text);
    const char *said = "listening on ", *at = strstr(text, said);
    if (at == NULL || strchr(at, '\n') == NULL)
        return false;
    at += strlen(said);
    if (strncmp(at, "http://", 7) == 0)
        at += 7;
    size_t length = strcspn(at, " ,;/\"\r\n");
    return length > 0 && (size_t)snprintf(out, size, "%.*s", (int)length, at) < size;
}

/* "2026-..Z samara-ledger[12] error: cannot ..." and "samara-ledger: cannot ..." become "cannot ...". */
static const char *without_prefix(const char *line)
{
    const char *level = strstr(line, "] error: ");
    if (level != NULL)
        return level + strlen("] error: ");
    if (strncmp(line, "samara-", 7) == 0 && strstr(line, ": ") != NULL)
        return strstr(line, ": ") + 2;
    return line;
}

void cli_process_describe_end(const cli_process *process, char *out, size_t size)
{
    if (WIFSIGNALED(process->ending)) {
        snprintf(out, size, "was killed (signal %d)", WTERMSIG(process->ending));
        return;
    }
    char text[4096];
    read_output(process, text, sizeof text);
    size_t length = strlen(text);
    while (length > 0 && text[length - 1] == '\n')
        text[--length] = 0;
    const char *line = strrchr(text, '\n');
    line = without_prefix(line == NULL ? text : line + 1);
    if (line[0] == 0)
        snprintf(out, size, "ended with exit code %d", WEXITSTATUS(process->ending));
    else
        snprintf(out, size, "ended: %s", line);
}
