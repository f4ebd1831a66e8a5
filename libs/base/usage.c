#include "base/usage.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t sam_usage_kb(const char *file, const char *name)
{
    char line[160];
    unsigned long long kilobytes = 0;
    size_t length = strlen(name);
    FILE *lines = fopen(file, "re");
    while (lines != NULL && fgets(line, sizeof line, lines) != NULL)
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            (void)sscanf(line + length + 1, "%llu", &kilobytes);
    if (lines != NULL)
        fclose(lines);
    return kilobytes;
}

double sam_usage_cpu_seconds(pid_t process)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}
