#include "net/source_internal.h"

#include "base/digest.h"
#include "base/files.h"
#include "base/memory.h"

#include <string.h>

bool sam_source_safe_name(const char *name, size_t length)
{
    if (length == 0 || (length == 1 && name[0] == '.') || (length == 2 && memcmp(name, "..", 2) == 0))
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
            return false;
    return true;
}

bool sam_source_safe_path(const char *path)
{
    for (;;) {
        size_t length = strcspn(path, "/");
        if (!sam_source_safe_name(path, length))
            return false;
        if (path[length] == 0)
            return true;
        path += length + 1;
    }
}

sam_status sam_source_download(const source *from, const char *url, const char *token, const char *path,
                               const sam_checksum *sum, sam_error *err)
{
    const sam_source_options *options = from->options;
    if (options->offline && !sam_file_exists(path))
        return sam_fail(err, SAM_UNAVAILABLE, "%s is not in the cache, and this process works offline", url);
    sam_download_options how = {
        .token = token, .progress = options->progress, .cancelled = options->cancelled, .user = options->user};
    return sam_download(url, path, sum, &how, err);
}

sam_status sam_source_get(const source *from, const char *url, const char *token, const char *accept,
                          sam_http_reply *reply, sam_error *err)
{
    if (from->options->offline)
        return sam_fail(err, SAM_UNAVAILABLE, "%s was not asked: this process works offline", url);
    sam_http_client *client;
    sam_http_client_options options = {.token = token,
                                       .follow_redirects = true,
                                       .cancelled = from->options->cancelled,
                                       .cancelled_user = from->options->user};
    sam_status status = sam_http_client_new(&client, &options, err);
    if (status != SAM_OK)
        return status;
    const char *headers[] = {accept, NULL};
    status = sam_http_send(client, &(sam_http_call){.url = url, .headers = headers}, reply, err);
    sam_http_client_free(client);
    return status;
}

/* The last component of a URL's path, where it can be a file's name. */
static void name_of_url(const char *url, char *name, size_t size)
{
    size_t end = strcspn(url, "?"), start = end;
    while (start > 0 && url[start - 1] != '/')
        start--;
    bool good = sam_source_safe_name(url + start, end - start) && end - start < size && start > strlen("https://");
    const char *chosen = good ? url + start : "file";
    size_t length = good ? end - start : strlen("file");
    memcpy(name, chosen, length);
    name[length] = 0;
}

static sam_status resolve_url(const source *from, char **path, sam_error *err)
{
    char name[200], hex[SAM_DIGEST_HEX], *below, *file = NULL;
    sam_digest digest;
    name_of_url(from->text, name, sizeof name);
    sam_digest_of(&digest, from->text, strlen(from->text));
    sam_digest_hex(hex, &digest);
    below = sam_format("url/%.16s/%s", hex, name);
    if (below == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", from->text);
    sam_status status = sam_cache_path(&file, below, err);
    if (status == SAM_OK)
        status = sam_source_download(from, from->text, NULL, file, from->has_sum ? &from->sum : NULL, err);
    sam_free(below);
    if (status == SAM_OK)
        *path = file;
    else
        sam_free(file);
    return status;
}

static sam_status resolve_path(const source *from, char **path, sam_error *err)
{
    if (!sam_file_exists(from->text))
        return sam_fail(err, SAM_NOT_FOUND,
                        "%s does not exist; a source is a path, https://..., hf:ORG/NAME or pypi:NAME==VERSION/PATH",
                        from->text);
    *path = sam_strdup(from->text);
    return *path == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", from->text) : SAM_OK;
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static sam_status cut_fragment(source *from, sam_error *err)
{
    char *hash = strrchr(from->text, '#');
    if (hash == NULL || (!has_prefix(hash, "#blake2b=") && !has_prefix(hash, "#sha256=")))
        return SAM_OK;
    *hash = 0;
    from->has_sum = true;
    return sam_checksum_parse(&from->sum, hash + 1, err);
}

static sam_status resolve(const source *from, char **path, sam_error *err)
{
    if (has_prefix(from->text, "https://") || has_prefix(from->text, "http://"))
        return resolve_url(from, path, err);
    if (has_prefix(from->text, "hf:"))
        return sam_source_hub(from, path, err);
    if (has_prefix(from->text, "pypi:"))
        return sam_source_package(from, path, err);
    return resolve_path(from, path, err);
}

sam_status sam_source_resolve(const char *text, const sam_source_options *options, char **path, sam_error *err)
{
    *path = NULL;
    source from = {.options = options, .text = sam_strdup(text)};
    if (from.text == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", text);
    sam_status status = cut_fragment(&from, err);
    if (status == SAM_OK)
        status = resolve(&from, path, err);
    if (status == SAM_OK && from.has_sum)
        status = sam_checksum_file(&from.sum, *path, err);
    if (status != SAM_OK) {
        sam_free(*path);
        *path = NULL;
    }
    sam_free(from.text);
    return status;
}
