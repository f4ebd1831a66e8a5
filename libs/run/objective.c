#include "run/objective.h"

#include <stddef.h>

#define NAME(constant, name) #name,
const char *const sam_objective_names[] = {SAM_OBJECTIVES(NAME) NULL};
