#include "run/samlog.h"

#include "base/files.h"
#include "base/memory.h"

#include <string.h>

#define MAGIC_SIZE (sizeof SAM_SAMLOG_MAGIC - 1)

typedef struct span {
    size_t at, length;
} span;

struct sam_samlog {
    uint8_t *bytes;
    size_t length;
    sam_manifest *manifest;
    span *rounds; /* [count] of bytes */
    size_t count, capacity;
    sam_digest chain;
    sam_digest parent_chain; /* of the last round, as it stood in the parent's log */
    bool truncated;
};

static sam_status get_head(sam_samlog *log, sam_reader *in, sam_error *err)
{
    const uint8_t *magic = sam_get_bytes(in, MAGIC_SIZE);
    if (magic == NULL || memcmp(magic, SAM_SAMLOG_MAGIC, MAGIC_SIZE) != 0)
        return sam_fail(err, SAM_CORRUPT, "byte 0: this is no .samlog file (it must begin with SAMLOG2)");
    size_t at = in->at;
    uint32_t length = sam_get_u32(in);
    const char *text = (const char *)sam_get_bytes(in, length);
    if (text == NULL)
        return sam_fail(err, SAM_CORRUPT, "byte %zu: the log ends inside its manifest", at);
    if (sam_manifest_parse(&log->manifest, text, length, err) != SAM_OK)
        return sam_fail_context(err, "byte %zu: the manifest", in->at - length);
    if (log->manifest->text_length != length || memcmp(log->manifest->text, text, length) != 0)
        return sam_fail(err, SAM_CORRUPT, "byte %zu: the manifest is not canonical JSON", in->at - length);
    log->chain = log->manifest->id;
    log->parent_chain = log->manifest->parent.run;
    return SAM_OK;
}

static bool keep_span(sam_samlog *log, span round)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity == 0 ? 64 : 2 * log->capacity;
        span *rounds = sam_realloc(log->rounds, capacity, sizeof *rounds);
        if (rounds == NULL)
            return false;
        log->rounds = rounds;
        log->capacity = capacity;
    }
    log->rounds[log->count++] = round;
    return true;
}

/* A fork's past is its parent's, record for record. */
static sam_status check_parent(sam_samlog *log, uint64_t number, const uint8_t *bytes, size_t length, sam_error *err)
{
    const sam_parent *parent = &log->manifest->parent;
    if (number >= parent->round)
        return SAM_OK;
    sam_round_chain(bytes, length, &log->parent_chain, &log->parent_chain);
    if (number + 1 < parent->round || sam_digest_equal(&log->parent_chain, &parent->chain))
        return SAM_OK;
    return sam_fail(err, SAM_MISMATCH,
                    "its first %llu rounds are not those of the run that the manifest names as its parent",
                    (unsigned long long)parent->round);
}

static sam_status check_round(sam_samlog *log, const uint8_t *bytes, size_t length, sam_error *err)
{
    const sam_round_shape shape = sam_manifest_shape(log->manifest);
    sam_round round;
    sam_status status = sam_round_decode(&round, &shape, bytes, length, err);
    if (status != SAM_OK)
        return status;
    uint64_t number = round.number;
    sam_round_free(&round);
    if (number != log->count || number >= log->manifest->rounds)
        return sam_fail(err, SAM_CORRUPT, "it has number %llu where %zu of %llu stands", (unsigned long long)number,
                        log->count, (unsigned long long)log->manifest->rounds);
    status = sam_round_verify(bytes, length, &log->chain, &log->chain, err);
    return status == SAM_OK ? check_parent(log, number, bytes, length, err) : status;
}

