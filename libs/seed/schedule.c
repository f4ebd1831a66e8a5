#include "seed/schedule.h"

__extension__ typedef unsigned __int128 u128;

#define WHOLE 65536u

/* 32768 (1 + cos(pi i / 64)), to the nearest integer. */
static const uint32_t COSINE[65] = {65536, 65497, 65378, 65181, 64906, 64554, 64125, 63621, 63042, 62390, 61667,
                                    60874, 60014, 59088, 58098, 57047, 55938, 54774, 53556, 52288, 50973, 49614,
                                    48215, 46778, 45308, 43807, 42280, 40730, 39161, 37576, 35980, 34376, 32768,
                                    31160, 29556, 27960, 26375, 24806, 23256, 21729, 20228, 18758, 17321, 15922,
                                    14563, 13248, 11980, 10762, 9598,  8489,  7438,  6448,  5522,  4662,  3869,
                                    3146,  2494,  1915,  1411,  982,   630,   355,   158,   39,    0};

static uint32_t share_of(u128 part, u128 whole)
{
    return (uint32_t)(WHOLE * part / whole);
}

static uint32_t cosine(uint64_t t, uint64_t length)
{
    uint32_t x = share_of(t < length ? t : length, length);
    uint32_t i = x / 1024, f = x % 1024;
    if (i == 64)
        return COSINE[64];
    uint32_t fall = COSINE[i] - COSINE[i + 1];
    return COSINE[i] - (fall * f + 1023) / 1024; /* C[i] + floor(-fall f / 1024) */
}

static uint32_t share_before_floor(const sam_schedule *schedule, uint64_t round)
{
    if (round < schedule->warmup)
        return share_of((u128)round + 1, (u128)schedule->warmup + 1);
    uint64_t t = round - schedule->warmup;
    uint64_t length = schedule->horizon > schedule->warmup ? schedule->horizon - schedule->warmup : 1;
    switch (schedule->kind) {
    case SAM_SCHEDULE_LINEAR:
        return t < length ? share_of(length - t, length) : 0;
    case SAM_SCHEDULE_COSINE:
        return cosine(t, length);
    case SAM_SCHEDULE_INVERSE:
        return share_of(length, (u128)length + t);
    case SAM_SCHEDULE_CONSTANT:
        break;
    }
    return WHOLE;
}

uint32_t sam_schedule_share(const sam_schedule *schedule, uint64_t round)
{
    uint32_t share = share_before_floor(schedule, round);
    return share < schedule->floor ? schedule->floor : share;
}
