/* Writes what the fuzzers start from: small valid files of each format.
 *
 *     fuzz_corpus CORPUS_GGUF CORPUS_SAFETENSORS */
#include "model/test_models.h"

static const test_model MODELS[] = {{.architecture = "llama"},
                                    {.architecture = "qwen2", .tied = true},
                                    {.architecture = "llama", .key_name = "general.name", .key_text = "small"}};

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_corpus CORPUS_GGUF CORPUS_SAFETENSORS\n");
        return 2;
    }
    test_must(sam_make_folders(argv[1], NULL) == SAM_OK && sam_make_folders(argv[2], NULL) == SAM_OK);
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        char path[512];
        sam_buffer gguf = {0};
        test_gguf(&gguf, &MODELS[i]);
        snprintf(path, sizeof path, "%s/%zu.gguf", argv[1], i);
        test_must(sam_file_write(path, gguf.bytes, gguf.length, NULL) == SAM_OK);
        sam_buffer_free(&gguf);
        snprintf(path, sizeof path, "%s/%zu", argv[2], i);
        test_model_folder(path, &MODELS[i], NULL);
    }
    return 0;
}
