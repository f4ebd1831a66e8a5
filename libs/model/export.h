/* Exports: a tuned model as files that other programs read as they are.
 *
 *     sam_weight_source source = sam_model_source(model);                     // or a replica's, at some round
 *     sam_export_folder(model, &source, SAM_SNAPSHOT_SAFETENSORS_F32, "out", err);   // for transformers
 *     sam_export_gguf(model, &source, "out.gguf", err);                              // for llama.cpp
 *
 * A folder has model.safetensors, config.json, generation_config.json and the tokenizer's files, such that
 * AutoModelForCausalLM.from_pretrained and AutoTokenizer.from_pretrained load it. Files appear whole or not at all.
 * Weights pass through in row tiles, so memory does not grow with the model. Thread safety: as the source.
 */
#ifndef SAM_MODEL_EXPORT_H
#define SAM_MODEL_EXPORT_H

#include "base/bytes.h"
#include "model/snapshot.h"

/* The folder is made where it is missing; files of these names in it are replaced. INVALID: a kind of GGUF. */
sam_status sam_export_folder(const sam_model *model, const sam_weight_source *source, sam_snapshot_kind kind,
                             const char *folder, sam_error *err);

sam_status sam_export_gguf(const sam_model *model, const sam_weight_source *source, const char *path, sam_error *err);

/* The files of a folder beside the weights, as a gateway serves them one by one: "config.json",
 * "generation_config.json", "tokenizer.json", "tokenizer_config.json", and where the base is a folder also the other
 * tokenizer files it has, as they are. NOT_FOUND for others. `kind` is that of the weights they stand beside. */
sam_status sam_export_companion(const sam_model *model, sam_snapshot_kind kind, const char *name, sam_buffer *out,
                                sam_error *err);

/* Names that sam_export_companion may know; ends with NULL. */
extern const char *const SAM_EXPORT_COMPANIONS[];

#endif
