/* The synchronous mode (Just One Byte, arXiv 2306.10015): places are slots, whoever comes gets one by lease, and a
 * round is committed when all are in. A record is one step: a minibatch and its probes. */
#include "run/manifest.h"
#include "run/mode.h"

static sam_status check(const sam_manifest *manifest, sam_error *err)
{
    if (manifest->quorum.slots > manifest->slots || (manifest->quorum.slots == 0) != (manifest->quorum.after_ms == 0))
        return sam_fail(err, SAM_INVALID, "quorum: must have after_ms and slots, and not more slots than a round (%u)",
                        manifest->slots);
    return SAM_OK;
}

static sam_round_shape shape(const sam_manifest *manifest)
{
    return (sam_round_shape){
        .places = manifest->slots, .codes_least = manifest->probes, .codes_most = manifest->probes, .weight_most = 1};
}

static void plan(sam_plan *all, const sam_manifest *manifest, uint64_t round, const sam_present *present)
{
    (void)present;
    const sam_plan_item item = {.kind = SAM_WORK_SLOT, .round = round, .count = manifest->slots};
    sam_plan_add(all, &item);
}

static uint32_t steps(const sam_manifest *manifest)
{
    (void)manifest;
    return 1;
}

static sam_step number(const sam_manifest *manifest, uint64_t round, uint32_t place, uint32_t step)
{
    (void)step;
    const sam_numbering numbering = {manifest->slots, manifest->probes, manifest->epoch_rounds};
    return sam_number_slot(&numbering, round, place);
}

const sam_mode sam_mode_sync = {
    .name = "sync",
    .order = SAM_ORDER_ROUNDS,
    .check = check,
    .shape = shape,
    .plan = plan,
    .steps = steps,
    .number = number,
};
