#include "worker/beginning.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

void sam_beginning_start(sam_beginning *beginning)
{
    *beginning = (sam_beginning){.began_ns = sam_monotonic_ns()};
    beginning->at_ns = beginning->began_ns;
}

static double seconds(uint64_t from_ns, uint64_t to_ns)
{
    return (double)(to_ns - from_ns) * 1e-9;
}

void sam_beginning_passed(sam_beginning *beginning, const char *what)
{
    if (beginning->over)
        return;
    uint64_t now = sam_monotonic_ns();
    size_t room = sizeof beginning->parts - beginning->length;
    int length = snprintf(beginning->parts + beginning->length, room, "%s%s %.3f", beginning->length > 0 ? ", " : "",
                          what, seconds(beginning->at_ns, now));
    if (length > 0 && (size_t)length < room)
        beginning->length += (size_t)length;
    beginning->parts[beginning->length] = 0;
    beginning->at_ns = now;
}

void sam_beginning_say(sam_beginning *beginning)
{
    if (beginning->over)
        return;
    sam_log_info("first slot after %.3f s: %s", seconds(beginning->began_ns, sam_monotonic_ns()), beginning->parts);
    beginning->over = true;
}
