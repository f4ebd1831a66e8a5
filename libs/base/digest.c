#include "base/digest.h"

#include "base/files.h"
#include "base/text.h"

#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(crypto_generichash_state) <= sizeof(sam_digest_stream), "room for libsodium's state");
_Static_assert(_Alignof(crypto_generichash_state) <= _Alignof(sam_digest_stream), "alignment of libsodium's state");

static crypto_generichash_state *inside(sam_digest_stream *stream)
{
    return (crypto_generichash_state *)stream->opaque;
}

void sam_digest_begin(sam_digest_stream *stream)
{
    crypto_generichash_init(inside(stream), NULL, 0, SAM_DIGEST_BYTES);
}

void sam_digest_add(sam_digest_stream *stream, const void *bytes, size_t length)
{
    crypto_generichash_update(inside(stream), bytes, length);
}

void sam_digest_end(sam_digest_stream *stream, sam_digest *digest)
{
    crypto_generichash_final(inside(stream), digest->bytes, SAM_DIGEST_BYTES);
}

void sam_digest_of(sam_digest *digest, const void *bytes, size_t length)
{
    crypto_generichash(digest->bytes, SAM_DIGEST_BYTES, bytes, length, NULL, 0);
}

sam_status sam_digest_file(sam_digest *digest, const char *path, sam_error *err)
{
    sam_file_map file;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    sam_digest_of(digest, file.bytes, file.length);
    sam_file_map_close(&file);
    return SAM_OK;
}

bool sam_digest_equal(const sam_digest *a, const sam_digest *b)
{
    return memcmp(a->bytes, b->bytes, SAM_DIGEST_BYTES) == 0;
}

void sam_digest_hex(char out[SAM_DIGEST_HEX], const sam_digest *digest)
{
    sam_hex(out, digest->bytes, SAM_DIGEST_BYTES);
}

bool sam_digest_parse(sam_digest *digest, const char *hex)
{
    return sam_unhex(digest->bytes, SAM_DIGEST_BYTES, hex);
}
