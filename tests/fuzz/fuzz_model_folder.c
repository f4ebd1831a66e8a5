/* libFuzzer target: the JSON files of a model folder. The first byte chooses: config.json, read as a configuration;
 * model.safetensors.index.json, beside no weights or one file of them; or tokenizer_config.json beside a tokenizer. */
#include "base/files.h"
#include "base/memory.h"
#include "folder.h"
#include "model/files/json.h"
#include "model/files/safetensors.h"
#include "model/model_config.h"
#include "model/tokenizer/tokenizer.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void put(const char *name, const void *bytes, size_t length)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    FILE *file = fopen(path, "we");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        __builtin_trap();
}

static void make_folder(void)
{
    static const char WEIGHTS[] = "\x38\0\0\0\0\0\0\0"
                                  "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}    \0\0\x80\x3f";
    static const char TOKENIZER[] = "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
                                    "\"merges\":[\"a b\"]},\"added_tokens\":[]}";
    static bool made;
    if (made)
        return;
    made = true;
    put("model-00001-of-00001.safetensors", WEIGHTS, sizeof WEIGHTS - 1);
    put("tokenizer.json", TOKENIZER, sizeof TOKENIZER - 1);
}

static void read_config(const char *text, size_t length)
{
    json_t *json;
    sam_model_config config;
    sam_error err;
    if (sam_json_parse(&json, text, length, "config.json", &err) != SAM_OK)
        return;
    (void)sam_config_from_json(&config, json, "config.json", &err);
    json_decref(json);
}

static void read_index(const char *text, size_t length)
{
    sam_safetensors *files;
    sam_error err;
    make_folder();
    put("model.safetensors.index.json", text, length);
    if (sam_safetensors_open(&files, fuzz_folder(), &err) == SAM_OK) {
        if (sam_safetensors_count(files) > 0 && sam_safetensors_at(files, 0)->bytes == NULL)
            __builtin_trap();
        sam_safetensors_close(files);
    }
}

static void read_tokenizer_config(const char *text, size_t length)
{
    char path[128];
    sam_tokenizer *tokenizer;
    sam_error err;
    make_folder();
    put("tokenizer_config.json", text, length);
    snprintf(path, sizeof path, "%s/tokenizer.json", fuzz_folder());
    if (sam_tokenizer_from_json(&tokenizer, path, &err) == SAM_OK)
        sam_tokenizer_free(tokenizer);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static void (*const READERS[])(const char *text, size_t length) = {read_config, read_index, read_tokenizer_config};
    if (length > 0)
        READERS[bytes[0] % 3]((const char *)bytes + 1, length - 1);
    return 0;
}
