#include "gateway/replicas.h"

#include "base/memory.h"

#include <inttypes.h>

#define PAGE_BYTES ((size_t)4 << 20)

sam_status gateway_replicas_init(gateway_replicas *replicas, size_t count, sam_error *err)
{
    *replicas = (gateway_replicas){.places = sam_alloc(count, sizeof *replicas->places), .count = count};
    if (replicas->places == NULL)
        return sam_fail(err, SAM_NO_MEMORY, "out of memory for %zu replicas", count);
    pthread_mutex_init(&replicas->lock, NULL);
    pthread_cond_init(&replicas->settled, NULL);
    return SAM_OK;
}

void gateway_replicas_free(gateway_replicas *replicas)
{
    if (replicas->places == NULL)
        return;
    for (size_t i = 0; i < replicas->count; i++)
        sam_replica_free(replicas->places[i].replica);
    sam_free(replicas->places);
    pthread_cond_destroy(&replicas->settled);
    pthread_mutex_destroy(&replicas->lock);
    *replicas = (gateway_replicas){0};
}

sam_status gateway_base_of(const gateway_run *run, const sam_model **model, sam_error *err)
{
    *model = run->model;
    if (run->model != NULL)
        return SAM_OK;
    char base[SAM_DIGEST_HEX];
    sam_digest_hex(base, &run->manifest->base);
    return sam_fail(err, SAM_MISMATCH,
                    "this gateway does not have the base %.12s... of run %.12s, so it serves the log only: start it "
                    "with --model and that file, or download the .samlog and export it where the base is",
                    base, run->id);
}

/* ---- bringing a replica to a round ---- */

/* Where the rounds of a page are: u32 length and bytes of each. */
static sam_status split_page(const sam_buffer *page, uint64_t count, const uint8_t **rounds, size_t *lengths,
                             sam_error *err)
{
    sam_reader in = sam_reader_of(page->bytes, page->length);
    for (uint64_t i = 0; i < count; i++) {
        lengths[i] = sam_get_u32(&in);
        rounds[i] = sam_get_bytes(&in, lengths[i]);
    }
    return in.failed ? sam_fail(err, SAM_INTERNAL, "a page of the log ends early") : SAM_OK;
}

static sam_status apply_page(sam_replica *replica, const sam_buffer *page, uint64_t count, sam_error *err)
{
    const uint8_t **rounds = sam_alloc(count, sizeof *rounds);
    size_t *lengths = sam_alloc(count, sizeof *lengths);
    sam_status status = SAM_OK;
    if (rounds == NULL || lengths == NULL)
        status = sam_fail(err, SAM_NO_MEMORY, "out of memory applying %" PRIu64 " rounds", count);
    else
        status = split_page(page, count, rounds, lengths, err);
    if (status == SAM_OK)
        status = sam_replica_put_encoded(replica, rounds, lengths, (size_t)count, err);
    sam_free(rounds);
    sam_free(lengths);
    return status;
}

static sam_status bring(sam_replica *replica, gateway_run *run, uint64_t round, sam_error *err)
{
    sam_buffer page = {0};
    sam_status status = SAM_OK;
    while (status == SAM_OK && sam_replica_rounds(replica) < round) {
        uint64_t count;
        sam_buffer_clear(&page);
        status = gateway_run_page(run, sam_replica_rounds(replica), round, PAGE_BYTES, &page, &count, err);
        if (status == SAM_OK)
            status = apply_page(replica, &page, count, err);
    }
    sam_buffer_free(&page);
    return status == SAM_OK ? sam_replica_seek(replica, round, err) : status;
}

/* ---- places, with the lock held ---- */

static gateway_place *place_of(const gateway_replicas *replicas, const gateway_run *run, uint64_t round)
{
    for (size_t i = 0; i < replicas->count; i++)
        if (replicas->places[i].run == run && replicas->places[i].round == round)
            return &replicas->places[i];
    return NULL;
}

/* Less is better: one of this run, an empty one, the one unused for longest. */
static uint64_t cost_of(const gateway_place *place, const gateway_run *run)
{
    return place->run == run ? 0 : place->run == NULL ? 1 : 2 + place->used;
}

