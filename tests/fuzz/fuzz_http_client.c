/* libFuzzer target: whatever a server answers, a call ends with a reply or a sentence, and a download leaves the
 * whole file or none.
 *
 * The first byte chooses: call, call whose body is JSON, or download. */
#include "net/http_client.h"

#include "base/files.h"
#include "base/log.h"
#include "folder.h"
#include "net/download.h"
#include "peer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static fuzz_peer peer;
static char url[200];
static sam_http_client *clients[2]; /* one that follows redirects, and one that does not */

static void start(void)
{
    fuzz_peer_start(&peer, NULL);
    snprintf(url, sizeof url, "http://%s/a", peer.address);
    for (int follow = 0; follow < 2; follow++) {
        const sam_http_client_options options = {.token = "x", .follow_redirects = follow == 1};
        if (sam_http_client_new(&clients[follow], &options, NULL) != SAM_OK)
            __builtin_trap();
    }
    sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT); /* what the other side says is not news */
}

static void call(bool follow)
{
    sam_http_reply reply = {0};
    sam_error err = {0};
    sam_status status = sam_http_send(
        clients[follow], &(sam_http_call){.url = url, .timeout_ms = FUZZ_PATIENCE_MS, .limit = (size_t)1 << 16}, &reply,
        &err);
    if (status == SAM_OK ? reply.code < 200 || reply.body.length > (size_t)1 << 16 : err.text[0] == 0)
        __builtin_trap();
    sam_http_reply_free(&reply);
}

static void download(void)
{
    static const char *const LEFT[] = {"file", "file.partial", "file.partial.etag"};
    char path[128];
    sam_error err = {0};
    snprintf(path, sizeof path, "%s/file", fuzz_folder());
    sam_status status =
        sam_download(url, path, NULL, &(sam_download_options){.tries = 1, .limit = (uint64_t)1 << 20}, &err);
    if ((status == SAM_OK) != sam_file_exists(path) || (status != SAM_OK && err.text[0] == 0))
        __builtin_trap();
    for (size_t i = 0; i < sizeof LEFT / sizeof *LEFT; i++) {
        snprintf(path, sizeof path, "%s/%s", fuzz_folder(), LEFT[i]);
        unlink(path);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (url[0] == 0)
        start();
    fuzz_peer_set(&peer, bytes + 1, length - 1);
    if (bytes[0] % 3 == 2)
        download();
    else
        call(bytes[0] % 3 == 1);
    fuzz_peer_set(&peer, NULL, 0);
    return 0;
}
