/* The last rounds of a run, in memory: what nearly every sync reply carries, and what Redis need not be asked for a
 * thousand times when a thousand workers hear of a commit. A round never changes once it is committed, so any copy of
 * the ledger may keep it.
 *
 *     ledger_recent_put(recent, 41, &previous, bytes, length);               // round 41
 *     ledger_round *rounds[LEDGER_RECENT_MAX];
 *     if (ledger_recent_take(recent, 40, 42, rounds)) {                      // both are here
 *         printf("%zu bytes\n", rounds[0]->length + rounds[1]->length);
 *         ledger_round_release(rounds[0]);
 *         ledger_round_release(rounds[1]);
 *     }
 *
 * Where Redis was set back (a failover that lost writes, a restored backup) its rounds are others than those here. So
 * the last one must end in the chain that Redis has for its head (ledger_recent_check), and each must follow the one
 * before it. Thread safety: all functions from any thread.
 */
#ifndef SAM_LEDGER_RECENT_H
#define SAM_LEDGER_RECENT_H

#include "base/digest.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEDGER_RECENT_MAX 64u

typedef struct ledger_round {
    atomic_uint uses;
    uint64_t number;
    sam_digest previous; /* chain of the round before */
    size_t length;
    uint8_t bytes[]; /* encoded */
} ledger_round;

typedef struct ledger_recent ledger_recent;

ledger_recent *ledger_recent_new(size_t capacity); /* rounds, at most LEDGER_RECENT_MAX; NULL: out of memory */
void ledger_recent_free(ledger_recent *recent);

void ledger_recent_put(ledger_recent *recent, uint64_t number, const sam_digest *previous, const uint8_t *bytes,
                       size_t length);
/* The rounds [from, head): rounds[i] is round from + i, to be released. False, and nothing is taken, where one of them
 * is not here. */
bool ledger_recent_take(ledger_recent *recent, uint64_t from, uint64_t head, ledger_round *rounds[LEDGER_RECENT_MAX]);
void ledger_round_release(ledger_round *round);
/* `chain`, in hex, is that of the run when `head` rounds are committed. */
void ledger_recent_check(ledger_recent *recent, uint64_t head, const char *chain);

#endif
