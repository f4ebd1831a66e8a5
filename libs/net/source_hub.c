/* hf:ORG/NAME[@REV][/FILE]: files of a model repository on a hub with the Hugging Face interface.
 *
 *     CACHE/hf/HOST/ORG--NAME/refs/REV            the commit that REV was when the hub was last asked
 *     CACHE/hf/HOST/ORG--NAME/COMMIT/FILE...      the files
 *
 * A commit never changes, so a file that is there needs no question. */
#include "net/source_internal.h"

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_ENDPOINT "https://huggingface.co"
#define MAX_FILES        256

typedef struct hub {
    const source *from;
    const char *endpoint, *token;
    char org[100], name[100], revision[100];
    const char *file; /* NULL: the model */
    char *folder;     /* below the cache, without the commit */
    char commit[100];
    const char *files[MAX_FILES]; /* of `listing` */
    size_t file_count;
    json_t *listing;
} hub;

static bool take_part(char *out, size_t size, const char **text, const char *ends)
{
    size_t length = strcspn(*text, ends);
    if (length >= size || !sam_source_safe_name(*text, length) || strcspn(*text, "?%#\\ ") < length)
        return false;
    memcpy(out, *text, length);
    out[length] = 0;
    *text += length;
    return true;
}

static sam_status parse(hub *now, sam_error *err)
{
    const char *at = now->from->text + strlen("hf:");
    snprintf(now->revision, sizeof now->revision, "main");
    bool good = take_part(now->org, sizeof now->org, &at, "/@") && *at == '/';
    if (good) {
        at++;
        good = take_part(now->name, sizeof now->name, &at, "/@");
    }
    if (good && *at == '@') {
        at++;
        good = take_part(now->revision, sizeof now->revision, &at, "/");
    }
    if (good && *at == '/') {
        now->file = at + 1;
        good = sam_source_safe_path(now->file) && strpbrk(now->file, "?%#\\ ") == NULL;
    }
    if (!good)
        return sam_fail(err, SAM_INVALID, "\"%s\" is not understood: expected hf:ORG/NAME[@REVISION][/FILE]",
                        now->from->text);
    if (now->from->has_sum && now->file == NULL)
        return sam_fail(err, SAM_INVALID, "a checksum names one file: hf:%s/%s/FILE#...", now->org, now->name);
    return SAM_OK;
}

static sam_status name_folder(hub *now, sam_error *err)
{
    const char *host = strstr(now->endpoint, "://");
    host = host == NULL ? now->endpoint : host + 3;
    now->folder = sam_format("hf/%.*s/%s--%s", (int)strcspn(host, "/"), host, now->org, now->name);
    return now->folder == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text) : SAM_OK;
}

static sam_status cache_below(const hub *now, const char *part, const char *rest, char **path, sam_error *err)
{
    char *below = sam_format("%s/%s/%s", now->folder, part, rest);
    if (below == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text);
    sam_status status = sam_cache_path(path, below, err);
    sam_free(below);
    return status;
}

/* ---- what the repository has ---- */

static bool read_listing(hub *now, const void *bytes, size_t length)
{
    json_decref(now->listing);
    now->listing = json_loadb(bytes, length, 0, NULL);
    const char *commit = json_string_value(json_object_get(now->listing, "sha"));
    if (commit == NULL || !sam_source_safe_name(commit, strlen(commit)) || strlen(commit) >= sizeof now->commit)
        return false;
    snprintf(now->commit, sizeof now->commit, "%s", commit);
    size_t index;
    json_t *sibling;
    json_array_foreach(json_object_get(now->listing, "siblings"), index, sibling)
    {
        const char *name = json_string_value(json_object_get(sibling, "rfilename"));
        if (name != NULL && sam_source_safe_path(name) && now->file_count < MAX_FILES)
            now->files[now->file_count++] = name;
    }
    return true;
}

/* The hub's answer is kept, so that what was resolved once is found again without it. */
static sam_status ask_listing(hub *now, const char *cached, sam_error *err)
{
    char *url = sam_format("%s/api/models/%s/%s/revision/%s", now->endpoint, now->org, now->name, now->revision);
    if (url == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text);
    sam_http_reply reply = {0};
    sam_status status = sam_source_get(now->from, url, now->token, "Accept: application/json", &reply, err);
    if (status == SAM_OK && !read_listing(now, reply.body.bytes, reply.body.length))
        status = sam_fail(err, SAM_CORRUPT, "%s did not describe a model (no \"sha\")", url);
    if (status == SAM_OK)
        status = sam_file_write(cached, reply.body.bytes, reply.body.length, err);
    else if (status == SAM_UNAUTHORIZED || status == SAM_NOT_FOUND)
        sam_fail_context(err, "no model %s/%s at revision %s (a private one needs HF_TOKEN)", now->org, now->name,
                         now->revision);
    sam_http_reply_free(&reply);
    sam_free(url);
    return status;
}

