/* The objectives that a run may have: what is to become better. One row each, and their names in one place.
 *
 *     printf("%s\n", sam_objective_names[manifest->objective]);
 *     for (size_t i = 0; sam_objective_names[i] != NULL; i++)
 *         printf("%s\n", sam_objective_names[i]);                        // choice, completion
 *
 * The row (CHOICE, choice) makes the constant SAM_OBJECTIVE_CHOICE, the manifest's word "choice", and a place in the
 * table of libs/train/objectives for sam_objective_choice, which says what the objective does. So a new objective is a
 * row here and a file there.
 */
#ifndef SAM_RUN_OBJECTIVE_H
#define SAM_RUN_OBJECTIVE_H

#define SAM_OBJECTIVES(ROW)                                                                                            \
    ROW(CHOICE, choice)                                                                                                \
    ROW(COMPLETION, completion)

#define SAM_OBJECTIVE_CONSTANT(constant, name) SAM_OBJECTIVE_##constant,
typedef enum sam_objective { SAM_OBJECTIVES(SAM_OBJECTIVE_CONSTANT) } sam_objective;
#undef SAM_OBJECTIVE_CONSTANT

extern const char *const sam_objective_names[]; /* by constant; NULL at the end */

#endif
