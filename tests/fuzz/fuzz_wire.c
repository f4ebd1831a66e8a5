/* libFuzzer target: a sync message that is accepted has one form, so encoding it gives the same bytes. */
#include "run/wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must_equal(sam_buffer *out, const uint8_t *bytes, size_t length)
{
    if (out->failed || out->length != length || memcmp(out->bytes, bytes, length) != 0)
        __builtin_trap();
    sam_buffer_free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_sync_request request;
    sam_sync_reply reply;
    sam_buffer out = {0};
    sam_error err;
    if (sam_sync_request_decode(&request, bytes, length, &err) == SAM_OK) {
        sam_sync_request_encode(&out, &request);
        must_equal(&out, bytes, length);
        sam_sync_request_free(&request);
    }
    if (sam_sync_reply_decode(&reply, bytes, length, &err) == SAM_OK) {
        sam_sync_reply_encode(&out, &reply);
        must_equal(&out, bytes, length);
        sam_sync_reply_free(&reply);
    }
    return 0;
}
