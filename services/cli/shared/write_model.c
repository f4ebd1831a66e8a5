#include "cli/shared/write_model.h"

#include "model/export.h"

sam_status cli_write_model(cli_found *found, const cli_moment *moment, sam_snapshot_kind kind, const char *path,
                           sam_error *err)
{
    const sam_weight_source weights = sam_replica_weights(moment->replica);
    sam_status status = kind == SAM_SNAPSHOT_GGUF_F16 ? sam_export_gguf(moment->model, &weights, path, err)
                                                      : sam_export_folder(moment->model, &weights, kind, path, err);
    if (status == SAM_OK)
        cli_found_say(found, "wrote", "out", json_string(path), "%s (%s)", path, sam_snapshot_kind_name(kind));
    return status;
}
