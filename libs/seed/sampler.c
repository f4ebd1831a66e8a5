#include "seed/sampler.h"

#include "seed/philox.h"

#include <stdlib.h>

#define NO_EPOCH UINT64_MAX
#define EPOCHS   ((uint64_t)1 << 20)

typedef struct class_order {
    uint32_t *members; /* [count], file order */
    uint32_t *order;   /* [count], shuffled positions of the epoch that is held */
    uint64_t count, epoch;
} class_order;

struct sam_sampler {
    uint64_t seed;
    uint32_t class_count;
    class_order *classes;
};

static void shuffle(const sam_sampler *sampler, uint32_t number, class_order *class, uint64_t epoch)
{
    uint32_t turn = (uint32_t)(epoch % EPOCHS + EPOCHS * number);
    for (uint64_t i = 0; i < class->count; i++)
        class->order[i] = (uint32_t)i;
    for (uint64_t i = class->count - 1; i > 0; i--) {
        uint32_t words[4];
        sam_philox(words, sampler->seed, sam_counter(i, SAM_STREAM_SHUFFLE, turn));
        uint64_t j = words[0] * (i + 1) >> 32;
        uint32_t kept = class->order[i];
        class->order[i] = class->order[j];
        class->order[j] = kept;
    }
    class->epoch = epoch;
}

static bool fill_class(class_order *class, const uint32_t *classes, size_t count, uint32_t number)
{
    for (size_t i = 0; i < count; i++)
        class->count += classes == NULL || classes[i] == number;
    if (class->count == 0)
        return false;
    class->members = calloc(class->count, sizeof *class->members);
    class->order = calloc(class->count, sizeof *class->order);
    if (class->members == NULL || class->order == NULL)
        return false;
    size_t at = 0;
    for (size_t i = 0; i < count; i++)
        if (classes == NULL || classes[i] == number)
            class->members[at++] = (uint32_t)i;
    class->epoch = NO_EPOCH;
    return true;
}

sam_sampler *sam_sampler_new(uint64_t seed, const uint32_t *classes, size_t count, uint32_t class_count)
{
    sam_sampler *sampler = calloc(1, sizeof *sampler);
    if (sampler == NULL)
        return NULL;
    sampler->seed = seed;
    sampler->class_count = classes == NULL ? 1 : class_count;
    sampler->classes = calloc(sampler->class_count == 0 ? 1 : sampler->class_count, sizeof *sampler->classes);
    bool good = sampler->classes != NULL && sampler->class_count > 0 && count > 0 && count < UINT32_MAX;
    for (uint32_t c = 0; good && c < sampler->class_count; c++)
        good = fill_class(&sampler->classes[c], classes, count, c);
    if (!good) {
        sam_sampler_free(sampler);
        return NULL;
    }
    return sampler;
}

void sam_sampler_free(sam_sampler *sampler)
{
    if (sampler == NULL)
        return;
    for (uint32_t c = 0; sampler->classes != NULL && c < sampler->class_count; c++) {
        free(sampler->classes[c].members);
        free(sampler->classes[c].order);
    }
    free(sampler->classes);
    free(sampler);
}

void sam_sampler_batch(sam_sampler *sampler, uint64_t number, size_t size, uint32_t *examples)
{
    uint32_t classes = sampler->class_count;
    for (size_t b = 0; b < size; b++) {
        uint32_t c = (uint32_t)(b % classes);
        uint64_t share = size / classes + (c < size % classes);
        class_order *class = &sampler->classes[c];
        uint64_t visit = number * share + b / classes;
        if (class->epoch != visit / class->count)
            shuffle(sampler, c, class, visit / class->count);
        examples[b] = class->members[class->order[visit % class->count]];
    }
}
