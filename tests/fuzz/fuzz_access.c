/* libFuzzer target: a file of any bytes is a table of tokens, the token of a client, or the key of a worker, or is
 * refused with a sentence that does not show what stands in it. */
#include "net/access.h"
#include "worker/key.h"

#include "base/log.h"
#include "folder.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static char path[80];

static void put(const uint8_t *bytes, size_t length)
{
    static int fd = -1;
    if (fd < 0) {
        snprintf(path, sizeof path, "%s/secret", fuzz_folder());
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        sam_log_init("fuzz", SAM_LOG_ERROR, SAM_LOG_TEXT);
    }
    if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, bytes, length, 0) != (ssize_t)length)
        __builtin_trap();
}

/* No 16 bytes of the file: so long is a token at least. */
static void must_hide(const sam_error *err, const uint8_t *bytes, size_t length)
{
    if (err->text[0] == 0)
        __builtin_trap();
    for (size_t i = 0; i + SAM_TOKEN_LEAST <= length; i++) {
        char part[SAM_TOKEN_LEAST + 1] = "";
        memcpy(part, bytes + i, SAM_TOKEN_LEAST);
        if (strlen(part) == SAM_TOKEN_LEAST && strpbrk(part, " \t\r\n") == NULL && strstr(err->text, part) != NULL)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_access *access;
    sam_caller caller;
    sam_error err = {0};
    char token[SAM_TOKEN_MOST + 1] = "";
    put(bytes, length);
    if (sam_access_open(&access, path, &err) == SAM_OK) {
        if (sam_access_find(access, "never-in-any-file-of-this-corpus", &caller))
            __builtin_trap();
        sam_access_free(access);
    } else {
        must_hide(&err, bytes, length);
    }
    if (sam_token_read(token, path, &err) != SAM_OK)
        must_hide(&err, bytes, length);
    else if (strlen(token) < SAM_TOKEN_LEAST)
        __builtin_trap();
    sam_signing_key key;
    if (sam_worker_key(&key, path, &err) != SAM_OK)
        must_hide(&err, bytes, length);
    return 0;
}
