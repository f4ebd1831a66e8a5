#include "ledger/public_keys.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

typedef struct known_key {
    uint32_t worker;
    sam_public_key key;
} known_key;

struct ledger_public_keys {
    pthread_mutex_t lock; /* guards all that follows */
    known_key *all;       /* [count], by worker: numbers may lie far apart after an import */
    size_t count, room;
};

ledger_public_keys *ledger_public_keys_new(void)
{
    ledger_public_keys *keys = sam_alloc(1, sizeof *keys);
    if (keys != NULL)
        pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

void ledger_public_keys_free(ledger_public_keys *keys)
{
    if (keys == NULL)
        return;
    pthread_mutex_destroy(&keys->lock);
    sam_free(keys->all);
    sam_free(keys);
}

/* Where the worker stands, or would stand. */
static size_t place_of(const ledger_public_keys *keys, uint32_t worker)
{
    size_t low = 0, high = keys->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (keys->all[middle].worker < worker)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool stands_at(const ledger_public_keys *keys, size_t place, uint32_t worker)
{
    return place < keys->count && keys->all[place].worker == worker;
}

bool ledger_public_keys_find(ledger_public_keys *keys, uint32_t worker, sam_public_key *key)
{
    pthread_mutex_lock(&keys->lock);
    size_t place = place_of(keys, worker);
    bool known = stands_at(keys, place, worker);
    if (known)
        *key = keys->all[place].key;
    pthread_mutex_unlock(&keys->lock);
    return known;
}

static bool make_room(ledger_public_keys *keys)
{
    if (keys->count < keys->room)
        return true;
    size_t room = keys->room == 0 ? 16 : 2 * keys->room;
    known_key *grown = sam_realloc(keys->all, room, sizeof *grown);
    if (grown == NULL)
        return false;
    keys->all = grown;
    keys->room = room;
    return true;
}

void ledger_public_keys_put(ledger_public_keys *keys, uint32_t worker, const sam_public_key *key)
{
    pthread_mutex_lock(&keys->lock);
    size_t place = place_of(keys, worker);
    if (!stands_at(keys, place, worker) && make_room(keys)) {
        memmove(&keys->all[place + 1], &keys->all[place], (keys->count - place) * sizeof *keys->all);
        keys->all[place] = (known_key){worker, *key};
        keys->count++;
    }
    pthread_mutex_unlock(&keys->lock);
}
