/* Large files over HTTP: resumed where they broke off, checked by digest, and visible only when whole.
 *
 *     const sam_download_options options = {0};
 *     sam_checksum sum;
 *     if (sam_checksum_parse(&sum, "sha256=9f86d0...", err) != SAM_OK)
 *         return err->status;
 *     sam_status status = sam_download("https://host/model.gguf", "/cache/model.gguf", &sum, &options, err);
 *
 * Bytes go to PATH.partial (and the ETag they belong to to PATH.partial.etag); a later call goes on from there with
 * Range and If-Range, so a file that changed meanwhile starts anew instead of being spliced. At the end the checksum
 * is compared, the file synced and renamed. A file already at PATH is kept when it matches (or nothing is expected).
 * Two processes that want the same file wait for each other (flock) and download once.
 * Thread safety: as processes; calls share nothing.
 */
#ifndef SAM_NET_DOWNLOAD_H
#define SAM_NET_DOWNLOAD_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum sam_checksum_kind { SAM_CHECKSUM_BLAKE2B, SAM_CHECKSUM_SHA256 } sam_checksum_kind;

typedef struct sam_checksum {
    sam_checksum_kind kind;
    uint8_t bytes[32];
} sam_checksum;

/* "blake2b=<64 hex digits>" (BLAKE2b-256) or "sha256=<64 hex digits>". */
sam_status sam_checksum_parse(sam_checksum *sum, const char *text, sam_error *err);
/* CORRUPT, naming both digests, when the file is another one. */
sam_status sam_checksum_file(const sam_checksum *sum, const char *path, sam_error *err);

typedef struct sam_download_options { /* right when zeroed */
    const char *const *headers;       /* as in sam_http_call */
    const char *token;                /* bearer token of that host */
    unsigned tries;                   /* of broken transfers, each going on where the last ended; 0: 5 */
    uint32_t stall_timeout_ms;        /* without a byte; 0: 30,000 */
    uint64_t limit;                   /* bytes; 0: none */
    void (*progress)(void *user, const char *name, uint64_t done, uint64_t total); /* total 0: not known */
    bool (*cancelled)(void *user);
    void *user; /* of both */
} sam_download_options;

/* `expected` may be NULL. Folders of `path` must exist. */
sam_status sam_download(const char *url, const char *path, const sam_checksum *expected,
                        const sam_download_options *options, sam_error *err);

#endif
