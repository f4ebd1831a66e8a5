/* Members of archives, by the system's unzip and tar, started without a shell. They write to their standard output,
 * which is a file of ours, so no name inside an archive can choose where bytes go. */
#include "net/source_internal.h"

#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_zip(const char *name)
{
    return sam_ends_with(name, ".zip") || sam_ends_with(name, ".whl");
}

bool sam_archive_is_one(const char *name)
{
    return is_zip(name) || sam_ends_with(name, ".tar.gz") || sam_ends_with(name, ".tgz") || sam_ends_with(name, ".tar");
}

/* Runs a program with its output in `fd` and nothing on its input; its exit code in *code. */
static sam_status run_into(int fd, const char *const *command, int *code, sam_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int failure = posix_spawnp(&pid, command[0], &actions, NULL, (char *const *)command, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0)
        return sam_fail_errno(err, SAM_UNSUPPORTED, failure,
                              "cannot run %s, which is needed to open archives; "
                              "install it",
                              command[0]);
    int ended;
    while (waitpid(pid, &ended, 0) < 0)
        if (errno != EINTR)
            return sam_fail_errno(err, SAM_IO, errno, "cannot wait for %s", command[0]);
    *code = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128;
    return SAM_OK;
}

static sam_status missing(const char *archive, const char *member, sam_error *err)
{
    return sam_fail(err, SAM_NOT_FOUND, "%s has no member %s (or is damaged)", archive, member);
}

sam_status sam_archive_extract(const char *archive, const char *member, const char *to, sam_error *err)
{
    if (!sam_source_safe_path(member) || member[0] == '-' || strpbrk(member, "*?[]\\") != NULL)
        return sam_fail(err, SAM_INVALID, "\"%s\" cannot be the name of a member of %s", member, archive);
    char *partial = sam_format("%s.partial-%d", to, (int)getpid());
    int fd = partial == NULL ? -1 : open(partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        sam_free(partial);
        return sam_fail_errno(err, SAM_IO, errno, "cannot write %s", to);
    }
    const char *unzip[] = {"unzip", "-p", archive, member, NULL};
    const char *tar[] = {"tar", "-xOf", archive, "--", member, NULL};
    int code = 0;
    sam_status status = run_into(fd, is_zip(archive) ? unzip : tar, &code, err);
    if (status == SAM_OK && code != 0)
        status = missing(archive, member, err);
    if (status == SAM_OK && (fsync(fd) != 0 || rename(partial, to) != 0))
        status = sam_fail_errno(err, SAM_IO, errno, "cannot write %s", to);
    close(fd);
    if (status != SAM_OK)
        (void)unlink(partial);
    sam_free(partial);
    return status;
}

static sam_status read_all(int fd, char **out, sam_error *err)
{
    off_t length = lseek(fd, 0, SEEK_END);
    char *text = length < 0 ? NULL : sam_alloc((size_t)length + 1, 1);
    if (text == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory listing an archive");
    if (pread(fd, text, (size_t)length, 0) != (ssize_t)length) {
        sam_free(text);
        return sam_fail_errno(err, SAM_IO, errno, "cannot list an archive");
    }
    *out = text;
    return SAM_OK;
}

sam_status sam_archive_list(const char *archive, char **out, sam_error *err)
{
    char *name = sam_format("%s.list-%d", archive, (int)getpid());
    int fd = name == NULL ? -1 : open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        sam_free(name);
        return sam_fail_errno(err, SAM_IO, errno, "cannot list %s", archive);
    }
    (void)unlink(name);
    sam_free(name);
    const char *unzip[] = {"unzip", "-Z1", archive, NULL};
    const char *tar[] = {"tar", "-tf", archive, NULL};
    int code = 0;
    sam_status status = run_into(fd, is_zip(archive) ? unzip : tar, &code, err);
    if (status == SAM_OK && code != 0)
        status = sam_fail(err, SAM_CORRUPT, "%s is damaged or no archive", archive);
    if (status == SAM_OK)
        status = read_all(fd, out, err);
    close(fd);
    return status;
}
