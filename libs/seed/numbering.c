#include "seed/numbering.h"

#include "seed/philox.h"

uint32_t sam_epoch_of(const sam_numbering *numbering, uint64_t round)
{
    return numbering->epoch_rounds == 0 ? 0 : (uint32_t)(round / numbering->epoch_rounds);
}

sam_step sam_number_slot(const sam_numbering *numbering, uint64_t round, uint32_t place)
{
    uint64_t visit = round * numbering->places + place;
    return (sam_step){sam_epoch_of(numbering, round), visit * numbering->probes, visit};
}

sam_walk sam_walk_of(uint64_t seed, uint32_t epoch)
{
    uint32_t words[4];
    sam_philox(words, seed, sam_counter(0, SAM_STREAM_WALK, epoch));
    return (sam_walk){(words[0] | (uint64_t)words[1] << 32) | 1, words[2] | (uint64_t)words[3] << 32};
}

uint64_t sam_walk_at(const sam_walk *walk, uint64_t number, unsigned log2_size)
{
    return (walk->a * number + walk->c) & (((uint64_t)1 << log2_size) - 1);
}
