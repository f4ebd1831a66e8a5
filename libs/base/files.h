/* Files: mapped for reading, and written so that a reader sees the old content or the new, never half.
 *
 *     sam_file_map file;
 *     if (sam_file_map_open(&file, path, err) != SAM_OK)
 *         return err->status;
 *     printf("%zu bytes, the first %u\n", file.length, file.bytes[0]);
 *     sam_file_map_close(&file);
 *
 *     sam_file_writer out;
 *     sam_file_writer_open(&out, path, err);            // writes to a temporary name beside `path`
 *     sam_file_writer_put(&out, bytes, length, err);
 *     sam_file_writer_commit(&out, err);                // fsync, rename; or sam_file_writer_abandon(&out)
 *
 * Errors name the path. Thread safety: each object belongs to one thread; mapped bytes may be read by all.
 */
#ifndef SAM_BASE_FILES_H
#define SAM_BASE_FILES_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_file_map {
    const uint8_t *bytes; /* read-only, shared with every process that maps the same file; never NULL when open */
    size_t length;
} sam_file_map;

sam_status sam_file_map_open(sam_file_map *file, const char *path, sam_error *err);
void sam_file_map_close(sam_file_map *file); /* also fine on a zeroed one */

typedef struct sam_file_writer {
    int fd;
    char *path, *temporary;
    uint64_t written;
} sam_file_writer;

sam_status sam_file_writer_open(sam_file_writer *writer, const char *path, sam_error *err);
sam_status sam_file_writer_put(sam_file_writer *writer, const void *bytes, size_t length, sam_error *err);
sam_status sam_file_writer_commit(sam_file_writer *writer, sam_error *err);
void sam_file_writer_abandon(sam_file_writer *writer); /* also fine after commit */

/* Whole content in one go, through a writer. */
sam_status sam_file_write(const char *path, const void *bytes, size_t length, sam_error *err);

bool sam_file_exists(const char *path);
sam_status sam_make_folders(const char *path, sam_error *err); /* mkdir -p */

/* $XDG_CACHE_HOME/samara or ~/.cache/samara, then "/" and `below`; folders are made. New memory for the caller. */
sam_status sam_cache_path(char **path, const char *below, sam_error *err);

/* Path of `name` beside the running executable, or NULL when there is no such file. New memory for the caller. */
char *sam_sibling_program(const char *name);

#endif
