#include "base/files.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t NO_BYTES[1];

sam_status sam_file_map_open(sam_file_map *file, const char *path, sam_error *err)
{
    *file = (sam_file_map){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe by that name must not make us wait */
    if (fd < 0)
        return sam_fail_errno(err, errno == ENOENT ? SAM_NOT_FOUND : SAM_IO, errno, "cannot open %s", path);
    sam_status status = SAM_OK;
    struct stat info;
    if (fstat(fd, &info) != 0) {
        status = sam_fail_errno(err, SAM_IO, errno, "cannot read %s", path);
    } else if (!S_ISREG(info.st_mode)) {
        status = sam_fail(err, SAM_INVALID, "%s is not a regular file", path);
    } else if (info.st_size == 0) {
        file->bytes = NO_BYTES;
    } else {
        void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (bytes == MAP_FAILED) {
            status = sam_fail_errno(err, SAM_IO, errno, "cannot map %s", path);
        } else {
            file->bytes = bytes;
            file->length = (size_t)info.st_size;
        }
    }
    close(fd);
    return status;
}

void sam_file_map_close(sam_file_map *file)
{
    if (file->length > 0)
        munmap((void *)file->bytes, file->length);
    *file = (sam_file_map){0};
}

static void writer_free(sam_file_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    sam_free(writer->path);
    sam_free(writer->temporary);
    *writer = (sam_file_writer){.fd = -1};
}

/* A name of its own for each writer: threads, and containers that share a volume where each process has number 1. */
static int create_temporary(sam_file_writer *writer)
{
    for (int attempt = 0; attempt < 16; attempt++) {
        uint32_t number;
        if (getrandom(&number, sizeof number, 0) != (ssize_t)sizeof number)
            return -1;
        sam_free(writer->temporary);
        writer->temporary = sam_format("%s.partial-%08x", writer->path, number);
        if (writer->temporary == NULL) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

sam_status sam_file_writer_open(sam_file_writer *writer, const char *path, sam_error *err)
{
    *writer = (sam_file_writer){.fd = -1};
    writer->path = sam_strdup(path);
    writer->fd = writer->path == NULL ? -1 : create_temporary(writer);
    if (writer->fd >= 0)
        return SAM_OK;
    bool no_memory = writer->path == NULL || writer->temporary == NULL;
    sam_status status = no_memory ? sam_fail(err, SAM_NO_MEMORY, "out of memory opening %s", path)
                                  : sam_fail_errno(err, SAM_IO, errno, "cannot create %s", writer->temporary);
    writer_free(writer);
    return status;
}

sam_status sam_file_writer_put(sam_file_writer *writer, const void *bytes, size_t length, sam_error *err)
{
    const uint8_t *from = bytes;
    while (length > 0) {
        ssize_t count = write(writer->fd, from, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return sam_fail_errno(err, SAM_IO, errno, "cannot write %s", writer->temporary);
        from += count;
        length -= (size_t)count;
        writer->written += (uint64_t)count;
    }
    return SAM_OK;
}

static void sync_folder_of(const char *path)
{
    char *folder = sam_strdup(path);
    if (folder == NULL)
        return;
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder] = 0;
    int fd = open(slash == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
    sam_free(folder);
}

sam_status sam_file_writer_commit(sam_file_writer *writer, sam_error *err)
{
    sam_status status = SAM_OK;
    if (fsync(writer->fd) != 0 || rename(writer->temporary, writer->path) != 0) {
        status = sam_fail_errno(err, SAM_IO, errno, "cannot finish %s", writer->path);
        (void)unlink(writer->temporary);
    } else {
        sync_folder_of(writer->path);
    }
    writer_free(writer);
    return status;
}

void sam_file_writer_abandon(sam_file_writer *writer)
{
    if (writer->temporary != NULL)
        (void)unlink(writer->temporary);
    writer_free(writer);
}

sam_status sam_file_write(const char *path, const void *bytes, size_t length, sam_error *err)
{
    sam_file_writer writer;
    sam_status status = sam_file_writer_open(&writer, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_file_writer_put(&writer, bytes, length, err);
    if (status == SAM_OK)
        return sam_file_writer_commit(&writer, err);
    sam_file_writer_abandon(&writer);
    return status;
}

bool sam_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool make_folder(const char *path)
{
    if (mkdir(path, 0755) == 0)
        return true;
    int why = errno;
    struct stat info;
    bool there = why == EEXIST && stat(path, &info) == 0;
    if (there && S_ISDIR(info.st_mode))
        return true;
    errno = there ? ENOTDIR : why;
    return false;
}

sam_status sam_make_folders(const char *path, sam_error *err)
{
    if (path[0] == 0)
        return sam_fail(err, SAM_INVALID, "cannot make a folder without a name");
    char *partial = sam_strdup(path);
    if (partial == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory making the folder %s", path);
    sam_status status = SAM_OK;
    for (char *c = partial + 1; status == SAM_OK; c++) {
        if (*c != '/' && *c != 0)
            continue;
        char separator = *c;
        *c = 0;
        if (!make_folder(partial))
            status = sam_fail_errno(err, SAM_IO, errno, "cannot make the folder %s", partial);
        *c = separator;
        if (separator == 0)
            break;
    }
    sam_free(partial);
    return status;
}

sam_status sam_cache_path(char **path, const char *below, sam_error *err)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *full = NULL;
    if (cache != NULL && cache[0] == '/')
        full = sam_format("%s/samara/%s", cache, below);
    else if (home != NULL && home[0] == '/')
        full = sam_format("%s/.cache/samara/%s", home, below);
    else
        return sam_fail(err, SAM_INVALID, "no cache folder: set HOME or XDG_CACHE_HOME to an absolute path");
    if (full == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory naming the cache folder");
    char *slash = strrchr(full, '/');
    *slash = 0;
    sam_status status = sam_make_folders(full, err);
    *slash = '/';
    if (status != SAM_OK) {
        sam_free(full);
        return status;
    }
    *path = full;
    return SAM_OK;
}

char *sam_sibling_program(const char *name)
{
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return NULL;
    self[length] = 0;
    char *slash = strrchr(self, '/');
    if (slash == NULL)
        return NULL;
    *slash = 0;
    char *path = sam_format("%s/%s", self, name);
    if (path != NULL && access(path, X_OK) != 0) {
        sam_free(path);
        path = NULL;
    }
    return path;
}
