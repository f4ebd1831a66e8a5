/* Snapshots: a whole model file that exists only as its head and a rule for the bytes of any range.
 *
 *     sam_weight_source source = sam_model_source(model);          // or a replica's, at some round
 *     sam_snapshot *snapshot;
 *     if (sam_snapshot_open(&snapshot, model, &source, SAM_SNAPSHOT_GGUF_F16, err) != SAM_OK)
 *         return err->status;
 *     uint64_t size = sam_snapshot_size(snapshot);                 // known before any weight is computed
 *     uint8_t chunk[4096];
 *     sam_status status = sam_snapshot_read(snapshot, 1000, sizeof chunk, chunk, err);      // bytes 1000 to 5095
 *     sam_snapshot_close(snapshot);
 *
 *     +------+----------+---+----------+---+ ...      head: all names, shapes, places (kept in memory)
 *     | head | tensor 0 |pad| tensor 1 |pad|          tensor: rows asked of the source, rounded, when they are read
 *     +------+----------+---+----------+---+ ...      pad: zeros (GGUF only)
 *
 * The bytes of a range are a function of (base, source, kind): a file is a loop of reads, an HTTP range is one read,
 * and both agree. Memory for a read: one tile of rows, at most 256 KiB or one row. Model and source must outlive the
 * snapshot, and what the source gives must not change meanwhile. Thread safety: reads may run in parallel where the
 * source's rows() may.
 */
#ifndef SAM_MODEL_SNAPSHOT_H
#define SAM_MODEL_SNAPSHOT_H

#include "model/model.h"

/* name, as people ask for it; element type of matrices */
#define SAM_SNAPSHOT_TABLE(X)                                                                                          \
    X(SAFETENSORS_F32, "safetensors-f32", F32)                                                                         \
    X(SAFETENSORS_BF16, "safetensors-bf16", BF16)                                                                      \
    X(SAFETENSORS_F16, "safetensors-f16", F16)                                                                         \
    X(GGUF_F16, "gguf-f16", F16)

typedef enum sam_snapshot_kind {
#define X(name, text, dtype) SAM_SNAPSHOT_##name,
    SAM_SNAPSHOT_TABLE(X)
#undef X
} sam_snapshot_kind;

const char *sam_snapshot_kind_name(sam_snapshot_kind kind);
sam_dtype sam_snapshot_kind_dtype(sam_snapshot_kind kind);
bool sam_snapshot_kind_of(const char *name, sam_snapshot_kind *kind);

typedef struct sam_snapshot sam_snapshot;

/* Variant 0 of the source is what is written. GGUF carries the metadata of the base's GGUF over; of a base that is a
 * Hugging Face folder it is UNSUPPORTED, since the vocabulary cannot be written without loss. */
sam_status sam_snapshot_open(sam_snapshot **snapshot, const sam_model *model, const sam_weight_source *source,
                             sam_snapshot_kind kind, sam_error *err);
void sam_snapshot_close(sam_snapshot *snapshot); /* NULL is fine */

uint64_t sam_snapshot_size(const sam_snapshot *snapshot);

/* Bytes [offset, offset + length); INVALID beyond the end. */
sam_status sam_snapshot_read(const sam_snapshot *snapshot, uint64_t offset, size_t length, uint8_t *out,
                             sam_error *err);

#endif
