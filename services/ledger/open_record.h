/* A record in Redis, from when its result was taken until its round is committed: "AUTHOR:", which Lua writes, then
 * bytes that only this module makes and reads (weight, loss, codes; then the signature, where the run is signed).
 *
 *     sam_buffer out = {0};
 *     ledger_open_record_put(&out, &result, run->manifest->signed_records);
 *     sam_record record;
 *     const uint8_t *signature;
 *     if (!ledger_open_record_get(&record, &signature, bytes, length, run->manifest->signed_records))
 *         return sam_fail(err, SAM_CORRUPT, "these bytes are not a record");
 *     sam_buffer_free(&out);
 */
#ifndef SAM_LEDGER_OPEN_RECORD_H
#define SAM_LEDGER_OPEN_RECORD_H

#include "run/wire.h"

/* What follows "AUTHOR:". */
void ledger_open_record_put(sam_buffer *out, const sam_result *result, bool is_signed);
/* Author, weight, loss and codes, borrowed from the bytes as is the signature; its origin is the caller's. */
bool ledger_open_record_get(sam_record *record, const uint8_t **signature, const void *bytes, size_t length,
                            bool is_signed);

#endif
