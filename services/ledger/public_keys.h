/* The public keys of a run's workers, as this copy of the ledger has met them: a number keeps its key for ever.
 *
 *     if (!ledger_public_keys_find(run->public_keys, worker, &key)) {
 *         ...                                                       // ask Redis
 *         ledger_public_keys_put(run->public_keys, worker, &key);
 *     }
 *
 * Thread safety: all functions from any thread.
 */
#ifndef SAM_LEDGER_PUBLIC_KEYS_H
#define SAM_LEDGER_PUBLIC_KEYS_H

#include "run/signature.h"

typedef struct ledger_public_keys ledger_public_keys;

ledger_public_keys *ledger_public_keys_new(void); /* NULL: out of memory */
void ledger_public_keys_free(ledger_public_keys *keys);
bool ledger_public_keys_find(ledger_public_keys *keys, uint32_t worker, sam_public_key *key);
/* Forgets it where memory is out. */
void ledger_public_keys_put(ledger_public_keys *keys, uint32_t worker, const sam_public_key *key);

#endif
