/* The public keys of a run's workers, as this copy of the ledger has met them: a number keeps its key for ever.
 *
 *     if (!ledger_keys_find(run->keys, worker, &key)) { read it from Redis; ledger_keys_put(run->keys, worker, &key); }
 *
 * Thread safety: all functions from any thread.
 */
#ifndef SAM_LEDGER_KEYS_H
#define SAM_LEDGER_KEYS_H

#include "run/signature.h"

typedef struct ledger_keys ledger_keys;

ledger_keys *ledger_keys_new(void); /* NULL: out of memory */
void ledger_keys_free(ledger_keys *keys);
bool ledger_keys_find(ledger_keys *keys, uint32_t worker, sam_public_key *key);
void ledger_keys_put(ledger_keys *keys, uint32_t worker, const sam_public_key *key); /* forgets it without memory */

#endif
