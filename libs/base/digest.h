/* BLAKE2b-256 (RFC 7693), the one digest of the project: base files, manifests, rounds, states, snapshots.
 *
 *     sam_digest digest;
 *     sam_digest_of(&digest, bytes, length);
 *     char hex[SAM_DIGEST_HEX];
 *     sam_digest_hex(hex, &digest);
 *
 * libsodium does the work. Thread safety: a stream belongs to one thread.
 */
#ifndef SAM_BASE_DIGEST_H
#define SAM_BASE_DIGEST_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_DIGEST_BYTES 32
#define SAM_DIGEST_HEX   (2 * SAM_DIGEST_BYTES + 1)

typedef struct sam_digest {
    uint8_t bytes[SAM_DIGEST_BYTES];
} sam_digest;

typedef struct sam_digest_stream {
    _Alignas(64) unsigned char opaque[384];
} sam_digest_stream;

void sam_digest_of(sam_digest *digest, const void *bytes, size_t length);
void sam_digest_begin(sam_digest_stream *stream);
void sam_digest_add(sam_digest_stream *stream, const void *bytes, size_t length);
void sam_digest_end(sam_digest_stream *stream, sam_digest *digest);

/* Digest of a whole file. NOT_FOUND or IO on failure. */
sam_status sam_digest_file(sam_digest *digest, const char *path, sam_error *err);

bool sam_digest_equal(const sam_digest *a, const sam_digest *b);
void sam_digest_hex(char out[SAM_DIGEST_HEX], const sam_digest *digest);
bool sam_digest_parse(sam_digest *digest, const char *hex);

#endif
