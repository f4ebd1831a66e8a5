/* The parts of source.c: hub repositories (source_hub.c), packages (source_package.c), archives (archive.c). */
#ifndef SAM_NET_SOURCE_INTERNAL_H
#define SAM_NET_SOURCE_INTERNAL_H

#include "net/download.h"
#include "net/http_client.h"
#include "net/source.h"

/* A source, cut at '#'. */
typedef struct source {
    const sam_source_options *options;
    char *text; /* without the fragment */
    bool has_sum;
    sam_checksum sum;
} source;

sam_status sam_source_hub(const source *from, char **path, sam_error *err);
sam_status sam_source_package(const source *from, char **path, sam_error *err);

/* sam_download with the source's progress, cancelling and offline rule. */
sam_status sam_source_download(const source *from, const char *url, const char *token, const char *path,
                               const sam_checksum *sum, sam_error *err);
/* A small document; `reply` is the caller's to free. */
sam_status sam_source_get(const source *from, const char *url, const char *token, const char *accept,
                          sam_http_reply *reply, sam_error *err);
/* One component of a path: not empty, not "." or "..", no '/', no control bytes. */
bool sam_source_safe_name(const char *name, size_t length);
/* Every component of a relative path is safe. */
bool sam_source_safe_path(const char *path);

/* archive.c: `member` of a .whl, .zip, .tar.gz, .tgz or .tar into the file `to`. NOT_FOUND: it has no such member. */
sam_status sam_archive_extract(const char *archive, const char *member, const char *to, sam_error *err);
/* Names of the members, one a line, into `out` (ends with a NUL). */
sam_status sam_archive_list(const char *archive, char **out, sam_error *err);
bool sam_archive_is_one(const char *name);

#endif
