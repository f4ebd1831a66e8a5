/* The public keys of a run's workers, as this copy of the ledger has met them: a number keeps its key for ever.
 *
 *     sam_public_key key;
 *     if (!ledger_public_keys_find(keys, 7, &key)) {                // of worker 7
 *         sam_public_key_parse(&key, text);                         // what Redis says
 *         ledger_public_keys_put(keys, 7, &key);
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
