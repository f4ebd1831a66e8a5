/* libFuzzer target: names of sources, and what a hub or a package index answers to them. What is resolved lies in
 * the cache folder, whatever the other side called it.
 *
 * The input: the source up to a newline, the type of the answer up to a newline, its body. */
#include "net/source.h"

#include "base/bytes.h"
#include "base/log.h"
#include "base/memory.h"
#include "folder.h"
#include "peer.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_peer peer;
static const char *folder;

static void start(void)
{
    char url[200];
    fuzz_peer_start(&peer, NULL);
    folder = fuzz_folder();
    snprintf(url, sizeof url, "http://%s", peer.address);
    setenv("HF_ENDPOINT", url, 1);
    setenv("PIP_INDEX_URL", url, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

static int remove_one(const char *path, const struct stat *what, int type, struct FTW *where)
{
    (void)what;
    (void)type;
    (void)where;
    return strcmp(path, folder) == 0 ? 0 : remove(path);
}

/* The input up to a newline, as a text; NULL where a NUL is in it. */
static char *take_line(const uint8_t **bytes, size_t *length)
{
    const uint8_t *end = *length == 0 ? NULL : memchr(*bytes, '\n', *length);
    size_t size = end == NULL ? *length : (size_t)(end - *bytes);
    char *line = memchr(*bytes, 0, size) != NULL ? NULL : sam_strndup((const char *)*bytes, size);
    *bytes += size + (end != NULL);
    *length -= size + (end != NULL);
    return line;
}

/* Only what is looked up: no path of this machine, and no other machine. */
static bool is_ours(const char *source)
{
    return strncmp(source, "hf:", 3) == 0 || strncmp(source, "pypi:", 5) == 0;
}

static void resolve(const char *source)
{
    char *path;
    sam_error err = {0};
    if (sam_source_resolve(source, &(sam_source_options){0}, &path, &err) != SAM_OK) {
        if (err.text[0] == 0 || path != NULL)
            __builtin_trap();
        return;
    }
    if (strncmp(path, folder, strlen(folder)) != 0 || strstr(path, "/../") != NULL)
        __builtin_trap();
    sam_free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (folder == NULL)
        start();
    char *source = take_line(&bytes, &length), *type = take_line(&bytes, &length), head[200];
    if (source != NULL && type != NULL && is_ours(source) && strpbrk(type, "\r\n") == NULL && strlen(type) < 80) {
        sam_buffer answer = {0};
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n", type, length);
        sam_put_bytes(&answer, head, strlen(head));
        sam_put_bytes(&answer, bytes, length);
        fuzz_peer_set(&peer, answer.bytes, answer.length);
        resolve(source);
        fuzz_peer_set(&peer, NULL, 0);
        sam_buffer_free(&answer);
        nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    sam_free(source);
    sam_free(type);
    return 0;
}
