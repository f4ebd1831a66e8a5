/* How often each client may ask: so many requests a second in the long run, and so many at once after a rest.
 *
 *     sam_rate *rate = sam_rate_new(50, 200);                           // NULL: no memory
 *     const uint8_t address[] = {192, 0, 2, 7};
 *     uint32_t wait_ms;
 *     if (!sam_rate_take(rate, address, sizeof address, sam_monotonic_ns(), &wait_ms))
 *         printf("429, Retry-After: %u ms\n", wait_ms);
 *     sam_rate_free(rate);
 *
 * The generic cell rate algorithm (ITU-T I.371): one time for each client. The table has a fixed size; where it is too
 * small, who rested longest is forgotten, which only favours that one. Thread safety: take from any thread.
 */
#ifndef SAM_NET_RATE_H
#define SAM_NET_RATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sam_rate sam_rate;

sam_rate *sam_rate_new(uint64_t per_second, uint64_t at_once); /* at least 1 each, at most 10^9 */
void sam_rate_free(sam_rate *rate);                            /* NULL is fine */

/* False: too often; the next is due in *wait_ms. `now_ns` never goes back by more than a moment. */
bool sam_rate_take(sam_rate *rate, const void *client, size_t length, uint64_t now_ns, uint32_t *wait_ms);

#endif
