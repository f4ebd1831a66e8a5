/* A link with a long way: a proxy on 127.0.0.1, on a thread of its own, that hands every byte on after half a round
 * trip, in both directions. As many bytes as come may be on their way; a connection is accepted at once.
 *
 *     cli_slow_link *link;
 *     cli_slow_link_open(&link, ledger_port, 200, err);       // 200 ms there and back
 *     printf("http://127.0.0.1:%u\n", cli_slow_link_port(link));
 *     cli_slow_link_close(link);
 *
 * It stands in for the kernel's netem, which not every machine has. Thread safety: open and close from one thread.
 */
#ifndef SAM_CLI_SLOW_LINK_H
#define SAM_CLI_SLOW_LINK_H

#include "base/status.h"

#include <stdint.h>

typedef struct cli_slow_link cli_slow_link;

sam_status cli_slow_link_open(cli_slow_link **link, unsigned port, uint32_t round_trip_ms, sam_error *err);
unsigned cli_slow_link_port(const cli_slow_link *link);
void cli_slow_link_close(cli_slow_link *link); /* cuts what is connected; NULL is fine */

#endif
