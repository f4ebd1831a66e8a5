/* BLAKE2b-256 (RFC 7693) in one small file, for checks that run where there is no library: under an emulator.
 *
 *     uint8_t digest[32];
 *     blake2b_256(digest, bytes, length);
 *
 * The project's own digest is libs/base/digest.h; this one is held against Python's hashlib by exact_digest.py.
 */
#ifndef SAM_TEST_BLAKE2B_H
#define SAM_TEST_BLAKE2B_H

#include <stddef.h>
#include <stdint.h>

void blake2b_256(uint8_t digest[32], const uint8_t *bytes, size_t length);

#endif
