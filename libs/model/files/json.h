/* JSON files of models (jansson), with errors that say file, line and column.
 *
 *     json_t *config;
 *     if (sam_json_file(&config, "folder/config.json", err) != SAM_OK)
 *         return err->status;
 *     printf("%s\n", json_string_value(json_object_get(config, "model_type")));
 *     json_decref(config);
 *
 * Pitfall: where an allocation inside jansson fails, its lexer may lose a byte of a string or report a mistake in the
 * text (2.14), so such a failure can show as CORRUPT or UNSUPPORTED instead of NO_MEMORY.
 *
 * Duplicate members are refused, since readers disagree on which one counts. Thread safety: pure functions.
 */
#ifndef SAM_MODEL_JSON_H
#define SAM_MODEL_JSON_H

#include "base/bytes.h"
#include "base/status.h"

#include <jansson.h>

sam_status sam_json_parse(json_t **json, const char *text, size_t length, const char *name, sam_error *err);
sam_status sam_json_file(json_t **json, const char *path, sam_error *err);

/* Appends the text; `flags` as jansson has them. */
sam_status sam_json_write(const json_t *json, size_t flags, sam_buffer *out, sam_error *err);

json_t *sam_json_real(double value); /* null where it is not finite, which JSON cannot say; NULL: out of memory */

/* The first member that is not among `known` (ends with NULL), or NULL. */
const char *sam_json_unknown(const json_t *object, const char *const known[]);

/* "folder/name" where path is "folder/anything", "name" where it has no folder. New memory, or NULL. */
char *sam_path_beside(const char *path, const char *name);

#endif
