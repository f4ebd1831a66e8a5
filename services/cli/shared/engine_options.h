/* Rows of an option table for a command that computes: a struct with these three members, as engine.h has them.
 *
 *     struct { uint64_t threads; sam_precision precision; const char *kernel; } args = {.precision =
 * SAM_PRECISION_BF16}; const sam_option table[] = {CLI_ENGINE_OPTIONS(&args), {0}};
 */
#ifndef SAM_CLI_ENGINE_OPTIONS_H
#define SAM_CLI_ENGINE_OPTIONS_H

#include "base/options.h"
#include "model/kernels/kernels.h"

#define CLI_ENGINE_OPTIONS(args)                                                                                       \
    {"threads", SAM_OPTION_COUNT, &(args)->threads, "N", "threads that compute; 0: one for each core"},                \
        {"precision", SAM_OPTION_CHOICE, &(args)->precision, SAM_PRECISION_CHOICES, "precision of matrix products"},   \
        {"kernel", SAM_OPTION_TEXT, &(args)->kernel, "NAME", "use this kernel; samara doctor lists them"}

#endif
