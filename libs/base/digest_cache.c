#include "base/digest_cache.h"

#include "base/bytes.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TICK_NS 2000000000u /* within which two writes may have the same time */

typedef struct identity {
    uint64_t device, inode, size, written_ns, changed_ns;
} identity;

static uint64_t to_ns(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static bool identify(identity *file, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return false;
    *file = (identity){(uint64_t)info.st_dev, (uint64_t)info.st_ino, (uint64_t)info.st_size, to_ns(info.st_mtim),
                       to_ns(info.st_ctim)};
    return true;
}

static bool settled(const identity *file)
{
    return file->written_ns + TICK_NS < sam_wall_ms() * 1000000u;
}

/* ---- entries ---- */

/* New memory, or NULL where there is no cache folder. */
static char *entry_path(const identity *file)
{
    char below[64], *path = NULL;
    snprintf(below, sizeof below, "digests/%llx-%llx", (unsigned long long)file->device,
             (unsigned long long)file->inode);
    return sam_cache_path(&path, below, NULL) == SAM_OK ? path : NULL;
}

static void put_identity(sam_buffer *entry, const identity *file)
{
    sam_put_format(entry, "samara-digest/1 %llu %llu %llu %llu %llu ", (unsigned long long)file->device,
                   (unsigned long long)file->inode, (unsigned long long)file->size,
                   (unsigned long long)file->written_ns, (unsigned long long)file->changed_ns);
}

static void put_digest(sam_buffer *entry, const sam_digest *digest)
{
    char hex[SAM_DIGEST_HEX];
    sam_digest_hex(hex, digest);
    sam_put_format(entry, "%s\n", hex);
}

/* The whole entry of a file with this digest. */
static void put_entry(sam_buffer *entry, const identity *file, const sam_digest *digest)
{
    sam_digest check;
    put_identity(entry, file);
    put_digest(entry, digest);
    sam_digest_of(&check, entry->bytes, entry->length);
    put_digest(entry, &check);
}

/* What stands where the digest of such an entry is. */
static bool take_digest(sam_digest *digest, const sam_file_map *entry, const identity *file)
{
    char hex[SAM_DIGEST_HEX] = "";
    sam_buffer start = {0};
    put_identity(&start, file);
    if (!start.failed && entry->length > start.length + SAM_DIGEST_HEX)
        memcpy(hex, entry->bytes + start.length, SAM_DIGEST_HEX - 1);
    sam_buffer_free(&start);
    return sam_digest_parse(digest, hex);
}

/* An entry is good where it is, to the byte, the one that would be written for its digest. */
static bool recall(sam_digest *digest, const char *path, const identity *file)
{
    sam_file_map entry;
    sam_buffer expected = {0};
    if (sam_file_map_open(&entry, path, NULL) != SAM_OK)
        return false;
    bool good = take_digest(digest, &entry, file);
    if (good) {
        put_entry(&expected, file, digest);
        good = !expected.failed && expected.length == entry.length &&
               memcmp(expected.bytes, entry.bytes, entry.length) == 0;
    }
    sam_buffer_free(&expected);
    sam_file_map_close(&entry);
    return good;
}

static void remember(const sam_digest *digest, const char *path, const identity *file)
{
    sam_buffer entry = {0};
    put_entry(&entry, file, digest);
    if (!entry.failed)
        (void)sam_file_write(path, entry.bytes, entry.length, NULL);
    sam_buffer_free(&entry);
}

/* ---- files ---- */

static sam_status read_and_remember(sam_digest *digest, const char *path, const char *entry, const identity *before,
                                    sam_error *err)
{
    identity after;
    sam_status status = sam_digest_file(digest, path, err);
    if (status == SAM_OK && entry != NULL && identify(&after, path) && memcmp(before, &after, sizeof after) == 0 &&
        settled(&after))
        remember(digest, entry, &after);
    return status;
}

sam_status sam_digest_file_cached(sam_digest *digest, const char *path, sam_error *err)
{
    identity file;
    if (!identify(&file, path) || file.size < SAM_DIGEST_CACHE_LEAST)
        return sam_digest_file(digest, path, err);
    char *entry = entry_path(&file);
    sam_status status =
        entry != NULL && recall(digest, entry, &file) ? SAM_OK : read_and_remember(digest, path, entry, &file, err);
    sam_free(entry);
    return status;
}
