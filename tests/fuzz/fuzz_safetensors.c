/* libFuzzer target: whatever the bytes are, opening them as safetensors and reading every tensor stays inside them.
 *
 *     fuzz_corpus CORPUS_GGUF CORPUS_SAFETENSORS && fuzz_safetensors -max_total_time=60 CORPUS_SAFETENSORS */
#include "model/files/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_safetensors *files;
    sam_error err;
    if (sam_safetensors_open_bytes(&files, bytes, length, "fuzz.safetensors", &err) != SAM_OK)
        return 0;
    for (size_t i = 0; i < sam_safetensors_count(files); i++) {
        const sam_tensor *t = sam_safetensors_at(files, i);
        float value;
        for (size_t at = 0; at < t->length; at += sam_dtype_block_bytes(t->dtype))
            sam_dtype_read(t->dtype, t->bytes + at, 1, &value);
        if (sam_safetensors_find(files, t->name) != t)
            __builtin_trap();
    }
    sam_safetensors_close(files);
    return 0;
}
