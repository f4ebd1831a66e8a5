/* libFuzzer target: rounds that somebody sends to a ledger are taken as they are, or refused with a sentence. What is
 * taken is chained to the run, whose log is empty. */
#include "ledger_peer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

#define CHAIN "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

/* To PING, to the question for head and chain, and to import.lua. */
static const char REPLIES[] = "+PONG\r\n*2\r\n$1\r\n0\r\n$64\r\n" CHAIN "\r\n:1\r\n";

static void must_be_chained(const uint8_t *bytes, size_t length)
{
    sam_reader in = sam_reader_of(bytes, length);
    sam_digest chain;
    if (!sam_digest_parse(&chain, CHAIN))
        __builtin_trap();
    while (sam_reader_left(&in) > 0) {
        uint32_t size = sam_get_u32(&in);
        const uint8_t *round = sam_get_bytes(&in, size);
        if (round == NULL || sam_round_verify(round, size, &chain, &chain, NULL) != SAM_OK)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    fuzz_ledger *it = fuzz_ledger_start();
    sam_redis *redis = fuzz_ledger_open(it, (const uint8_t *)REPLIES, sizeof REPLIES - 1);
    uint64_t head;
    sam_error err = {0};
    if (ledger_import(&it->ledger, redis, &it->run, &(ledger_rounds){bytes, length, 0, 0}, &head, &err) == SAM_OK)
        must_be_chained(bytes, length);
    else if (err.text[0] == 0)
        __builtin_trap();
    fuzz_ledger_close(it, redis);
    return 0;
}
