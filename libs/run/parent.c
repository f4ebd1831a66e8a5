#include "run/parent.h"

#include "base/memory.h"
#include "run/json_values.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static bool read_removal(sam_removal *removal, const json_t *value, uint64_t round)
{
    const json_t *worker = json_object_get(value, "worker");
    if (json_object_size(value) != (worker == NULL ? 2u : 3u) ||
        !sam_json_decimal(json_object_get(value, "from"), 0, round, &removal->from) ||
        !sam_json_decimal(json_object_get(value, "to"), 1, round, &removal->to) || removal->from >= removal->to)
        return false;
    json_int_t number = json_integer_value(worker);
    if (worker != NULL && (number < 1 || number > UINT32_MAX))
        return false;
    removal->worker = (uint32_t)number;
    return true;
}

static int by_place(const void *left, const void *right)
{
    const sam_removal *a = left, *b = right;
    if (a->from != b->from)
        return a->from < b->from ? -1 : 1;
    if (a->to != b->to)
        return a->to < b->to ? -1 : 1;
    return (a->worker > b->worker) - (a->worker < b->worker);
}

static sam_status read_removals(sam_parent *parent, const json_t *list, sam_error *err)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > SAM_REMOVALS_MAX)
        return sam_fail(err, SAM_INVALID, "parent.without: must be a list of 1 to %u entries where it is there",
                        SAM_REMOVALS_MAX);
    parent->removals = sam_alloc(count, sizeof *parent->removals);
    if (parent->removals == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "no memory for a manifest");
    for (; parent->removal_count < count; parent->removal_count++) {
        size_t i = parent->removal_count;
        if (!read_removal(&parent->removals[i], json_array_get(list, i), parent->round))
            return sam_fail(err, SAM_INVALID,
                            "parent.without, entry %zu: must be {\"from\": \"A\", \"to\": \"B\"} with A < B <= %" PRIu64
                            ", and \"worker\": a number from 1 up where it is one worker's records",
                            i, parent->round);
        if (i > 0 && by_place(&parent->removals[i - 1], &parent->removals[i]) >= 0)
            return sam_fail(err, SAM_INVALID,
                            "parent.without, entry %zu: entries stand in ascending order of from, to and worker, each "
                            "once",
                            i);
    }
    return SAM_OK;
}

sam_status sam_parent_read(sam_parent *parent, const json_t *value, uint64_t most, sam_error *err)
{
    const json_t *without = json_object_get(value, "without");
    if (!json_is_object(value) || json_object_size(value) != (without == NULL ? 3u : 4u))
        return sam_fail(err, SAM_INVALID, "parent: must be an object of chain, round, run and perhaps without");
    if (!sam_json_digest(json_object_get(value, "run"), &parent->run) ||
        !sam_json_digest(json_object_get(value, "chain"), &parent->chain))
        return sam_fail(err, SAM_INVALID, "parent: run and chain must be 64 lower-case hexadecimal digits");
    if (!sam_json_decimal(json_object_get(value, "round"), 1, most, &parent->round))
        return sam_fail(err, SAM_INVALID,
                        "parent.round: must be a whole number from 1 to %" PRIu64 " as a decimal string", most);
    return without == NULL ? SAM_OK : read_removals(parent, without, err);
}

void sam_parent_free(sam_parent *parent)
{
    sam_free(parent->removals);
    *parent = (sam_parent){0};
}

/* ---- composing ---- */

static json_t *decimal(uint64_t number)
{
    return json_sprintf("%" PRIu64, number);
}

static json_t *removals_json(const sam_parent *parent)
{
    json_t *list = json_array();
    for (size_t i = 0; i < parent->removal_count; i++) {
        const sam_removal *removal = &parent->removals[i];
        json_t *entry = json_pack("{s:o, s:o}", "from", decimal(removal->from), "to", decimal(removal->to));
        if (removal->worker != 0 && json_object_set_new(entry, "worker", json_integer(removal->worker)) != 0) {
            json_decref(entry);
            entry = NULL;
        }
        if (json_array_append_new(list, entry) != 0) { /* frees the entry, and refuses NULL */
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

json_t *sam_parent_json(const sam_parent *parent)
{
    char run[SAM_DIGEST_HEX], chain[SAM_DIGEST_HEX];
    sam_digest_hex(run, &parent->run);
    sam_digest_hex(chain, &parent->chain);
    json_t *value = json_pack("{s:s, s:o, s:s}", "chain", chain, "round", decimal(parent->round), "run", run);
    if (parent->removal_count > 0 && json_object_set_new(value, "without", removals_json(parent)) != 0) {
        json_decref(value);
        return NULL;
    }
    return value;
}

void sam_parent_sort(sam_parent *parent)
{
    size_t kept = 0;
    if (parent->removal_count > 1)
        qsort(parent->removals, parent->removal_count, sizeof *parent->removals, by_place);
    for (size_t i = 0; i < parent->removal_count; i++)
        if (kept == 0 || by_place(&parent->removals[kept - 1], &parent->removals[i]) != 0)
            parent->removals[kept++] = parent->removals[i];
    parent->removal_count = kept;
}

/* ---- what it says of a record ---- */

bool sam_parent_removes(const sam_parent *parent, uint64_t round, uint32_t worker)
{
    for (size_t i = 0; i < parent->removal_count; i++) {
        const sam_removal *removal = &parent->removals[i];
        if (removal->from <= round && round < removal->to && (removal->worker == 0 || removal->worker == worker))
            return true;
    }
    return false;
}
