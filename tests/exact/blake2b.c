#include "blake2b.h"

#include <string.h>

#define BLOCK 128

static const uint64_t IV[8] = {0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
                               0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u};

static const uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

/* Words a, b, c, d of the mixing function G: four columns, then four diagonals. */
static const uint8_t MIX[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14}, {3, 7, 11, 15},
                                  {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13},  {3, 4, 9, 14}};

static uint64_t rotate_right(uint64_t word, unsigned bits)
{
    return word >> bits | word << (64 - bits);
}

static uint64_t load(const uint8_t *bytes)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)bytes[i] << (8 * i);
    return word;
}

static void mix(uint64_t v[16], const uint8_t at[4], uint64_t x, uint64_t y)
{
    uint64_t a = v[at[0]], b = v[at[1]], c = v[at[2]], d = v[at[3]];
    a += b + x;
    d = rotate_right(d ^ a, 32);
    c += d;
    b = rotate_right(b ^ c, 24);
    a += b + y;
    d = rotate_right(d ^ a, 16);
    c += d;
    b = rotate_right(b ^ c, 63);
    v[at[0]] = a, v[at[1]] = b, v[at[2]] = c, v[at[3]] = d;
}

static void compress(uint64_t h[8], const uint8_t block[BLOCK], uint64_t total, int last)
{
    uint64_t v[16];
    memcpy(v, h, 8 * sizeof *h);
    memcpy(v + 8, IV, sizeof IV);
    v[12] ^= total;
    if (last)
        v[14] = ~v[14];
    for (unsigned round = 0; round < 12; round++)
        for (unsigned g = 0; g < 8; g++) {
            const uint8_t *order = SIGMA[round % 10];
            mix(v, MIX[g], load(block + 8 * order[2 * g]), load(block + 8 * order[2 * g + 1]));
        }
    for (unsigned i = 0; i < 8; i++)
        h[i] ^= v[i] ^ v[i + 8];
}

void blake2b_256(uint8_t digest[32], const uint8_t *bytes, size_t length)
{
    uint64_t h[8], done = 0;
    uint8_t block[BLOCK] = {0};
    memcpy(h, IV, sizeof h);
    h[0] ^= 0x01010000u ^ 32u; /* no key, fan-out 1, depth 1, 32 bytes */
    for (; length - done > BLOCK; done += BLOCK)
        compress(h, bytes + done, done + BLOCK, 0);
    if (length > done)
        memcpy(block, bytes + done, length - done);
    compress(h, block, length, 1);
    for (unsigned i = 0; i < 32; i++)
        digest[i] = (uint8_t)(h[i / 8] >> (8 * (i % 8)));
}
