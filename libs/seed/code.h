/* The one byte that a probe yields: sign, 4-bit exponent, 3-bit mantissa, read as an integer.
 *
 *     double scalar = -1.37, quantum = 1.0 / 256;
 *     uint8_t code = sam_code_encode(scalar / quantum);       // the only place where a float becomes a code
 *     int64_t w = sam_code_value(code);                       // -352: from here on everything is integers
 *
 * Sizes 0..7, 8..15, 16, 18, 20 ... 245760: relative error at most 1/16 from 8 up. It saturates, and is never infinite;
 * what is not finite becomes SAM_CODE_NONE. exact-zone.md section 3. Pure functions.
 */
#ifndef SAM_SEED_CODE_H
#define SAM_SEED_CODE_H

#include <stdbool.h>
#include <stdint.h>

#define SAM_CODE_NONE    0x80u /* no value: lost, or refused */
#define SAM_CODE_LARGEST 245760

uint8_t sam_code_encode(double value); /* in units of the quantum */
int64_t sam_code_value(uint8_t code);  /* w(code); 0 for SAM_CODE_NONE */
bool sam_code_has_value(uint8_t code);

/* How far two codes are apart in the order of their values: 0 for the same, 1 for neighbours, at most 254. A code
 * without value is 255 away from every one that has one. */
unsigned sam_code_steps(uint8_t a, uint8_t b);

#endif
