/* Canonical JSON (RFC 8785) of values without fractions: keys sorted by UTF-16 code units, no spaces, integers plain.
 *
 *     sam_buffer text = {0};
 *     if (sam_canonical_json(&text, value, err) != SAM_OK)
 *         return err->status;                          // INVALID names a fraction or a number beyond 2^53
 *     sam_buffer_free(&text);
 *
 * Fractions are refused rather than printed: what defines a run is integers and strings (design section 2), save for
 * the task's own file, whose numbers are strings or integers too. */
#ifndef SAM_RUN_CANONICAL_H
#define SAM_RUN_CANONICAL_H

#include "base/bytes.h"
#include "base/status.h"

#include <jansson.h>

sam_status sam_canonical_json(sam_buffer *text, const json_t *value, sam_error *err);

#endif
