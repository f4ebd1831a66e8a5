/* libFuzzer target: what a training finds in the folder that it goes on in: run.json, and what a worker wrote of
 * itself. It goes on, or says in a sentence why not.
 *
 * The first byte chooses the file; the rest is its content. */
#include "cli/train/out_folder.h"

#include "base/files.h"
#include "folder.h"
#include "sketch.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static sam_manifest *manifest;

static void put(cli_out_folder *folder, const char *name, const uint8_t *bytes, size_t length)
{
    FILE *file = fopen(cli_out_path(folder, name), "we");
    if (file == NULL || fwrite(bytes, 1, length, file) != length || fclose(file) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    cli_out_folder folder;
    sam_error err = {0};
    if (length == 0)
        return 0;
    if (manifest == NULL)
        manifest = fuzz_sketch();
    if (cli_out_open(&folder, fuzz_folder(), true, &err) != SAM_OK)
        __builtin_trap();
    put(&folder, (bytes[0] & 1) == 0 ? "run.json" : "workers/one.json", bytes + 1, length - 1);
    if (cli_out_begin(&folder, manifest, &err) == SAM_OK)
        (void)cli_out_bytes_sent(&folder);
    else if (err.text[0] == 0)
        __builtin_trap();
    cli_out_close(&folder);
    return 0;
}