static gateway_place *idle_place(const gateway_replicas *replicas, const gateway_run *run)
{
    gateway_place *best = NULL;
    for (size_t i = 0; i < replicas->count; i++) {
        gateway_place *place = &replicas->places[i];
        if (place->users == 0 && (best == NULL || cost_of(place, run) < cost_of(best, run)))
            best = place;
    }
    return best;
}

static void empty(gateway_place *place)
{
    sam_replica_free(place->replica);
    *place = (gateway_place){0};
}

/* Takes the place for the run and round; the lock is let go while the replica moves. */
static sam_status settle(gateway_replicas *replicas, gateway_place *place, gateway_run *run, uint64_t round,
                         sam_error *err)
{
    sam_status status = SAM_OK;
    if (place->run != run)
        empty(place);
    place->run = run;
    place->round = round;
    place->users = 1;
    place->moving = true;
    pthread_mutex_unlock(&replicas->lock);
    if (place->replica == NULL)
        status = sam_replica_new(&place->replica, run->model, run->manifest, err);
    if (status == SAM_OK)
        status = bring(place->replica, run, round, err);
    pthread_mutex_lock(&replicas->lock);
    place->moving = false;
    if (status != SAM_OK)
        empty(place);
    pthread_cond_broadcast(&replicas->settled);
    return status;
}

static sam_status borrow(gateway_replicas *replicas, gateway_run *run, uint64_t round, gateway_place **place,
                         sam_error *err)
{
    gateway_place *chosen;
    while ((chosen = place_of(replicas, run, round)) != NULL && chosen->moving)
        pthread_cond_wait(&replicas->settled, &replicas->lock);
    sam_status status = SAM_OK;
    if (chosen != NULL) {
        chosen->users++;
    } else {
        chosen = idle_place(replicas, run);
        if (chosen == NULL)
            return sam_fail(err, SAM_UNAVAILABLE,
                            "all %zu replicas of this gateway are in use by other downloads; try again, or start it "
                            "with more --replicas",
                            replicas->count);
        status = settle(replicas, chosen, run, round, err);
    }
    if (status == SAM_OK)
        chosen->used = ++replicas->borrowings;
    *place = chosen;
    return status;
}

sam_status gateway_replicas_borrow(gateway_replicas *replicas, gateway_run *run, uint64_t round, gateway_place **place,
                                   sam_error *err)
{
    const sam_model *model;
    sam_digest chain;
    sam_status status = gateway_base_of(run, &model, err);
    if (status == SAM_OK)
        status = gateway_run_chain(run, round, &chain, err); /* is there such a round */
    if (status != SAM_OK)
        return status;
    pthread_mutex_lock(&replicas->lock);
    status = borrow(replicas, run, round, place, err);
    pthread_mutex_unlock(&replicas->lock);
    return status;
}

void gateway_replicas_give_back(gateway_replicas *replicas, gateway_place *place)
{
    pthread_mutex_lock(&replicas->lock);
    place->users--;
    pthread_mutex_unlock(&replicas->lock);
}

/* ---- figures ---- */

size_t gateway_replicas_in_use(gateway_replicas *replicas)
{
    size_t count = 0;
    pthread_mutex_lock(&replicas->lock);
    for (size_t i = 0; i < replicas->count; i++)
        count += replicas->places[i].users > 0;
    pthread_mutex_unlock(&replicas->lock);
    return count;
}

bool gateway_replicas_round(gateway_replicas *replicas, const gateway_run *run, uint64_t *round)
{
    const gateway_place *last = NULL;
    pthread_mutex_lock(&replicas->lock);
    for (size_t i = 0; i < replicas->count; i++) {
        const gateway_place *place = &replicas->places[i];
        if (place->run == run && !place->moving && (last == NULL || place->used > last->used))
            last = place;
    }
    if (last != NULL)
        *round = last->round;
    pthread_mutex_unlock(&replicas->lock);
    return last != NULL;
}
