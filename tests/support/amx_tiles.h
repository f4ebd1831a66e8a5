/* AMX tiles in software, for machines without them: each function is one instruction, after the pseudo-code of Intel's
 * manual (Software Developer's Manual, volume 2: LDTILECFG, TILELOADD, TILESTORED, TDPBF16PS).
 *
 *     emulated_configure(&config);            // palette 1
 *     emulated_load(4, weights, stride), emulated_load(6, columns, stride), emulated_zero(0);
 *     emulated_multiply(0, 4, 6);
 *     emulated_store(0, y, stride);
 *     emulated_release();
 *
 * What the CPU refuses with #UD or #GP raises SIGILL here, after a sentence on stderr. NaNs are quiet but may have
 * other payloads. Thread safety: as the CPU's, every thread has tiles of its own.
 */
#ifndef SAM_TEST_AMX_TILES_H
#define SAM_TEST_AMX_TILES_H

#include "model/kernels/amx_config.h"

#include <stdbool.h>
#include <stddef.h>

void emulated_configure(const tile_config *config);
void emulated_release(void);
bool emulated_in_use(void); /* configured, and not yet released */
void emulated_zero(unsigned tile);
void emulated_load(unsigned tile, const void *from, size_t stride);
void emulated_store(unsigned tile, void *to, size_t stride);
void emulated_multiply(unsigned sum, unsigned a, unsigned b);

#endif
