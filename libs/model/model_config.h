/* The configuration of a model from the metadata of a GGUF, or from a Hugging Face config.json.
 *
 *     sam_model_config config;
 *     if (sam_config_from_gguf(&config, gguf, "model.gguf", err) != SAM_OK) return err->status;
 *
 * What the forward pass could not do as the file asks (other activations, scaled RoPE, experts, sliding windows) is
 * UNSUPPORTED here, by name, so that nothing is computed a little wrong. `path` is for messages. Pure functions.
 */
#ifndef SAM_MODEL_MODEL_CONFIG_H
#define SAM_MODEL_MODEL_CONFIG_H

#include "model/architecture.h"

#include <jansson.h>

sam_status sam_config_from_gguf(sam_model_config *config, const sam_gguf *gguf, const char *path, sam_error *err);
sam_status sam_config_from_json(sam_model_config *config, const json_t *json, const char *path, sam_error *err);

#endif
