#include "run/manifest.h"

#include "base/memory.h"

#include <math.h>

void sam_manifest_free(sam_manifest *manifest)
{
    if (manifest == NULL)
        return;
    sam_free(manifest->name);
    sam_free(manifest->kernel);
    sam_free(manifest->task);
    sam_free(manifest->text);
    sam_parent_free(&manifest->parent);
    sam_free(manifest);
}

sam_round_shape sam_manifest_shape(const sam_manifest *manifest)
{
    return manifest->mode->shape(manifest);
}

double sam_manifest_epsilon(const sam_manifest *manifest)
{
    return ldexp(manifest->epsilon_units, manifest->epsilon_log2);
}

double sam_manifest_quantum(const sam_manifest *manifest)
{
    return ldexp(1.0, manifest->quantum_log2);
}
