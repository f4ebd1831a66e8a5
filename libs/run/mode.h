/* Modes: who makes which record, when, and what follows from the order of records. One row of functions for each.
 *
 *     const sam_mode *mode = manifest->mode;
 *     sam_plan plan = {0};
 *     sam_plan_open_round(&plan, manifest, 7, NULL);          // the places of round 7, and whom each may be given to
 *     sam_plan_due_evaluation(&plan, manifest, 7);            // and the dev data, where it is looked at before round 7
 *     if (plan.failed)
 *         return;
 *     sam_plan_free(&plan);
 *
 * A new one is a row below and a file (docs/extending.md). Nothing else asks which mode a run has. Thread safety: rows
 * are constants; a plan belongs to its owner.
 */
#ifndef SAM_RUN_MODE_H
#define SAM_RUN_MODE_H

#include "base/status.h"
#include "run/round.h"
#include "run/work.h"
#include "seed/numbering.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sam_manifest;

/* A row for each mode: it makes the constant SAM_MODE_SYNC, by which fields of the manifest say that they belong to it,
 * and a place in the table for sam_mode_sync, which says what the mode does. */
#define SAM_MODES(ROW) ROW(SYNC, sync)

#define SAM_MODE_CONSTANT(constant, name) SAM_MODE_##constant,
typedef enum sam_mode_number { SAM_MODES(SAM_MODE_CONSTANT) SAM_MODE_COUNT } sam_mode_number;
#undef SAM_MODE_CONSTANT

/* What becomes of a place whose time is over. */
typedef enum sam_on_expiry {
    SAM_EXPIRY_AGAIN, /* it is offered to others */
    SAM_EXPIRY_LAPSE, /* it has no record; nobody else gets it */
} sam_on_expiry;

/* Places first .. first + count - 1 of one round, or chunks of one evaluation. */
typedef struct sam_plan_item {
    sam_work_kind kind;
    uint64_t round;
    uint32_t first, count;
    uint32_t addressee; /* number of the worker that alone may have it; 0: whoever comes */
    sam_on_expiry on_expiry;
} sam_plan_item;

typedef struct sam_plan {
    sam_plan_item *items;
    size_t count, room;
    bool failed; /* memory ran out: the items are not all there */
} sam_plan;

/* Workers that are there when a round opens, ascending. */
typedef struct sam_present {
    const uint32_t *workers;
    size_t count;
} sam_present;

/* In which order a replica may be given records. */
typedef enum sam_order {
    SAM_ORDER_ROUNDS, /* a committed round at a time, one after the other */
} sam_order;

typedef struct sam_mode {
    const char *name;
    sam_order order;
    bool asks_presence; /* its plan depends on who is there */
    bool local_steps;   /* an author applies each step to its own replica before it takes the next one */

    /* INVALID with the field's name where the manifest cannot be run in this mode. */
    sam_status (*check)(const struct sam_manifest *manifest, sam_error *err);
    /* What any round may hold: how many places, how many codes a record, how late. */
    sam_round_shape (*shape)(const struct sam_manifest *manifest);
    /* Adds the places of a round that opens. `present` may be NULL where the mode does not ask for it. */
    void (*plan)(sam_plan *plan, const struct sam_manifest *manifest, uint64_t round, const sam_present *present);
    /* How many steps the record of a place has, and what each of them is. A step is one minibatch and its probes. */
    uint32_t (*steps)(const struct sam_manifest *manifest);
    sam_step (*number)(const struct sam_manifest *manifest, uint64_t round, uint32_t place, uint32_t step);
} sam_mode;

#define SAM_MODE_DECLARED(constant, name) extern const sam_mode sam_mode_##name;
SAM_MODES(SAM_MODE_DECLARED)
#undef SAM_MODE_DECLARED

const sam_mode *sam_mode_named(const char *name); /* NULL: not built */
const sam_mode *const *sam_modes(void);           /* all that are built, by number; NULL at the end */

void sam_plan_add(sam_plan *plan, const sam_plan_item *item);
/* The places of round `round`; none beyond the run's last round. */
void sam_plan_open_round(sam_plan *plan, const struct sam_manifest *manifest, uint64_t round,
                         const sam_present *present);
/* The evaluation of the state before round `head`, where the manifest wants one there. */
void sam_plan_due_evaluation(sam_plan *plan, const struct sam_manifest *manifest, uint64_t head);
void sam_plan_free(sam_plan *plan);

/* Codes of one probe after the other of one step after the other: [steps][probes]. */
uint32_t sam_mode_codes(const struct sam_manifest *manifest);

/* The round before which the state stands when a place of `round` is computed: `lag` rounds back (design section 3). */
uint64_t sam_mode_state_round(const struct sam_manifest *manifest, uint64_t round);

/* How many epochs of directions the state before `round` has. */
uint32_t sam_mode_epochs(const struct sam_manifest *manifest, uint64_t round);

#endif
