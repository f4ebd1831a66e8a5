/* What an objective is made of. Each has a file here, which defines its sam_objective_kind, and a row in
 * run/objective.h, which names it; nothing else in the project knows one from another.
 *
 *     static sam_outcome outcome(const sam_example *example, const float **scores)
 *     {
 *         return (sam_outcome){.loss = -sam_option_score(&example->options[0], scores)};
 *     }
 *
 *     const sam_objective_kind sam_objective_choice = {.columns = columns, .pack = pack, .outcome = outcome};
 *
 * Pure functions.
 */
#ifndef SAM_TRAIN_OBJECTIVE_KIND_H
#define SAM_TRAIN_OBJECTIVE_KIND_H

#include "train/objectives/objective.h"

typedef struct sam_objective_kind {
    bool balances;                                 /* sam_objective_balances */
    size_t (*columns)(const sam_example *example); /* tokens that `pack` appends */
    sam_status (*pack)(sam_batch *batch, const sam_example *example, sam_error *err);
    /* Reads the scores that `pack` asked for, and moves on past them. */
    sam_outcome (*outcome)(const sam_example *example, const float **scores);
} sam_objective_kind;

#define SAM_OBJECTIVE_DECLARED(constant, name) extern const sam_objective_kind sam_objective_##name;
SAM_OBJECTIVES(SAM_OBJECTIVE_DECLARED)
#undef SAM_OBJECTIVE_DECLARED

/* ---- an option: a text that may follow the prefix, each of its tokens scored ---- */

/* Tokens that an option adds to a batch: its last one is only scored. */
size_t sam_option_columns(const sam_tokens *option);

/* The first token is scored at the end of the segment `prefix`, which holds example->prefix; the rest is a segment that
 * goes on from it. normalised: as sam_score has it. */
sam_status sam_option_pack(sam_batch *batch, const sam_example *example, const sam_tokens *option, size_t prefix,
                           bool normalised, sam_error *err);

/* The sum of its tokens' scores; moves on past them. */
double sam_option_score(const sam_tokens *option, const float **scores);

#endif
