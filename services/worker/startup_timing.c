#include "worker/startup_timing.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

void sam_startup_begin(sam_startup_timing *timing)
{
    *timing = (sam_startup_timing){.began_ns = sam_monotonic_ns()};
    timing->at_ns = timing->began_ns;
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) * 1e-9;
}

void sam_startup_step(sam_startup_timing *timing, const char *what)
{
    if (timing->over)
        return;
    uint64_t now = sam_monotonic_ns();
    size_t room = sizeof timing->parts - timing->length;
    int length = snprintf(timing->parts + timing->length, room, "%s%s %.3f", timing->length > 0 ? ", " : "", what,
                          seconds(timing->at_ns, now));
    if (length > 0 && (size_t)length < room)
        timing->length += (size_t)length;
    timing->parts[timing->length] = 0;
    timing->at_ns = now;
}

void sam_startup_finish(sam_startup_timing *timing)
{
    if (timing->over)
        return;
    sam_log_info("first slot after %.3f s: %s", seconds(timing->began_ns, sam_monotonic_ns()), timing->parts);
    timing->over = true;
}
