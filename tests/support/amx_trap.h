/* Runs compiled tile instructions on a CPU without them: each raises SIGILL, is decoded and done by amx_tiles.h.
 *
 *     amx_trap_begin();                 // where the CPU has tiles, nothing traps and nothing is done
 *     sam_kernels_amx_bf16.multiply(...);
 *     amx_trap_end();
 *
 * So what is tested is what ships: the compiler's code, with its registers, addresses and order. About a microsecond an
 * instruction. Thread safety: signal handlers belong to the process; one thread at a time.
 */
#ifndef SAM_TEST_AMX_TRAP_H
#define SAM_TEST_AMX_TRAP_H

#include <stddef.h>

void amx_trap_begin(void);
size_t amx_trap_end(void); /* how many instructions it did */

#endif