static sam_status find_listing(hub *now, sam_error *err)
{
    char *cached;
    sam_status status = cache_below(now, "refs", now->revision, &cached, err);
    if (status != SAM_OK)
        return status;
    status = ask_listing(now, cached, err);
    sam_file_map file;
    if ((status == SAM_UNAVAILABLE || status == SAM_TIMEOUT) && sam_file_map_open(&file, cached, NULL) == SAM_OK) {
        if (read_listing(now, file.bytes, file.length)) {
            sam_log_info("%s; using the commit %s that %s was before", err == NULL ? "the hub is silent" : err->text,
                         now->commit, now->revision);
            status = SAM_OK;
        }
        sam_file_map_close(&file);
    }
    sam_free(cached);
    return status;
}

/* ---- fetching ---- */

static sam_status fetch(const hub *now, const char *file, const sam_checksum *sum, char **path, sam_error *err)
{
    sam_status status = cache_below(now, now->commit, file, path, err);
    if (status != SAM_OK)
        return status;
    char *url = sam_format("%s/%s/%s/resolve/%s/%s", now->endpoint, now->org, now->name, now->commit, file);
    status = url == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory fetching %s", file)
                         : sam_source_download(now->from, url, now->token, *path, sum, err);
    sam_free(url);
    if (status != SAM_OK) {
        sam_free(*path);
        *path = NULL;
    }
    return status;
}

static bool is_model_file(const char *name)
{
    static const char *const EXACT[] = {"config.json", "generation_config.json",  "vocab.json",
                                        "merges.txt",  "special_tokens_map.json", "model.safetensors.index.json"};
    if (strchr(name, '/') != NULL) /* other formats live in folders (onnx/, original/) */
        return false;
    for (size_t i = 0; i < sizeof EXACT / sizeof EXACT[0]; i++)
        if (strcmp(name, EXACT[i]) == 0)
            return true;
    return strncmp(name, "tokenizer", 9) == 0 || sam_ends_with(name, ".safetensors");
}

static size_t count_ending(const hub *now, const char *end, const char **last)
{
    size_t count = 0;
    for (size_t i = 0; i < now->file_count; i++) {
        if (strchr(now->files[i], '/') == NULL && sam_ends_with(now->files[i], end)) {
            *last = now->files[i];
            count++;
        }
    }
    return count;
}

static sam_status fetch_folder(const hub *now, char **path, sam_error *err)
{
    sam_status status = SAM_OK;
    for (size_t i = 0; status == SAM_OK && i < now->file_count; i++) {
        char *file = NULL;
        if (is_model_file(now->files[i]))
            status = fetch(now, now->files[i], NULL, &file, err);
        sam_free(file);
    }
    if (status == SAM_OK)
        status = cache_below(now, now->commit, "", path, err);
    if (status == SAM_OK)
        (*path)[strlen(*path) - 1] = 0; /* the folder itself, without its '/' */
    return status;
}

static sam_status fetch_model(const hub *now, char **path, sam_error *err)
{
    const char *name = NULL;
    if (count_ending(now, ".safetensors", &name) > 0)
        return fetch_folder(now, path, err);
    size_t count = count_ending(now, ".gguf", &name);
    if (count == 1)
        return fetch(now, name, NULL, path, err);
    if (count > 1)
        return sam_fail(err, SAM_CONFLICT, "%s/%s has %zu GGUF files; name one, such as hf:%s/%s/%s", now->org,
                        now->name, count, now->org, now->name, name);
    return sam_fail(err, SAM_UNSUPPORTED, "%s/%s has neither safetensors nor GGUF files", now->org, now->name);
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == 0 ? NULL : value;
}

sam_status sam_source_hub(const source *from, char **path, sam_error *err)
{
    hub now = {.from = from, .endpoint = environment("HF_ENDPOINT"), .token = environment("HF_TOKEN")};
    if (now.endpoint == NULL)
        now.endpoint = DEFAULT_ENDPOINT;
    sam_status status = parse(&now, err);
    if (status == SAM_OK)
        status = name_folder(&now, err);
    if (status == SAM_OK)
        status = find_listing(&now, err);
    if (status == SAM_OK)
        status = now.file != NULL ? fetch(&now, now.file, from->has_sum ? &from->sum : NULL, path, err)
                                  : fetch_model(&now, path, err);
    json_decref(now.listing);
    sam_free(now.folder);
    return status;
}
