/* safetensors: tensors of a Hugging Face model, one file or sharded over several by model.safetensors.index.json.
 *
 *     sam_safetensors *files;
 *     if (sam_safetensors_open(&files, "folder/or/model.safetensors", err) != SAM_OK) return err->status;
 *     const sam_tensor *tensor = sam_safetensors_find(files, "model.norm.weight");
 *     sam_safetensors_close(files);
 *
 * `path` is a .safetensors file, an index .json, or a folder that has model.safetensors or its index.
 *
 * A file is a u64 length, that many bytes of JSON {name: {dtype, shape, data_offsets}}, then the data. Read in place
 * (mapped). F32, F16 and BF16 are read; others are UNSUPPORTED by name. Refused, as the reference
 * reader does: headers above 100 MB, tensors that overlap, gaps between them, bytes after the last. Thread safety:
 * immutable once open.
 */
#ifndef SAM_MODEL_SAFETENSORS_H
#define SAM_MODEL_SAFETENSORS_H

#include "base/bytes.h"
#include "base/status.h"
#include "model/files/tensor.h"

typedef struct sam_safetensors sam_safetensors;

sam_status sam_safetensors_open(sam_safetensors **files, const char *path, sam_error *err);

/* One file that lies in memory, which is borrowed until close. `name` is what errors call it. */
sam_status sam_safetensors_open_bytes(sam_safetensors **files, const uint8_t *bytes, size_t length, const char *name,
                                      sam_error *err);
void sam_safetensors_close(sam_safetensors *files); /* NULL is fine */
size_t sam_safetensors_count(const sam_safetensors *files);
const sam_tensor *sam_safetensors_at(const sam_safetensors *files, size_t index); /* sorted by name (bytes) */
const sam_tensor *sam_safetensors_find(const sam_safetensors *files, const char *name);

/* The files that hold the weights, as paths, sorted by name: for digests. */
size_t sam_safetensors_file_count(const sam_safetensors *files);
const char *sam_safetensors_file(const sam_safetensors *files, size_t index);

/* The header of a file that will hold these tensors one after the other in the order given (bytes and length are not
 * read): the u64 length and the JSON, padded with spaces to a multiple of 8. Deterministic: the same tensors give the
 * same bytes, which is what lets a snapshot be sent while it is computed. `metadata` (text pairs) may be NULL. */
sam_status sam_safetensors_header(sam_buffer *header, const sam_tensor *tensors, size_t count,
                                  const char *const metadata[][2], size_t metadata_count, sam_error *err);

#endif
