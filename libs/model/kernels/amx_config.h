/* The 64 bytes that LDTILECFG reads, and the emulation of it. */
#ifndef SAM_MODEL_KERNELS_AMX_CONFIG_H
#define SAM_MODEL_KERNELS_AMX_CONFIG_H

#include <stdint.h>

typedef struct tile_config {
    uint8_t palette; /* 1: eight tiles of at most 16 rows of 64 bytes */
    uint8_t start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16]; /* 0, with row_bytes 0: not a tile */
} tile_config;

_Static_assert(sizeof(tile_config) == 64, "as the instruction reads it");

#endif
