/* libFuzzer target: a manifest that is accepted composes to itself; nothing else is. */
#include "run/manifest.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    sam_manifest *manifest, *again;
    sam_error err;
    if (sam_manifest_parse(&manifest, (const char *)bytes, length, &err) != SAM_OK)
        return 0;
    if (sam_manifest_compose(&again, manifest, &err) != SAM_OK || strcmp(again->text, manifest->text) != 0)
        __builtin_trap();
    sam_manifest_free(again);
    sam_manifest_free(manifest);
    return 0;
}
