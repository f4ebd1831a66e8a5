/* Values that the run's JSON has in one spelling only, so that the same run has the same id.
 *
 *     sam_digest digest;
 *     uint64_t rounds;
 *     if (!sam_json_digest(base, &digest) || !sam_json_decimal(last, 1, 1000, &rounds))
 *         return;
 *
 * Thread safety: pure functions.
 */
#ifndef SAM_RUN_JSON_VALUES_H
#define SAM_RUN_JSON_VALUES_H

#include "base/digest.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

bool sam_json_digest(const json_t *value, sam_digest *digest); /* 64 lower-case hexadecimal digits */
/* A whole number as a decimal string without leading zeros. */
bool sam_json_decimal(const json_t *value, uint64_t least, uint64_t most, uint64_t *number);

#endif
