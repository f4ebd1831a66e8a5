#include "worker/key.h"

#include "base/log.h"
#include "base/memory.h"
#include "net/access.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PREFIX    "ed25519:"
#define LINE_SIZE (sizeof PREFIX + 2 * SAM_KEY_SEED_BYTES + 1) /* with line end and NUL */

static sam_status write_line(int fd, const char *line, const char *path, sam_error *err)
{
    ssize_t length = (ssize_t)strlen(line);
    if (write(fd, line, (size_t)length) != length || fsync(fd) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot write the key to %s", path);
    return SAM_OK;
}

/* CONFLICT: somebody else made it meanwhile. */
static sam_status make(const char *path, sam_error *err)
{
    uint8_t seed[SAM_KEY_SEED_BYTES];
    char line[LINE_SIZE] = PREFIX;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return sam_fail_errno(err, errno == EEXIST ? SAM_CONFLICT : SAM_IO, errno, "cannot make the key %s", path);
    randombytes_buf(seed, sizeof seed);
    sodium_bin2hex(line + strlen(PREFIX), LINE_SIZE - strlen(PREFIX), seed, sizeof seed);
    line[LINE_SIZE - 2] = '\n';
    sam_status status = write_line(fd, line, path, err);
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(line, sizeof line);
    close(fd);
    if (status != SAM_OK)
        (void)unlink(path);
    return status;
}

static sam_status take(sam_signing_key *key, const char *path, sam_error *err)
{
    char *text;
    const char *end;
    uint8_t seed[SAM_KEY_SEED_BYTES];
    size_t count = 0;
    sam_status status = sam_secret_read(&text, path, err);
    if (status != SAM_OK)
        return status;
    bool good = strncmp(text, PREFIX, strlen(PREFIX)) == 0 &&
                sodium_hex2bin(seed, sizeof seed, text + strlen(PREFIX), strlen(text) - strlen(PREFIX), NULL, &count,
                               &end) == 0 &&
                count == sizeof seed && strspn(end, " \r\n") == strlen(end);
    if (good)
        sam_signing_key_of(key, seed);
    else
        status = sam_fail(err, SAM_INVALID, "%s is no key: it must be \"" PREFIX "\" and 64 hexadecimal digits", path);
    sodium_memzero(seed, sizeof seed);
    sam_secret_free(text);
    return status;
}

sam_status sam_worker_key(sam_signing_key *key, const char *path, sam_error *err)
{
    sam_status status = take(key, path, err);
    if (status != SAM_NOT_FOUND)
        return status;
    status = make(path, err);
    if (status == SAM_OK)
        sam_log_info("made the key %s: with it this worker signs what it sends", path);
    return status == SAM_OK || status == SAM_CONFLICT ? take(key, path, err) : status;
}
