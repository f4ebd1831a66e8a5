#include "seed/directions/signs.h"

#include "seed/philox.h"

#if defined(__x86_64__)
extern const sam_sign_kernel sam_signs_avx512;
#endif

static bool runs_anywhere(void)
{
    return true;
}

/* minus: the sum of the amounts whose sign is -1 here, for each of the block's 128 parameters. */
static void add_block(uint32_t minus[128], uint64_t seed, uint64_t block, uint32_t amount)
{
    uint32_t words[4];
    sam_philox(words, seed, sam_counter(block, SAM_STREAM_DIRECTION, 0));
    for (unsigned w = 0; w < 4; w++)
        for (unsigned j = 0; j < 32; j++)
            minus[32 * w + j] += amount & (0 - (words[w] >> j & 1));
}

static void subtract(int32_t *g, uint64_t parameters, const uint64_t *seeds, const uint32_t *amounts, size_t count)
{
    uint32_t total = 0;
    for (size_t m = 0; m < count; m++)
        total += amounts[m];
    for (uint64_t first = 0; first < parameters; first += 128) {
        uint32_t minus[128] = {0};
        for (size_t m = 0; m < count; m++)
            add_block(minus, seeds[m], first / 128, amounts[m]);
        for (uint64_t i = 0; i < 128 && first + i < parameters; i++)
            g[first + i] = (int32_t)((uint32_t)g[first + i] + 2 * minus[i] - total);
    }
}

static const sam_sign_kernel PORTABLE = {"portable", runs_anywhere, subtract};

static const sam_sign_kernel *const ALL[] = {
#if defined(__x86_64__)
    &sam_signs_avx512,
#endif
    &PORTABLE,
    NULL,
};

const sam_sign_kernel *const *sam_sign_kernels_all(void)
{
    return ALL;
}

const sam_sign_kernel *sam_sign_kernel_best(void)
{
    const sam_sign_kernel *const *kernel = ALL;
    while (!(*kernel)->runs_here())
        kernel++;
    return *kernel;
}