static sam_status get_round(sam_samlog *log, sam_reader *in, sam_error *err)
{
    const sam_round_shape shape = sam_manifest_shape(log->manifest);
    size_t start = in->at;
    uint32_t length = sam_get_u32(in);
    if (!in->failed && length > sam_round_longest(&shape))
        return sam_fail(err, SAM_CORRUPT, "byte %zu: %u bytes are more than a round can have", start, length);
    const uint8_t *bytes = sam_get_bytes(in, length);
    if (bytes == NULL) {
        log->truncated = true;
        return SAM_OK;
    }
    if (check_round(log, bytes, length, err) != SAM_OK)
        return sam_fail_context(err, "byte %zu, round %zu of the log", start, log->count);
    if (!keep_span(log, (span){in->at - length, length}))
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a log of more than %zu rounds", log->count);
    return SAM_OK;
}

static sam_status parse(sam_samlog *log, const void *bytes, size_t length, sam_error *err)
{
    log->bytes = sam_alloc(length, 1);
    if (log->bytes == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a log of %zu bytes", length);
    if (length > 0)
        memcpy(log->bytes, bytes, length);
    log->length = length;
    sam_reader in = sam_reader_of(log->bytes, length);
    sam_status status = get_head(log, &in, err);
    while (status == SAM_OK && sam_reader_left(&in) > 0)
        status = get_round(log, &in, err);
    return status;
}

sam_status sam_samlog_parse(sam_samlog **log, const void *bytes, size_t length, sam_error *err)
{
    *log = NULL;
    sam_samlog *made = sam_alloc(1, sizeof *made);
    if (made == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a log");
    sam_status status = parse(made, bytes, length, err);
    if (status != SAM_OK)
        sam_samlog_close(made);
    else
        *log = made;
    return status;
}

sam_status sam_samlog_open(sam_samlog **log, const char *path, sam_error *err)
{
    sam_file_map file;
    *log = NULL;
    sam_status status = sam_file_map_open(&file, path, err);
    if (status != SAM_OK)
        return status;
    status = sam_samlog_parse(log, file.bytes, file.length, err);
    if (status != SAM_OK)
        sam_fail_context(err, "%s", path);
    sam_file_map_close(&file);
    return status;
}

void sam_samlog_close(sam_samlog *log)
{
    if (log == NULL)
        return;
    sam_manifest_free(log->manifest);
    sam_free(log->rounds);
    sam_free(log->bytes);
    sam_free(log);
}

const sam_manifest *sam_samlog_manifest(const sam_samlog *log)
{
    return log->manifest;
}

uint64_t sam_samlog_rounds(const sam_samlog *log)
{
    return log->count;
}

const uint8_t *sam_samlog_round(const sam_samlog *log, uint64_t round, size_t *length)
{
    if (round >= log->count)
        return NULL;
    *length = log->rounds[round].length;
    return log->bytes + log->rounds[round].at;
}

bool sam_samlog_truncated(const sam_samlog *log)
{
    return log->truncated;
}

const sam_digest *sam_samlog_chain(const sam_samlog *log)
{
    return &log->chain;
}

sam_status sam_samlog_decode(const sam_samlog *log, uint64_t round, sam_round *decoded, sam_error *err)
{
    const sam_round_shape shape = sam_manifest_shape(log->manifest);
    size_t length;
    const uint8_t *bytes = sam_samlog_round(log, round, &length);
    *decoded = (sam_round){0};
    if (bytes == NULL)
        return sam_fail(err, SAM_NOT_FOUND, "the log has %zu rounds; there is no round %llu", log->count,
                        (unsigned long long)round);
    return sam_round_decode(decoded, &shape, bytes, length, err);
}

void sam_samlog_put_head(sam_buffer *out, const sam_manifest *manifest)
{
    sam_put_bytes(out, SAM_SAMLOG_MAGIC, MAGIC_SIZE);
    sam_put_u32(out, (uint32_t)manifest->text_length); /* at most SAM_MANIFEST_MAX */
    sam_put_bytes(out, manifest->text, manifest->text_length);
}

void sam_samlog_put_round(sam_buffer *out, const uint8_t *round, size_t length)
{
    sam_put_u32(out, (uint32_t)length); /* at most sam_round_longest */
    sam_put_bytes(out, round, length);
}
