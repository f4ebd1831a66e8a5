#include "cli/shared/write_model.h"

#include "model/export.h"

sam_status cli_write_model(cli_output *output, const cli_checkpoint *checkpoint, sam_snapshot_kind kind,
                           const char *path, sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(checkpoint->replica);
    sam_status status = kind == SAM_SNAPSHOT_GGUF_F16 ? sam_export_gguf(checkpoint->model, &weights, path, err)
                                                      : sam_export_folder(checkpoint->model, &weights, kind, path, err);
    if (status == SAM_OK)
        cli_output_line(output, "wrote", "out", json_string(path), "%s (%s)", path, sam_snapshot_kind_name(kind));
    return status;
}
