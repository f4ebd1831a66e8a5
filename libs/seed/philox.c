#include "seed/philox.h"

sam_philox_counter sam_counter(uint64_t number, sam_stream stream, uint32_t part)
{
    return (sam_philox_counter){{(uint32_t)number, (uint32_t)(number >> 32), (uint32_t)stream, part}};
}

void sam_philox(uint32_t words[4], uint64_t key, sam_philox_counter counter)
{
    uint32_t x0 = counter.word[0], x1 = counter.word[1], x2 = counter.word[2], x3 = counter.word[3];
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t left = (uint64_t)0xD2511F53u * x0, right = (uint64_t)0xCD9E8D57u * x2;
        x0 = (uint32_t)(right >> 32) ^ x1 ^ k0;
        x1 = (uint32_t)right;
        x2 = (uint32_t)(left >> 32) ^ x3 ^ k1;
        x3 = (uint32_t)left;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    words[0] = x0;
    words[1] = x1;
    words[2] = x2;
    words[3] = x3;
}
