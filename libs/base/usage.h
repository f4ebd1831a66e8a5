/* What a process and the machine use, as /proc tells it. For figures, not for decisions: 0 where it does not tell.
 *
 *     uint64_t resident = sam_usage_kb("/proc/self/status", "VmRSS");
 *     double seconds = sam_usage_cpu_seconds(0);
 *
 * Safe from any thread.
 */
#ifndef SAM_BASE_USAGE_H
#define SAM_BASE_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* The number of a line "NAME:  12 kB". */
uint64_t sam_usage_kb(const char *file, const char *name);

/* Of all its threads, ended ones too; `process` 0: this one. */
double sam_usage_cpu_seconds(pid_t process);

#endif
