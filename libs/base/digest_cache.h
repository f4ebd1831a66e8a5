/* Digests of large files, remembered in the cache folder, so that a model is read to its end once and not at each
 * start.
 *
 *     sam_digest digest;
 *     sam_digest_file_cached(&digest, "llama-8b.gguf", err);      // reads 5 GB
 *     sam_digest_file_cached(&digest, "llama-8b.gguf", err);      // looks at the file's identity
 *
 * A file is known by its device, inode, size, and the times of its last write and change, in nanoseconds. An entry is
 * used only where all of them are equal, and made only where the file did not change while it was read and was written
 * more than two seconds before: a file system may give two writes within its tick the same time. An entry that is
 * damaged, and a cache folder that cannot be written, only cost time.
 *
 *     $XDG_CACHE_HOME/samara/digests/DEVICE-INODE       identity and digest, then the digest of that line
 *
 * Thread safety: any thread; processes may share the folder.
 */
#ifndef SAM_BASE_DIGEST_CACHE_H
#define SAM_BASE_DIGEST_CACHE_H

#include "base/digest.h"

#define SAM_DIGEST_CACHE_LEAST ((size_t)4 * 1024 * 1024) /* a smaller file is read each time */

/* As sam_digest_file. */
sam_status sam_digest_file_cached(sam_digest *digest, const char *path, sam_error *err);

#endif
