#include "net/rate.h"

#include "base/memory.h"

#include <pthread.h>
#include <sodium.h>

#define SETS 1024u
#define WAYS 8u

/* `due`: when the next request of this client would come if it kept to its rate exactly. */
typedef struct cell {
    uint64_t client, due_ns;
} cell;

struct sam_rate {
    uint64_t step_ns, slack_ns; /* between two requests; how far ahead of its rate a client may be */
    unsigned char key[crypto_shorthash_KEYBYTES];
    pthread_mutex_t lock; /* guards the cells */
    cell cells[SETS][WAYS];
};

sam_rate *sam_rate_new(uint64_t per_second, uint64_t at_once)
{
    sam_rate *rate = sodium_init() < 0 ? NULL : sam_alloc(1, sizeof *rate);
    if (rate == NULL)
        return NULL;
    rate->step_ns = 1000000000u / per_second;
    rate->slack_ns = rate->step_ns * (at_once - 1);
    randombytes_buf(rate->key, sizeof rate->key); /* so that nobody can choose addresses that meet in one set */
    pthread_mutex_init(&rate->lock, NULL);
    return rate;
}

void sam_rate_free(sam_rate *rate)
{
    if (rate == NULL)
        return;
    pthread_mutex_destroy(&rate->lock);
    sam_free(rate);
}

/* Its cell, or that of who rested longest, made its own. */
static cell *cell_of(sam_rate *rate, uint64_t client)
{
    cell *set = rate->cells[client % SETS], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].client == client)
            return &set[i];
        if (set[i].due_ns < oldest->due_ns)
            oldest = &set[i];
    }
    *oldest = (cell){.client = client};
    return oldest;
}

static bool take(const sam_rate *rate, cell *mine, uint64_t now_ns, uint32_t *wait_ms)
{
    uint64_t due = mine->due_ns > now_ns ? mine->due_ns : now_ns;
    if (due - now_ns > rate->slack_ns) {
        *wait_ms = (uint32_t)((due - now_ns - rate->slack_ns) / 1000000u + 1);
        return false;
    }
    mine->due_ns = due + rate->step_ns;
    return true;
}

bool sam_rate_take(sam_rate *rate, const void *client, size_t length, uint64_t now_ns, uint32_t *wait_ms)
{
    union {
        unsigned char bytes[crypto_shorthash_BYTES];
        uint64_t number;
    } hash;
    crypto_shorthash(hash.bytes, client, length, rate->key);
    pthread_mutex_lock(&rate->lock);
    bool good = take(rate, cell_of(rate, hash.number), now_ns, wait_ms);
    pthread_mutex_unlock(&rate->lock);
    return good;
}
