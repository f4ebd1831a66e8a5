#include "net/download.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "net/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_TRIES 5u
#define POLL_MS       100u

/* ---- checksums ---- */

static const char *kind_name(sam_checksum_kind kind)
{
    return kind == SAM_CHECKSUM_SHA256 ? "sha256" : "blake2b";
}

sam_status sam_checksum_parse(sam_checksum *sum, const char *text, sam_error *err)
{
    for (int kind = SAM_CHECKSUM_BLAKE2B; kind <= SAM_CHECKSUM_SHA256; kind++) {
        const char *name = kind_name((sam_checksum_kind)kind);
        size_t length = strlen(name);
        if (strncmp(text, name, length) == 0 && text[length] == '=' && sam_unhex(sum->bytes, 32, text + length + 1)) {
            sum->kind = (sam_checksum_kind)kind;
            return SAM_OK;
        }
    }
    return sam_fail(err, SAM_INVALID,
                    "\"%.100s\" is no checksum: expected blake2b= or sha256= and 64 hexadecimal digits", text);
}

sam_status sam_checksum_file(const sam_checksum *sum, const char *path, sam_error *err)
{
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    uint8_t found[32];
    if (sum->kind == SAM_CHECKSUM_SHA256)
        crypto_hash_sha256(found, file.bytes, file.length);
    else
        crypto_generichash(found, sizeof found, file.bytes, file.length, NULL, 0);
    sam_file_map_close(&file);
    if (memcmp(found, sum->bytes, sizeof found) == 0)
        return SAM_OK;
    char expected_hex[65], found_hex[65];
    sam_hex(expected_hex, sum->bytes, sizeof sum->bytes);
    sam_hex(found_hex, found, sizeof found);
    return sam_fail(err, SAM_CORRUPT, "%s is not the file that was asked for: its %s is %s, expected %s", path,
                    kind_name(sum->kind), found_hex, expected_hex);
}

/* ---- one download ---- */

typedef struct download {
    const char *url, *path, *name;
    const sam_checksum *expected;
    const sam_download_options *options;
    char *partial, *etag_path;
    int fd;         /* of partial, locked */
    uint64_t at;    /* bytes there */
    uint64_t total; /* 0: not known */
    bool begun;     /* the first bytes of this reply were seen */
    sam_http_reply reply;
} download;

