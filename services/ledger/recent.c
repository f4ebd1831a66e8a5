#include "ledger/recent.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

struct ledger_recent {
    pthread_mutex_t lock; /* guards rounds */
    size_t capacity;
    ledger_round *rounds[]; /* round n stands at n mod capacity */
};

ledger_recent *ledger_recent_new(size_t capacity)
{
    size_t room = capacity == 0 ? 1 : capacity > LEDGER_RECENT_MAX ? LEDGER_RECENT_MAX : capacity;
    ledger_recent *recent = sam_alloc(1, sizeof *recent + room * sizeof recent->rounds[0]);
    if (recent == NULL)
        return NULL;
    pthread_mutex_init(&recent->lock, NULL);
    recent->capacity = room;
    return recent;
}

void ledger_round_release(ledger_round *round)
{
    if (round != NULL && atomic_fetch_sub(&round->uses, 1) == 1)
        sam_free(round);
}

static void forget_all(ledger_recent *recent)
{
    for (size_t i = 0; i < recent->capacity; i++) {
        ledger_round_release(recent->rounds[i]);
        recent->rounds[i] = NULL;
    }
}

void ledger_recent_free(ledger_recent *recent)
{
    if (recent == NULL)
        return;
    forget_all(recent);
    pthread_mutex_destroy(&recent->lock);
    sam_free(recent);
}

void ledger_recent_put(ledger_recent *recent, uint64_t number, const sam_digest *previous, const uint8_t *bytes,
                       size_t length)
{
    ledger_round *round = length < SAM_DIGEST_BYTES ? NULL : sam_alloc(1, sizeof *round + length);
    if (round == NULL)
        return; /* then Redis is asked for it */
    atomic_init(&round->uses, 1);
    round->number = number;
    round->previous = *previous;
    round->length = length;
    memcpy(round->bytes, bytes, length);
    pthread_mutex_lock(&recent->lock);
    ledger_round **place = &recent->rounds[number % recent->capacity], *old = *place;
    bool keep = old == NULL || old->number <= number; /* a worker that catches up reads older ones */
    *place = keep ? round : old;
    pthread_mutex_unlock(&recent->lock);
    ledger_round_release(keep ? old : round);
}

/* The chain is the last field of an encoded round. */
static bool ends_in(const ledger_round *round, const sam_digest *chain)
{
    return memcmp(chain->bytes, round->bytes + round->length - SAM_DIGEST_BYTES, SAM_DIGEST_BYTES) == 0;
}

bool ledger_recent_take(ledger_recent *recent, uint64_t from, uint64_t head, ledger_round *rounds[LEDGER_RECENT_MAX])
{
    uint64_t count = head - from, taken = 0;
    if (from > head || count > recent->capacity)
        return false;
    pthread_mutex_lock(&recent->lock);
    for (; taken < count; taken++) {
        ledger_round *round = recent->rounds[(from + taken) % recent->capacity];
        if (round == NULL || round->number != from + taken ||
            (taken > 0 && !ends_in(rounds[taken - 1], &round->previous)))
            break;
        rounds[taken] = round;
    }
    for (uint64_t i = 0; taken == count && i < count; i++)
        (void)atomic_fetch_add(&rounds[i]->uses, 1);
    pthread_mutex_unlock(&recent->lock);
    return taken == count;
}

void ledger_recent_check(ledger_recent *recent, uint64_t head, const char *chain)
{
    sam_digest known;
    if (head == 0 || !sam_digest_parse(&known, chain))
        return;
    pthread_mutex_lock(&recent->lock);
    const ledger_round *last = recent->rounds[(head - 1) % recent->capacity];
    if (last != NULL && last->number == head - 1 && !ends_in(last, &known))
        forget_all(recent);
    pthread_mutex_unlock(&recent->lock);
}
