/* Signatures: where the manifest says `signed`, a worker's own Ed25519 key stands under all that it sends, so that a
 * client that has a token cannot speak in the name of another, and a log can be checked without trusting its ledger.
 *
 *     sam_signing_key key;
 *     sam_signing_key_of(&key, seed);                                    // 32 random bytes, kept in a file
 *     sam_result_sign(&result, &manifest->id, 3, &key);                  // of worker 3
 *     if (!sam_result_is_signed(&result, &manifest->id, 3, &key.open))
 *         return;
 *
 * A .samsig file holds keys and the signatures of a log's records:
 *
 *     sam_signature_tally tally;
 *     sam_status status = sam_samsig_check(&tally, log, bytes, length, NULL, NULL, err);
 *
 * docs/formats/wire.md says what is signed, docs/formats/log.md what the file is. Thread safety: pure functions of
 * their arguments.
 */
#ifndef SAM_RUN_SIGNATURE_H
#define SAM_RUN_SIGNATURE_H

#include "run/samlog.h"
#include "run/wire.h"

#include <stdbool.h>
#include <stdint.h>

#define SAM_KEY_SEED_BYTES 32u
#define SAM_KEY_HEX        65u /* digits of a public key, and NUL */

typedef struct sam_public_key {
    uint8_t bytes[32];
} sam_public_key;

typedef struct sam_signing_key {
    uint8_t secret[64];
    sam_public_key open;
} sam_signing_key;

void sam_signing_key_of(sam_signing_key *key, const uint8_t seed[SAM_KEY_SEED_BYTES]);
void sam_signing_key_wipe(sam_signing_key *key);

void sam_public_key_hex(char out[SAM_KEY_HEX], const sam_public_key *key);
bool sam_public_key_parse(sam_public_key *key, const char *hex); /* 64 lower-case digits */

/* Fills result->signature. */
void sam_result_sign(sam_result *result, const sam_digest *run, uint32_t worker, const sam_signing_key *key);
bool sam_result_is_signed(const sam_result *result, const sam_digest *run, uint32_t worker, const sam_public_key *key);

/* Appends the encoded request; where there is a key, all of its results are signed with it, and so is the request. */
void sam_sync_request_compose(sam_buffer *out, sam_sync_request *request, const sam_digest *run,
                              const sam_signing_key *key);
/* Of a whole encoded request, and of what it says of its results: all is under the key. */
bool sam_sync_request_is_signed(const uint8_t *bytes, size_t length, const sam_digest *run, const sam_public_key *key);

/* ---- .samsig ---- */

void sam_samsig_put_head(sam_buffer *out, const sam_digest *run);
void sam_samsig_put_key(sam_buffer *out, uint32_t worker, const sam_public_key *key);
/* Of the records of a round, in their order. */
void sam_samsig_put_round(sam_buffer *out, uint64_t round, const void *signatures, size_t length);

typedef struct sam_signature_tally {
    uint64_t good, bad, missing; /* records */
} sam_signature_tally;

/* Of one record whose signature is bad or missing. */
typedef void sam_bad_signature(void *user, uint64_t round, uint32_t slot, uint32_t worker, bool missing);

/* Holds every record of a log against the signatures in a .samsig. Not OK: it is none, or is of another run. */
sam_status sam_samsig_check(sam_signature_tally *tally, const sam_samlog *log, const void *bytes, size_t length,
                            sam_bad_signature *say, void *user, sam_error *err);

#endif
