/* A tuned model as files, of the kind that a command line names.
 *
 *     sam_snapshot_kind kind = SAM_SNAPSHOT_SAFETENSORS_F32;
 *     const sam_option option = {"kind", SAM_OPTION_CHOICE, &kind, CLI_MODEL_KINDS, "of the files"};
 *     cli_write_model(&output, &checkpoint, kind, "tuned.gguf", err);
 *
 * Thread safety: one thread.
 */
#ifndef SAM_CLI_WRITE_MODEL_H
#define SAM_CLI_WRITE_MODEL_H

#include "cli/shared/checkpoint.h"
#include "cli/shared/output.h"
#include "model/snapshot.h"

#define CLI_MODEL_KINDS                                                                                                \
    "safetensors-f32|safetensors-bf16|safetensors-f16|gguf-f16" /* as sam_snapshot_kind has them                       \
                                                                 */

/* `path` is a folder, or for gguf-f16 a file. */
sam_status cli_write_model(cli_output *output, const cli_checkpoint *checkpoint, sam_snapshot_kind kind,
                           const char *path, sam_error *err);

#endif
