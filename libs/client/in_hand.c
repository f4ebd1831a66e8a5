#include "client/in_hand.h"

#include "base/memory.h"

#include <string.h>

/* ---- results ---- */

static sam_status make_room(sam_results *list, size_t more, sam_error *err)
{
    size_t needed = list->count + more;
    if (needed <= list->room)
        return SAM_OK;
    sam_result *grown = sam_realloc(list->results, 2 * needed, sizeof *grown);
    if (grown == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu results", needed);
    list->results = grown;
    list->room = 2 * needed;
    return SAM_OK;
}

static void forget(sam_results *list)
{
    for (size_t i = 0; i < list->count; i++)
        sam_free(list->results[i].codes);
    list->count = 0;
}

/* The first `count` of `from` go before all of `to`. */
static sam_status move_to_front(sam_results *to, sam_results *from, size_t count, sam_error *err)
{
    sam_status status = make_room(to, count, err);
    if (status != SAM_OK || count == 0)
        return status;
    memmove(to->results + count, to->results, to->count * sizeof *to->results);
    memcpy(to->results, from->results, count * sizeof *to->results);
    memmove(from->results, from->results + count, (from->count - count) * sizeof *from->results);
    to->count += count;
    from->count -= count;
    return SAM_OK;
}

static bool has(const sam_results *list, const sam_lease *lease)
{
    for (size_t i = 0; i < list->count; i++) {
        const sam_result *one = &list->results[i];
        if (one->kind == lease->kind && one->round == lease->round && one->index == lease->index)
            return true;
    }
    return false;
}

sam_status sam_in_hand_finish(sam_in_hand *hand, const sam_result *result, sam_error *err)
{
    hand->is_computing = false;
    if (result == NULL)
        return SAM_OK;
    sam_status status = make_room(&hand->finished, 1, err);
    if (status == SAM_OK)
        hand->finished.results[hand->finished.count++] = *result;
    else
        sam_free(result->codes);
    return status;
}

sam_results *sam_in_hand_send(sam_in_hand *hand, unsigned connection, sam_error *err)
{
    size_t count = hand->finished.count < SAM_SYNC_RESULTS_MAX ? hand->finished.count : SAM_SYNC_RESULTS_MAX;
    sam_results *sent = &hand->sent[connection];
    return move_to_front(sent, &hand->finished, count, err) == SAM_OK ? sent : NULL;
}

void sam_in_hand_acknowledge(sam_in_hand *hand, unsigned connection)
{
    forget(&hand->sent[connection]);
}

sam_status sam_in_hand_take_back(sam_in_hand *hand, unsigned connection, sam_error *err)
{
    sam_results *sent = &hand->sent[connection];
    return move_to_front(&hand->finished, sent, sent->count, err);
}

size_t sam_in_hand_results(const sam_in_hand *hand)
{
    size_t count = hand->finished.count;
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++)
        count += hand->sent[i].count;
    return count;
}

/* ---- leases ---- */

static bool is_same(const sam_lease *a, const sam_lease *b)
{
    return a->kind == b->kind && a->round == b->round && a->index == b->index;
}

static sam_waiting_lease *find_waiting(sam_in_hand *hand, const sam_lease *lease)
{
    for (size_t i = 0; i < hand->waiting_count; i++)
        if (is_same(&hand->waiting[i].lease, lease))
            return &hand->waiting[i];
    return NULL;
}

static bool is_past_waiting(const sam_in_hand *hand, const sam_lease *lease)
{
    bool found = (hand->is_computing && is_same(&hand->computing, lease)) || has(&hand->finished, lease);
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++)
        found = found || has(&hand->sent[i], lease);
    return found;
}

static sam_status append(sam_in_hand *hand, const sam_waiting_lease *one, sam_error *err)
{
    if (hand->waiting_count == hand->waiting_room) {
        size_t room = 2 * hand->waiting_room + 4;
        sam_waiting_lease *grown = sam_realloc(hand->waiting, room, sizeof *grown);
        if (grown == NULL)
            return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu leases", room);
        hand->waiting = grown;
        hand->waiting_room = room;
    }
    hand->waiting[hand->waiting_count++] = *one;
    return SAM_OK;
}

sam_status sam_in_hand_add(sam_in_hand *hand, const sam_lease *lease, uint64_t now_ms, sam_error *err)
{
    const sam_waiting_lease made = {*lease, now_ms + lease->valid_ms};
    sam_waiting_lease *known = find_waiting(hand, lease);
    if (known != NULL)
        *known = made;
    else if (!is_past_waiting(hand, lease) && hand->waiting_count < SAM_SYNC_LEASES_MAX)
        return append(hand, &made, err);
    return SAM_OK;
}

static sam_waiting_lease take_first(sam_in_hand *hand)
{
    sam_waiting_lease first = hand->waiting[0];
    hand->waiting_count--;
    memmove(hand->waiting, hand->waiting + 1, hand->waiting_count * sizeof *hand->waiting);
    return first;
}

bool sam_in_hand_next(sam_in_hand *hand, uint64_t rounds, uint64_t now_ms, sam_lease *lease)
{
    while (hand->waiting_count > 0) {
        const sam_waiting_lease first = take_first(hand);
        bool committed = first.lease.kind == SAM_WORK_SLOT && first.lease.round < rounds;
        if (!committed && now_ms < first.until_ms) {
            hand->computing = *lease = first.lease;
            hand->is_computing = true;
            return true;
        }
        hand->dropped++;
    }
    return false;
}

size_t sam_in_hand_leases(const sam_in_hand *hand)
{
    return hand->waiting_count + (hand->is_computing ? 1 : 0);
}

void sam_in_hand_free(sam_in_hand *hand)
{
    forget(&hand->finished);
    sam_free(hand->finished.results);
    for (unsigned i = 0; i < SAM_TRANSPORT_CONNECTIONS; i++) {
        forget(&hand->sent[i]);
        sam_free(hand->sent[i].results);
    }
    sam_free(hand->waiting);
    *hand = (sam_in_hand){0};
}
