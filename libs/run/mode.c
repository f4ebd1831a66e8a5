#include "run/mode.h"

#include "base/memory.h"
#include "run/manifest.h"

#include <string.h>

#define MODE(constant, name) [SAM_MODE_##constant] = &sam_mode_##name,
static const sam_mode *const MODES[SAM_MODE_COUNT + 1] = {SAM_MODES(MODE)};

const sam_mode *const *sam_modes(void)
{
    return MODES;
}

const sam_mode *sam_mode_named(const char *name)
{
    for (size_t i = 0; MODES[i] != NULL; i++)
        if (strcmp(MODES[i]->name, name) == 0)
            return MODES[i];
    return NULL;
}

void sam_plan_add(sam_plan *plan, const sam_plan_item *item)
{
    if (plan->count == plan->room) {
        size_t room = plan->room == 0 ? 4 : 2 * plan->room;
        sam_plan_item *items = sam_realloc(plan->items, room, sizeof *items);
        plan->failed = plan->failed || items == NULL;
        if (items == NULL)
            return;
        plan->items = items;
        plan->room = room;
    }
    plan->items[plan->count++] = *item;
}

void sam_plan_open_round(sam_plan *plan, const sam_manifest *manifest, uint64_t round, const sam_present *present)
{
    if (round < manifest->rounds)
        manifest->mode->plan(plan, manifest, round, present);
}

void sam_plan_due_evaluation(sam_plan *plan, const sam_manifest *manifest, uint64_t head)
{
    uint32_t every = manifest->evaluation.every;
    if (every == 0 || (head % every != 0 && head != manifest->rounds))
        return;
    const sam_plan_item item = {.kind = SAM_WORK_EVALUATION, .round = head, .count = manifest->evaluation.chunks};
    sam_plan_add(plan, &item);
}

void sam_plan_free(sam_plan *plan)
{
    sam_free(plan->items);
    *plan = (sam_plan){0};
}

uint32_t sam_mode_codes(const sam_manifest *manifest)
{
    return manifest->mode->steps(manifest) * manifest->probes;
}

uint32_t sam_mode_epochs(const sam_manifest *manifest, uint64_t round)
{
    const sam_numbering numbering = {manifest->slots, manifest->probes, manifest->epoch_rounds};
    return round == 0 ? 1 : sam_epoch_of(&numbering, round - 1) + 1;
}

uint64_t sam_mode_state_round(const sam_manifest *manifest, uint64_t round)
{
    return round > manifest->lag ? round - manifest->lag : 0;
}
