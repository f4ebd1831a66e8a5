/* Examples of made-up tokens, for the tests of objectives: no tokenizer and no model.
 *
 *     test_example made;
 *     const sam_example *example = test_example_make(&made, 1, (size_t[]){1, 3}, 2);   // label 1, options of 1 and 3
 *     sam_objective_columns(SAM_OBJECTIVE_CHOICE, example);
 *
 * Every token is another number, counted on from the prefix. */
#ifndef SAM_TRAIN_TEST_EXAMPLES_H
#define SAM_TRAIN_TEST_EXAMPLES_H

#include "train/objectives/objective.h"

enum { TEST_PREFIX = 4, TEST_TOKENS = 64 };

typedef struct test_example {
    sam_example is;
    sam_tokens options[8];
    uint32_t tokens[TEST_TOKENS];
} test_example;

/* Into `made`, which `made->is` points into. */
static inline const sam_example *test_example_make(test_example *made, uint32_t label, const size_t *lengths,
                                                   size_t options)
{
    size_t used = TEST_PREFIX;
    for (uint32_t t = 0; t < TEST_TOKENS; t++)
        made->tokens[t] = 100 + t;
    for (size_t o = 0; o < options; o++) {
        made->options[o] = (sam_tokens){made->tokens + used, lengths[o]};
        used += lengths[o];
    }
    made->is = (sam_example){{made->tokens, TEST_PREFIX}, options, made->options, label};
    return &made->is;
}

#endif
