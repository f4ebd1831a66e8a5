/* Memory that this process may still take.
 *
 *     size_t limit = sam_memory_available() / 2;
 *
 * The smaller of what the machine has left (MemAvailable: free, or in caches that the kernel can drop) and what the
 * process's control group leaves (memory.max without its anonymous pages: files that it maps can be dropped again).
 * Read anew at each call. Thread safety: any thread.
 */
#ifndef SAM_BASE_AVAILABLE_H
#define SAM_BASE_AVAILABLE_H

#include <stddef.h>

size_t sam_memory_available(void); /* bytes; SIZE_MAX where the system does not say */

#endif
