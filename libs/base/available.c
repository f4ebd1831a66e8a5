#include "base/available.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number after `name` at the start of a line of a file of the kernel; SIZE_MAX where there is none. */
static size_t number_of(const char *path, const char *name)
{
    char line[256];
    size_t number = SIZE_MAX;
    FILE *file = fopen(path, "re");
    while (file != NULL && number == SIZE_MAX && fgets(line, sizeof line, file) != NULL) {
        char *end, *from = line + strlen(name);
        if (strncmp(line, name, strlen(name)) != 0)
            continue;
        const unsigned long long value = strtoull(from, &end, 10);
        if (end != from) /* not "max" */
            number = (size_t)value;
    }
    if (file != NULL)
        fclose(file);
    return number;
}

/* The folder of the process's control group (version 2). */
static bool group_folder(char out[512])
{
    char line[256];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        found = strncmp(line, "0::/", 4) == 0;
        if (found)
            snprintf(out, 512, "/sys/fs/cgroup%s", line + 3);
    }
    if (file != NULL)
        fclose(file);
    return found;
}

static size_t left_in_group(void)
{
    char folder[512], path[544];
    if (!group_folder(folder))
        return SIZE_MAX;
    snprintf(path, sizeof path, "%s/memory.max", folder);
    const size_t most = number_of(path, "");
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    const size_t used = number_of(path, "anon ");
    if (most == SIZE_MAX || used == SIZE_MAX)
        return SIZE_MAX;
    return used < most ? most - used : 0;
}

size_t sam_memory_available(void)
{
    const size_t kilobytes = number_of("/proc/meminfo", "MemAvailable:"), in_group = left_in_group();
    const size_t in_machine = kilobytes == SIZE_MAX ? SIZE_MAX : kilobytes * 1024;
    return in_machine < in_group ? in_machine : in_group;
}