static sam_status open_names(download *now, sam_error *err)
{
    now->partial = sam_format("%s.partial", now->path);
    now->etag_path = sam_format("%s.partial.etag", now->path);
    if (now->partial == NULL || now->etag_path == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory downloading %s", now->url);
    return SAM_OK;
}

static bool is_cancelled(const download *now)
{
    return now->options->cancelled != NULL && now->options->cancelled(now->options->user);
}

static sam_status told_to_stop(const download *now, sam_error *err)
{
    return sam_fail(err, SAM_CANCELLED, "the download of %s was given up because this process was told to stop",
                    now->url);
}

/* Is the locked file still the one that has the name? The one who had the lock before may have renamed it. */
static bool still_named(const download *now)
{
    struct stat mine, named;
    return fstat(now->fd, &mine) == 0 && stat(now->partial, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

static sam_status lock_partial(download *now, sam_error *err)
{
    for (;;) {
        now->fd = open(now->partial, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (now->fd < 0)
            return sam_fail_errno(err, SAM_IO, errno, "cannot write %s", now->partial);
        while (flock(now->fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno != EWOULDBLOCK && errno != EINTR)
                return sam_fail_errno(err, SAM_IO, errno, "cannot lock %s", now->partial);
            if (is_cancelled(now))
                return told_to_stop(now, err);
            sam_sleep_ms(POLL_MS);
        }
        if (still_named(now))
            return SAM_OK;
        close(now->fd);
    }
}

/* The ETag that the partial bytes belong to, "" when not known or weak (a weak one promises no equal bytes). */
static void load_etag(const download *now, char *etag, size_t size)
{
    etag[0] = 0;
    int fd = open(now->etag_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, etag, size - 1);
    etag[length < 0 ? 0 : length] = 0;
    close(fd);
    if (etag[0] != '"' || strpbrk(etag, "\r\n") != NULL)
        etag[0] = 0;
}

static sam_status start_anew(download *now, sam_error *err)
{
    now->at = 0;
    if (ftruncate(now->fd, 0) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot empty %s", now->partial);
    (void)unlink(now->etag_path);
    return SAM_OK;
}

/* "bytes 100-199/200": where the reply's bytes belong. */
static bool range_starts_at(const char *content_range, uint64_t at, uint64_t *total)
{
    unsigned long long first, last, all;
    if (sscanf(content_range, "bytes %llu-%llu/%llu", &first, &last, &all) != 3)
        return false;
    *total = all;
    return first == at && last < all;
}

/* At the first bytes: do they go on where we are, or is it all of it again? */
static sam_status begin_reply(download *now, sam_error *err)
{
    sam_status status = SAM_OK;
    now->begun = true;
    if (now->reply.code == 206) {
        if (!range_starts_at(now->reply.content_range, now->at, &now->total))
            return sam_fail(err, SAM_CORRUPT, "%s answered with another range than asked: \"%s\" instead of from %llu",
                            now->url, now->reply.content_range, (unsigned long long)now->at);
    } else {
        status = start_anew(now, err);
        now->total = now->reply.content_length == UINT64_MAX ? 0 : now->reply.content_length;
        if (status == SAM_OK && now->reply.etag[0] == '"')
            status = sam_file_write(now->etag_path, now->reply.etag, strlen(now->reply.etag), err);
    }
    if (status == SAM_OK && lseek(now->fd, (off_t)now->at, SEEK_SET) < 0)
        status = sam_fail_errno(err, SAM_IO, errno, "cannot write %s", now->partial);
    return status;
}

static sam_status write_all(download *now, const uint8_t *bytes, size_t length, sam_error *err)
{
    while (length > 0) {
        ssize_t count = write(now->fd, bytes, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return sam_fail_errno(err, SAM_IO, errno, "cannot write %s at byte %llu", now->partial,
                                  (unsigned long long)now->at);
        bytes += count;
        length -= (size_t)count;
        now->at += (uint64_t)count;
    }
    return SAM_OK;
}

static sam_status take_bytes(void *user, const uint8_t *bytes, size_t length, sam_error *err)
{
    download *now = user;
    uint64_t limit = now->options->limit;
    sam_status status = now->begun ? SAM_OK : begin_reply(now, err);
    if (status == SAM_OK && limit > 0 && (now->at + length > limit || now->total > limit))
        status = sam_fail(err, SAM_TOO_LARGE, "%s is larger than the %llu bytes allowed", now->url,
                          (unsigned long long)limit);
    if (status == SAM_OK)
        status = write_all(now, bytes, length, err);
    if (status == SAM_OK && now->options->progress != NULL)
        now->options->progress(now->options->user, now->name, now->at, now->total);
    return status;
}

/* 416: nothing is left after what we have, or what we have is of another file. */
static sam_status beyond_the_end(download *now, bool *done, sam_error *err)
{
    unsigned long long all;
    if (sscanf(now->reply.content_range, "bytes */%llu", &all) == 1 && all == now->at && now->expected != NULL) {
        *done = true;
        return SAM_OK;
    }
    return start_anew(now, err);
}

#define MAX_HEADERS 16

static sam_status ask_once(download *now, sam_http_client *client, bool *done, sam_error *err)
{
    char etag[256], range[64], condition[300];
    const char *headers[MAX_HEADERS + 3] = {0};
    size_t count = 0;
    for (; now->options->headers != NULL && now->options->headers[count] != NULL && count < MAX_HEADERS; count++)
        headers[count] = now->options->headers[count];
    load_etag(now, etag, sizeof etag);
    if (now->at > 0 && etag[0] == 0 && now->expected == NULL) { /* nothing would tell a splice of two files */
        sam_status status = start_anew(now, err);
        if (status != SAM_OK)
            return status;
    }
    if (now->at > 0) {
        snprintf(range, sizeof range, "Range: bytes=%llu-", (unsigned long long)now->at);
        headers[count++] = range;
        snprintf(condition, sizeof condition, "If-Range: %s", etag);
        if (etag[0] != 0)
            headers[count++] = condition;
    }
    now->begun = false;
    sam_http_call call = {.url = now->url,
                          .headers = headers,
                          .timeout_ms = now->options->stall_timeout_ms,
                          .sink = take_bytes,
                          .sink_user = now};
    sam_status status = sam_http_send(client, &call, &now->reply, err);
    if (now->reply.code == 416 && now->at > 0)
        return beyond_the_end(now, done, err);
    if (status == SAM_OK && !now->begun) /* an empty file */
        status = begin_reply(now, err);
    *done = status == SAM_OK && (now->total == 0 || now->at == now->total);
    return status;
}

static bool worth_another_try(sam_status status)
{
    return status == SAM_OK || status == SAM_UNAVAILABLE || status == SAM_TIMEOUT;
}

static void wait_before_try(const download *now, unsigned tries_before)
{
    for (unsigned ms = 0; ms < 100u << (tries_before - 1) && !is_cancelled(now); ms += POLL_MS)
        sam_sleep_ms(POLL_MS);
}

static sam_status fetch(download *now, sam_error *err)
{
    sam_http_client *client;
    sam_http_client_options options = {.token = now->options->token,
                                       .follow_redirects = true,
                                       .cancelled = now->options->cancelled,
                                       .cancelled_user = now->options->user};
    sam_status status = sam_http_client_new(&client, &options, err);
    if (status != SAM_OK)
        return status;
    unsigned tries = now->options->tries == 0 ? DEFAULT_TRIES : now->options->tries;
    bool done = false;
    for (unsigned i = 0; i < tries && !done; i++) {
        uint64_t before = now->at;
        if (i > 0)
            wait_before_try(now, i);
        status = ask_once(now, client, &done, err);
        if (!worth_another_try(status) || (now->reply.code == 0 && now->at == before && i > 0))
            break;
    }
    sam_http_client_free(client);
    if (status == SAM_OK && !done)
        status = sam_fail(err, SAM_UNAVAILABLE, "%s ends after %llu of %llu bytes", now->url,
                          (unsigned long long)now->at, (unsigned long long)now->total);
    return status;
}

static sam_status finish(download *now, sam_error *err)
{
    if (fsync(now->fd) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot finish %s", now->partial);
    sam_status status = now->expected == NULL ? SAM_OK : sam_checksum_file(now->expected, now->partial, err);
    if (status == SAM_CORRUPT) { /* going on from there would never help */
        (void)start_anew(now, NULL);
        return sam_fail_context(err, "downloaded from %s", now->url);
    }
    if (status == SAM_OK && rename(now->partial, now->path) != 0)
        status = sam_fail_errno(err, SAM_IO, errno, "cannot name %s", now->path);
    (void)unlink(now->etag_path);
    return status;
}

/* A file that is there already and is not another one. */
static bool is_here(const download *now)
{
    if (!sam_file_exists(now->path))
        return false;
    sam_error why = {0};
    if (now->expected == NULL || sam_checksum_file(now->expected, now->path, &why) == SAM_OK)
        return true;
    sam_log_warn("%s; it is fetched again", why.text);
    return false;
}

sam_status sam_download(const char *url, const char *path, const sam_checksum *expected,
                        const sam_download_options *options, sam_error *err)
{
    const char *slash = strrchr(path, '/');
    download now = {.url = url,
                    .path = path,
                    .name = slash == NULL ? path : slash + 1,
                    .expected = expected,
                    .options = options,
                    .fd = -1};
    if (is_here(&now))
        return SAM_OK;
    sam_status status = open_names(&now, err);
    if (status == SAM_OK)
        status = lock_partial(&now, err);
    if (status == SAM_OK && is_here(&now)) { /* another process was faster */
        (void)unlink(now.partial);
    } else if (status == SAM_OK) {
        struct stat info;
        now.at = fstat(now.fd, &info) == 0 ? (uint64_t)info.st_size : 0;
        status = fetch(&now, err);
        if (status == SAM_OK)
            status = finish(&now, err);
    }
    if (now.fd >= 0)
        close(now.fd);
    sam_http_reply_free(&now.reply);
    sam_free(now.partial);
    sam_free(now.etag_path);
    return status;
}
