/* A tuned model as files, of the kind that a command line names with --kind.
 *
 *     cli_write_model(&output, &checkpoint, SAM_SNAPSHOT_GGUF_F16, "tuned.gguf", err);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLI_WRITE_MODEL_H
#define SAM_CLI_WRITE_MODEL_H

#include "cli/shared/checkpoint.h"
#include "cli/shared/output.h"
#include "model/snapshot.h"

/* The choices of --kind, in the order of sam_snapshot_kind. */
#define CLI_MODEL_KINDS "safetensors-f32|safetensors-bf16|safetensors-f16|gguf-f16"

/* `path` is a folder, or for gguf-f16 a file. */
sam_status cli_write_model(cli_output *output, const cli_checkpoint *checkpoint, sam_snapshot_kind kind,
                           const char *path, sam_error *err);

#endif
