/* The manifest: everything that defines a run, as canonical JSON (RFC 8785). Its BLAKE2b-256 is the run's id.
 *
 *     sam_manifest *manifest;
 *     if (sam_manifest_parse(&manifest, text, length, err) != SAM_OK) return err->status;   // "epsilon_log2: ..."
 *     printf("run %s, %u slots a round\n", manifest->id_hex, manifest->slots);
 *     sam_manifest_free(manifest);
 *
 * Immutable once parsed: read from any thread. The fields are documented in docs/formats/manifest.md; numbers that
 * the exact zone uses are integers, 64-bit ones are written as decimal strings.
 */
#ifndef SAM_RUN_MANIFEST_H
#define SAM_RUN_MANIFEST_H

#include "base/bytes.h"
#include "base/digest.h"
#include "base/status.h"
#include "run/mode.h"
#include "run/objective.h"
#include "run/parent.h"
#include "run/privacy.h"
#include "seed/directions/directions.h"
#include "seed/guard.h"
#include "seed/scale.h"

#include <stdbool.h>
#include <stdint.h>

#define SAM_MANIFEST_FORMAT "samara-run/2"
#define SAM_SLOTS_MAX       4096u
#define SAM_PROBES_MAX      256u
#define SAM_BATCH_MAX       65536u
#define SAM_CHUNKS_MAX      1024u
#define SAM_LAG_MAX         64u
#define SAM_ROUNDS_MAX      ((uint64_t)1 << 40)   /* so that the number of a probe fits 64 bits */
#define SAM_MANIFEST_MAX    ((size_t)1024 * 1024) /* bytes of canonical text */

typedef enum sam_estimator { SAM_TWO_POINT, SAM_ONE_SIDED } sam_estimator;

/* Which tensors train: blocks [first_block, end_block), and the tensors around them. */
typedef struct sam_trainable {
    uint32_t first_block, end_block;
    bool norms;      /* the norm vectors of those blocks */
    bool embeddings; /* the token (and tied output) matrix */
    bool final_norm;
} sam_trainable;

typedef struct sam_evaluation_plan {
    uint32_t every;  /* rounds; 0: none */
    uint32_t chunks; /* evaluation slots the dev set is split into */
} sam_evaluation_plan;

/* When a round may be committed although slots are missing: they then have no value. Zero: never. */
typedef struct sam_quorum {
    uint32_t slots;    /* that must be in */
    uint32_t after_ms; /* since the round was opened */
} sam_quorum;

typedef struct sam_manifest {
    char *name; /* for people */
    const sam_mode *mode;
    sam_objective objective;
    sam_estimator estimator;
    sam_digest base;       /* of the model */
    sam_digest train, dev; /* of the data files */
    char *task;            /* the task file, as canonical JSON */
    uint64_t seed;
    uint64_t rounds; /* after which the run is complete */
    uint32_t slots, probes, batch;
    uint32_t lag;     /* rounds by which the state lies back at which a place is computed; 0: left out of the text */
    bool balance;     /* equal numbers of each label in a minibatch */
    int epsilon_log2; /* perturbation size: epsilon = epsilon_units * 2^epsilon_log2 */
    uint32_t epsilon_units;
    int quantum_log2; /* unit of the codes */
    sam_directions_choice directions;
    uint64_t epoch_rounds; /* that share a basis of directions; 0: all of them, and left out of the text */
    int eta_log2;
    sam_trainable trainable;
    sam_step_size size;
    sam_guard guard;
    sam_evaluation_plan evaluation;
    uint32_t lease_ms;    /* for one slot */
    sam_quorum quorum;    /* may be left out of the text */
    sam_parent parent;    /* round 0: none, and none in the text */
    uint32_t verify_rate; /* share of slots that another worker computes again, of 256; 0: none, left out of the text */
    sam_privacy privacy;  /* may be left out of the text */
    bool signed_records;  /* workers sign what they send; false: left out of the text */
    char *kernel;         /* with which every worker computes; NULL: each with its best, and left out of the text */

    /* derived when parsed */
    char *text; /* canonical JSON, NUL-terminated */
    size_t text_length;
    sam_digest id;
    char id_hex[SAM_DIGEST_HEX];
} sam_manifest;

/* INVALID with the field's name and what it must be. Accepts any JSON spelling; keeps the canonical one. */
sam_status sam_manifest_parse(sam_manifest **manifest, const char *text, size_t length, sam_error *err);

/* Composes the canonical text from the fields of `draft` (its derived fields are ignored), and parses that. */
sam_status sam_manifest_compose(sam_manifest **manifest, const sam_manifest *draft, sam_error *err);

void sam_manifest_free(sam_manifest *manifest); /* NULL is fine */

sam_round_shape sam_manifest_shape(const sam_manifest *manifest); /* of the run's rounds: its mode's */
double sam_manifest_epsilon(const sam_manifest *manifest);
double sam_manifest_quantum(const sam_manifest *manifest);

#endif
