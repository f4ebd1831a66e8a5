#include "ledger/keys.h"

#include "base/memory.h"

#include <pthread.h>
#include <string.h>

typedef struct known_key {
    bool known;
    sam_public_key key;
} known_key;

struct ledger_keys {
    pthread_mutex_t lock; /* guards all that follows */
    known_key *of;        /* [count], by worker: numbers are given one after the other */
    size_t count;
};

ledger_keys *ledger_keys_new(void)
{
    ledger_keys *keys = sam_alloc(1, sizeof *keys);
    if (keys != NULL)
        pthread_mutex_init(&keys->lock, NULL);
    return keys;
}

void ledger_keys_free(ledger_keys *keys)
{
    if (keys == NULL)
        return;
    pthread_mutex_destroy(&keys->lock);
    sam_free(keys->of);
    sam_free(keys);
}

bool ledger_keys_find(ledger_keys *keys, uint32_t worker, sam_public_key *key)
{
    pthread_mutex_lock(&keys->lock);
    bool found = worker < keys->count && keys->of[worker].known;
    if (found)
        *key = keys->of[worker].key;
    pthread_mutex_unlock(&keys->lock);
    return found;
}

static bool grow(ledger_keys *keys, size_t least)
{
    size_t count = least < 2 * keys->count ? 2 * keys->count : least;
    known_key *grown = sam_realloc(keys->of, count, sizeof *grown);
    if (grown == NULL)
        return false;
    memset(grown + keys->count, 0, (count - keys->count) * sizeof *grown);
    keys->of = grown;
    keys->count = count;
    return true;
}

void ledger_keys_put(ledger_keys *keys, uint32_t worker, const sam_public_key *key)
{
    pthread_mutex_lock(&keys->lock);
    if (worker < keys->count || grow(keys, (size_t)worker + 1))
        keys->of[worker] = (known_key){true, *key};
    pthread_mutex_unlock(&keys->lock);
}
