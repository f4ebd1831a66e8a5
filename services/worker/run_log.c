#include "worker/run_log.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct sam_run_log {
    int fd; /* -1: the file is not written any more */
    char *path;
};

static sam_status lock(sam_run_log *log, sam_error *err)
{
    log->fd = open(log->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->fd < 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot keep the log in %s", log->path);
    if (flock(log->fd, LOCK_EX | LOCK_NB) != 0)
        return sam_fail(err, SAM_CONFLICT, "another worker keeps its log in %s; give each its own --log", log->path);
    return SAM_OK;
}

static bool put(sam_run_log *log, const sam_buffer *bytes)
{
    for (size_t at = 0; at < bytes->length;) {
        ssize_t wrote = write(log->fd, bytes->bytes + at, bytes->length - at);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return false;
        at += (size_t)wrote;
    }
    return fdatasync(log->fd) == 0;
}

/* An empty file, or one that a worker began and did not get beyond its head. */
static bool is_new(const sam_run_log *log, const sam_buffer *head)
{
    struct stat stat;
    uint8_t *there = sam_alloc(head->length, 1);
    bool good = there != NULL && fstat(log->fd, &stat) == 0 && (uint64_t)stat.st_size < head->length &&
                pread(log->fd, there, (size_t)stat.st_size, 0) == stat.st_size &&
                memcmp(there, head->bytes, (size_t)stat.st_size) == 0;
    sam_free(there);
    return good;
}

/* Bytes of a log without what is not whole at its end. */
static off_t whole_bytes(const sam_samlog *log)
{
    sam_buffer head = {0};
    sam_samlog_put_head(&head, sam_samlog_manifest(log));
    uint64_t bytes = head.length;
    sam_buffer_free(&head);
    for (uint64_t r = 0; r < sam_samlog_rounds(log); r++) {
        size_t length;
        (void)sam_samlog_round(log, r, &length);
        bytes += sizeof(uint32_t) + length;
    }
    return (off_t)bytes;
}

static sam_status open_past(sam_run_log *log, const sam_manifest *manifest, sam_samlog **past, sam_error *err)
{
    sam_status status = sam_samlog_open(past, log->path, err);
    if (status != SAM_OK)
        return status;
    if (!sam_digest_equal(&sam_samlog_manifest(*past)->id, &manifest->id))
        return sam_fail(err, SAM_INVALID, "%s has the log of run %.12s, not of run %.12s; name another file with --log",
                        log->path, sam_samlog_manifest(*past)->id_hex, manifest->id_hex);
    if (sam_samlog_truncated(*past) && ftruncate(log->fd, whole_bytes(*past)) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot cut off the end of %s", log->path);
    return SAM_OK;
}

static sam_status begin_or_go_on(sam_run_log *log, const sam_manifest *manifest, sam_samlog **past, sam_error *err)
{
    sam_buffer head = {0};
    sam_status status = SAM_OK;
    sam_samlog_put_head(&head, manifest);
    if (head.failed)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory");
    else if (!is_new(log, &head))
        status = open_past(log, manifest, past, err);
    else if (ftruncate(log->fd, 0) != 0 || !put(log, &head))
        status = sam_fail_errno(err, SAM_IO, errno, "cannot keep the log in %s", log->path);
    sam_buffer_free(&head);
    return status;
}

sam_status sam_run_log_open(sam_run_log **log, const char *path, const sam_manifest *manifest, sam_samlog **past,
                            sam_error *err)
{
    sam_run_log *made = sam_alloc(1, sizeof *made);
    *past = NULL;
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    made->fd = -1;
    made->path = sam_strdup(path);
    if (made->path == NULL) {
        sam_run_log_close(made);
        return sam_fail(err, SAM_NO_MEMORY, "out of memory");
    }
    sam_status status = lock(made, err);
    if (status == SAM_OK)
        status = begin_or_go_on(made, manifest, past, err);
    if (status == SAM_OK) {
        *log = made;
        return SAM_OK;
    }
    sam_samlog_close(*past);
    *past = NULL;
    sam_run_log_close(made);
    return status;
}

void sam_run_log_close(sam_run_log *log)
{
    if (log == NULL)
        return;
    if (log->fd >= 0)
        close(log->fd);
    sam_free(log->path);
    sam_free(log);
}

void sam_run_log_add(sam_run_log *log, const uint8_t *const *rounds, const size_t *lengths, size_t count)
{
    if (log == NULL || log->fd < 0 || count == 0)
        return;
    sam_buffer bytes = {0};
    for (size_t i = 0; i < count; i++)
        sam_samlog_put_round(&bytes, rounds[i], lengths[i]);
    if (bytes.failed || !put(log, &bytes)) {
        sam_log_error("cannot keep the log in %s any further: %s", log->path,
                      bytes.failed ? "out of memory" : strerror(errno));
        close(log->fd);
        log->fd = -1;
    }
    sam_buffer_free(&bytes);
}
