/* libFuzzer target: whatever the bytes are, opening them as GGUF and using all of it stays inside them.
 *
 *     fuzz_corpus CORPUS_GGUF CORPUS_SAFETENSORS && fuzz_gguf -max_total_time=60 CORPUS_GGUF */
#include "model/files/gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void read_tensors(const sam_gguf *gguf)
{
    float block[256];
    for (size_t i = 0; i < sam_gguf_tensor_count(gguf); i++) {
        const sam_tensor *t = sam_gguf_tensor(gguf, i);
        for (size_t at = 0; at < t->length; at += sam_dtype_block_bytes(t->dtype))
            sam_dtype_read(t->dtype, t->bytes + at, sam_dtype_block(t->dtype), block);
        if (sam_gguf_find(gguf, t->name) != t)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_gguf *gguf;
    sam_buffer values = {0};
    sam_error err;
    if (sam_gguf_open_bytes(&gguf, bytes, length, "fuzz.gguf", &err) != SAM_OK)
        return 0;
    read_tensors(gguf);
    for (size_t i = 0; i < sam_gguf_key_count(gguf); i++)
        sam_gguf_put_value(gguf, i, &values);
    sam_buffer_free(&values);
    sam_gguf_close(gguf);
    return 0;
}
