#include "base/clock.h"

#include <time.h>

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t sam_monotonic_ns(void)
{
    return now_ns(CLOCK_MONOTONIC);
}

uint64_t sam_monotonic_ms(void)
{
    return now_ns(CLOCK_MONOTONIC) / 1000000u;
}

uint64_t sam_wall_ms(void)
{
    return now_ns(CLOCK_REALTIME) / 1000000u;
}

void sam_sleep_ms(uint32_t ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}
