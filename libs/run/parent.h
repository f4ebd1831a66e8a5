/* Where a run comes from: the manifest's optional field `parent`, of a run that was forked off another.
 *
 *     "parent": {"chain": "<64 hex digits>", "round": "200", "run": "<64 hex digits>",
 *                "without": [{"from": "0", "to": "200", "worker": 3}]}
 *
 *     if (manifest->parent.round > 0) ...                                // the first 200 rounds are the parent's
 *     if (sam_parent_removes(&manifest->parent, round, worker)) ...      // a record that was taken out
 *
 * The log of a fork begins with the parent's rounds before `round`, record for record, chained anew from the fork's
 * own id; `chain` is the parent's last chain there, so the log alone shows that its past was not changed.
 * `without` lists records of that past that move nothing (exact-zone.md section 4); the codes stay in the log, and in
 * the guard's and the normaliser's reckoning, so that every other record moves what it moved before.
 * Thread safety: a value belongs to its owner.
 */
#ifndef SAM_RUN_PARENT_H
#define SAM_RUN_PARENT_H

#include "base/digest.h"
#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAM_REMOVALS_MAX 1024u

/* Records of rounds [from, to) that were taken out. */
typedef struct sam_removal {
    uint64_t from, to;
    uint32_t worker; /* 0: everybody's */
} sam_removal;

typedef struct sam_parent {
    uint64_t round; /* how many of the parent's rounds are the run's own; 0: the run has no parent */
    sam_digest run, chain;
    sam_removal *removals; /* in ascending order of from, to, worker; each once */
    size_t removal_count;
} sam_parent;

/* INVALID with the field's name and what it must be. `most`: rounds that a run may have. */
sam_status sam_parent_read(sam_parent *parent, const json_t *value, uint64_t most, sam_error *err);
json_t *sam_parent_json(const sam_parent *parent); /* NULL: out of memory */
void sam_parent_free(sam_parent *parent);          /* also of a zeroed one */

/* Puts the list into the order that sam_parent_read asks for, and drops what stands there twice. */
void sam_parent_sort(sam_parent *parent);

bool sam_parent_removes(const sam_parent *parent, uint64_t round, uint32_t worker);

#endif
