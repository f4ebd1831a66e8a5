#include "train/private.h"

#include "seed/code.h"

#include <math.h>
#include <sodium.h>

__extension__ typedef unsigned __int128 wide;

static uint64_t secure_word(void *user)
{
    uint64_t word;
    (void)user;
    randombytes_buf(&word, sizeof word);
    return word;
}

sam_noise sam_noise_secure(void)
{
    return (sam_noise){secure_word, NULL};
}

/* ---- exact sampling ---- */

/* Uniform in [0, end), by rejection of what is beyond it among as many bits as it has. */
static wide below(const sam_noise *noise, wide end)
{
    wide mask = end - 1, drawn;
    for (unsigned shift = 1; shift < 128; shift *= 2)
        mask |= mask >> shift;
    do {
        drawn = noise->word(noise->user);
        if (mask >> 64 != 0)
            drawn |= (wide)noise->word(noise->user) << 64;
        drawn &= mask;
    } while (drawn >= end);
    return drawn;
}

/* True with probability exp(-part / whole), part <= whole: algorithm 1, first half. */
static bool exp_of_fraction(const sam_noise *noise, wide part, wide whole)
{
    unsigned k = 1;
    while (below(noise, whole * k) < part)
        k++;
    return k % 2 == 1;
}

/* True with probability exp(-part / whole). */
static bool exp_of(const sam_noise *noise, wide part, wide whole)
{
    for (; part > whole; part -= whole)
        if (!exp_of_fraction(noise, 1, 1))
            return false;
    return exp_of_fraction(noise, part, whole);
}

/* Algorithm 2: an integer x with probability proportional to exp(-|x| / scale). */
static int64_t laplace(const sam_noise *noise, uint64_t scale)
{
    for (;;) {
        uint64_t rest = (uint64_t)below(noise, scale), whole = 0;
        if (!exp_of_fraction(noise, rest, scale))
            continue;
        while (exp_of_fraction(noise, 1, 1))
            whole++;
        int64_t size = (int64_t)(rest + scale * whole);
        bool negative = below(noise, 2) == 1;
        if (!negative || size > 0)
            return negative ? -size : size;
    }
}

/* Algorithm 3. */
int64_t sam_noise_gaussian(const sam_noise *noise, uint32_t sigma)
{
    const uint64_t variance = (uint64_t)sigma * sigma, scale = (uint64_t)sigma + 1;
    for (;;) {
        int64_t drawn = laplace(noise, scale);
        wide reach = (wide)(drawn < 0 ? -drawn : drawn) * scale;
        wide away = reach > variance ? reach - variance : variance - reach; /* of |drawn| from variance / scale */
        if (exp_of(noise, away * away, 2 * (wide)variance * scale * scale))
            return drawn;
    }
}

/* ---- how often an example comes ---- */

/* Slots that the sampler fills from one class before it begins it again: whole ones. */
static uint64_t slots_of_class(const sam_manifest *manifest, const uint32_t *classes, size_t count,
                               uint32_t class_count, uint32_t class)
{
    uint32_t parts = manifest->balance ? class_count : 1, share = manifest->batch / parts;
    uint64_t members = 0;
    share += class < manifest->batch % parts;
    for (size_t i = 0; i < count; i++)
        members += !manifest->balance || classes[i] == class;
    return share == 0 ? UINT64_MAX : members / share;
}

uint64_t sam_private_period(const sam_manifest *manifest, const uint32_t *classes, size_t count, uint32_t class_count)
{
    uint64_t least = UINT64_MAX;
    for (uint32_t c = 0; c < (manifest->balance ? class_count : 1); c++) {
        uint64_t slots = slots_of_class(manifest, classes, count, class_count, c);
        least = slots < least ? slots : least;
    }
    return least;
}

sam_status sam_private_check(const sam_manifest *manifest, const uint32_t *classes, size_t count, uint32_t class_count,
                             sam_error *err)
{
    if (manifest->privacy.clip == 0)
        return SAM_OK;
    uint64_t least = sam_private_period(manifest, classes, count, class_count);
    if (manifest->privacy.period > least)
        return sam_fail(err, SAM_MISMATCH,
                        "the manifest's privacy.period says that an example comes again after %u slots, but the "
                        "training data has it come after %llu",
                        manifest->privacy.period, (unsigned long long)least);
    return SAM_OK;
}

/* ---- codes ---- */

static int64_t clipped(double value, int64_t clip)
{
    if (isnan(value))
        return 0;
    return value >= (double)clip ? clip : value <= (double)-clip ? -clip : llrint(value);
}

static bool seen_before(const uint32_t *indices, uint32_t b)
{
    for (uint32_t i = 0; i < b; i++)
        if (indices[i] == indices[b])
            return true;
    return false;
}

/* What example b says of probe p, in quanta. */
static double scalar_of(const sam_manifest *manifest, const sam_outcome *outcomes, uint32_t p, uint32_t b)
{
    const size_t batch = manifest->batch;
    double epsilon = sam_manifest_epsilon(manifest), quantum = sam_manifest_quantum(manifest), mean = 0;
    if (manifest->estimator == SAM_TWO_POINT)
        return (outcomes[2 * p * batch + b].loss - outcomes[(2 * p + 1) * batch + b].loss) / (2 * epsilon) / quantum;
    for (uint32_t other = 0; other < manifest->probes; other++)
        mean += outcomes[other * batch + b].loss / manifest->probes;
    return (outcomes[p * batch + b].loss - mean) / epsilon / quantum;
}

void sam_private_codes(const sam_manifest *manifest, const sam_outcome *outcomes, const uint32_t *indices,
                       const sam_noise *noise, uint8_t *codes)
{
    for (uint32_t p = 0; p < manifest->probes; p++) {
        int64_t sum = sam_noise_gaussian(noise, manifest->privacy.sigma);
        for (uint32_t b = 0; b < manifest->batch; b++)
            if (!seen_before(indices, b))
                sum += clipped(scalar_of(manifest, outcomes, p, b), manifest->privacy.clip);
        codes[p] = sam_code_encode((double)sum / manifest->batch);
    }
}
